"""The n-gram counts of many texts, held compactly for training. Knows no labels.

Six bytes a count (slot and number) instead of the twelve of a float64 CSR matrix; idf and length
stay outside, so that folds with different idf share one copy.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt
from scipy import sparse

from modeling.hashing import LARGEST_COUNT, SLOTS, SUBLINEAR, Floats, ngram_counts

BLOCK_ROWS = 4096
# Counts that are expanded to floats once and kept (4 bytes each); more of them are expanded in passing.
KEEP_EXPANDED = 1 << 25
_SQUARES = SUBLINEAR**2
_ONES = np.minimum(np.arange(LARGEST_COUNT + 1), 1).astype(np.float32)

Progress = Callable[[str], None]


@dataclass(frozen=True)
class NgramCounts:
    """Counts by text and slot; a selection of rows shares its parent's memory.

    Attributes:
        slots: slots of all texts, one after the other, int32.
        counts: how often each occurs in its text, at most 65,535.
        ends: where each text's slots end, with a leading 0, shape (texts + 1,).
        chosen: which texts belong to this selection, shape (texts,).
        expanded: the counts as floats, kept where they are few; shared by all selections.

    """

    slots: npt.NDArray[np.int32]
    counts: npt.NDArray[np.uint16]
    ends: npt.NDArray[np.int64]
    chosen: npt.NDArray[np.bool_]
    expanded: list[tuple[slice, sparse.csr_array]] = field(default_factory=list, compare=False, repr=False)

    def __len__(self) -> int:
        """Number of chosen texts."""
        return int(self.chosen.sum())

    def select(self, rows: npt.NDArray[np.bool_]) -> "NgramCounts":
        """Those of the chosen texts where ``rows`` (shape (len(self),)) is true, without a copy."""
        chosen = self.chosen.copy()
        chosen[self.chosen] = rows
        return replace(self, chosen=chosen)

    def times(self, vector: npt.NDArray[np.float32]) -> Floats:
        """Row sums of ``(1 + ln count) * vector[slot]``, shape (len(self),)."""
        return self._times(SUBLINEAR, vector)

    def lengths(self, idf: npt.NDArray[np.float32]) -> Floats:
        """Euclidean length of every row of ``(1 + ln count) * idf[slot]``, shape (len(self),)."""
        return np.sqrt(self._times(_SQUARES, np.square(idf)))

    def transposed_times(self, vector: Floats) -> Floats:
        """Slot sums of ``(1 + ln count) * vector[row]``, shape (SLOTS,)."""
        return self._transposed_times(SUBLINEAR, vector)

    def document_frequencies(self) -> Floats:
        """In how many of the chosen texts each slot occurs, shape (SLOTS,)."""
        return self._transposed_times(_ONES, np.ones(len(self)))

    def _times(self, table: npt.NDArray[np.float32], vector: npt.NDArray[np.float32]) -> Floats:
        everything = np.empty(len(self.chosen))
        for rows, block in self._blocks(table):
            everything[rows] = block @ vector
        return everything[self.chosen]

    def _transposed_times(self, table: npt.NDArray[np.float32], vector: Floats) -> Floats:
        everything = np.zeros(len(self.chosen), dtype=np.float32)
        everything[self.chosen] = vector
        total = np.zeros(SLOTS)
        for rows, block in self._blocks(table):
            total += block.T @ everything[rows]
        return total

    def _blocks(self, table: npt.NDArray[np.float32]) -> Iterable[tuple[slice, sparse.csr_array]]:
        if table is not SUBLINEAR or len(self.slots) > KEEP_EXPANDED:
            return self._expand(table)
        if not self.expanded:
            self.expanded.extend(self._expand(table))
        return self.expanded

    def _expand(self, table: npt.NDArray[np.float32]) -> Iterator[tuple[slice, sparse.csr_array]]:
        for first in range(0, len(self.chosen), BLOCK_ROWS):
            rows = slice(first, min(first + BLOCK_ROWS, len(self.chosen)))
            ends = self.ends[rows.start : rows.stop + 1]
            part = slice(int(ends[0]), int(ends[-1]))
            yield (
                rows,
                sparse.csr_array(
                    (table[self.counts[part]], self.slots[part], (ends - ends[0]).astype(np.int32)),
                    shape=(rows.stop - rows.start, SLOTS),
                ),
            )


def count_ngrams(texts: Sequence[str], progress: Progress | None = None) -> NgramCounts:
    """Hash the n-grams of cleaned texts.

    Memory is asked for by an upper bound on the n-grams and touched only as far as it is used.
    """
    bound = sum(6 * len(text) + 16 for text in texts)
    slots, counts = np.empty(bound, dtype=np.int32), np.empty(bound, dtype=np.uint16)
    ends = np.zeros(len(texts) + 1, dtype=np.int64)
    for row, text in enumerate(texts):
        found, number = ngram_counts(text)
        start, end = ends[row], ends[row] + len(found)
        slots[start:end], counts[start:end] = found, np.minimum(number, LARGEST_COUNT)
        ends[row + 1] = end
        if progress and row and row % 20_000 == 0:
            progress(f"hashed {row:,} of {len(texts):,} texts")
    used = int(ends[-1])
    return NgramCounts(slots[:used], counts[:used], ends, np.ones(len(texts), dtype=np.bool_))
