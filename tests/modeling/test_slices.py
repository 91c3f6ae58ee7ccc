"""Which rows belong to a slice, what a slice can say, and what is told of one that can say little."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score

from modeling.policy import wilson_lower
from modeling.slices import TITLES, is_small, masks, slices

BANDS = ("words_1_10", "words_11_30", "words_31_100", "words_101_up")
TEXTS = st.lists(st.integers(1, 140).map(lambda count: "word " * count), min_size=1, max_size=20)


@settings(max_examples=50, deadline=None)
@given(TEXTS, st.data())
def test_bands_of_words_part_the_rows_and_so_do_artefacts(texts: list[str], data: st.DataObject) -> None:
    had = data.draw(st.lists(st.booleans(), min_size=len(texts), max_size=len(texts)))
    chosen = masks(texts, had)
    assert list(TITLES) == list(chosen)
    assert [1] * len(texts) == sum(chosen[band].astype(int) for band in BANDS).tolist()
    assert np.array_equal(chosen["artefact"], ~chosen["artefact_free"])
    assert had == chosen["artefact"].tolist()


@pytest.mark.parametrize(
    ("count", "band"),
    [(1, 0), (10, 0), (11, 1), (30, 1), (31, 2), (100, 2), (101, 3), (1_000, 3)],
)
def test_bands_end_where_they_say(count: int, band: int) -> None:
    chosen = masks(["word " * count], [False])
    assert [place == band for place in range(4)] == [bool(chosen[name][0]) for name in BANDS]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("see https://example.org", {"links"}),
        ("see WWW.example.org", {"links"}),
        ("[this](/r/science)", {"links"}),
        ("is it?", {"questions"}),
        ("What a stupid idea", {"profanity"}),
        ("an assessment of class", set()),
        ("The mods removed it", {"moderation"}),
        ("a modest model of banking", set()),
        ("Are the f*** mods asleep? fucking https://x", {"links", "questions", "profanity", "moderation"}),
    ],
)
def test_a_text_is_in_the_slices_of_what_it_holds(text: str, expected: set[str]) -> None:
    chosen = masks([text], [False])
    assert expected == {name for name in ("links", "questions", "profanity", "moderation") if chosen[name][0]}


RANDOM = np.random.default_rng(4)
SCORES = RANDOM.random(400)
LABELS = (RANDOM.random(400) < SCORES).astype(np.int64)
CHOSEN = {
    "big": np.arange(400) < 300,
    "small": np.arange(400) >= 300,
    "one label": LABELS == 0,
    "none": np.zeros(400, dtype=bool),
}


def test_a_slice_has_the_figures_of_its_own_rows() -> None:
    big = slices(CHOSEN, SCORES, LABELS, 0.8, 50, 0)[0]
    scores, labels = SCORES[:300], LABELS[:300]
    assert (300, int(labels.sum()), False) == (big.rows, big.removed, big.small)
    auc, alarms = big.metrics["roc_auc"], big.metrics["false_positive_rate"]
    assert auc is not None
    assert alarms is not None
    assert roc_auc_score(labels, scores) == pytest.approx(auc.value)
    assert auc.low < auc.value < auc.high
    flagged, kept = int(np.sum(scores[labels == 0] >= 0.8)), int(np.sum(labels == 0))
    assert flagged / kept == pytest.approx(alarms.value)
    assert wilson_lower(flagged, kept) == pytest.approx(alarms.low)


def test_what_a_slice_cannot_say_is_none() -> None:
    _, small, one, none = slices(CHOSEN, SCORES, LABELS, None, 20, 0)
    assert small.small
    assert small.metrics["false_positive_rate"] is None  # flag is off
    assert (None, True) == (one.metrics["roc_auc"], one.metrics["ece"] is not None)
    assert (0, True, None) == (none.rows, none.small, none.ece_by_chance)
    assert [None, None, None] == list(none.metrics.values())


def test_that_no_kept_row_is_flagged_does_not_mean_that_none_ever_is() -> None:
    [found] = slices({"all": np.ones(40, dtype=bool)}, np.full(40, 0.1), np.array([0, 1] * 20), 0.9, 20, 0)
    alarms = found.metrics["false_positive_rate"]
    assert alarms is not None
    assert (0.0, 0.0) == (alarms.value, alarms.low)
    assert 0.1 < alarms.high < 0.2


@pytest.mark.parametrize(
    ("rows", "removed", "expected"),
    [(200, 20, False), (199, 50, True), (1_000, 19, True), (1_000, 981, True), (1_000, 980, False)],
)
def test_a_slice_is_small_below_200_rows_or_20_of_a_label(rows: int, removed: int, expected: bool) -> None:  # noqa: FBT001
    assert expected is is_small(rows, removed)
