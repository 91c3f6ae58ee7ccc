"""The bootstrap's figures against scikit-learn's, against sums by hand, and the laws they keep."""

from collections.abc import Callable
from random import Random

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, brier_score_loss, f1_score, roc_auc_score

from modeling import resampling
from modeling.hashing import Floats
from modeling.resampling import (
    Labels,
    Metric,
    Ranked,
    Sample,
    bootstrap,
    calibration_error,
    draws,
    precision_at,
    recall_at,
    recall_at_precision,
    roc_auc,
    whole,
)

# Few distinct scores, so that ties are frequent.
ROWS = st.lists(
    st.tuples(st.integers(0, 12).map(lambda step: step / 12), st.integers(0, 1)), min_size=2, max_size=60
).filter(lambda rows: 0 < sum(label for _, label in rows) < len(rows))


def arrays(rows: list[tuple[float, int]]) -> tuple[Floats, Labels]:
    return np.array([score for score, _ in rows]), np.array([label for _, label in rows])


def value(figure: resampling.Figure, scores: Floats, labels: Labels) -> float:
    return float(figure(whole(Ranked.of(scores, labels)))[0])


@settings(max_examples=60, deadline=None)
@given(ROWS)
def test_figures_are_those_of_scikit_learn(rows: list[tuple[float, int]]) -> None:
    scores, labels = arrays(rows)
    assert roc_auc_score(labels, scores) == pytest.approx(value(roc_auc, scores, labels))
    assert average_precision_score(labels, scores) == pytest.approx(value(resampling.pr_auc, scores, labels))
    assert brier_score_loss(labels, scores) == pytest.approx(value(resampling.brier, scores, labels))
    expected = f1_score(labels, scores >= 0.5, zero_division=0.0)
    assert expected == pytest.approx(value(resampling.f1(0.5), scores, labels))


@settings(max_examples=60, deadline=None)
@given(ROWS, st.integers(0, 2**32 - 1))
def test_a_resample_gives_what_its_rows_give(rows: list[tuple[float, int]], seed: int) -> None:
    scores, labels = arrays(rows)
    ranked = Ranked.of(scores, labels)
    ranks = np.sort(np.random.default_rng(seed).integers(0, len(rows), (3, len(rows))), axis=1)
    together = Sample(ranked, ranks)
    for line, chosen in enumerate(ranks):
        drawn, drawn_labels = ranked.scores[chosen], ranked.labels[chosen]
        alone = Ranked.of(drawn, drawn_labels)
        for figure in (roc_auc, resampling.pr_auc, resampling.brier, recall_at(0.5), precision_at(0.5)):
            expected, actual = value(figure, drawn, drawn_labels), float(figure(together)[line])
            assert expected == pytest.approx(actual, nan_ok=True)
        by_hand = float(calibration_error(alone.scores)(whole(alone))[0])
        assert by_hand == pytest.approx(float(calibration_error(ranked.scores)(together)[line]))


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_ranking_figures_do_not_change_with_a_scale_that_keeps_the_order(
    rows: list[tuple[float, int]],
) -> None:
    scores, labels = arrays(rows)
    for figure in (roc_auc, resampling.pr_auc, recall_at_precision(0.7)):
        assert value(figure, scores, labels) == value(figure, scores**3 / 2, labels)


@settings(max_examples=40, deadline=None)
@given(ROWS, st.randoms(use_true_random=False))
def test_the_order_of_the_rows_does_not_matter_to_ranking_figures(
    rows: list[tuple[float, int]], random: Random
) -> None:
    shuffled = random.sample(rows, len(rows))
    for figure in (roc_auc, resampling.pr_auc, recall_at_precision(0.8)):
        assert value(figure, *arrays(rows)) == pytest.approx(value(figure, *arrays(shuffled)))


@settings(max_examples=40, deadline=None)
@given(ROWS)
def test_turning_labels_and_scores_round_leaves_roc_auc_as_it_was(rows: list[tuple[float, int]]) -> None:
    scores, labels = arrays(rows)
    assert value(roc_auc, scores, labels) == pytest.approx(value(roc_auc, 1 - scores, 1 - labels))


@settings(max_examples=25, deadline=None)
@given(ROWS.filter(lambda rows: len(rows) >= 20), st.integers(0, 100))
def test_the_interval_of_roc_auc_holds_its_value(rows: list[tuple[float, int]], seed: int) -> None:
    metric = bootstrap(Ranked.of(*arrays(rows)), {"roc_auc": roc_auc}, 200, seed)["roc_auc"]
    assert metric.low - 1e-9 <= metric.value <= metric.high + 1e-9


def by_hand(target: float, scores: Floats, labels: Labels) -> float:
    best = 0.0
    for threshold in np.unique(scores):
        over = scores >= threshold
        if labels[over].mean() >= target:
            best = max(best, float(labels[over].sum() / labels.sum()))
    return best


@settings(max_examples=60, deadline=None)
@given(ROWS, st.sampled_from([0.5, 0.7, 0.8, 0.9]))
def test_recall_at_precision_is_the_best_of_all_thresholds(
    rows: list[tuple[float, int]], target: float
) -> None:
    scores, labels = arrays(rows)
    assert by_hand(target, scores, labels) == pytest.approx(
        value(recall_at_precision(target), scores, labels)
    )


@pytest.mark.parametrize(
    ("figure", "expected"),
    [
        (roc_auc, 5 / 6),  # of six pairs, one kept row is over one removed row
        (precision_at(0.6), 2 / 3),
        (recall_at(0.6), 1.0),
        (resampling.false_positive_rate(0.6), 1 / 3),
        (recall_at_precision(0.7), 0.5),
        (recall_at_precision(0.6), 1.0),
        (resampling.brier, (0.01 + 0.64 + 0.16 + 0.09 + 0.04) / 5),
        (calibration_error(np.array([0.2, 0.3, 0.6, 0.8, 0.9])), (0.1 + 0.8 + 0.4 + 0.3 + 0.2) / 5),
    ],
)
def test_five_rows_by_hand(figure: resampling.Figure, expected: float) -> None:
    scores, labels = np.array([0.9, 0.8, 0.6, 0.3, 0.2]), np.array([1, 0, 1, 0, 0])
    assert expected == pytest.approx(value(figure, scores, labels))


def test_a_figure_that_rows_cannot_give_is_left_out() -> None:
    ranked = Ranked.of(np.array([0.1, 0.5, 0.9]), np.array([0, 0, 0]))
    found = bootstrap(
        ranked, {"roc_auc": roc_auc, "brier": resampling.brier, "recall": recall_at(0.5)}, 50, 0
    )
    assert {"brier"} == set(found)


def test_intervals_are_the_middle_of_what_was_drawn_and_narrow_with_more_rows() -> None:
    random = np.random.default_rng(3)

    def width(rows: int) -> float:
        scores = random.random(rows)
        labels = (random.random(rows) < scores).astype(np.int64)
        found = bootstrap(Ranked.of(scores, labels), {"roc_auc": roc_auc}, 400, 1)["roc_auc"]
        return found.high - found.low

    assert 4 == pytest.approx(width(250) / width(4_000), rel=0.4)


def test_rows_are_drawn_in_steps_that_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    random = np.random.default_rng(5)
    scores, labels = random.random(40), random.integers(0, 2, 40)
    at_once = draws(Ranked.of(scores, labels), {"roc_auc": roc_auc}, 30, 9)["roc_auc"]
    monkeypatch.setattr(resampling, "CELLS", 100)
    assert np.array_equal(at_once, draws(Ranked.of(scores, labels), {"roc_auc": roc_auc}, 30, 9)["roc_auc"])


@pytest.mark.parametrize("spread", [lambda n: np.full(n, 0.25), lambda n: np.arange(n, dtype=float)])
def test_a_mean_has_the_interval_of_its_values(spread: Callable[[int], Floats]) -> None:
    values = spread(400)
    found = resampling.mean(values, 500, 0)
    assert isinstance(found, Metric)
    assert values.mean() == pytest.approx(found.value)
    error = 1.96 * values.std() / 20
    assert found.value - found.low == pytest.approx(error, rel=0.2, abs=1e-9)
    assert found.high - found.value == pytest.approx(error, rel=0.2, abs=1e-9)
