"""Out-of-fold scores of a candidate, calibrated inside each training part, and figures with intervals.

Every row of every seed is scored once, by a model that never saw it. That model is made as the product
makes one: out-of-fold scores over the frozen-key folds of its own training part fit slope and offset,
then all of the training part is fitted. Nothing of the held-out part is used for either.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.metrics import average_precision_score, brier_score_loss, roc_auc_score
from sklearn.model_selection import StratifiedKFold

from modeling.candidates.interface import Candidate, Labels, Rows
from modeling.evaluate import expected_calibration_error
from modeling.hashing import Floats, sigmoid
from modeling.resampling import LEVEL
from modeling.train import calibrate, out_of_fold

Mask = npt.NDArray[np.bool_]
METRICS: Final[dict[str, Callable[[Floats, Labels], float]]] = {
    "roc_auc": lambda scores, labels: float(roc_auc_score(labels, scores)),
    "pr_auc": lambda scores, labels: float(average_precision_score(labels, scores)),
    "brier": lambda scores, labels: float(brier_score_loss(labels, scores)),
    "ece": expected_calibration_error,
}


@dataclass(frozen=True)
class Plan:
    """Into how many stratified folds the rows are parted, once for each seed."""

    seeds: tuple[int, ...]
    folds: int

    def parts(self, labels: Labels) -> Iterator[tuple[int, int, Mask]]:
        """Number of the seed, of the fold, and the rows that are held out, shape (rows,)."""
        for number, seed in enumerate(self.seeds):
            splitter = StratifiedKFold(self.folds, shuffle=True, random_state=seed)
            for fold, (_, rows) in enumerate(splitter.split(labels, labels)):
                held_out = np.zeros(len(labels), dtype=np.bool_)
                held_out[rows] = True
                yield number, fold, held_out


def held_out_scores(
    candidate: Candidate, rows: Rows, labels: Labels, folds: npt.NDArray[np.int64], held_out: Mask
) -> tuple[Floats, float]:
    """Probabilities of the held-out rows, and the CPU seconds of the one fit on all others."""
    part, known = rows.select(~held_out), labels[~held_out]
    raw = out_of_fold(candidate, part, known, folds[~held_out])
    seen = ~np.isnan(raw)
    slope, offset = calibrate(raw[seen], known[seen])
    started = time.process_time()
    fitted = clone(candidate).fit(part, known)
    taken = time.process_time() - started
    return sigmoid(slope * fitted.decision_function(rows.select(held_out)) + offset), taken


def figures(scores: Floats, labels: Labels, resamples: int) -> dict[str, Floats]:
    """By metric, its value and then its values on resampled rows, shape (1 + resamples,).

    A value is the mean over the seeds (rows of ``scores``, shape (seeds, n)), never a metric of mean
    scores: those would be of five models together, which nobody serves. All candidates meet the same
    resampled rows, so that differences are paired.
    """
    random = np.random.default_rng(0)
    drawn = [np.arange(len(labels)), *(random.integers(0, len(labels), (resamples, len(labels))))]
    return {
        name: np.array([np.mean([metric(seed[rows], labels[rows]) for seed in scores]) for rows in drawn])
        for name, metric in METRICS.items()
    }


def interval(values: Sequence[float] | Floats) -> tuple[float, float]:
    """The percentiles between which 95 of 100 values lie (Efron and Tibshirani 1993, chapter 13)."""
    edge = 50 * (1 - LEVEL)
    low, high = np.percentile(values, [edge, 100 - edge])
    return float(low), float(high)


def fold_areas(scores: Floats, labels: Labels, plan: Plan) -> Floats:
    """ROC-AUC within each fold of each seed, shape (seeds * folds,)."""
    return np.array(
        [roc_auc_score(labels[held], scores[number][held]) for number, _, held in plan.parts(labels)]
    )
