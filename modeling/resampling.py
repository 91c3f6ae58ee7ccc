"""The bootstrap: figures of ranked rows over many resamples at once. Knows no text, policy or file.

All figures of a set of rows share their resamples, and each is reckoned for some hundred resamples in
a handful of array operations: rows are ranked once, so that a resample is a sorted vector of ranks,
and what lies over a threshold is a sum over columns.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from modeling.hashing import Floats

Labels = npt.NDArray[np.int64]
LEVEL: Final = 0.95
BINS: Final = 10
# Numbers that one step holds at a time: memory stays flat however many test rows there are.
CELLS: Final = 1_000_000


@dataclass(frozen=True)
class Metric:
    """A figure and its 95 % bootstrap interval (percentiles; Efron and Tibshirani 1993, chapter 13)."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """Figure and interval, three decimals."""
        return f"{self.value:.3f} [{self.low:.3f}, {self.high:.3f}]"


@dataclass(frozen=True)
class Ranked:
    """Rows in rising order of their score; rows of one score in the order in which they came.

    Attributes:
        scores: shape (n,).
        labels: 1 where moderators removed the row, shape (n,).
        starts: where each distinct score begins, shape (distinct scores,).

    """

    scores: Floats
    labels: Labels
    starts: npt.NDArray[np.intp]

    @classmethod
    def of(cls, scores: Floats, labels: Labels) -> "Ranked":
        """Rank rows."""
        order = np.argsort(scores, kind="stable")
        ranked = scores[order]
        new = np.append(True, ranked[1:] != ranked[:-1]) if len(ranked) else np.array([], dtype=bool)
        return cls(ranked, labels[order], np.flatnonzero(new))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.scores)


class Sample:
    """Some resamples of ranked rows, one a line: ranks in rising order, shape (resamples, n)."""

    def __init__(self, ranked: Ranked, ranks: npt.NDArray[np.int64]) -> None:
        self.ranked, self.ranks = ranked, ranks

    @cached_property
    def scores(self) -> Floats:
        """Scores in rising order, shape (resamples, n)."""
        return self.ranked.scores[self.ranks]

    @cached_property
    def labels(self) -> Labels:
        """Labels in that order, shape (resamples, n)."""
        return self.ranked.labels[self.ranks]

    @cached_property
    def counts(self) -> Floats:
        """How often each row was drawn, shape (resamples, n)."""
        lines, size = self.ranks.shape
        cells = self.ranks + size * np.arange(lines)[:, None]
        return np.bincount(cells.ravel(), minlength=lines * size).reshape(lines, size).astype(np.float64)

    @cached_property
    def removed(self) -> Floats:
        """Removed rows at each distinct score, shape (resamples, distinct scores)."""
        return np.add.reduceat(self.counts * self.ranked.labels, self.ranked.starts, axis=1)

    @cached_property
    def kept(self) -> Floats:
        """Kept rows at each distinct score, shape (resamples, distinct scores)."""
        return np.add.reduceat(self.counts * (1 - self.ranked.labels), self.ranked.starts, axis=1)

    @cached_property
    def found(self) -> Floats:
        """Removed rows at or over each distinct score, shape (resamples, distinct scores)."""
        return np.cumsum(self.removed[:, ::-1], axis=1)[:, ::-1]

    @cached_property
    def alarms(self) -> Floats:
        """Kept rows at or over each distinct score, shape (resamples, distinct scores)."""
        return np.cumsum(self.kept[:, ::-1], axis=1)[:, ::-1]

    @cached_property
    def precision(self) -> Floats:
        """Share removed at or over each distinct score, NaN over the last one that was drawn."""
        return share(self.found, self.found + self.alarms)

    @cached_property
    def all_removed(self) -> Floats:
        """Removed rows, shape (resamples,)."""
        return self.found[:, 0]

    @cached_property
    def all_kept(self) -> Floats:
        """Kept rows, shape (resamples,)."""
        return self.alarms[:, 0]

    def over(self, threshold: float) -> tuple[Floats, Floats]:
        """Removed and kept rows at or over a threshold, each of shape (resamples,)."""
        first = int(np.searchsorted(self.ranked.scores, threshold, side="left"))
        counts, labels = self.counts[:, first:], self.ranked.labels[first:]
        return counts @ labels, counts @ (1 - labels)


# One number or vector for each resample: shape (resamples,) or (resamples, points).
Figure = Callable[[Sample], Floats]


def share(part: Floats, whole: Floats) -> Floats:
    """``part / whole``, NaN where there is nothing to share."""
    shares: Floats = np.divide(part, whole, out=np.full(np.shape(part), np.nan), where=whole > 0)
    return shares


def roc_auc(sample: Sample) -> Floats:
    """How often a removed row scores over a kept one, ties half (Hanley and McNeil 1982)."""
    below = np.cumsum(sample.kept, axis=1) - sample.kept
    won = np.sum(sample.removed * (below + sample.kept / 2), axis=1)
    return share(won, sample.all_removed * sample.all_kept)


def pr_auc(sample: Sample) -> Floats:
    """Average precision: precision where each removed row is found, averaged over removed rows."""
    held = np.where(sample.removed > 0, np.nan_to_num(sample.precision) * sample.removed, 0.0)
    return share(held.sum(axis=1), sample.all_removed)


def brier(sample: Sample) -> Floats:
    """Mean squared distance between score and label (Brier 1950)."""
    return np.asarray(np.mean((sample.scores - sample.labels) ** 2, axis=1))


def calibration_error(scores: Floats) -> Figure:
    """Mean distance between score and share removed over bins of equal mass (Nguyen and O'Connor 2015).

    Args:
        scores: of the ranked rows, in their order, shape (n,); they may be other ones than those by which
            the rows are ranked, as long as they rise with them.

    """

    def figure(sample: Sample) -> Floats:
        size = sample.ranks.shape[1]
        gaps = np.add.reduceat(scores[sample.ranks] - sample.labels, bin_starts(size), axis=1)
        return np.asarray(np.abs(gaps).sum(axis=1) / size)

    return figure


def bin_starts(size: int, bins: int = BINS) -> npt.NDArray[np.intp]:
    """Where each of the bins of equal mass begins; the first ones hold one row more than the others."""
    bins = min(bins, size)
    sizes = np.full(bins, size // bins)
    sizes[: size % bins] += 1
    return np.asarray(np.cumsum(sizes) - sizes)


def f1(threshold: float) -> Figure:
    """Harmonic mean of precision and recall at a threshold."""

    def figure(sample: Sample) -> Floats:
        found, alarms = sample.over(threshold)
        return np.nan_to_num(share(2 * found, found + alarms + sample.all_removed))

    return figure


def precision_at(threshold: float) -> Figure:
    """Share removed of the rows at or over a threshold."""

    def figure(sample: Sample) -> Floats:
        found, alarms = sample.over(threshold)
        return share(found, found + alarms)

    return figure


def recall_at(threshold: float) -> Figure:
    """Share of the removed rows at or over a threshold."""
    return lambda sample: share(sample.over(threshold)[0], sample.all_removed)


def false_positive_rate(threshold: float) -> Figure:
    """Share of the kept rows at or over a threshold."""
    return lambda sample: share(sample.over(threshold)[1], sample.all_kept)


def recall_at_precision(target: float) -> Figure:
    """The largest recall that some threshold reaches with at least this precision; 0 where none does.

    The threshold is chosen on the very rows that are measured, so this is what a perfect choice would give.
    """

    def figure(sample: Sample) -> Floats:
        kept_up = np.nan_to_num(sample.precision) >= target
        return share(np.max(np.where(kept_up, sample.found, 0.0), axis=1), sample.all_removed)

    return figure


def draws(
    ranked: Ranked, figures: Mapping[str, Figure], resamples: int, seed: int
) -> dict[str, npt.NDArray[np.float64]]:
    """Each figure in each resample, shape (resamples, ...): as many rows drawn with replacement."""
    parts = [
        {name: figure(part) for name, figure in figures.items()} for part in _samples(ranked, resamples, seed)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in figures}


def whole(ranked: Ranked) -> Sample:
    """The rows themselves, once each."""
    return Sample(ranked, np.arange(len(ranked))[None])


def bootstrap(ranked: Ranked, figures: Mapping[str, Figure], resamples: int, seed: int) -> dict[str, Metric]:
    """Each figure with its interval; one that these rows cannot give is left out.

    A resample that cannot give a figure (it has one label only, say) does not count for its interval.
    """
    itself, drawn = whole(ranked), draws(ranked, figures, resamples, seed)
    metrics = {}
    for name, figure in figures.items():
        value, found = float(figure(itself)[0]), drawn[name][np.isfinite(drawn[name])]
        if np.isfinite(value) and len(found):
            metrics[name] = Metric(value, *interval(found))
    return metrics


def interval(values: Floats) -> tuple[float, float]:
    """The middle 95 % of values."""
    edge = 50 * (1 - LEVEL)
    low, high = np.percentile(values, [edge, 100 - edge])
    return float(low), float(high)


def _samples(ranked: Ranked, resamples: int, seed: int) -> Iterator[Sample]:
    random, size = np.random.default_rng(seed), len(ranked)
    at_once = max(1, CELLS // size)
    for done in range(0, resamples, at_once):
        lines = min(at_once, resamples - done)
        yield Sample(ranked, np.sort(random.integers(0, size, (lines, size)), axis=1))


def mean(values: Floats, resamples: int, seed: int) -> Metric:
    """The mean of values with its interval, at least one value."""
    random, size = np.random.default_rng(seed), len(values)
    at_once = max(1, CELLS // size)
    means = [
        values[random.integers(0, size, (min(at_once, resamples - done), size))].mean(axis=1)
        for done in range(0, resamples, at_once)
    ]
    return Metric(float(values.mean()), *interval(np.concatenate(means)))
