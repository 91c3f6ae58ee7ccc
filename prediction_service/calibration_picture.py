"""Draws a link and what it changes, as one SVG that follows the reader's light or dark theme."""

import hashlib
from typing import Any, Final

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prediction_service.agreement import Decisions
from prediction_service.calibration_report import Fitted
from prediction_service.page import TEMPLATES

SIDE: Final = 340
DOTS: Final = 900
LINE_POINTS: Final = 120
BARS: Final = 250
GROUPS_TOP: Final = 104
GROUP_HEIGHT: Final = 78
LOWEST: Final = 514


def draw(fitted: Fitted, caption: str) -> bytes:
    """The picture: scatter and map on the left, decisions before and after on the right."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    ours = fitted.link.inverse(fitted.threshold)
    groups = _groups(fitted)
    drawn = environment.get_template("calibration.svg").render(
        name=fitted.name,
        head=fitted.link.head,
        caption=caption,
        height=max(LOWEST, GROUPS_TOP + GROUP_HEIGHT * len(groups) + 16),
        ticks=[_tick(share) for share in (0, 0.25, 0.5, 0.75, 1)],
        dots=_dots(fitted),
        line="M" + "L".join(_place(score, fitted.link(score)) for score in np.linspace(0, 1, LINE_POINTS)),
        cut={
            "across": round(SIDE * ours, 1),
            "down": round(SIDE * (1 - fitted.threshold), 1),
            "old": f"{fitted.threshold:.2f}",
            "ours": f"{ours:.2f}",
        },
        agreement=f"{fitted.agreement:.2f}",
        groups=groups,
    )
    return drawn.encode()


def _tick(share: float) -> dict[str, Any]:
    return {"at": round(SIDE * share), "across": f"{share:.2f}", "down": f"{1 - share:.2f}"}


def _place(ours: float, old: float) -> str:
    return f"{SIDE * ours:.1f} {SIDE * (1 - old):.1f}"


def _dots(fitted: Fitted) -> str:
    """Comments as dots: all, or a choice that follows from their scores and nothing else."""
    pairs = list(zip(fitted.ours.tolist(), fitted.old.tolist(), strict=True))
    if len(pairs) > DOTS:
        pairs = sorted(pairs, key=lambda pair: hashlib.sha256(repr(pair).encode()).digest())[:DOTS]
    return "".join(f"M{_place(*pair)}h0" for pair in pairs)


def _groups(fitted: Fitted) -> list[dict[str, Any]]:
    found = [(at, fitted.unmapped_at(at), fitted.mapped_at(at)) for at in fitted.thresholds]
    return [
        {
            "top": GROUPS_TOP + GROUP_HEIGHT * place,
            "threshold": f"{at:.2f}",
            "before": f"{mapped.before:,}",
            "bars": _bars(unmapped, mapped),
        }
        for place, (at, unmapped, mapped) in enumerate(found)
    ]


def _bars(unmapped: Decisions, mapped: Decisions) -> list[dict[str, Any]]:
    widest = max(one.before + one.new_only for one in (unmapped, mapped))
    return [_bar("unmapped", 22, unmapped, widest), _bar("mapped", 44, mapped, widest)]


def _bar(label: str, top: int, one: Decisions, widest: int) -> dict[str, Any]:
    pieces, left = [], 0.0
    for kind, count in (("both", one.both), ("old", one.old_only), ("new", one.new_only)):
        width = BARS * count / max(widest, 1)
        pieces.append({"kind": kind, "left": round(left, 1), "width": round(width, 1)})
        left += width
    text = f"{one.both:,} · {one.old_only:,} · {one.new_only:,}"
    return {"label": label, "top": top, "pieces": pieces, "width": round(left, 1), "text": text}
