"""Curves of an evaluation as points: reliability, ROC, precision and recall, thresholds. Draws nothing."""

from typing import Any, Final

import numpy as np

from modeling.evaluate import equal_mass_bins
from modeling.hashing import Floats
from modeling.policy import wilson_lower
from modeling.resampling import Labels, Ranked, Sample, draws, interval, share, whole

# As fine as an insight page's slider; a point more would be no more to see.
THRESHOLDS: Final = 201
POINTS: Final = 401
BAND: Final = np.linspace(0, 1, 51)
DIGITS: Final = 6


def reliability(scores: Floats, labels: Labels) -> list[dict[str, Any]]:
    """Ten bins of equal mass: mean score, share removed with its 95 % Wilson interval, rows."""
    bins = []
    for rows in equal_mass_bins(scores):
        removed = int(labels[rows].sum())
        low, high = wilson_lower(removed, len(rows)), 1 - wilson_lower(len(rows) - removed, len(rows))
        bins.append(
            {
                "score": _short(np.mean(scores[rows])),
                "removed": _short(removed / len(rows)),
                "rows": len(rows),
                "low": _short(low),
                "high": _short(high),
            }
        )
    return bins


def curves(scores: Floats, labels: Labels, resamples: int, seed: int) -> dict[str, Any]:
    """Points of the curves, and 95 % bands of ROC and precision-recall from the bootstrap.

    ``thresholds`` has what happens from each score on; ``roc`` pairs of false-positive rate and recall;
    ``pr`` pairs of recall and precision; ``roc_band`` and ``pr_band`` the first of the pair, low and high.
    """
    ranked = Ranked.of(scores, labels)
    sample = whole(ranked)
    recall, alarm = _tops(sample.found, sample.all_removed), _tops(sample.alarms, sample.all_kept)
    drawn = draws(ranked, {"roc": _recall_by_alarms, "pr": _precision_by_recall}, resamples, seed)
    return {
        "thresholds": _thresholds(ranked, sample),
        "roc": _pairs(np.append(0.0, alarm), np.append(0.0, recall)),
        "pr": _pairs(recall, sample.precision[0, ::-1]),
        "roc_band": _band(drawn["roc"]),
        "pr_band": _band(drawn["pr"]),
    }


def _tops(over: Floats, of_all: Floats) -> Floats:
    """Shares at or over each distinct score of one sample, from the highest score down."""
    return np.asarray(over[0, ::-1] / of_all[0])


def _thresholds(ranked: Ranked, sample: Sample) -> list[dict[str, Any]]:
    rows = []
    for threshold in np.linspace(0, 1, THRESHOLDS).round(DIGITS):
        found, alarms = (float(count[0]) for count in sample.over(threshold))
        rows.append(
            {
                "threshold": float(threshold),
                "precision": _short(found / (found + alarms)) if found + alarms else None,
                "recall": _short(found / sample.all_removed[0]),
                "false_positive_rate": _short(alarms / sample.all_kept[0]),
                "share": _short((found + alarms) / len(ranked)),
            }
        )
    return rows


def _pairs(across: Floats, up: Floats) -> list[list[float]]:
    chosen = np.unique(np.linspace(0, len(across) - 1, min(POINTS, len(across))).round().astype(int))
    return [[_short(x), _short(y)] for x, y in zip(across[chosen], up[chosen], strict=True)]


def _band(drawn: Floats) -> list[list[float]]:
    found = ((x, values[np.isfinite(values)]) for x, values in zip(BAND, drawn.T, strict=True))
    return [[_short(x), *map(_short, interval(values))] for x, values in found if len(values)]


def _recall_by_alarms(sample: Sample) -> Floats:
    alarms = share(sample.alarms, np.broadcast_to(sample.all_kept[:, None], sample.alarms.shape))
    recall = share(sample.found, np.broadcast_to(sample.all_removed[:, None], sample.found.shape))
    return np.array(
        [
            np.interp(BAND, np.append(0.0, x[::-1]), np.append(0.0, y[::-1]))
            for x, y in zip(alarms, recall, strict=True)
        ]
    )


def _precision_by_recall(sample: Sample) -> Floats:
    """Precision at the highest threshold that finds each share of the removed rows."""
    recall = share(sample.found, np.broadcast_to(sample.all_removed[:, None], sample.found.shape))
    lines = []
    for reached, precision in zip(recall[:, ::-1], sample.precision[:, ::-1], strict=True):
        place = np.searchsorted(reached, BAND, side="left").clip(max=len(reached) - 1)
        lines.append(precision[place])
    return np.array(lines)


def _short(value: float | np.floating[Any]) -> float:
    return round(float(value), DIGITS)
