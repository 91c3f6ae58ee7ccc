"""Pictures with one line for each thing that was measured: slices, identity terms, ways to write round."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from modeling.figures import INK, MUTED, REMOVED, paint

WIDTH: Final = 7.2
LINE: Final = 0.32
MARGIN: Final = 1.4
Line = tuple[str, float, float, float, bool]


def draw_slices(directory: Path, slices: Sequence[Mapping[str, Any]], caption: str) -> Path:
    """ROC-AUC of each slice with its interval; small ones in grey, those with one label left out."""
    lines: list[Line] = []
    for each in slices:
        metric = each["metrics"]["roc_auc"]
        if metric is not None:
            small = ", small" if each["small"] else ""
            name = f"{each['title']} (n = {each['rows']:,}, {each['removed']:,} removed{small})"
            lines.append((name, metric["value"], metric["low"], metric["high"], bool(each["small"])))
    title = "ROC-AUC by slice, 95 % intervals (grey: small)"
    return _forest(directory / "slices.png", lines, title, "ROC-AUC", caption, reference=0.5)


def draw_counterfactual(directory: Path, found: Mapping[str, Any], caption: str) -> Path:
    """Mean change of the score for each identity term with its interval, and the largest change."""
    lines = [
        (
            f"{each['term']} ({each['group']}, n = {each['templates'] + each['messages']:,} pairs)",
            each["mean_change"],
            each["mean_change_low"],
            each["mean_change_high"],
            False,
        )
        for each in found["terms"]
    ]
    largest = [each["largest_change"] for each in found["terms"]]
    title = f"Identity terms swapped, {found['pairs']:,} pairs, {found['flip_rate']:.1%} change the action"
    unit = "change of the score: mean with 95 % interval; red: largest"
    return _forest(directory / "counterfactual.png", lines, title, unit, caption, marks=largest)


def draw_evasion(directory: Path, found: Mapping[str, Any], caption: str) -> Path:
    """Mean score drop for each way of writing round the model, with recall before and after."""
    lines = [
        (
            (
                f"{each['title']}\n(n = {each['messages']:,}; recall {each['recall_before']:.2f} to "
                f"{each['recall_after']:.2f})"
            ),
            each["mean_drop"]["value"],
            each["mean_drop"]["low"],
            each["mean_drop"]["high"],
            False,
        )
        for each in found["kinds"]
    ]
    which = "flagged" if found["is_flag"] else "top-scored"
    title = f"Score drop of {which} removed messages that were altered"
    unit = "mean score drop with 95 % interval"
    return _forest(directory / "evasion.png", lines, title, unit, caption, reference=0.0)


def _forest(
    path: Path,
    lines: Sequence[Line],
    title: str,
    unit: str,
    caption: str,
    *,
    reference: float | None = None,
    marks: Sequence[float] = (),
) -> Path:
    def painter(axes: Any) -> None:
        if reference is not None:
            axes.axvline(reference, ls="--", color=MUTED, lw=1)
        for place, (_, value, low, high, is_small) in enumerate(lines):
            colour = MUTED if is_small else INK
            axes.plot([low, high], [place, place], color=colour, lw=2, solid_capstyle="butt")
            axes.plot([value], [place], "o", color=colour, ms=5)
        axes.plot(marks, range(len(marks)), "|", color=REMOVED, ms=9)
        axes.set_yticks(range(len(lines)), [name for name, *_ in lines], fontsize=8)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set(xlabel=unit)
        axes.set_title(title, fontsize=10, loc="left")

    return paint(path, caption, painter, (WIDTH, MARGIN + LINE * max(len(lines), 4)))
