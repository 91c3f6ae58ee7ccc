"""Explanations: they add up to the logit that is served, and say which words made it."""

import math
import re
import time
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from modeling import bundle, scorer
from modeling.explain import Explanation, explain
from modeling.hashing import CHAR_NGRAMS, SLOTS, Weights, logit, ngram_counts, ngram_slots, sigmoid
from modeling.policy import ATTRIBUTE
from modeling.scorer import HashedLinearScorer
from modeling.style import FEATURES, StyleWeights, style
from modeling.text import readings
from tests.modeling.test_align import MESSAGES

RNG = np.random.default_rng(0)
TABLE = np.stack([RNG.random(SLOTS) + 1, RNG.standard_normal(SLOTS)], axis=1).astype(np.float32)
WEIGHTS = Weights(TABLE, intercept=-0.5)
FEATURE_WEIGHTS = StyleWeights(*RNG.standard_normal((3, len(FEATURES))))
STYLED = Weights(TABLE, -0.5, FEATURE_WEIGHTS)
BOTH = st.sampled_from([WEIGHTS, STYLED])


def total(explanation: Explanation) -> float:
    parts = [*explanation.tokens, *explanation.style]
    return math.fsum([explanation.intercept, *(one.contribution for one in parts)])


@settings(deadline=None)
@given(MESSAGES, st.lists(st.integers(0, 60), max_size=3).map(sorted), BOTH)
@example("", [], STYLED)
@example("\x00", [], STYLED)
@example("\u200b ", [1], STYLED)
@example("\U0001f600\U0001f469\u200d\U0001f680", [1], STYLED)
@example("a\x00b EDIT: why?", [2], STYLED)
def test_intercept_and_contributions_add_up_to_the_served_logit(
    message: str, cuts: list[int], weights: Weights
) -> None:
    explanation = explain(message, weights, cuts)
    assert max(logit(reading, weights) for reading in readings(message)) == explanation.logit
    assert math.isclose(explanation.logit, total(explanation), rel_tol=0, abs_tol=1e-9)


@settings(deadline=None)
@given(MESSAGES, BOTH)
def test_the_logit_is_that_of_the_score(message: str, weights: Weights) -> None:
    model = HashedLinearScorer(weights)
    [score] = model.score([message])[ATTRIBUTE]
    assert score == sigmoid(np.array([model.explain(message)[ATTRIBUTE].logit]))[0]


@settings(deadline=None)
@given(MESSAGES, st.lists(st.integers(0, 60), max_size=3).map(sorted))
def test_tokens_follow_one_another_inside_the_message_and_none_crosses_a_cut(
    message: str, cuts: list[int]
) -> None:
    tokens = explain(message, WEIGHTS, cuts).tokens
    assert tokens
    for before, after in pairwise(tokens):
        assert before.end <= after.begin
    assert all(0 <= one.begin <= one.end <= len(message) for one in tokens)
    # neither an escape is cut nor what cannot be read
    if not set("&<") & set(message) and readings(message)[0]:
        assert [] == [one for one in tokens for cut in cuts if one.begin < cut < one.end]


@pytest.mark.parametrize(
    ("message", "cuts", "expected"),
    [
        ("you &amp; me", (), ["you", "&amp;", "me"]),
        ("two\r\nlines ", (), ["two", "lines"]),
        ("id\u200biot \x00x", (), ["id\u200biot", "x"]),
        ("a<U+00A0>b", (), ["a", "b"]),
        ("\U0001f600 e\u0301t\u00e9", (), ["\U0001f600", "e\u0301t\u00e9"]),
        ("漢字。かな", (3,), ["漢字。", "かな"]),
        ("one two", (2, 4), ["on", "e", "two"]),
        ("\u0130 am", (), ["\u0130", "am"]),
        ("\u200b ", (), ["\u200b "]),
    ],
)
def test_spans_cut_the_message_itself(message: str, cuts: tuple[int, ...], expected: list[str]) -> None:
    tokens = explain(message, WEIGHTS, cuts).tokens
    assert expected == [message[one.begin : one.end] for one in tokens]


def weighing(*texts: str) -> Weights:
    """Weights under which only the n-grams of these texts count, each with the coefficient 1."""
    table = np.zeros((SLOTS, 2), np.float32)
    for text in texts:
        table[ngram_slots(text)] = 1.0
    return Weights(table, intercept=0.25)


def by_hand(text: str, weights: Weights) -> list[float]:
    """What each character of `` text `` adds, one n-gram after the other."""
    padded = f" {text} "
    slots, counts = ngram_counts(text)
    often = dict(zip(slots.tolist(), counts.tolist(), strict=True))
    features = {slot: (1 + math.log(count)) for slot, count in often.items()}
    length = math.sqrt(sum((value * weights.table[slot, 0]) ** 2 for slot, value in features.items()))
    spans = [range(start, start + n) for n in CHAR_NGRAMS for start in range(max(0, len(padded) + 1 - n))]
    words = [range(match.start(), match.end()) for match in re.finditer(r"\w{2,}", padded)]
    spans += [*words, *([*one, *other] for one, other in pairwise(words))]
    shares = [0.0] * len(padded)
    for slot, span in zip(ngram_slots(text).tolist(), spans, strict=True):
        for place in span:
            part = weights.table[slot, 1] * features[slot] / length / often[slot]
            shares[place] += float(part) / len(span)
    return shares


@pytest.mark.parametrize(
    "text", ["aa aa aa", "you are an idiot you are", "x", "no. no, no!", "z\u00fcrich 7 7"]
)
def test_an_ngrams_part_is_shared_by_the_characters_that_it_covers(text: str) -> None:
    shares = by_hand(text, WEIGHTS)
    expected, start = [], 0
    for word in text.split(" "):
        expected.append(math.fsum(shares[start : start + len(word) + 1]))
        start += len(word) + 1
    expected[-1] += shares[-1]
    found = [one.contribution for one in explain(text, WEIGHTS).tokens]
    assert expected == pytest.approx(found, abs=1e-6)


def test_a_word_that_counts_has_the_contribution_and_its_neighbours_little() -> None:
    civil, rude, again = explain("hello idiot again", weighing("idiot")).tokens
    assert rude.contribution > 4 * max(abs(civil.contribution), abs(again.contribution))


def test_without_known_ngrams_nothing_contributes() -> None:
    explanation = explain("never met", Weights(np.zeros((SLOTS, 2), np.float32), -0.7))
    assert -0.7 == explanation.logit
    assert [0.0, 0.0] == [one.contribution for one in explanation.tokens]


def test_style_is_told_by_name_and_leaves_the_tokens_what_they_were() -> None:
    message = "You KNOW it?"
    plain, styled = explain(message, WEIGHTS), explain(message, STYLED)
    assert [] == plain.style
    moved = (style(message) - FEATURE_WEIGHTS.mean) * FEATURE_WEIGHTS.scale
    expected = np.clip(moved, -4, 4) * FEATURE_WEIGHTS.coefficients
    assert list(FEATURES) == [one.name for one in styled.style]
    assert expected.tolist() == pytest.approx([one.contribution for one in styled.style], abs=1e-12)
    assert [one.contribution for one in plain.tokens] == pytest.approx(
        [one.contribution for one in styled.tokens], abs=1e-6
    )


def test_the_reading_that_won_is_explained() -> None:
    message = "It works. EDIT: idiot"
    rude, civil = explain(message, weighing("idiot")), explain(message, weighing("It works."))
    assert len(message) == rude.tokens[-1].end
    assert len("It works.") == civil.tokens[-1].end


@pytest.mark.parametrize("unit", ["edit: ", "&amp;lt; ", "\n*", "<U+0041>", "\u0130\u200b", "漢", "a\r\n"])
def test_the_longest_message_takes_less_than_50_ms(unit: str) -> None:
    message = (unit * 20_480)[:20_480]

    def cpu() -> float:
        started = time.process_time()
        explain(message, STYLED)
        return time.process_time() - started

    assert min(cpu() for _ in range(5)) < 0.05


def test_a_bundle_explains_itself_and_one_of_a_kind_that_cannot_says_so(bundle_dir: Path) -> None:
    loaded = bundle.load(bundle_dir)
    explained = loaded.explain("you idiot")
    assert explained is not None
    assert [ATTRIBUTE] == list(explained)
    mute = bundle.Bundle(loaded.kind, loaded.policy, loaded.passport, loaded.digest, Mute())
    assert mute.explain("you idiot") is None


class Mute:
    def score(self, texts: Sequence[str]) -> dict[str, np.ndarray]:
        return {ATTRIBUTE: np.zeros(len(texts))}


@pytest.mark.parametrize("weights", [WEIGHTS, STYLED])
def test_the_weights_file_explains_as_the_weights_did(tmp_path: Path, weights: Weights) -> None:
    (tmp_path / "weights.safetensors").write_bytes(scorer.to_bytes(weights))
    assert explain("one two", weights) == scorer.load(tmp_path, {}).explain("one two")[ATTRIBUTE]
