"""The resampled figures are those of scikit-learn, and the intervals hold what they say."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from modeling.evaluate import expected_calibration_error
from modeling.paired import Sampled, area, calibration_error, interval, mean, resample, simultaneous


@settings(max_examples=50, deadline=None)
@given(
    labels=st.lists(st.integers(0, 1), min_size=12, max_size=60).filter(
        lambda them: 0 < sum(them) < len(them)
    ),
    seed=st.integers(0, 1_000),
    steps=st.sampled_from([3, 10, 10**6]),
)
def test_the_area_is_scikit_learns_also_with_ties_weights_and_slices(
    labels: list[int], seed: int, steps: int
) -> None:
    random = np.random.default_rng(seed)
    truth = np.array(labels, dtype=np.int64)
    scores = np.round(random.random(len(truth)) * steps) / steps
    chosen = random.random(len(truth)) < 0.7
    weights = random.integers(0, 4, len(truth)).astype(np.int32)
    kept, removed = weights[truth == 0][np.newaxis], weights[truth == 1][np.newaxis]
    for among in (None, chosen):
        counted = weights if among is None else weights * chosen
        [found] = area(scores, truth, among)(kept, removed)
        if counted[truth == 0].sum() and counted[truth == 1].sum():
            assert pytest.approx(roc_auc_score(truth, scores, sample_weight=counted)) == found
        else:
            assert np.isnan(found)


def test_brier_score_and_calibration_error_are_those_of_the_evaluation() -> None:
    random = np.random.default_rng(0)
    truth, scores = random.integers(0, 2, 500), random.random(500)
    figures = {"brier": mean((scores - truth) ** 2, truth), "ece": calibration_error(scores, truth)}
    drawn = resample(truth, figures, 2, 0)
    assert pytest.approx(brier_score_loss(truth, scores)) == drawn["brier"].value
    assert pytest.approx(expected_calibration_error(scores, truth)) == drawn["ece"].value


def test_each_label_keeps_its_number_of_rows_in_every_resample() -> None:
    truth = np.repeat([0, 1], [90, 10])
    share = resample(truth, {"share": mean(truth.astype(float), truth)}, 50, 0)["share"]
    assert [pytest.approx(0.1)] * 50 == list(share.drawn)


def test_the_number_of_blocks_changes_no_figure(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(0)
    truth = random.integers(0, 2, 300)
    figures = {"area": area(random.random(300), truth)}
    one = resample(truth, figures, 70, 0)["area"]
    assert 70 == np.isfinite(one.drawn).sum()
    assert one.value == resample(truth, figures, 1, 9)["area"].value
    monkeypatch.setattr("modeling.paired.BLOCK", 1)
    assert 70 == np.isfinite(resample(truth, figures, 70, 0)["area"].drawn).sum()


def test_both_models_see_the_same_resamples() -> None:
    random = np.random.default_rng(0)
    truth, scores = random.integers(0, 2, 300), random.random(300)
    drawn = resample(truth, {"one": area(scores, truth), "same": area(scores**2, truth)}, 50, 0)
    assert [0.0] * 50 == list((drawn["one"] - drawn["same"]).drawn)


def test_the_interval_holds_what_most_resamples_give() -> None:
    found = interval(Sampled(0.5, np.append(np.arange(1.0, 1_001.0), np.nan)), 0.95)
    assert (0.5, pytest.approx(25.975), pytest.approx(975.025)) == (found.value, found.low, found.high)
    assert pytest.approx(1 / 1_001) == found.share


def test_nothing_drawn_is_no_interval() -> None:
    found = interval(Sampled(0.5, np.array([np.nan])), 0.95)
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_intervals_that_hold_at_once_are_wider_and_hold_at_once() -> None:
    drawn = np.random.default_rng(0).normal(0, [1.0, 2.0, 5.0, 0.0], (4_000, 4))
    them = {str(at): Sampled(0.0, drawn[:, at]) for at in range(4)}
    found = simultaneous(them, 0.95)
    inside = np.all([np.abs(drawn[:, at]) <= found[str(at)].high + 1e-12 for at in range(4)], axis=0)
    assert pytest.approx(0.95, abs=0.001) == inside.mean()
    assert found["0"].high > interval(them["0"], 0.95).high
    assert (0.0, 0.0) == (found["3"].low, found["3"].high)
    assert {} == simultaneous({}, 0.95)
