"""The picture of a leak audit: each group's ROC-AUC before and after cleaning, with intervals and limits."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from modeling.leakage import Judged
from modeling.resampling import Metric

BEFORE, AFTER, FAILED, LIMIT, MUTED = "#94a3b8", "#1d4ed8", "#b91c1c", "#0f172a", "#475569"
HALF: Final = 0.16  # how far the two marks of a group stand from its line
WIDEST: Final = 1.02


def draw(path: Path, judged: Sequence[Judged], caption: str) -> None:
    """Write a PNG file; ``caption`` says which data, part and rows it comes from."""
    figure = Figure(figsize=(8, 1.6 + 0.42 * len(judged)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    axes.axvline(0.5, ls="--", color=BEFORE, lw=1)
    for place, each in enumerate(reversed(judged)):
        colours = {"before": BEFORE, "after": AFTER}
        if each.verdict == "failed":
            colours[each.stage] = FAILED
        _mark(axes, each.figures["before"], place + HALF, colours["before"], "o")
        _mark(axes, each.figures["after"], place - HALF, colours["after"], "s")
        for bound, height in ((each.limit.before, place + HALF), (each.limit.after, place - HALF)):
            if bound is not None:
                axes.plot([bound, bound], [height - HALF, height + HALF], color=LIMIT, lw=1.5)
        axes.text(WIDEST + 0.01, place, each.verdict, va="center", fontsize=8, color=MUTED)
    axes.set_yticks(range(len(judged)), [each.group.title for each in reversed(judged)])
    axes.set(
        title="What artefacts alone tell about the label",
        xlabel="ROC-AUC of a model on this group alone, 95 % interval (0.5: knows nothing)",
        xlim=(0.48, WIDEST),
        ylim=(-0.6, len(judged) - 0.4),
    )
    _legend(axes)
    axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(caption, fontsize=8, color=MUTED)
    # No software name or date in the file, so that the same figures give the same picture.
    figure.savefig(path, dpi=110, metadata={"Software": None})


def _mark(axes: Any, figure: Metric, height: float, colour: str, shape: str) -> None:
    axes.plot([figure.low, figure.high], [height, height], color=colour, lw=1.5)
    axes.plot([figure.value], [height], shape, color=colour, ms=5)


def _legend(axes: Any) -> None:
    axes.plot([], [], "o-", color=BEFORE, label="raw text")
    axes.plot([], [], "s-", color=AFTER, label="what the trainer sees")
    axes.plot([], [], "s-", color=FAILED, label="over its limit")
    axes.plot([], [], "|", color=LIMIT, ms=9, mew=1.5, label="limit")
    axes.legend(loc="lower right", fontsize=8)
