"""Fit a candidate on the learning part: out-of-fold scores, calibration, thresholds, final weights."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from modeling.candidates.hashed_linear import HashedLinearClassifier
from modeling.exceptions import DataError
from modeling.hashing import Floats, Weights, sigmoid
from modeling.ngrams import NgramCounts, Progress, count_ngrams
from modeling.policy import ATTRIBUTE, Action, Policy, fit_thresholds
from modeling.split import FOLDS

Labels = npt.NDArray[np.int64]
THRESHOLDS_TRIED = 400


@dataclass(frozen=True)
class Trained:
    """A fitted candidate with what its out-of-fold scores told.

    Attributes:
        weights: calibrated, from a fit on all learning rows.
        policy: thresholds from calibrated out-of-fold scores.
        calibration: slope and offset of the logit (Platt 1999).
        out_of_fold: ROC-AUC and PR-AUC over the learning part, and the best F1 threshold.
        iterations: of the final fit.

    """

    weights: Weights
    policy: Policy
    calibration: dict[str, float]
    out_of_fold: dict[str, float]
    iterations: int


def train(
    texts: list[str],
    labels: Labels,
    folds: npt.NDArray[np.int64],
    candidate: HashedLinearClassifier,
    targets: Mapping[Action, float],
    progress: Progress = lambda _: None,
) -> Trained:
    """Fit on cleaned learning texts; all vectors have shape (rows,).

    Raises:
        DataError: a fold lacks one label, so that nothing can be fitted without it.

    """
    _check_folds(labels, folds)
    counts = count_ngrams(texts, progress)
    progress(f"{len(counts):,} rows, {len(counts.slots):,} n-gram counts")
    raw = out_of_fold(candidate, counts, labels, folds, progress)
    slope, offset = calibrate(raw, labels)
    scores = sigmoid(slope * raw + offset)
    final = clone(candidate).fit(counts, labels)
    progress(f"final fit on {len(counts):,} rows: {final.n_iter_} iterations")
    return Trained(
        weights=final.weights(slope, offset),
        policy=Policy({ATTRIBUTE: fit_thresholds(scores, labels, targets)}),
        calibration={"slope": slope, "offset": offset},
        out_of_fold={
            "roc_auc": float(roc_auc_score(labels, scores)),
            "pr_auc": float(average_precision_score(labels, scores)),
            "f1_threshold": best_f1_threshold(scores, labels),
        },
        iterations=final.n_iter_,
    )


def out_of_fold(
    candidate: HashedLinearClassifier,
    counts: NgramCounts,
    labels: Labels,
    folds: npt.NDArray[np.int64],
    progress: Callable[[str], None] = lambda _: None,
) -> Floats:
    """The logit of every row by a model that never saw the row's fold, shape (rows,)."""
    raw = np.empty(len(labels))
    for fold in range(FOLDS):
        held_out = folds == fold
        fitted = clone(candidate).fit(counts.select(~held_out), labels[~held_out])
        raw[held_out] = fitted.decision_function(counts.select(held_out))
        area = roc_auc_score(labels[held_out], raw[held_out])
        progress(f"fold {fold + 1} of {FOLDS}: ROC-AUC {area:.3f} on {held_out.sum():,} held-out rows")
    return raw


def calibrate(raw: Floats, labels: Labels) -> tuple[float, float]:
    """Slope and offset that make ``sigmoid(slope * raw + offset)`` a probability (Platt 1999).

    A slope below 0 would turn the ranking round, so it is held at 0: such a model knows nothing.
    """
    platt = LogisticRegression(C=np.inf, tol=1e-8).fit(raw.reshape(-1, 1), labels)
    slope, offset = float(platt.coef_[0, 0]), float(platt.intercept_[0])
    if slope > 0:
        return slope, offset
    base = float(np.mean(labels))
    return 0.0, float(np.log(base / (1 - base)))


def best_f1_threshold(scores: Floats, labels: Labels) -> float:
    """The quantile of the scores at which F1 is largest."""
    tried = np.unique(np.quantile(scores, np.linspace(0, 1, THRESHOLDS_TRIED)))
    return float(max(tried, key=lambda threshold: f1_score(labels, scores >= threshold)))


def _check_folds(labels: Labels, folds: npt.NDArray[np.int64]) -> None:
    for fold in range(FOLDS):
        for label in (0, 1):
            if not np.any((folds == fold) & (labels == label)):
                raise DataError(
                    f"label {label}: no row in fold {fold} of the learning part ({len(labels)} rows): "
                    "bring more comments of that label, at least a few hundred"
                )
