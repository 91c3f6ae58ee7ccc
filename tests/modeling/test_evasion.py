"""Messages written round the model: what each way does to a text, and what is told of what it gained."""

import hashlib
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.evasion import STAND_INS, TITLES, alter, evasion
from modeling.hashing import Floats

KEY = hashlib.sha256(b"a").hexdigest()
WORDS = st.text("abcdefghijklmnop ", min_size=1, max_size=60).map(str.strip)


def key_of(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def spots_idiots(texts: Sequence[str]) -> Floats:
    return np.array([0.9 if "idiot" in text else 0.1 for text in texts])


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("leet", "1d107"),
        ("spacing", "i d i o t"),
        ("homoglyphs", "\u0456d\u0456\u043et"),
    ],
)
def test_the_one_long_word_is_altered(kind: str, expected: str) -> None:
    assert f"you {expected} is it" == alter("you idiot is it", kind, KEY)


def test_invisible_characters_leave_what_is_seen() -> None:
    altered = alter("you idiot is it", "zero_width", KEY)
    assert altered != "you idiot is it"
    assert "you idiot is it" == "".join(each for each in altered if each.isprintable())


@settings(max_examples=60)
@given(WORDS, st.sampled_from(list(TITLES)))
def test_the_same_message_is_always_altered_alike_and_short_words_never(text: str, kind: str) -> None:
    key = key_of(text)
    assert alter(text, kind, key) == alter(text, kind, key)
    short = " ".join(word[:3] for word in text.split())
    assert short == alter(short, kind, key)


def test_another_key_alters_other_words_and_about_half_of_them() -> None:
    text = " ".join(["idiots"] * 400)
    one, other = (alter(text, "leet", key_of(name)).split() for name in "ab")
    assert one != other
    assert 0.4 < sum(word != "idiots" for word in one) / 400 < 0.6


TEXTS = ["you idiot", "an idiot and a foo", "quite fine", "no idiot"]
LABELS = np.array([1, 1, 1, 0])


def run(flag: float | None) -> dict[str, object]:
    keys = [key_of(text) for text in TEXTS]
    return evasion(spots_idiots, TEXTS, keys, spots_idiots(TEXTS), LABELS, flag, 50, 0)


def test_drop_and_recall_are_over_removed_messages_that_were_caught() -> None:
    found = run(0.5)
    assert (True, 0.5, 3) == (found["is_flag"], found["threshold"], found["removed"])
    assert list(TITLES) == [kind["name"] for kind in found["kinds"]]  # type: ignore[attr-defined]
    for kind in found["kinds"]:  # type: ignore[attr-defined]
        assert (2, pytest.approx(2 / 3)) == (kind["messages"], kind["recall_before"])
        assert (pytest.approx(0.8), pytest.approx(0.0)) == (kind["mean_drop"]["value"], kind["recall_after"])


@pytest.mark.parametrize("flag", [None, 0.95])
def test_where_nothing_is_flagged_the_highest_removed_ones_stand_in(flag: float | None) -> None:
    found = run(flag)
    assert (False, pytest.approx(0.1)) == (found["is_flag"], found["threshold"])
    assert [3] * 4 == [kind["messages"] for kind in found["kinds"]]  # type: ignore[attr-defined]


def test_as_many_stand_in_as_is_said() -> None:
    random = np.random.default_rng(0)
    scores, labels = random.random(500), np.ones(500, dtype=np.int64)
    texts = [f"message {number}" for number in range(500)]
    keys = [key_of(text) for text in texts]
    found = evasion(lambda copies: np.zeros(len(copies)), texts, keys, scores, labels, None, 20, 0)
    assert STAND_INS == found["kinds"][0]["messages"]
    assert np.sort(scores)[-STAND_INS] == found["threshold"]
    assert (0.2, 0.0) == (found["kinds"][0]["recall_before"], found["kinds"][0]["recall_after"])
