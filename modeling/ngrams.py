"""The n-gram counts of many texts, held compactly for training. Knows no labels.

Most n-grams of a text occur once in it. So a slot is four bytes, standing for the value 1, and only
those that repeat have what their logarithm adds, eight bytes each, beside them; idf and length stay
outside, so that folds with different idf share one copy.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
import numpy.typing as npt
from scipy import sparse

from modeling.hashing import LARGEST_COUNT, SLOTS, SUBLINEAR, Floats, ngram_counts

# Rows that are handled together: many enough that a vector of all slots a block does not count.
BLOCK_ROWS: Final = 4096

Progress = Callable[[str], None]
Singles = npt.NDArray[np.float32]


@dataclass(frozen=True)
class NgramCounts:
    """Counts by text and slot; a selection of rows shares its parent's memory.

    The value of a slot in a text is ``1 + ln count``: 1 for every entry of ``slots``, and ``extra``
    more for those of ``repeated``.

    Attributes:
        slots: slots of all texts, one text after the other, int32.
        ends: where each text's slots end, with a leading 0, shape (texts + 1,).
        repeated: slots that occur more than once in their text, int32.
        extra: ``ln count`` of each of them, float32.
        repeated_ends: where each text's repeated slots end, with a leading 0, shape (texts + 1,).
        chosen: which texts belong to this selection, shape (texts,).
        ones: as many as the largest block has slots.

    """

    slots: npt.NDArray[np.int32]
    ends: npt.NDArray[np.int64]
    repeated: npt.NDArray[np.int32]
    extra: Singles
    repeated_ends: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.bool_]
    ones: Singles

    def __len__(self) -> int:
        """Number of chosen texts."""
        return int(self.chosen.sum())

    def select(self, rows: npt.NDArray[np.bool_]) -> "NgramCounts":
        """Those of the chosen texts where ``rows`` (shape (len(self),)) is true, without a copy."""
        chosen = self.chosen.copy()
        chosen[self.chosen] = rows
        return replace(self, chosen=chosen)

    def times(self, vector: Singles) -> Floats:
        """Row sums of ``(1 + ln count) * vector[slot]``, shape (len(self),)."""
        return self._times(self.extra, vector)

    def lengths(self, idf: Singles) -> Floats:
        """Euclidean length of every row of ``(1 + ln count) * idf[slot]``, shape (len(self),)."""
        # (1 + e)² is 1 and e (2 + e) more.
        return np.sqrt(self._times(self.extra * (2 + self.extra), np.square(idf)))

    def transposed_times(self, vector: Floats) -> Floats:
        """Slot sums of ``(1 + ln count) * vector[row]``, shape (SLOTS,)."""
        everything = np.zeros(len(self.chosen), dtype=np.float32)
        everything[self.chosen] = vector
        total = np.zeros(SLOTS)
        for rows in self._blocks():
            total += self._once(rows).T @ everything[rows]
            total += self._more(rows, self.extra).T @ everything[rows]
        return total

    def document_frequencies(self) -> Floats:
        """In how many of the chosen texts each slot occurs, shape (SLOTS,)."""
        total = np.zeros(SLOTS)
        for rows in self._blocks():
            total += self._once(rows).T @ self.chosen[rows].astype(np.float32)
        return total

    def _times(self, extra: Singles, vector: Singles) -> Floats:
        everything = np.empty(len(self.chosen))
        for rows in self._blocks():
            everything[rows] = self._once(rows) @ vector
            everything[rows] += self._more(rows, extra) @ vector
        return everything[self.chosen]

    def _blocks(self) -> Iterator[slice]:
        for first in range(0, len(self.chosen), BLOCK_ROWS):
            yield slice(first, min(first + BLOCK_ROWS, len(self.chosen)))

    def _once(self, rows: slice) -> sparse.csr_array:
        part = slice(int(self.ends[rows.start]), int(self.ends[rows.stop]))
        return _block(
            self.ones[: part.stop - part.start], self.slots[part], self.ends[rows.start : rows.stop + 1]
        )

    def _more(self, rows: slice, extra: Singles) -> sparse.csr_array:
        ends = self.repeated_ends[rows.start : rows.stop + 1]
        part = slice(int(ends[0]), int(ends[-1]))
        return _block(extra[part], self.repeated[part], ends)


def _block(values: Singles, slots: npt.NDArray[np.int32], ends: npt.NDArray[np.int64]) -> sparse.csr_array:
    return sparse.csr_array((values, slots, (ends - ends[0]).astype(np.int32)), shape=(len(ends) - 1, SLOTS))


def count_ngrams(texts: Sequence[str], progress: Progress | None = None) -> NgramCounts:
    """Hash the n-grams of cleaned texts.

    Memory is asked for by an upper bound on the n-grams and touched only as far as it is used.
    """
    bound = sum(6 * len(text) + 16 for text in texts)
    slots = np.empty(bound, dtype=np.int32)
    repeated, extra = np.empty(bound, dtype=np.int32), np.empty(bound, dtype=np.float32)
    ends, repeated_ends = np.zeros((2, len(texts) + 1), dtype=np.int64)
    for row, text in enumerate(texts):
        found, number = ngram_counts(text)
        often = np.flatnonzero(number > 1)
        start, more = ends[row], repeated_ends[row]
        ends[row + 1], repeated_ends[row + 1] = start + len(found), more + len(often)
        slots[start : ends[row + 1]] = found
        repeated[more : repeated_ends[row + 1]] = found[often]
        extra[more : repeated_ends[row + 1]] = SUBLINEAR[np.minimum(number[often], LARGEST_COUNT)] - 1
        if progress and row and row % 20_000 == 0:
            progress(f"hashed {row:,} of {len(texts):,} texts")
    used, more = int(ends[-1]), int(repeated_ends[-1])
    firsts = ends[::BLOCK_ROWS]
    largest = int(np.diff(firsts, append=ends[-1]).max(initial=0))
    return NgramCounts(
        slots[:used],
        ends,
        repeated[:more],
        extra[:more],
        repeated_ends,
        np.ones(len(texts), dtype=np.bool_),
        np.ones(largest, dtype=np.float32),
    )
