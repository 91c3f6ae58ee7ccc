from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import cross_val_score
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import check_array_api_input, parametrize_with_checks

from modeling.candidates.hashed_linear import HashedLinearClassifier, build
from modeling.data import read_comments
from modeling.hashing import SLOTS, logits, ngram_counts, sigmoid
from modeling.ngrams import BLOCK_ROWS, count_ngrams
from modeling.style import FEATURES, LIMIT, style
from tests.corpus import make_rows
from tests.modeling.estimators import NumbersAsTexts

ROWS = make_rows(400)
TEXTS = [text for text, _ in ROWS]
LABELS = np.array([label for _, label in ROWS])


class OnNumbers(NumbersAsTexts, HashedLinearClassifier):
    pass


@parametrize_with_checks([OnNumbers()])
def test_scikit_learns_own_checks_pass(estimator: Any, check: Any) -> None:
    if check.func is check_array_api_input:
        return  # needs a variable that SciPy reads at import; the estimator claims no array API
    check(estimator)


def matrix(texts: list[str]) -> sparse.csr_array:
    rows = [ngram_counts(text) for text in texts]
    values = np.concatenate([1.0 + np.log(counts) for _, counts in rows])
    slots = np.concatenate([slots for slots, _ in rows]).astype(np.int64)
    ends = np.cumsum([0, *(len(slots) for slots, _ in rows)])
    return sparse.csr_array((values, slots, ends), shape=(len(texts), SLOTS))


def test_it_is_scikit_learns_logistic_regression_on_the_same_features() -> None:
    fitted = HashedLinearClassifier(C=2.0, style_C=0.5, tol=1e-8, max_iter=4_000).fit(TEXTS, LABELS)
    ngrams = matrix(TEXTS) @ sparse.diags_array(fitted.idf_.astype(float))
    ngrams = sparse.diags_array(1 / sparse.linalg.norm(ngrams, axis=1)) @ ngrams
    moved = StandardScaler().fit_transform([style(text) for text in TEXTS])
    # a feature's own strength of regularisation is its unit
    features = sparse.hstack((ngrams, np.clip(moved, -LIMIT, LIMIT) * np.sqrt(0.5 / 2.0)), format="csr")
    rival = LogisticRegression(C=2.0, tol=1e-8, max_iter=4_000).fit(features, LABELS)
    assert rival.decision_function(features) == pytest.approx(fitted.decision_function(TEXTS), abs=2e-3)


def test_serving_arithmetic_gives_what_the_estimator_gives() -> None:
    fitted = HashedLinearClassifier().fit(TEXTS[:300], LABELS[:300])
    unseen = TEXTS[300:]
    served = logits(unseen, fitted.weights())
    assert fitted.decision_function(unseen) == pytest.approx(served, abs=2e-5)
    assert fitted.predict_proba(unseen)[:, 1] == pytest.approx(sigmoid(served), abs=1e-6)


def test_calibration_is_part_of_the_weights() -> None:
    fitted = HashedLinearClassifier().fit(TEXTS, LABELS)
    calibrated = logits(TEXTS[:20], fitted.weights(slope=1.5, offset=-0.3))
    assert 1.5 * fitted.decision_function(TEXTS[:20]) - 0.3 == pytest.approx(calibrated, abs=1e-5)


def test_fitting_twice_gives_the_same_bits() -> None:
    first, second = (HashedLinearClassifier().fit(TEXTS, LABELS) for _ in range(2))
    assert np.array_equal(first.coef_, second.coef_)
    assert first.intercept_ == second.intercept_


def test_a_selection_is_fitted_as_if_the_other_rows_were_not_there() -> None:
    chosen = np.arange(400) % 3 > 0
    rows = HashedLinearClassifier().prepare(TEXTS)
    selected = HashedLinearClassifier().fit(rows.select(chosen), LABELS[chosen])
    alone = HashedLinearClassifier().fit([TEXTS[row] for row in np.flatnonzero(chosen)], LABELS[chosen])
    assert np.array_equal(selected.idf_, alone.idf_)
    assert np.array_equal(selected.style_mean_, alone.style_mean_)
    assert selected.decision_function(TEXTS) == pytest.approx(alone.decision_function(TEXTS), abs=1e-4)


def test_labels_of_any_kind_come_back_as_they_went_in() -> None:
    fitted = HashedLinearClassifier().fit(TEXTS, np.where(LABELS == 1, "removed", "kept"))
    assert ["kept", "removed"] == fitted.classes_.tolist()
    assert {"kept", "removed"} == set(fitted.predict(TEXTS).tolist())


def test_probabilities_are_of_both_classes() -> None:
    probabilities = HashedLinearClassifier().fit(TEXTS, LABELS).predict_proba(TEXTS)
    assert (400, 2) == probabilities.shape
    assert np.ones(400) == pytest.approx(probabilities.sum(axis=1))


def test_parameters_come_from_a_plain_mapping() -> None:
    given = {"C": 3.0, "style": False, "style_C": 0.5, "idf_power": 1.0, "tol": 1e-5, "max_iter": 9}
    assert given == build(given).get_params()


@pytest.mark.parametrize(
    ("labels", "params", "message"),
    [
        (np.zeros(400, dtype=int), {}, r"1 class\(es\)"),
        (np.arange(400) % 3, {}, r"3 class\(es\)"),
        (LABELS[:-1], {}, "400 rows and y 399"),
        (LABELS, {"C": 0.0}, "C=0.0 must be positive"),
        (LABELS, {"style_C": -1.0}, "style_C=-1.0 must be positive"),
    ],
)
def test_what_cannot_be_fitted_is_refused(labels: object, params: dict[str, float], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        HashedLinearClassifier(**params).fit(TEXTS, labels)  # type: ignore[arg-type]


def test_many_rows_are_counted_in_blocks_as_few_are() -> None:
    texts = [f"{TEXTS[row % 400]} {row}" for row in range(BLOCK_ROWS + 10)]
    counts, rng = count_ngrams(texts), np.random.default_rng(0)
    vector, rows = rng.normal(size=SLOTS).astype(np.float32), rng.normal(size=len(texts))
    assert matrix(texts) @ vector == pytest.approx(counts.times(vector), rel=1e-3, abs=1e-3)
    assert matrix(texts).T @ rows == pytest.approx(counts.transposed_times(rows), rel=1e-3, abs=1e-3)


def test_on_real_removals_it_ranks_as_well_as_was_measured(real_data: Path) -> None:
    frame = read_comments([real_data]).used
    texts, labels = frame["text"].to_numpy(dtype=object), frame["label"].to_numpy()
    areas = cross_val_score(HashedLinearClassifier(), texts, labels, cv=5, scoring="roc_auc")
    assert areas.mean() > 0.80


def test_without_style_it_is_a_sum_of_ngrams_as_bundles_were_before() -> None:
    fitted = HashedLinearClassifier(style=False).fit(TEXTS, LABELS)
    assert fitted.weights().style is None
    assert fitted.decision_function(TEXTS[:9]) == pytest.approx(logits(TEXTS[:9], fitted.weights()), abs=2e-5)


def test_features_that_are_the_same_in_all_rows_add_nothing() -> None:
    weights = HashedLinearClassifier().fit(TEXTS, LABELS).weights().style
    assert weights is not None
    same = weights.scale == 0
    assert same[FEATURES.index("stars")]
    assert not weights.contributions("** _shut_ up ##")[same].any()


def test_rows_counted_without_style_are_refused_where_it_is_fitted() -> None:
    rows = HashedLinearClassifier(style=False).prepare(TEXTS)
    with pytest.raises(ValueError, match="style=True needs rows that were prepared with style"):
        HashedLinearClassifier().fit(rows, LABELS)
