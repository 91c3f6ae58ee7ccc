"""Why the hashed linear model scores a text as it does: its logit, shared out over text and style.

Every n-gram's part of the logit is split equally over its occurrences, and an occurrence's over the
characters that it covers; what a feature of style adds belongs to the text as a whole. Knows no HTTP and no
sentence.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np

from modeling.align import Aligned, aligned_readings
from modeling.hashing import (
    CHAR_NGRAMS,
    SUBLINEAR,
    Counts,
    Floats,
    Slots,
    Weights,
    logit,
    ngram_slots,
    word_places,
)
from modeling.style import FEATURES

# U+0130 becomes two code points in lower case; every other character stays one
_WIDENS: Final = "\u0130"


class Token(NamedTuple):
    """A run without white space in the reading: its place in the message, in code points, end exclusive."""

    begin: int
    end: int
    contribution: float


class Trait(NamedTuple):
    """A feature of how the text is written, by its name in `modeling.style`."""

    name: str
    contribution: float


@dataclass(frozen=True)
class Explanation:
    """A logit; its intercept and the contributions of its tokens and style add up to it.

    A model that knows no style has an empty ``style``.
    """

    logit: float
    intercept: float
    tokens: list[Token]
    style: list[Trait]


def explain(message: str, weights: Weights, cuts: Sequence[int] = ()) -> Explanation:
    """Explain the logit of the reading that scores highest.

    A space counts to the token after it, the last one to the token before. No token goes across one of
    ``cuts``, rising places in the message. A message of which nothing can be read is one token.
    """
    read = [(logit(one.text, weights), one) for one in aligned_readings(message)]
    served, reading = max(read, key=lambda one: one[0])
    firsts, owners = _tokens(reading, cuts)
    parts: Floats = np.bincount(owners, _shares(reading.text, weights)).astype(np.float64)
    style = _style(reading.text, weights)
    told = math.fsum([weights.intercept, *(trait.contribution for trait in style)])
    exact = _without_rounding(parts, served - told)
    return Explanation(served, weights.intercept, _placed(reading, firsts, exact, len(message)), style)


def _style(text: str, weights: Weights) -> list[Trait]:
    if weights.style is None:
        return []
    return [*map(Trait, FEATURES, weights.style.contributions(text).tolist())]


def _tokens(reading: Aligned, cuts: Sequence[int]) -> tuple[Counts, Counts]:
    """Where tokens begin in the reading, and the token that each character of its n-grams counts to."""
    inside = np.array([character != " " for character in reading.text], dtype=np.bool_)
    piece = np.searchsorted(np.array(cuts, dtype=np.intp), np.array(reading.begins, dtype=np.intp), "right")
    before = np.concatenate(([False], inside[:-1]))[: len(inside)]
    moved = np.diff(piece, prepend=piece[:1]) != 0
    starts = inside & (~before | moved)
    begun = np.cumsum(starts)
    owners = np.where(inside, begun - 1, begun)
    if _WIDENS in reading.text:
        owners = np.repeat(owners, [len(character.lower()) for character in reading.text])
    last = max(0, int(starts.sum()) - 1)
    return np.flatnonzero(starts), np.concatenate(([0], owners, [last])).astype(np.intp)


def _shares(text: str, weights: Weights) -> Floats:
    """What each character of `` text.lower() `` adds to the logit, before rounding."""
    parts = _parts(ngram_slots(text), weights)
    size = len(text.lower()) + 2
    shares = np.zeros(size)
    end = 0
    for n in CHAR_NGRAMS:
        count = max(0, size + 1 - n)
        if count:
            shares += np.convolve(parts[end : end + count], np.full(n, 1.0 / n))
        end += count
    starts, ends = word_places(text)
    lengths = (ends - starts).astype(np.float64)
    words, pairs = parts[end : end + len(starts)], parts[end + len(starts) :]
    each = words / lengths
    a_pair = pairs / (lengths[:-1] + lengths[1:])
    each[:-1] += a_pair
    each[1:] += a_pair
    for start, stop, share in zip(starts.tolist(), ends.tolist(), each.tolist(), strict=True):
        shares[start:stop] += share
    return shares


def _parts(slots: Slots, weights: Weights) -> Floats:
    """What each occurrence of an n-gram adds to the logit."""
    distinct, places, counts = np.unique(slots, return_inverse=True, return_counts=True)
    known = weights.pairs[distinct]
    frequencies = SUBLINEAR.take(counts, mode="clip").astype(np.float64)
    features = frequencies * known.real
    length = float(features @ features) ** 0.5 or 1.0
    parts: Floats = frequencies * known.imag / (length * counts)
    return parts[places]


def _without_rounding(contributions: Floats, total: float) -> Floats:
    """The same with what the served logit's 32-bit sums rounded off, shared by size, so that they add up."""
    sizes = np.abs(contributions)
    weight = float(sizes.sum())
    rounded = total - float(contributions.sum())
    exact: Floats = contributions + rounded * (sizes / weight if weight else 1.0 / len(sizes))
    return exact


def _placed(reading: Aligned, firsts: Counts, contributions: Floats, length: int) -> list[Token]:
    if not len(firsts):
        return [Token(0, length, float(contributions[0]))]
    bounds = [*firsts.tolist(), len(reading.text)]
    found = []
    for first, after, contribution in zip(bounds, bounds[1:], contributions.tolist(), strict=False):
        last = after - 2 if reading.text[after - 1] == " " else after - 1
        found.append(Token(reading.begins[first], reading.ends[last], contribution))
    return found
