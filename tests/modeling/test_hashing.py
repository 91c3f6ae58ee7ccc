import math
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.hashing import SLOTS, Weights, logits, ngram_counts, ngram_slots, sigmoid
from modeling.style import FEATURES, StyleWeights

TEXTS = st.text(st.characters(codec="utf-8"), max_size=80)
RNG = np.random.default_rng(0)
STYLED = Weights(
    RNG.random((SLOTS, 2)).astype(np.float32),
    -0.5,
    StyleWeights(*RNG.standard_normal((3, len(FEATURES)))),
)


def test_slots_are_the_same_in_every_process() -> None:
    code = "from modeling.hashing import ngram_slots; print(ngram_slots('The same message.').tolist())"
    printed = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert {f"{ngram_slots('The same message.').tolist()}\n"} == printed


def test_slots_stay_what_bundles_were_trained_with() -> None:
    assert [863433, 1028824, 486544, 928793, 12963, 696849, 504184] == ngram_slots("ab").tolist()


def test_a_text_has_its_runs_of_2_to_5_code_points_and_its_words_and_pairs() -> None:
    text = "one two"  # 9 code points with the spaces around it
    assert len(ngram_slots(text)) == (8 + 7 + 6 + 5) + (2 + 1)


def test_upper_case_does_not_count() -> None:
    assert ngram_slots("You IDIOT").tolist() == ngram_slots("you idiot").tolist()


def test_a_word_and_the_same_letters_fall_into_different_slots() -> None:
    inside = set(ngram_slots("xcatx").tolist())
    alone = set(ngram_slots("cat").tolist())
    assert alone - inside


@given(TEXTS, TEXTS)
def test_an_ngram_is_found_wherever_it_stands(before: str, after: str) -> None:
    needle = "zebra finch"
    alone = set(ngram_slots(needle)[2:-2].tolist())
    inner = {slot for slot in alone if slot in set(ngram_slots(f" {needle} ").tolist())}
    assert inner <= set(ngram_slots(f"{before} {needle} {after}").tolist())


@given(TEXTS)
def test_counts_are_the_slots_counted(text: str) -> None:
    slots, counts = ngram_counts(text)
    expected, numbers = np.unique(ngram_slots(text), return_counts=True)
    assert (expected.tolist(), numbers.tolist()) == (slots.tolist(), counts.tolist())


@given(TEXTS)
def test_every_text_has_a_finite_logit(text: str) -> None:
    assert np.isfinite(logits([text], STYLED)).all()


def test_style_comes_on_top_of_the_ngrams() -> None:
    rng = np.random.default_rng(0)
    table, style = rng.random((SLOTS, 2)).astype(np.float32), StyleWeights(*np.ones((3, len(FEATURES))))
    [plain], [styled] = (
        logits(["So, why?"], Weights(table, 0.5)),
        logits(["So, why?"], Weights(table, 0.5, style)),
    )
    assert plain + style.contributions("So, why?").sum() == pytest.approx(styled, abs=1e-12)


def test_a_text_without_any_known_ngram_gets_the_intercept() -> None:
    weights = Weights(np.zeros((SLOTS, 2), np.float32), intercept=-0.7)
    assert logits(["never met"], weights).tolist() == [-0.7]


def test_no_texts_have_no_logits() -> None:
    weights = Weights(np.zeros((SLOTS, 2), np.float32), intercept=0.0)
    assert logits([], weights).shape == (0,)


@given(st.floats(-800, 800))
def test_the_logistic_function_neither_overflows_nor_leaves_0_to_1(value: float) -> None:
    result = float(sigmoid(np.array([value]))[0])
    expected = 1 / (1 + math.exp(-value)) if value > -700 else 0.0
    assert math.isclose(expected, result, rel_tol=1e-9, abs_tol=1e-300)
