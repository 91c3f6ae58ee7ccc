from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.curves import curves, reliability
from modeling.evaluate import chance_calibration_error, equal_mass_bins, evaluate, expected_calibration_error
from modeling.figures import draw
from modeling.policy import Threshold

RNG = np.random.default_rng(7)
SCORES = RNG.random(600)
LABELS = (RNG.random(600) < SCORES).astype(np.int64)
ON = Threshold("flag", 0.7, 0.6)
OFF = Threshold("remove", 0.9, None, reason="too few")
THRESHOLDS = {"flag": ON, "remove": OFF}


def test_every_figure_has_an_interval_that_holds_it() -> None:
    told = evaluate(SCORES, LABELS, THRESHOLDS, 0.4, resamples=200)  # type: ignore[arg-type]
    expected = {"roc_auc", "pr_auc", "brier", "ece", "f1", "flag_precision", "flag_recall", "kept_flagged"}
    expected |= {"recall_at_precision_70", "recall_at_precision_80", "recall_at_precision_90"}
    assert expected == set(told)
    for name in expected - {"ece"}:
        assert told[name].low <= told[name].value <= told[name].high


def test_figures_are_those_of_the_thresholds() -> None:
    told = evaluate(SCORES, LABELS, THRESHOLDS, 0.4, resamples=10)  # type: ignore[arg-type]
    over = SCORES >= 0.6
    assert LABELS[over].mean() == pytest.approx(told["flag_precision"].value)
    assert LABELS[over].sum() / LABELS.sum() == pytest.approx(told["flag_recall"].value)
    hits = (LABELS[SCORES >= 0.4]).sum()
    f1 = 2 * hits / ((SCORES >= 0.4).sum() + LABELS.sum())
    assert f1 == pytest.approx(told["f1"].value)


def test_the_same_seed_gives_the_same_intervals() -> None:
    first, second = (evaluate(SCORES, LABELS, {}, 0.4, resamples=50) for _ in range(2))
    assert first == second


def test_a_ranking_by_chance_is_told_as_such() -> None:
    told = evaluate(RNG.random(2_000), RNG.integers(0, 2, 2_000), {}, 0.5, resamples=100)
    assert told["roc_auc"].low < 0.5 < told["roc_auc"].high


def test_perfectly_calibrated_scores_err_about_as_much_as_chance_gives() -> None:
    chance = chance_calibration_error(SCORES)
    assert chance / 3 < expected_calibration_error(SCORES, LABELS) < chance * 3


def test_scores_that_are_off_by_a_fifth_show_it() -> None:
    labels = (RNG.random(20_000) < 0.7).astype(np.int64)
    assert 0.2 == pytest.approx(expected_calibration_error(np.full(20_000, 0.5), labels), abs=0.02)


@settings(max_examples=30)
@given(st.lists(st.floats(0, 1), min_size=1, max_size=200))
def test_bins_hold_every_row_once_and_equally_many(scores: list[float]) -> None:
    bins = equal_mass_bins(np.array(scores))
    assert list(range(len(scores))) == sorted(row for rows in bins for row in rows)
    assert max(map(len, bins)) - min(map(len, bins)) <= 1


def test_four_pictures_are_drawn_the_same_each_time(tmp_path: Path) -> None:
    metrics = evaluate(SCORES, LABELS, THRESHOLDS, 0.4, resamples=10)  # type: ignore[arg-type]
    points, bins = curves(SCORES, LABELS, 10, 0), reliability(SCORES, LABELS)
    told = (metrics, THRESHOLDS, points, {"before": [], "after": bins}, "corpus")
    drawn = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        paths = draw(tmp_path / name, SCORES, LABELS, *told)  # type: ignore[arg-type]
        drawn.append({path.name: path.read_bytes() for path in paths})
    assert drawn[0] == drawn[1]
    assert {"roc.png", "precision_recall.png", "reliability.png", "scores.png"} == set(drawn[0])
    assert all(content.startswith(b"\x89PNG") and len(content) > 5_000 for content in drawn[0].values())
