"""The fast scorer's arithmetic: text to hashed n-gram counts to a score, in NumPy alone.

A text's n-grams are its runs of 2 to 5 code points and its words and pairs of words, lower-cased.
Each is a polynomial over its code points modulo 2**64 (a rolling hash: Karp and Rabin 1987), mixed
(the finaliser of MurmurHash3, Appleby 2011) and cut to its upper 20 bits: its slot. Nothing here
depends on the process, the platform or Python's ``hash``.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

BITS: Final = 20
SLOTS: Final = 1 << BITS
CHAR_NGRAMS: Final = (2, 3, 4, 5)

UInts = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

_BASE: Final = 0x9E3779B97F4A7C15  # odd, hence invertible modulo 2**64
_PAIR: Final = np.uint64(0xD6E8FEB86659FD93)
_MIX: Final = (np.uint64(0xFF51AFD7ED558CCD), np.uint64(0xC4CEB9FE1A85EC53))
_HALF: Final = np.uint64(33)
_CUT: Final = np.uint64(64 - BITS)
# A seed for each kind of n-gram, so that the word "cat" and the letters "cat" fall into different slots.
_SEEDS: Final = {n: np.uint64(0xA0761D6478BD642F * n % (1 << 64)) for n in CHAR_NGRAMS}
_WORD_SEED: Final = np.uint64(0xE7037ED1A0B428DB)
_PAIR_SEED: Final = np.uint64(0x8EBC6AF09C88C6E3)
_WORD: Final = re.compile(r"\b\w\w+\b")


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
        if count > len(self.up):
            size = 1 << count.bit_length()
            self.up, self.down = _powers(_BASE, size), _powers(pow(_BASE, -1, 1 << 64), size)
        return self.up[:count], self.down[:count]


_POWERS: Final = _Powers(_powers(_BASE, 1 << 12), _powers(pow(_BASE, -1, 1 << 64), 1 << 12))


def _slot(hashes: UInts, seed: np.uint64) -> Ints:
    for factor in _MIX:
        hashes = hashes ^ seed
        hashes ^= hashes >> _HALF
        hashes *= factor
    return ((hashes ^ (hashes >> _HALF)) >> _CUT).astype(np.int64)


def ngram_slots(text: str) -> Ints:
    """The slot of every n-gram of a cleaned text, repeats included, shape (n-grams,)."""
    text = f" {text.lower()} "
    codes = np.frombuffer(text.encode("utf-32-le", "surrogatepass"), dtype=np.uint32)
    up, down = _POWERS.upto(len(codes))
    prefix = np.zeros(len(codes) + 1, dtype=np.uint64)
    np.cumsum((codes + np.uint64(1)) * up, out=prefix[1:])
    found = [
        _slot((prefix[n:] - prefix[:-n]) * down[: len(codes) + 1 - n], _SEEDS[n])
        for n in CHAR_NGRAMS
        if len(codes) >= n
    ]
    spans = np.array([match.span() for match in _WORD.finditer(text)], dtype=np.intp).reshape(-1, 2)
    words = (prefix[spans[:, 1]] - prefix[spans[:, 0]]) * down[spans[:, 0]]
    found.append(_slot(words, _WORD_SEED))
    found.append(_slot(words[:-1] * _PAIR + words[1:], _PAIR_SEED))
    return np.concatenate(found)


def ngram_counts(text: str) -> tuple[Ints, Ints]:
    """The distinct slots of a cleaned text in rising order, and how often each occurs."""
    slots = np.sort(ngram_slots(text))
    starts = np.flatnonzero(np.concatenate(([True], slots[1:] != slots[:-1])))
    return slots[starts], np.diff(starts, append=len(slots))


@dataclass(frozen=True)
class Weights:
    """A hashed linear model, ready to score.

    Attributes:
        idf: weight of each slot, 0 where no learning row had it, shape (SLOTS,), float32.
        coefficients: of the normalised features, idf included, calibration included, shape (SLOTS,).
        intercept: calibration included.

    """

    idf: npt.NDArray[np.float32]
    coefficients: npt.NDArray[np.float32]
    intercept: float


def logits(texts: Sequence[str], weights: Weights) -> Floats:
    """The calibrated logit of each cleaned text, shape (len(texts),).

    A feature is ``(1 + ln count) * idf``, a text's features are scaled to length 1.
    """
    return np.fromiter((_logit(text, weights) for text in texts), dtype=np.float64, count=len(texts))


def _logit(text: str, weights: Weights) -> float:
    slots, counts = ngram_counts(text)
    frequencies = 1.0 + np.log(counts)
    features = frequencies * weights.idf[slots]
    length = np.sqrt(features @ features) or 1.0
    return float(frequencies @ weights.coefficients[slots] / length + weights.intercept)


def sigmoid(values: Floats) -> Floats:
    """The logistic function, without overflow."""
    return np.exp(-np.logaddexp(0.0, -values))
