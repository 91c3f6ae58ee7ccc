"""Points of the curves: by hand on a few rows, and the laws that every evaluation keeps."""

import numpy as np
import pytest

from modeling.curves import POINTS, THRESHOLDS, curves, reliability
from modeling.policy import wilson_lower

SCORES = np.array([0.9, 0.8, 0.6, 0.3, 0.2])
LABELS = np.array([1, 0, 1, 0, 0])


def test_five_rows_give_these_points() -> None:
    found = curves(SCORES, LABELS, 20, 0)
    third = pytest.approx(1 / 3, abs=1e-6)
    two_thirds = pytest.approx(2 / 3, abs=1e-6)
    assert [[0, 0], [0, 0.5], [third, 0.5], [third, 1], [two_thirds, 1], [1, 1]] == found["roc"]
    assert [[0.5, 1], [0.5, 0.5], [1, two_thirds], [1, 0.5], [1, pytest.approx(0.4)]] == found["pr"]


@pytest.mark.parametrize(
    ("threshold", "expected"),
    [
        (0.0, (0.4, 1.0, 1.0, 1.0)),
        (0.6, (2 / 3, 1.0, 1 / 3, 0.6)),
        (0.605, (0.5, 0.5, 1 / 3, 0.4)),
        (0.9, (1.0, 0.5, 0.0, 0.2)),
        (1.0, (None, 0.0, 0.0, 0.0)),
    ],
)
def test_what_happens_from_a_threshold_on(threshold: float, expected: tuple[float | None, ...]) -> None:
    rows = {row["threshold"]: row for row in curves(SCORES, LABELS, 20, 0)["thresholds"]}
    names = ("precision", "recall", "false_positive_rate", "share")
    for name, wanted in zip(names, expected, strict=True):
        assert wanted == pytest.approx(rows[threshold][name], abs=1e-6), name


def test_curves_of_many_rows_stay_small_and_bands_hold_them() -> None:
    random = np.random.default_rng(1)
    scores = random.random(3_000)
    labels = (random.random(3_000) < scores).astype(np.int64)
    found = curves(scores, labels, 100, 0)
    assert THRESHOLDS == len(found["thresholds"])
    for name in ("roc", "pr"):
        assert len(found[name]) <= POINTS
        across = [x for x, _ in found[name]]
        assert sorted(across) == across
        assert all(low <= high for _, low, high in found[f"{name}_band"])
    tops = dict(found["roc"])
    inside = [low - 0.02 <= tops[x] <= high + 0.02 for x, low, high in found["roc_band"] if x in tops]
    assert all(inside)


def test_bins_have_their_mean_score_share_and_wilson_interval() -> None:
    scores = np.linspace(0, 1, 20)
    labels = np.array([0, 1] * 10)
    bins = reliability(scores, labels)
    assert [2] * 10 == [each["rows"] for each in bins]
    assert [0.5] * 10 == [each["removed"] for each in bins]
    assert pytest.approx(scores[:2].mean(), abs=1e-6) == bins[0]["score"]
    low = wilson_lower(1, 2)
    assert (pytest.approx(low, abs=1e-6), pytest.approx(1 - low, abs=1e-6)) == (
        bins[0]["low"],
        bins[0]["high"],
    )


def test_a_perfectly_calibrated_scorer_lies_on_the_diagonal_within_its_intervals() -> None:
    random = np.random.default_rng(2)
    scores = random.random(20_000)
    labels = (random.random(20_000) < scores).astype(np.int64)
    missed = [
        each for each in reliability(scores, labels) if not each["low"] <= each["score"] <= each["high"]
    ]
    assert len(missed) <= 2  # of ten intervals of 95 %
