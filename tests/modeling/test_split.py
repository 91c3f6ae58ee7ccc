import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.split import FOLDS, fold_of, frozen_key, part_of


@pytest.mark.parametrize(
    ("text", "key", "part", "fold"),
    [
        ("Buy crypto now!", "1e0f411bc9238c36", "test", 2),
        ("the cat sat on a Mat 42", "9d64b60e550a979a", "test", 4),
        ("naïve café", "e1c17d5ed36bacc5", "learning", 2),
        ("東京", "130016b2599bf7e5", "learning", 0),
        ("", "e3b0c44298fc1c14", "learning", 0),
    ],
)
def test_key_part_and_fold_never_change(text: str, key: str, part: str, fold: int) -> None:
    found = frozen_key(text)
    assert (key, part, fold) == (found[:16], part_of(found), fold_of(found))


@pytest.mark.parametrize(
    "same",
    ["the CAT sat", "The  cat\r\nsat.", "&gt;the cat sat", "the<U+00A0>cat\xa0sat", "**the cat sat**"],
)
def test_case_spaces_punctuation_and_escapes_do_not_make_another_text(same: str) -> None:
    assert frozen_key("The cat sat") == frozen_key(same)


def test_texts_without_letters_are_told_apart() -> None:
    assert frozen_key(":)") != frozen_key(":(")
    assert frozen_key(": )") == frozen_key(":)")


def test_other_scripts_are_told_apart() -> None:
    assert frozen_key("東京") != frozen_key("京都")


@given(st.text())
def test_every_text_has_one_part_and_one_fold(text: str) -> None:
    key = frozen_key(text)
    assert part_of(key) in {"learning", "test"}
    assert 0 <= fold_of(key) < FOLDS


def test_about_a_fifth_is_for_the_test_and_folds_are_even() -> None:
    keys = [frozen_key(f"message number {number}") for number in range(5_000)]
    learning = [key for key in keys if part_of(key) == "learning"]
    assert 3_850 < len(learning) < 4_150
    assert all(680 < sum(fold_of(key) == fold for key in learning) < 920 for fold in range(FOLDS))
