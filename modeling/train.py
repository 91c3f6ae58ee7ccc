"""Fit a candidate on the learning part: out-of-fold scores, calibration, thresholds, final weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import clone
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import average_precision_score, f1_score, roc_auc_score

from modeling.candidates.interface import Candidate, Labels, Progress, Rows
from modeling.exceptions import CandidateError, DataError
from modeling.hashing import Floats, sigmoid
from modeling.policy import ATTRIBUTE, Action, Policy, fit_thresholds
from modeling.split import FOLDS

THRESHOLDS_TRIED = 400


@dataclass(frozen=True)
class Trained:
    """A fitted candidate with what its out-of-fold scores told.

    Attributes:
        files: weight files of the bundle by name, calibrated, from a fit on all learning rows.
        policy: thresholds from calibrated out-of-fold scores.
        calibration: slope and offset of the logit (Platt 1999).
        out_of_fold: ROC-AUC and PR-AUC over the rows that were held out, their number, and the best F1
            threshold.
        raw: out-of-fold logits before calibration, shape (rows,); NaN where a row was never held out.
        facts: what the candidate says of the final fit.

    """

    files: Mapping[str, bytes]
    policy: Policy
    calibration: dict[str, float]
    out_of_fold: dict[str, float]
    raw: Floats
    facts: Mapping[str, Any]


def train(
    texts: list[str],
    labels: Labels,
    folds: npt.NDArray[np.int64],
    candidate: Candidate,
    targets: Mapping[Action, float],
    progress: Progress = lambda _: None,
) -> Trained:
    """Fit on cleaned learning texts; all vectors have shape (rows,).

    Raises:
        DataError: a fold lacks one label, so that nothing can be fitted without it.
        CandidateError: the candidate's scores are no numbers.

    """
    check_folds(labels, folds)
    rows = candidate.prepare(texts, progress)
    raw = out_of_fold(candidate, rows, labels, folds, progress)
    held = ~np.isnan(raw)
    slope, offset = calibrate(raw[held], labels[held])
    scores = sigmoid(slope * raw[held] + offset)
    final = clone(candidate).fit(rows, labels)
    facts = final.facts()
    said = ", ".join(f"{value} {name}" for name, value in facts.items() if not isinstance(value, Mapping))
    progress(f"final fit on {len(rows):,} rows: {said}")
    return Trained(
        files=final.files(slope, offset),
        policy=Policy({ATTRIBUTE: fit_thresholds(scores, labels[held], targets)}),
        calibration={"slope": slope, "offset": offset},
        out_of_fold={
            "rows": int(held.sum()),
            "roc_auc": float(roc_auc_score(labels[held], scores)),
            "pr_auc": float(average_precision_score(labels[held], scores)),
            "f1_threshold": best_f1_threshold(scores, labels[held]),
        },
        raw=raw,
        facts=facts,
    )


def out_of_fold(
    candidate: Candidate,
    rows: Rows,
    labels: Labels,
    folds: npt.NDArray[np.int64],
    progress: Progress = lambda _: None,
) -> Floats:
    """The logit of every row by a model that never saw the row's fold, shape (rows,).

    A candidate whose fits are dear holds out its first ``calibration_folds`` folds only; rows of the
    others are NaN.

    Raises:
        CandidateError: a logit is no number.

    """
    raw = np.full(len(labels), np.nan)
    for fold in range(candidate.calibration_folds):
        held_out = folds == fold
        fitted = clone(candidate).fit(rows.select(~held_out), labels[~held_out])
        raw[held_out] = fitted.decision_function(rows.select(held_out))
        if not np.isfinite(raw[held_out]).all():
            raise CandidateError(
                f"{type(candidate).__name__}: {int((~np.isfinite(raw[held_out])).sum())} of "
                f"{int(held_out.sum())} scores of fold {fold} are no numbers: its parameters "
                f"{candidate.get_params()} make it diverge, change them"
            )
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


def check_folds(labels: Labels, folds: npt.NDArray[np.int64]) -> None:
    """Make sure that every fold can be held out.

    Raises:
        DataError: a fold lacks one label.

    """
    for fold in range(FOLDS):
        for label in (0, 1):
            if not np.any((folds == fold) & (labels == label)):
                raise DataError(
                    f"label {label}: no row in fold {fold} of the learning part ({len(labels)} rows): "
                    "bring more comments of that label, at least a few hundred"
                )
