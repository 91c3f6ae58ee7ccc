"""Metrics with intervals on rows that training never saw. Pure functions of scores and labels."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from modeling.hashing import Floats
from modeling.policy import Action, Threshold

Labels = npt.NDArray[np.int64]
BINS: Final = 10
LEVEL: Final = 0.95


@dataclass(frozen=True)
class Metric:
    """A figure and its 95 % bootstrap interval (percentiles; Efron and Tibshirani 1993, chapter 13)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Figure and interval, three decimals."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


def evaluate(
    scores: Floats,
    labels: Labels,
    thresholds: Mapping[Action, Threshold],
    f1_threshold: float,
    resamples: int = 500,
    seed: int = 0,
) -> dict[str, Metric]:
    """Every figure with its interval; an action that is off has none.

    Args:
        scores: calibrated probabilities, shape (n,).
        labels: 1 where moderators removed the row, shape (n,).
        thresholds: fitted on other rows.
        f1_threshold: where F1 was largest on other rows.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    """
    figures = _figures(thresholds, f1_threshold)
    random = np.random.default_rng(seed)
    drawn = {name: np.full(resamples, np.nan) for name in figures}
    for number in range(resamples):
        rows = random.integers(0, len(labels), len(labels))
        if 0 < labels[rows].sum() < len(rows):
            for name, figure in figures.items():
                drawn[name][number] = figure(scores[rows], labels[rows])
    edge = 50 * (1 - LEVEL)
    return {
        name: Metric(figure(scores, labels), *map(float, np.nanpercentile(drawn[name], [edge, 100 - edge])))
        for name, figure in figures.items()
    }


def _figures(
    thresholds: Mapping[Action, Threshold], f1_threshold: float
) -> dict[str, Callable[[Floats, Labels], float]]:
    figures: dict[str, Callable[[Floats, Labels], float]] = {
        "roc_auc": lambda s, y: float(roc_auc_score(y, s)),
        "pr_auc": lambda s, y: float(average_precision_score(y, s)),
        "brier": lambda s, y: float(brier_score_loss(y, s)),
        "ece": expected_calibration_error,
        "f1": lambda s, y: float(f1_score(y, s >= f1_threshold, zero_division=0.0)),
    }
    for action, threshold in thresholds.items():
        if threshold.value is not None:
            value = threshold.value
            figures[f"{action}_precision"] = lambda s, y, t=value: _precision(s, y, t)  # type: ignore[misc]
            figures[f"{action}_recall"] = lambda s, y, t=value: float(np.mean(s[y == 1] >= t))  # type: ignore[misc]
    return figures


def _precision(scores: Floats, labels: Labels, threshold: float) -> float:
    over = scores >= threshold
    return float(np.mean(labels[over])) if over.any() else float("nan")


def equal_mass_bins(scores: Floats, bins: int = BINS) -> list[npt.NDArray[np.intp]]:
    """Row numbers of each bin; bins hold equally many rows, ordered by score."""
    return [np.asarray(rows) for rows in np.array_split(np.argsort(scores, kind="stable"), bins) if len(rows)]


def expected_calibration_error(scores: Floats, labels: Labels, bins: int = BINS) -> float:
    """Mean distance between score and share removed over bins of equal mass (Nguyen and O'Connor 2015)."""
    gaps = [
        len(rows) * abs(float(np.mean(scores[rows]) - np.mean(labels[rows])))
        for rows in equal_mass_bins(scores, bins)
    ]
    return float(sum(gaps) / len(scores))


def chance_calibration_error(scores: Floats, draws: int = 200, seed: int = 0) -> float:
    """The calibration error that perfectly calibrated scores show by chance alone on as many rows.

    Labels are drawn from the scores themselves; the mean over the draws is given.
    """
    random = np.random.default_rng(seed)
    errors = [
        expected_calibration_error(scores, (random.random(len(scores)) < scores).astype(np.int64))
        for _ in range(draws)
    ]
    return float(np.mean(errors))
