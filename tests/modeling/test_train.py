from typing import Any

import numpy as np
import pytest
from sklearn.metrics import average_precision_score, roc_auc_score

from modeling.candidates.hashed_linear import HashedLinearClassifier
from modeling.exceptions import CandidateError, DataError
from modeling.hashing import sigmoid
from modeling.policy import ATTRIBUTE
from modeling.split import fold_of, frozen_key
from modeling.train import best_f1_threshold, calibrate, out_of_fold, train
from tests.corpus import make_rows

ROWS = make_rows(600, noise=0.05)
TEXTS = [text for text, _ in ROWS]
LABELS = np.array([label for _, label in ROWS])
FOLDS = np.array([fold_of(frozen_key(text)) for text in TEXTS])


def test_no_row_is_scored_by_a_model_that_saw_its_fold() -> None:
    rows = HashedLinearClassifier().prepare(TEXTS)
    raw = out_of_fold(HashedLinearClassifier(), rows, LABELS, FOLDS)
    turned = np.where(FOLDS == 2, 1 - LABELS, LABELS)
    again = out_of_fold(HashedLinearClassifier(), rows, turned, FOLDS)
    assert np.array_equal(raw[FOLDS == 2], again[FOLDS == 2])
    assert not np.array_equal(raw[FOLDS != 2], again[FOLDS != 2])


def test_training_tells_its_progress_fold_by_fold() -> None:
    lines: list[str] = []
    train(TEXTS, LABELS, FOLDS, HashedLinearClassifier(), {"flag": 0.7}, lines.append)
    assert [f"fold {number} of 5" for number in range(1, 6)] == [
        line[:11] for line in lines if "fold " in line
    ]


def test_thresholds_and_calibration_come_from_out_of_fold_scores() -> None:
    trained = train(TEXTS, LABELS, FOLDS, HashedLinearClassifier(), {"flag": 0.7, "remove": 0.9})
    raw = out_of_fold(HashedLinearClassifier(), HashedLinearClassifier().prepare(TEXTS), LABELS, FOLDS)
    scores = sigmoid(trained.calibration["slope"] * raw + trained.calibration["offset"])
    flag = trained.policy.attributes[ATTRIBUTE]["flag"]
    assert flag.value is not None
    assert flag.support == int((scores >= flag.value).sum())
    assert flag.precision == pytest.approx(LABELS[scores >= flag.value].mean())


def test_calibrated_scores_are_right_on_average() -> None:
    rng = np.random.default_rng(0)
    labels = rng.integers(0, 2, 2_000)
    raw = 0.3 * (2 * labels - 1) + rng.normal(size=2_000)
    slope, offset = calibrate(raw, labels)
    assert labels.mean() == pytest.approx(sigmoid(slope * raw + offset).mean(), abs=1e-3)


def test_a_model_that_ranks_the_wrong_way_gives_the_base_rate() -> None:
    labels = np.repeat([0, 1], [75, 25])
    slope, offset = calibrate(-labels.astype(float), labels)
    assert 0.0 == slope
    assert 0.25 == pytest.approx(float(sigmoid(np.array([offset]))[0]))


def test_the_best_f1_threshold_beats_one_half_on_rare_labels() -> None:
    labels = np.repeat([0, 1], [80, 20])
    scores = np.concatenate([np.linspace(0, 0.2, 80), np.linspace(0.15, 0.4, 20)])
    assert 0.1 < best_f1_threshold(scores, labels) < 0.25


def test_a_fold_without_one_label_is_refused() -> None:
    labels = np.where(FOLDS == 3, 0, LABELS)
    with pytest.raises(DataError, match="label 1: no row in fold 3"):
        train(TEXTS, labels, FOLDS, HashedLinearClassifier(), {"flag": 0.7})


class Dear(HashedLinearClassifier):
    calibration_folds = 2


def test_a_candidate_whose_fits_are_dear_holds_out_fewer_folds() -> None:
    trained = train(TEXTS, LABELS, FOLDS, Dear(), {"flag": 0.7})
    held = FOLDS < 2
    assert np.array_equal(held, np.isfinite(trained.raw))
    assert int(held.sum()) == trained.out_of_fold["rows"]


@pytest.mark.parametrize("candidate", [HashedLinearClassifier(), Dear()])
def test_the_weights_are_of_all_learning_rows_with_the_calibration_in_them(
    candidate: HashedLinearClassifier,
) -> None:
    trained = train(TEXTS, LABELS, FOLDS, candidate, {"flag": 0.7})
    fitted = HashedLinearClassifier().fit(TEXTS, LABELS)
    assert trained.calibration["slope"] > 1.2
    assert fitted.files(**trained.calibration) == trained.files
    assert fitted.facts() == trained.facts


def test_what_is_told_of_out_of_fold_scores_is_of_the_rows_that_were_held_out() -> None:
    trained = train(TEXTS, LABELS, FOLDS, Dear(), {"flag": 0.7})
    held = FOLDS < 2
    told, labels = trained.out_of_fold, LABELS[held]
    scores = sigmoid(trained.calibration["slope"] * trained.raw[held] + trained.calibration["offset"])
    assert roc_auc_score(labels, scores) == pytest.approx(told["roc_auc"])
    assert average_precision_score(labels, scores) == pytest.approx(told["pr_auc"])
    assert best_f1_threshold(scores, labels) == pytest.approx(told["f1_threshold"])


class Diverging(HashedLinearClassifier):
    def decision_function(self, X: Any) -> Any:  # noqa: N803
        return super().decision_function(X) * np.nan


def test_scores_that_are_no_numbers_are_refused_with_the_parameters() -> None:
    with pytest.raises(CandidateError, match=r"Diverging: 1\d\d of 1\d\d scores of fold 0 .*'C': 2.0"):
        train(TEXTS, LABELS, FOLDS, Diverging(), {"flag": 0.7})
