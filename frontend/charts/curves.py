"""What a threshold does, ROC, precision-recall and reliability. Draws what it is given; knows no page."""

from collections.abc import Mapping, Sequence
from typing import Final

import altair as alt

from frontend.charts.drawing import GREY, PALETTE, Layered, colours, layered, legend, number, rows
from frontend.charts.shapes import MEASURES, Curve, measured, thinned
from frontend.evidence import Bin, Curves, Figure, Point
from frontend.intervals import of_share, told

HEIGHT: Final = 420
SHARE: Final = alt.Scale(domain=[0, 1])
FALSE_POSITIVES: Final = ("false-positive rate", "(share of kept messages flagged)")
RECALL: Final = ("recall", "(share of removed messages flagged)")
PRECISION: Final = ("precision", "(share of flagged messages removed)")


def thresholds(
    curves: Curves, size: int, removed: int, chosen: float, actions: Mapping[str, float]
) -> Layered:
    """Every measure over the threshold, with bands; the chosen threshold and the policy's marked."""
    values = [
        {"threshold": point.threshold, "measure": MEASURES[name], **figure.model_dump()}
        for point in curves.thresholds
        for name, figure in measured(point, size, removed).items()
        if figure.value is not None
    ]
    base = rows(values).encode(
        x=alt.X("threshold:Q", title=["threshold", "(score from which messages are flagged)"], scale=SHARE),
        color=alt.Color("measure:N", scale=colours(list(MEASURES.values())), legend=legend()),
    )
    band = base.mark_area(opacity=0.16).encode(y="low:Q", y2="high:Q")
    line = base.mark_line().encode(
        y=alt.Y("value:Q", title="share, with 95 % interval", scale=SHARE),
        tooltip=["measure:N", number("threshold"), number("value"), number("low"), number("high")],
    )
    solid = _marks([("", chosen)], [1, 0])
    return layered(band, line, solid, _marks(list(actions.items()), [5, 3]), height=HEIGHT)


def roc(curves: Sequence[Curve]) -> Layered:
    """ROC of several versions over each other."""
    return _overlaid(curves, [(0.0, 0.0), (1.0, 1.0)], FALSE_POSITIVES, RECALL, "ROC-AUC")


def precision_recall(curves: Sequence[Curve], base_rate: float) -> Layered:
    """Precision over recall of several versions over each other; chance gives the share removed."""
    return _overlaid(curves, [(0.0, base_rate), (1.0, base_rate)], RECALL, PRECISION, "PR-AUC")


def reliability(before: Sequence[Bin], after: Sequence[Bin], errors: Mapping[str, Figure]) -> Layered:
    """The share removed over the score, before and after calibration, each bin with its interval and n."""
    names = {state: f"{state} calibration · ECE {told(errors.get(state))}" for state in ("before", "after")}
    values = [
        {
            "state": names[state],
            "score": one.score,
            "n": one.rows,
            **of_share(one.removed, one.rows).model_dump(),
        }
        for state, bins in (("before", before), ("after", after))
        for one in bins
    ]
    scale = alt.Scale(domain=list(names.values()), range=[PALETTE[1], PALETTE[0]])
    base = rows(values).encode(
        x=alt.X("score:Q", title="mean score of the bin", scale=SHARE),
        color=alt.Color("state:N", scale=scale, legend=legend(columns=1)),
    )
    bars = base.mark_rule(opacity=0.6).encode(y="low:Q", y2="high:Q")
    line = base.mark_line(point=alt.OverlayMarkDef(size=45)).encode(
        y=alt.Y("value:Q", title=["share of the bin removed,", "with 95 % interval"], scale=SHARE),
        tooltip=["state:N", number("score"), number("value"), number("low"), number("high"), "n:Q"],
    )
    return layered(_dashed([(0.0, 0.0), (1.0, 1.0)]), bars, line, height=HEIGHT)


def _overlaid(
    curves: Sequence[Curve], chance: Sequence[Point], x: Sequence[str], y: Sequence[str], area: str
) -> Layered:
    names = [f"{one.name} · {area} {told(one.area)}" for one in curves]
    lines = [
        {"version": name, "x": point[0], "y": point[1], "place": place}
        for name, one in zip(names, curves, strict=True)
        for place, point in enumerate(thinned(one.points))
    ]
    marks = [
        {"version": name, "x": at[0], "y": at[1], "action": action}
        for name, one in zip(names, curves, strict=True)
        for action, at in one.actions.items()
    ]
    across, up = alt.X("x:Q", title=list(x), scale=SHARE), alt.Y("y:Q", title=list(y), scale=SHARE)
    colour = alt.Color("version:N", scale=colours(names), legend=legend(columns=1))
    drawn = rows(lines).mark_line().encode(x=across, y=up, color=colour, order="place:Q")
    acting = rows(marks).encode(x=across, y=up, color=colour)
    dots = acting.mark_point(filled=True, size=90).encode(
        tooltip=["version:N", "action:N", number("x", x[0]), number("y", y[0])]
    )
    said = acting.mark_text(dx=9, dy=9, align="left").encode(text="action:N")
    return layered(_dashed(chance), drawn, dots, said, height=HEIGHT)


def _dashed(points: Sequence[Point]) -> alt.Chart:
    values = [{"x": x, "y": y} for x, y in points]
    drawn: alt.Chart = rows(values).mark_line(color=GREY, strokeDash=[4, 4]).encode(x="x:Q", y="y:Q")
    return drawn


def _marks(places: Sequence[tuple[str, float]], dash: list[float]) -> alt.LayerChart | alt.FacetChart:
    base = rows([{"at": at, "name": f"{name} {at:.2f}".strip()} for name, at in places]).encode(x="at:Q")
    rule = base.mark_rule(color=GREY, size=2, strokeDash=dash)
    said = base.mark_text(align="left", dx=4, dy=8, color=GREY, fontWeight="bold")
    return alt.layer(rule, said.encode(text="name:N", y=alt.value(0 if dash[1] else 14)))
