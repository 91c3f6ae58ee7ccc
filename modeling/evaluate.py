"""Metrics with intervals on rows that training never saw. Pure functions of scores and labels."""

from collections.abc import Collection, Mapping, Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from modeling import resampling
from modeling.exceptions import EvaluationError
from modeling.hashing import Floats
from modeling.policy import Action, Threshold
from modeling.resampling import Figure, Labels, Metric, Ranked, bin_starts, bootstrap, whole

BINS: Final = resampling.BINS
# With fewer rows a 95 % interval of ROC-AUC is about ± .17 wide (Hanley and McNeil 1982, at .8) and a bin
# of the calibration error holds fewer than five rows: such figures invite mistakes.
LEAST_ROWS: Final = 50
LEAST_OF_A_LABEL: Final = 10
PRECISIONS: Final = {
    "recall_at_precision_70": 0.7,
    "recall_at_precision_80": 0.8,
    "recall_at_precision_90": 0.9,
}
# Closer to 0 or 1 a score has no logit in double precision that could be turned back.
NEAREST: Final = 1e-15


def evaluate(
    scores: Floats,
    labels: Labels,
    thresholds: Mapping[Action, Threshold],
    f1_threshold: float,
    resamples: int = 500,
    seed: int = 0,
    *,
    uncalibrated: Floats | None = None,
) -> dict[str, Metric]:
    """Every figure with its interval; an action that is off has none.

    Args:
        scores: calibrated probabilities, shape (n,).
        labels: 1 where moderators removed the row, shape (n,).
        thresholds: fitted on other rows.
        f1_threshold: where F1 was largest on other rows.
        resamples: of the bootstrap.
        seed: of the bootstrap.
        uncalibrated: the scores as they were before calibration, where that can be told, shape (n,).

    """
    figures = _figures(thresholds, f1_threshold) | {"ece": resampling.calibration_error(np.sort(scores))}
    if uncalibrated is not None:
        figures["ece_uncalibrated"] = resampling.calibration_error(np.sort(uncalibrated))
    return bootstrap(Ranked.of(scores, labels), figures, resamples, seed)


def _figures(thresholds: Mapping[Action, Threshold], f1_threshold: float) -> dict[str, Figure]:
    figures: dict[str, Figure] = {
        "roc_auc": resampling.roc_auc,
        "pr_auc": resampling.pr_auc,
        "brier": resampling.brier,
        "f1": resampling.f1(f1_threshold),
    }
    for name, target in PRECISIONS.items():
        figures[name] = resampling.recall_at_precision(target)
    for action, threshold in thresholds.items():
        if threshold.value is not None:
            figures[f"{action}_precision"] = resampling.precision_at(threshold.value)
            figures[f"{action}_recall"] = resampling.recall_at(threshold.value)
            if action == "flag":
                figures["kept_flagged"] = resampling.false_positive_rate(threshold.value)
    return figures


def before_calibration(scores: Floats, calibration: Mapping[str, float]) -> Floats | None:
    """What a scorer would say without the calibration that its training states, shape (n,).

    The calibrated logit is ``slope * logit + offset`` (Platt 1999), whatever kind of model it is, so it can
    be turned back; None where the slope is 0, so that all scores are one.
    """
    slope, offset = calibration["slope"], calibration["offset"]
    if slope == 0:
        return None
    inside = np.clip(scores, NEAREST, 1 - NEAREST)
    raw = (np.log(inside) - np.log1p(-inside) - offset) / slope
    return np.exp(-np.logaddexp(0.0, -raw))


def check_rows(labels: Labels) -> None:
    """Whether a test part holds enough to be evaluated.

    Raises:
        EvaluationError: too few rows, or too few of one label; says how many, and what would do.

    """
    removed = int(np.sum(labels))
    kept = len(labels) - removed
    if len(labels) >= LEAST_ROWS and min(kept, removed) >= LEAST_OF_A_LABEL:
        return
    found = f"test part: {len(labels)} rows, {kept} kept (label 0) and {removed} removed (label 1)"
    wanted = f"{LEAST_ROWS} rows with {LEAST_OF_A_LABEL} of each label"
    raise EvaluationError(
        f"{found}: at least {wanted} are needed, or a 95 % interval of ROC-AUC would be wider than ± .17: "
        "bring more comments, a few hundred of each label"
    )


def check_scores(scores: Floats, rows: int, candidate: str) -> None:
    """Whether there is a probability for each row.

    Raises:
        EvaluationError: names the candidate, and how many scores are none.

    """
    if scores.shape != (rows,):
        raise EvaluationError(
            f"candidate {candidate}: scores of shape {scores.shape} for {rows} rows: give one each"
        )
    missing = int(np.isnan(scores).sum())
    outside = int(np.sum((scores < 0) | (scores > 1)))
    if missing or outside:
        raise EvaluationError(
            f"candidate {candidate}: {missing} of {rows:,} scores are NaN and {outside} outside 0..1: "
            "nothing was measured; train it again with other parameters"
        )


def check_unseen(keys: Sequence[str], learned: Collection[str]) -> None:
    """Whether no test row is one that the model learned from.

    Raises:
        EvaluationError: names how many are, and the first one's key.

    """
    known = set(learned)
    seen = [key for key in keys if key in known]
    if seen:
        raise EvaluationError(
            f"test part: {len(seen)} of {len(keys):,} rows are rows that the model learned from (the first "
            f"has the key {seen[0][:12]}…): such figures mean nothing; run steps preprocess and train again"
        )


def equal_mass_bins(scores: Floats, bins: int = BINS) -> list[npt.NDArray[np.intp]]:
    """Row numbers of each bin; bins hold equally many rows, ordered by score."""
    order = np.argsort(scores, kind="stable")
    return (
        [np.asarray(rows) for rows in np.split(order, bin_starts(len(order), bins)[1:])] if len(order) else []
    )


def expected_calibration_error(scores: Floats, labels: Labels) -> float:
    """Mean distance between score and share removed over ten bins (see `resampling.calibration_error`)."""
    ranked = Ranked.of(scores, labels)
    return float(resampling.calibration_error(ranked.scores)(whole(ranked))[0])


def chance_calibration_error(scores: Floats, draws: int = 200, seed: int = 0) -> float:
    """The calibration error that perfectly calibrated scores show by chance alone on as many rows.

    Labels are drawn from the scores themselves; the mean over the draws is given.
    """
    random = np.random.default_rng(seed)
    errors = [
        expected_calibration_error(scores, (random.random(len(scores)) < scores).astype(np.int64))
        for _ in range(draws)
    ]
    return float(np.mean(errors))
