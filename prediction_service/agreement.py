"""How far two scores of the same comments agree: ranks, and decisions at thresholds. Pure NumPy."""

import math
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from modeling.policy import Z_95, wilson_lower

Floats = npt.NDArray[np.float64]
# Below it, a third or less of the comments over a usual threshold are the same ones (ADR 13).
WEAK: Final = 0.6


@dataclass(frozen=True)
class Share:
    """A count of rows, and its share with Wilson's 95 % interval."""

    count: int
    rows: int

    @property
    def value(self) -> float:
        """The share."""
        return self.count / self.rows if self.rows else 0.0

    @property
    def interval(self) -> tuple[float, float]:
        """Its ends."""
        return wilson_lower(self.count, self.rows), 1 - wilson_lower(self.rows - self.count, self.rows)


@dataclass(frozen=True)
class Decisions:
    """Before against after at one threshold: how many rows both, one or neither would act upon."""

    threshold: float
    both: int
    old_only: int
    new_only: int
    neither: int

    @property
    def before(self) -> int:
        """Rows at or over the threshold by the old score."""
        return self.both + self.old_only

    @property
    def after(self) -> int:
        """Rows at or over it by the new one."""
        return self.both + self.new_only

    @property
    def same(self) -> Share:
        """Rows with the same decision before and after."""
        return Share(self.both + self.neither, self.before + self.new_only + self.neither)


def decisions(old: Floats, new: Floats, threshold: float) -> Decisions:
    """Both scores held against one threshold."""
    before, after = old >= threshold, new >= threshold
    both = int(np.sum(before & after))
    old_only, new_only = int(np.sum(before)) - both, int(np.sum(after)) - both
    return Decisions(threshold, both, old_only, new_only, old.size - both - old_only - new_only)


def spearman(one: Floats, other: Floats) -> float:
    """Spearman's rank correlation, ties at their mean rank; 0 where one of the two does not vary."""
    first, second = _ranks(one), _ranks(other)
    if np.ptp(first) == 0 or np.ptp(second) == 0:
        return 0.0
    return float(np.corrcoef(first, second)[0, 1])


def spearman_interval(value: float, rows: int) -> tuple[float, float]:
    """Its 95 % interval by Fisher's transformation (Bonett and Wright 2000, Psychometrika 65:23)."""
    if abs(value) >= 1 or rows <= 3:  # noqa: PLR2004 - below four rows the variance is not defined
        return value, value
    spread = Z_95 * math.sqrt((1 + value * value / 2) / (rows - 3))
    return math.tanh(math.atanh(value) - spread), math.tanh(math.atanh(value) + spread)


def _ranks(values: Floats) -> Floats:
    _, inverse, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle: Floats = np.cumsum(counts) - (counts - 1) / 2
    return middle[inverse]
