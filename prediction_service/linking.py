"""Fits a link: the old score that as many comments reach as reach our score. Pure NumPy; knows no file.

Equipercentile linking (Kolen and Brennan, Test Equating, Scaling, and Linking): both scales are cut at
the same shares of the comments, so that as many are at or over each threshold as were before.
"""

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from prediction_service.calibration import Knot, Link
from prediction_service.exceptions import CalibrationError

Floats = npt.NDArray[np.float64]
EVEN_KNOTS: Final = 512
TOP_KNOTS: Final = 256
# Rows up to here are knots each, and the share at or over every threshold is kept to one row.
ALL_KNOTS: Final = EVEN_KNOTS + TOP_KNOTS
MIN_VALUES: Final = 10
# Comments with one old score differ in ours: they stay at that score, apart by less than anybody reads.
HAIR: Final = 1e-6
FOLDS: Final = 5


def fit(head: str, ours: Floats, old: Floats) -> Link:
    """The link that gives our scores the distribution of the old ones.

    Args:
        head: whose scores they are.
        ours: scores of this service, 0..1, shape (n,); comments that occur again count again.
        old: the client's old scores of the same comments, 0..1, shape (n,), in any order.

    Raises:
        CalibrationError: one of the two has too few distinct values.

    """
    for whose, values in (("the old scores", old), (f"the scores of {head}", ours)):
        distinct = np.unique(values).size
        if distinct < MIN_VALUES:
            raise CalibrationError(
                f"{whose} take {distinct} different values: give scores (not decisions) of at least "
                f"{MIN_VALUES} different values"
            )
    values, counts = np.unique(ours, return_counts=True)
    # comments with one score of ours cannot be told apart: all go to the middle of their old scores
    middle = np.cumsum(counts) - (counts + 1) // 2
    matched = np.sort(old)[middle]
    kept = _picked(matched)
    rising = zip(values[kept].tolist(), _apart(matched)[kept].tolist(), strict=True)
    knots: list[Knot] = [(0.0, 0.0)]
    for knot in rising:
        if knots[-1][0] < knot[0] < 1 and knots[-1][1] < knot[1] < 1:
            knots.append(knot)
    return Link(head, (*knots, (1.0, 1.0)))


def _apart(matched: Floats) -> Floats:
    """Equal values of a sorted vector made to rise by a hair, and to stay below 1."""
    values, first, counts = np.unique(matched, return_index=True, return_counts=True)
    run = np.repeat(np.arange(values.size), counts)
    step = (np.arange(matched.size) - first[run]) / (counts + 1)[run]
    room = np.minimum(HAIR, np.diff(values, append=1.0) / 2)
    below = np.minimum(HAIR, np.diff(values, prepend=0.0) / 2)[-1]
    spread: Floats = np.where(matched < 1, matched + room[run] * step, 1 - below * (1 - step))
    return spread


def _picked(matched: Floats) -> npt.NDArray[np.intp]:
    """Which rows become knots: all of few; of many an even choice, denser towards the top.

    Thresholds lie at the top. Where old scores are coarse (whole per cents), both ends of each run of
    equal ones are among them.
    """
    size = matched.size
    if size <= ALL_KNOTS:
        return np.arange(size)
    even = np.linspace(0, size - 1, EVEN_KNOTS)
    top = size - np.geomspace(1, size, TOP_KNOTS)
    chosen = [np.rint(even).astype(np.intp), np.rint(top).astype(np.intp)]
    steps = np.flatnonzero(np.diff(matched)) + 1
    if steps.size < ALL_KNOTS:
        chosen += [steps, steps - 1]
    return np.unique(np.concatenate(chosen))


def held_out(head: str, ours: Floats, old: Floats, texts: Sequence[str]) -> Floats:
    """Each score through a link fitted on the other four fifths of the texts; a text's rows stay together.

    Raises:
        CalibrationError: four fifths are not enough.

    """
    folds = np.array([_fold(text) for text in texts])
    mapped = np.empty_like(ours)
    for fold in range(FOLDS):
        away = folds == fold
        mapped[away] = through(fit(head, ours[~away], old[~away]), ours[away])
    return mapped


def through(link: Link, scores: Floats) -> Floats:
    """What a link makes of many scores, one by one as the service does."""
    return np.array([link(score) for score in scores.tolist()], dtype=np.float64)


def _fold(text: str) -> int:
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8]) % FOLDS
