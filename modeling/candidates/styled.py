"""What the hashed linear family is fitted on: n-gram counts and style, side by side. Knows no labels."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from modeling.hashing import Floats
from modeling.ngrams import NgramCounts, count_ngrams
from modeling.style import FEATURES, standardised, style

Progress = Callable[[str], None]


@dataclass(frozen=True)
class StyledCounts:
    """Texts as counts and features of style.

    Attributes:
        counts: of their n-grams.
        style: of the same texts, shape (texts, features): as many as `modeling.style` has, or none.

    """

    counts: NgramCounts
    style: Floats

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.style)

    def select(self, rows: npt.NDArray[np.bool_]) -> "StyledCounts":
        """Those of the texts where ``rows`` (shape (len(self),)) is true; the counts are not copied."""
        return StyledCounts(self.counts.select(rows), self.style[rows])

    def spread(self) -> tuple[Floats, Floats]:
        """Mean and scale of each feature, for `modeling.style.standardised`."""
        if not self.style.shape[1]:
            return np.zeros(0), np.zeros(0)
        deviation = self.style.std(axis=0)
        return self.style.mean(axis=0), np.divide(
            1.0, deviation, out=np.zeros_like(deviation), where=deviation > _SAME
        )

    def standardised(self, mean: Floats, scale: Floats) -> Floats:
        """The features as the model weighs them, shape (texts, features)."""
        return standardised(self.style, mean, scale)


# A deviation below is the rounding of a mean of equal values.
_SAME = 1e-9


def styled_counts(
    texts: Sequence[str], *, with_style: bool, progress: Progress | None = None
) -> StyledCounts:
    """Count the n-grams of cleaned texts, and measure their style where that is wanted."""
    counts = count_ngrams(texts, progress)
    features = np.zeros((len(texts), len(FEATURES) if with_style else 0))
    if with_style:
        for row, text in enumerate(texts):
            features[row] = style(text)
    return StyledCounts(counts, features)
