"""Pictures of an evaluation: ROC, precision-recall, reliability, histogram. Draws what it is given."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from sklearn.metrics import precision_recall_curve, roc_curve

from modeling.evaluate import Metric, equal_mass_bins
from modeling.hashing import Floats
from modeling.policy import Action, Threshold

Labels = npt.NDArray[np.int64]
INK, MUTED, KEPT, REMOVED = "#1d4ed8", "#94a3b8", "#0f766e", "#b91c1c"


def draw(
    directory: Path,
    scores: Floats,
    labels: Labels,
    metrics: dict[str, Metric],
    thresholds: dict[Action, Threshold],
    caption: str,
) -> list[Path]:
    """Write four PNG files; ``caption`` says which data and part they come from."""
    drawn = []
    for name, painter in {
        "roc": _roc,
        "precision_recall": _precision_recall,
        "reliability": _reliability,
        "scores": _scores,
    }.items():
        figure = Figure(figsize=(6.4, 4.8), layout="constrained")
        FigureCanvasAgg(figure)
        axes = figure.add_subplot()
        painter(axes, scores, labels, metrics, thresholds)
        axes.spines[["top", "right"]].set_visible(False)
        figure.supxlabel(caption, fontsize=8, color="#475569")
        drawn.append(directory / f"{name}.png")
        # No software name or date in the file, so that the same scores give the same picture.
        figure.savefig(drawn[-1], dpi=110, metadata={"Software": None})
    return drawn


def _roc(axes: Any, scores: Floats, labels: Labels, metrics: dict[str, Metric], _: Any) -> None:
    false_positive, true_positive, _ = roc_curve(labels, scores)
    axes.plot([0, 1], [0, 1], "--", color=MUTED, label="chance")
    axes.plot(false_positive, true_positive, color=INK, label=f"ROC-AUC {metrics['roc_auc']}")
    axes.set(title="ROC", xlabel="kept messages over the threshold", ylabel="removed messages found")
    axes.legend(loc="lower right")


def _precision_recall(
    axes: Any,
    scores: Floats,
    labels: Labels,
    metrics: dict[str, Metric],
    thresholds: dict[Action, Threshold],
) -> None:
    precision, recall, _ = precision_recall_curve(labels, scores)
    axes.axhline(float(np.mean(labels)), ls="--", color=MUTED, label="share removed")
    axes.plot(recall, precision, color=INK, label=f"PR-AUC {metrics['pr_auc']}")
    for action, threshold in thresholds.items():
        state = f"at {threshold.value:.2f}" if threshold.value is not None else "off"
        axes.axhline(threshold.target, lw=1, color=REMOVED, alpha=0.5)
        axes.text(1.0, threshold.target + 0.01, f"{action} target, {state}", ha="right", fontsize=8)
    axes.set(title="Precision and recall", xlabel="recall", ylabel="precision", ylim=(0, 1.03))
    axes.legend(loc="lower left")


def _reliability(axes: Any, scores: Floats, labels: Labels, metrics: dict[str, Metric], _: Any) -> None:
    bins = equal_mass_bins(scores)
    axes.plot([0, 1], [0, 1], "--", color=MUTED, label="perfect")
    axes.plot(
        [float(np.mean(scores[rows])) for rows in bins],
        [float(np.mean(labels[rows])) for rows in bins],
        "o-",
        color=INK,
        label=f"ECE {metrics['ece']}",
    )
    axes.set(title="Reliability, ten bins of equal mass", xlabel="score", ylabel="share removed")
    axes.legend(loc="upper left")


def _scores(
    axes: Any, scores: Floats, labels: Labels, _: dict[str, Metric], thresholds: dict[Action, Threshold]
) -> None:
    edges = np.linspace(0, 1, 41)
    axes.hist(scores[labels == 0], edges, color=KEPT, alpha=0.6, label="kept")
    axes.hist(scores[labels == 1], edges, color=REMOVED, alpha=0.6, label="removed")
    for action, threshold in thresholds.items():
        if threshold.value is not None:
            axes.axvline(threshold.value, color="black", lw=1)
            axes.text(threshold.value, axes.get_ylim()[1], f" {action}", va="top", fontsize=8)
    axes.set(title="Scores", xlabel="score", ylabel="messages")
    axes.legend(loc="upper right")
