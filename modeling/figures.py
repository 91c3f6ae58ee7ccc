"""Pictures of an evaluation: ROC, precision-recall, reliability, histogram. Draws what it is given."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from modeling.hashing import Floats
from modeling.policy import Action, Threshold
from modeling.resampling import Labels, Metric

INK, MUTED, KEPT, REMOVED = "#1d4ed8", "#94a3b8", "#0f766e", "#b91c1c"
USUAL: Final = (6.4, 4.8)
Painter = Callable[[Any], None]


def draw(
    directory: Path,
    scores: Floats,
    labels: Labels,
    metrics: Mapping[str, Metric],
    thresholds: Mapping[Action, Threshold],
    curves: Mapping[str, Any],
    reliability: Mapping[str, Any],
    caption: str,
) -> list[Path]:
    """Write four PNG files; ``caption`` says which data and part they come from.

    Args:
        directory: to write into.
        scores: calibrated probabilities, shape (n,).
        labels: 1 where moderators removed the row, shape (n,).
        metrics: of these scores.
        thresholds: by action.
        curves: what `modeling.curves.curves` gives of them.
        reliability: bins ``after`` calibration, and ``before`` it where that can be told.
        caption: stands under every picture.

    """
    counts = f"{len(labels):,} rows"
    painters: dict[str, Painter] = {
        "roc": lambda axes: _roc(axes, curves, metrics, counts),
        "precision_recall": lambda axes: _precision_recall(axes, curves, labels, metrics, thresholds),
        "reliability": lambda axes: _reliability(axes, reliability, metrics, counts),
        "scores": lambda axes: _scores(axes, scores, labels, thresholds),
    }
    return [paint(directory / f"{name}.png", caption, painter) for name, painter in painters.items()]


def paint(path: Path, caption: str, painter: Painter, size: tuple[float, float] = USUAL) -> Path:
    """Write one picture with its caption: the same content gives the same bytes."""
    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    painter(axes)
    axes.spines[["top", "right"]].set_visible(False)
    figure.supxlabel(caption, fontsize=8, color="#475569")
    # No software name or date in the file, so that the same scores give the same picture.
    figure.savefig(path, dpi=110, metadata={"Software": None})
    return path


def _roc(axes: Any, curves: Mapping[str, Any], metrics: Mapping[str, Metric], counts: str) -> None:
    axes.plot([0, 1], [0, 1], "--", color=MUTED, label="chance")
    _with_band(axes, curves["roc"], curves["roc_band"], f"ROC-AUC {metrics['roc_auc']}")
    axes.set(
        title=f"ROC, {counts}",
        xlabel="share of kept messages over the threshold",
        ylabel="share of removed messages over the threshold",
    )
    axes.legend(loc="lower right")


def _with_band(axes: Any, points: Any, band: Any, label: str) -> None:
    axes.plot(*np.transpose(points), color=INK, label=label)
    across, low, high = np.transpose(band)
    axes.fill_between(across, low, high, color=INK, alpha=0.15, lw=0, label="95 % interval")


def _precision_recall(
    axes: Any,
    curves: Mapping[str, Any],
    labels: Labels,
    metrics: Mapping[str, Metric],
    thresholds: Mapping[Action, Threshold],
) -> None:
    base = float(np.mean(labels))
    axes.axhline(base, ls="--", color=MUTED, label=f"share removed, {base:.3f}")
    _with_band(axes, curves["pr"], curves["pr_band"], f"PR-AUC {metrics['pr_auc']}")
    for action, threshold in thresholds.items():
        state = f"at {threshold.value:.2f}" if threshold.value is not None else "off"
        axes.axhline(threshold.target, lw=1, color=REMOVED, alpha=0.5)
        axes.text(1.0, threshold.target + 0.01, f"{action} target, {state}", ha="right", fontsize=8)
    axes.set(
        title=f"Precision and recall, {int(labels.sum()):,} removed of {len(labels):,} rows",
        xlabel="recall (share of removed messages found)",
        ylabel="precision (share removed of those over)",
        ylim=(0, 1.03),
    )
    axes.legend(loc="lower left", fontsize=8)


def _reliability(
    axes: Any, reliability: Mapping[str, Any], metrics: Mapping[str, Metric], counts: str
) -> None:
    axes.plot([0, 1], [0, 1], "--", color=MUTED, label="perfect")
    for name, error, colour in (("before", "ece_uncalibrated", MUTED), ("after", "ece", INK)):
        bins = reliability.get(name)
        if bins:
            columns = ("score", "removed", "low", "high")
            score, removed, low, high = (np.array([each[column] for each in bins]) for column in columns)
            spread = np.clip([removed - low, high - removed], 0, None)
            label = f"{name} calibration, ECE {metrics[error]}"
            axes.errorbar(score, removed, yerr=spread, fmt="o-", ms=4, capsize=2, color=colour, label=label)
    axes.set(
        title=f"Reliability, ten bins of equal mass with 95 % intervals, {counts}",
        xlabel="mean score",
        ylabel="share removed",
    )
    axes.title.set_fontsize(10)
    axes.legend(loc="upper left", fontsize=8)


def _scores(axes: Any, scores: Floats, labels: Labels, thresholds: Mapping[Action, Threshold]) -> None:
    edges = np.linspace(0, 1, 41)
    for label, name, colour in ((0, "kept", KEPT), (1, "removed", REMOVED)):
        rows = scores[labels == label]
        axes.hist(rows, edges, color=colour, alpha=0.6, label=f"{name}, {len(rows):,} rows")
    for action, threshold in thresholds.items():
        if threshold.value is not None:
            axes.axvline(threshold.value, color="black", lw=1)
            axes.text(threshold.value, axes.get_ylim()[1], f" {action}", va="top", fontsize=8)
    axes.set(title="Scores", xlabel="score (probability of removal)", ylabel="messages")
    axes.legend(loc="upper right")
