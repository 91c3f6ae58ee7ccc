"""The fast scorer's arithmetic: text to hashed n-gram counts to a score, in NumPy alone.

A text's n-grams are its runs of 2 to 5 code points and its words and pairs of words, lower-cased.
Each is a polynomial over its code points modulo 2**64 (a rolling hash: Karp and Rabin 1987), mixed
(xor-shift and multiply, as MurmurHash3's finaliser does, Appleby 2011) and cut to its upper 20 bits:
its slot. Nothing here depends on the process, the platform or Python's ``hash``.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt

from modeling.style import StyleWeights

BITS: Final = 20
SLOTS: Final = 1 << BITS
CHAR_NGRAMS: Final = (2, 3, 4, 5)
LARGEST_COUNT: Final = np.iinfo(np.uint16).max
# 1 + ln(count) by count; counts over the largest are taken for it.
SUBLINEAR: Final = np.concatenate(([0.0], 1.0 + np.log(np.arange(1, LARGEST_COUNT + 1)))).astype(np.float32)

UInts = npt.NDArray[np.uint64]
Slots = npt.NDArray[np.uint32]
Counts = npt.NDArray[np.intp]
Floats = npt.NDArray[np.float64]

# Constants are arrays without a dimension: NumPy turns its own scalars into such on each use.
_BASE: Final = 0x9E3779B97F4A7C15  # odd, hence invertible modulo 2**64
_MIX: Final = np.array(0xFF51AFD7ED558CCD, dtype=np.uint64)
_FOLD: Final = np.array(0xC4CEB9FE1A85EC53, dtype=np.uint64)
_HALF: Final = np.array(33, dtype=np.uint64)
_CUT: Final = np.array(64 - BITS, dtype=np.uint64)
# So that the word "cat" and the letters "cat" fall into different slots, and pairs into yet others.
_WORD_SEED: Final = np.array(0xE7037ED1A0B428DB, dtype=np.uint64)
_PAIR: Final = np.array(0xD6E8FEB86659FD93, dtype=np.uint64)
_LAST_PLANE_0: Final = 0xFFFF
# Letters, digits and the underscore; what lies beyond plane 0 (emoji, rare scripts) counts as a letter.
_LETTERS: Final = [chr(code).isalnum() or chr(code) == "_" for code in range(_LAST_PLANE_0)]
_IN_WORD: Final = np.array([*_LETTERS, True])


def _powers(base: int, count: int) -> UInts:
    steps = np.full(count, base % (1 << 64), dtype=np.uint64)
    steps[:1] = 1
    return np.cumprod(steps)


@dataclass
class _Powers:
    """Powers of the base and of its inverse, made once for the longest text met so far."""

    up: UInts
    down: UInts

    def upto(self, count: int) -> tuple[UInts, UInts]:
        up, down = self.up, self.down
        if count > min(len(up), len(down)):
            size = 1 << count.bit_length()
            up, down = _powers(_BASE, size), _powers(pow(_BASE, -1, 1 << 64), size)
            self.up, self.down = up, down
        return up[:count], down[:count]


_POWERS: Final = _Powers(_powers(_BASE, 1 << 12), _powers(pow(_BASE, -1, 1 << 64), 1 << 12))


def _codes(text: str) -> Slots:
    return np.frombuffer(f" {text.lower()} ".encode("utf-32-le", "surrogatepass"), dtype=np.uint32)


def ngram_slots(text: str) -> Slots:
    """The slot of every n-gram of a cleaned text, repeats included, shape (n-grams,)."""
    codes = _codes(text)
    up, down = _POWERS.upto(len(codes))
    prefix = np.empty(len(codes) + 1, dtype=np.uint64)
    prefix[0] = 0
    sums = prefix[1:]
    np.multiply(codes, up, out=sums)
    np.add.accumulate(sums, out=sums)
    runs = [(n, max(0, len(codes) + 1 - n)) for n in CHAR_NGRAMS]
    words = _words(codes, prefix, down)
    hashes = np.empty(sum(count for _, count in runs) + max(0, 2 * len(words) - 1), dtype=np.uint64)
    end = 0
    for n, count in runs:
        run = hashes[end : end + count]
        np.subtract(prefix[n : n + count], prefix[:count], out=run)
        run *= down[:count]
        end += count
    np.bitwise_xor(words, _WORD_SEED, out=hashes[end : end + len(words)])
    np.add(words[:-1] * _PAIR, words[1:], out=hashes[end + len(words) :])
    return _cut(hashes)


def _words(codes: Slots, prefix: UInts, down: UInts) -> UInts:
    """The polynomial of every word of two or more characters, in their order."""
    starts, ends = _word_places(codes)
    return (prefix[ends] - prefix[starts]) * down[starts]


def word_places(text: str) -> tuple[Counts, Counts]:
    """Where the words of two or more characters begin and end in `` text.lower() ``, in their order."""
    return _word_places(_codes(text))


def _word_places(codes: Slots) -> tuple[Counts, Counts]:
    inside = _IN_WORD.take(codes, mode="clip")
    edges: Counts = (inside[1:] != inside[:-1]).nonzero()[0] + 1
    starts, ends = edges[::2], edges[1::2]
    long = ends - starts > 1
    return starts[long], ends[long]


def _cut(hashes: UInts) -> Slots:
    hashes ^= hashes >> _HALF
    hashes *= _MIX
    hashes ^= hashes >> _HALF
    hashes *= _FOLD
    hashes >>= _CUT
    return hashes.astype(np.uint32)


def ngram_counts(text: str) -> tuple[Slots, Counts]:
    """The distinct slots of a cleaned text in rising order, and how often each occurs."""
    slots = ngram_slots(text)
    slots.sort()
    first = np.empty(len(slots), dtype=np.bool_)
    first[:1] = True
    np.not_equal(slots[1:], slots[:-1], out=first[1:])
    starts = first.nonzero()[0]
    counts = np.empty_like(starts)
    np.subtract(starts[1:], starts[:-1], out=counts[:-1])
    counts[-1:] = len(slots) - starts[-1:]
    return slots.take(starts), counts


@dataclass(frozen=True)
class Weights:
    """A hashed linear model, ready to score.

    Attributes:
        table: by slot, idf (0 where no learning row had the slot) and coefficient (idf and calibration
            included), shape (SLOTS, 2), float32: side by side, so that a slot costs one look into memory.
        intercept: calibration included.
        style: what the way of writing adds; None where the model was trained without.

    """

    table: npt.NDArray[np.float32]
    intercept: float
    style: StyleWeights | None = None

    @cached_property
    def pairs(self) -> npt.NDArray[np.complex64]:
        """The same memory with idf as real and coefficient as imaginary part, shape (SLOTS,)."""
        return self.table.view(np.complex64)[:, 0]


def logit(text: str, weights: Weights) -> float:
    """The calibrated logit of a cleaned text.

    An n-gram's feature is ``(1 + ln count) * idf``, a text's are scaled to length 1; style comes on top.
    """
    slots, counts = ngram_counts(text)
    frequencies = SUBLINEAR.take(counts, mode="clip")
    known = weights.pairs.take(slots)
    features = frequencies * known.real
    length = float(features @ features) ** 0.5
    ngrams = float(frequencies @ known.imag) / (length or 1.0) + weights.intercept
    return ngrams if weights.style is None else ngrams + float(weights.style.contributions(text).sum())


def logits(texts: Sequence[str], weights: Weights) -> Floats:
    """The calibrated logit of each cleaned text, shape (len(texts),)."""
    return np.fromiter((logit(text, weights) for text in texts), dtype=np.float64, count=len(texts))


def sigmoid(values: Floats) -> Floats:
    """The logistic function, without overflow."""
    return np.exp(-np.logaddexp(0.0, -values))
