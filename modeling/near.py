"""Which texts are nearly one of others: shingles, MinHash, bands (Broder 1997; Leskovec et al., chapter 3).

Two texts are near if the sets of their shingles (`SHINGLE` bytes in a row, case and odd characters aside)
overlap by `NEAR` of their union or more. Bands find candidates, which are then compared exactly.
"""

import re
from collections import defaultdict
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

SHINGLE: Final = 8
NEAR: Final = 0.8
# 16 bands of 4 find a pair that overlaps by 0.8 with a probability of 1 - (1 - 0.8 ** 4) ** 16 = 0.9998.
BANDS: Final = 16
ROWS: Final = 4
# The share of hashes that agree estimates the overlap: at 0.8 it is below this once in some 6,000 pairs.
LIKELY: Final = 0.6
# Of a template with thousands of copies a few are enough to compare with.
MOST: Final = 20
ODD: Final = re.compile(r"[\W_]+")

Shingles = npt.NDArray[np.uint64]


def near_any(texts: Sequence[str], others: Sequence[str]) -> npt.NDArray[np.bool_]:
    """Of each text whether one of the others is nearly the same, shape (texts,)."""
    others = sorted(set(others))  # so that their order decides nothing
    mine, theirs = _signatures(texts), _signatures(others)
    candidates: list[set[int]] = [set() for _ in texts]
    for band in range(BANDS):
        part = slice(band * ROWS, (band + 1) * ROWS)
        places: dict[bytes, list[int]] = defaultdict(list)
        for place, least in enumerate(theirs):
            held = places[least[part].tobytes()]
            if len(held) < MOST:
                held.append(place)
        for found, least in zip(candidates, mine, strict=True):
            found.update(places.get(least[part].tobytes(), ()))
    near = (
        any(
            np.mean(least == theirs[other]) >= LIKELY and overlap(text, others[other]) >= NEAR
            for other in found
        )
        for text, least, found in zip(texts, mine, candidates, strict=True)
    )
    return np.fromiter(near, dtype=bool, count=len(texts))


def overlap(one: str, other: str) -> float:
    """Shared shingles over all shingles of two texts (Jaccard)."""
    mine, theirs = shingles(one), shingles(other)
    shared = len(np.intersect1d(mine, theirs, assume_unique=True))
    return shared / (len(mine) + len(theirs) - shared)


def shingles(text: str) -> Shingles:
    """The distinct shingles of a text, each of its bytes packed into one number."""
    plain = ODD.sub(" ", text.lower()).strip().encode("utf-8", "surrogatepass").ljust(SHINGLE)
    windows = np.lib.stride_tricks.sliding_window_view(np.frombuffer(plain, dtype=np.uint8), SHINGLE)
    return np.unique(np.ascontiguousarray(windows).view("<u8").ravel())


def _signatures(texts: Sequence[str]) -> Shingles:
    """The least of each hash over a text's shingles, shape (texts, hashes)."""
    found = np.empty((len(texts), len(SEEDS)), dtype=np.uint64)
    for place, text in enumerate(texts):
        _mixed(shingles(text)[:, None] ^ SEEDS).min(axis=0, out=found[place])
    return found


def _mixed(numbers: Shingles) -> Shingles:
    """The finaliser of SplitMix64 (Steele et al. 2014): each bit that goes in moves each that comes out."""
    numbers = (numbers ^ (numbers >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    numbers = (numbers ^ (numbers >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return numbers ^ (numbers >> np.uint64(31))


SEEDS: Final = _mixed(np.arange(1, BANDS * ROWS + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15))
