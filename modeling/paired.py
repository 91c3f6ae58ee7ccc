"""Paired stratified bootstrap: statistics of the same resamples; each label keeps its number of rows. Pure.

A resample is told as how often each row was drawn, so that a block of them is a matrix and an area under
the curve a cumulated sum over ranks (Mann and Whitney 1947; ties count half). Intervals are percentiles
(Efron and Tibshirani 1993, chapter 13); those of several differences at once hold together, by the largest
studentised deviation (Romano and Wolf 2005).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from modeling.evaluate import BINS, equal_mass_bins
from modeling.hashing import Floats

Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
# How often each row of one label was drawn, shape (resamples, rows).
Counts = npt.NDArray[np.int32]
Statistic = Callable[[Counts, Counts], Floats]
# Counts at once: what stays in a core's cache is drawn and summed several times quicker.
BLOCK: Final = 100_000


@dataclass(frozen=True, eq=False)
class Sampled:
    """A figure on the rows as they are, and on each resample, shape (resamples,)."""

    value: float
    drawn: Floats

    def __sub__(self, other: "Sampled") -> "Sampled":
        """The paired difference."""
        return Sampled(self.value - other.value, self.drawn - other.drawn)


@dataclass(frozen=True)
class Interval:
    """A figure with its interval; ``share`` of the resamples lie at or below zero (small: sure)."""

    value: float
    low: float
    high: float
    share: float


def interval(sampled: Sampled, confidence: float) -> Interval:
    """The percentile interval; resamples in which the figure does not exist are left out."""
    drawn = sampled.drawn[np.isfinite(sampled.drawn)]
    edge = 50 * (1 - confidence)
    low, high = np.percentile(drawn, [edge, 100 - edge]) if drawn.size else (np.nan, np.nan)
    return Interval(sampled.value, float(low), float(high), _share(drawn))


def simultaneous(differences: Mapping[str, Sampled], confidence: float) -> dict[str, Interval]:
    """Intervals that hold for all differences at once."""
    if not differences:
        return {}
    values = np.array([one.value for one in differences.values()])
    drawn = np.column_stack([one.drawn for one in differences.values()])
    spread = np.nanstd(drawn, axis=0, ddof=1)
    safe = np.where(spread > 0, spread, 1.0)
    largest = np.nanmax(np.abs(drawn - values) / safe, axis=1)
    reach = float(np.quantile(largest, confidence)) * spread
    return {
        name: Interval(one.value, one.value - reach[at], one.value + reach[at], _share(drawn[:, at]))
        for at, (name, one) in enumerate(differences.items())
    }


def _share(drawn: Floats) -> float:
    known = drawn[np.isfinite(drawn)]
    return float((np.sum(known <= 0) + 1) / (known.size + 1))


def resample(
    labels: Labels, statistics: Mapping[str, Statistic], resamples: int, seed: int
) -> dict[str, Sampled]:
    """Every statistic on the same resamples.

    Args:
        labels: 0 kept, 1 removed, shape (n,).
        statistics: of the same rows, by name.
        resamples: how many.
        seed: of the draws; the same seed and number of rows give the same draws.

    """
    random = np.random.default_rng(seed)
    removed = int(labels.sum())
    kept = len(labels) - removed
    once = np.ones((1, kept), dtype=np.int32), np.ones((1, removed), dtype=np.int32)
    drawn = {name: np.empty(resamples) for name in statistics}
    block = max(1, BLOCK // len(labels))
    for first in range(0, resamples, block):
        here = slice(first, min(first + block, resamples))
        counts = [_counts(random, rows, here.stop - first) for rows in (kept, removed)]
        for name, statistic in statistics.items():
            drawn[name][here] = statistic(counts[0], counts[1])
    return {name: Sampled(float(statistic(*once)[0]), drawn[name]) for name, statistic in statistics.items()}


def _counts(random: np.random.Generator, rows: int, resamples: int) -> Counts:
    drawn = random.integers(0, rows, (resamples, rows))
    drawn += np.arange(resamples)[:, np.newaxis] * rows
    return np.bincount(drawn.ravel(), minlength=resamples * rows).reshape(resamples, rows).astype(np.int32)


def area(scores: Floats, labels: Labels, among: Mask | None = None) -> Statistic:
    """The area under the ROC curve, of some of the rows where ``among`` (shape (n,)) says which."""
    chosen = np.ones(len(labels), dtype=bool) if among is None else among
    kept, removed = np.flatnonzero(chosen[labels == 0]), np.flatnonzero(chosen[labels == 1])
    kept_scores, removed_scores = scores[labels == 0][kept], scores[labels == 1][removed]
    order, ranked = np.argsort(kept_scores, kind="stable"), np.argsort(removed_scores, kind="stable")
    kept, removed, kept_scores = kept[order], removed[ranked], kept_scores[order]
    below = np.searchsorted(kept_scores, removed_scores[ranked], side="left")
    upto = np.searchsorted(kept_scores, removed_scores[ranked], side="right")
    if np.array_equal(below, upto):
        upto = below  # no ties: half of the work

    def statistic(kept_counts: Counts, removed_counts: Counts) -> Floats:
        passed = np.zeros((len(kept_counts), len(kept) + 1), dtype=np.int32)
        np.cumsum(np.take(kept_counts, kept, axis=1), axis=1, out=passed[:, 1:])
        weights = np.take(removed_counts, removed, axis=1).astype(np.float64)
        won = np.einsum("ij,ij->i", weights, np.take(passed, below, axis=1))
        won += won if below is upto else np.einsum("ij,ij->i", weights, np.take(passed, upto, axis=1))
        pairs = passed[:, -1] * weights.sum(axis=1)
        areas: Floats = np.divide(won, 2 * pairs, out=np.full(len(won), np.nan), where=pairs > 0)
        return areas

    return statistic


def mean(values: Floats, labels: Labels) -> Statistic:
    """The mean of one value a row."""
    kept, removed, rows = values[labels == 0], values[labels == 1], len(labels)

    def statistic(kept_counts: Counts, removed_counts: Counts) -> Floats:
        return np.asarray((kept_counts @ kept + removed_counts @ removed) / rows)

    return statistic


def calibration_error(scores: Floats, labels: Labels, bins: int = BINS) -> Statistic:
    """The expected calibration error over bins of equal mass, which are those of the rows as they are."""
    residuals = np.zeros((len(scores), bins))
    for number, rows in enumerate(equal_mass_bins(scores, bins)):
        residuals[rows, number] = scores[rows] - labels[rows]
    kept, removed, size = residuals[labels == 0], residuals[labels == 1], len(labels)

    def statistic(kept_counts: Counts, removed_counts: Counts) -> Floats:
        gaps: Floats = np.abs(kept_counts @ kept + removed_counts @ removed)
        return np.asarray(gaps.sum(axis=1) / size)

    return statistic
