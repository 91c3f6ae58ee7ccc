"""Style: numbers of the cleaned text that say nothing of how its source encoded it."""

import re
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modeling.style import FEATURES, LIMIT, StyleWeights, standardised, style
from modeling.text import clean
from tests.modeling.test_align import MESSAGES

WRITTEN = st.lists(
    st.sampled_from(
        ["I", "you", "WOW", "lol", "not", "&", "'", '"', "a\u2019s", " ", "\n", "?", "!", "...", "7%"]
    ),
    max_size=30,
).map("".join)


def told(text: str, name: str) -> float:
    return float(style(clean(text))[FEATURES.index(name)])


@given(MESSAGES | WRITTEN)
@example("")
@example("\x00\ufffd")
@example("\U0001f600" * 500)
@example("?" * 20_000)
def test_every_text_has_finite_features_and_the_same_again(text: str) -> None:
    found = style(clean(text))
    assert (len(FEATURES),) == found.shape
    assert np.isfinite(found).all()
    assert np.array_equal(found, style(clean(text)))


@pytest.mark.parametrize(
    ("written", "encoded"),
    [
        ("&", "&amp;"),
        ("&", "&amp;amp;"),
        ("'", "&#39;"),
        ('"', "&quot;"),
        ("\n", "\r\n"),
        ("\n", " "),
        (" ", "\u00a0"),
        ("I", "<U+0049>"),
        ("lol", "lo\u200bl"),
    ],
)
@given(text=WRITTEN)
def test_an_encodings_traces_are_no_style(written: str, encoded: str, text: str) -> None:
    assert np.array_equal(style(clean(text)), style(clean(text.replace(written, encoded))))


@pytest.mark.parametrize(
    ("typed", "set_"),
    [("'", "\u2019"), ('"', "\u201c"), ('"', "\u201d"), ("...", "\u2026"), ("-", "\u2014")],
)
def test_typographic_marks_count_as_those_of_a_typewriter(typed: str, set_: str) -> None:
    text = f"So{typed}you know {typed} I don{typed}t{typed}"
    measured = [
        value for name, value in zip(FEATURES, style(text), strict=True) if name not in {"length", "digits"}
    ]
    again = style(text.replace(typed, set_))
    assert measured == [
        value for name, value in zip(FEATURES, again, strict=True) if name not in {"length", "digits"}
    ]


@pytest.mark.parametrize(
    ("name", "less", "more"),
    [
        ("length", "Hm.", "Hm, that is long."),
        ("words", "one two", "one two three"),
        ("word_length", "a bee", "elaborate phraseology"),
        ("longest_word", "no yes", "no extraordinarily"),
        ("sentences", "One two.", "One. Two."),
        ("sentence_words", "One. Two.", "One two."),
        ("distinct_words", "go go go", "go to it"),
        ("distinct_share", "go go go", "go"),
        ("long_words", "the cat", "the spectrometer"),
        ("short_words", "spectrometers", "a cat"),
        ("capitals", "hello", "Hello"),
        ("shouted_words", "I am", "I AM"),
        ("capitalised_words", "one Two", "One Two"),
        ("starts_in_lower_case", "Why", "why"),
        ("exclamations", "no!", "no!!!"),
        ("questions", "no", "no?"),
        ("ellipses", "no.", "no..."),
        ("commas", "a b", "a, b"),
        ("full_stops", "a b", "a. b."),
        ("colons", "a b", "a: b;"),
        ("brackets", "a b", "a (b)"),
        ("quotes", "a b", 'a "b"'),
        ("dashes", "a b", "a - b"),
        ("slashes", "a b", "a/b"),
        ("stars", "a b", "*a* b"),
        ("apostrophes", "do not", "don't"),
        ("other_signs", "a b", "a = b"),
        ("links", "see there", "see https://example.org"),
        ("numbers", "one", "1 2"),
        ("digits", "1 year", "1984 year"),
        ("per_cents", "5", "5%"),
        ("stretched_letters", "so", "sooo"),
        ("asks_at_first", "it does", "does it"),
        ("ends_in_question", "why? no", "no why?"),
        ("ends_in_exclamation", "ah! no", "no ah!"),
        ("ends_in_letter", "no.", "no"),
        ("first_person", "it is", "I'm"),
        ("first_plural", "it is", "we are"),
        ("second_person", "it is", "you are"),
        ("third_person", "it is", "he is"),
        ("profanity", "nonsense", "bullshit"),
        ("insult", "person", "idiot"),
        ("laughter", "well", "lol"),
        ("negation", "it does", "it doesn't"),
        ("question_word", "it is", "what it is"),
        ("hedge", "it is", "maybe"),
        ("connective", "it is", "because"),
        ("politeness", "it is", "thanks"),
    ],
)
def test_a_feature_grows_with_what_it_is_named_after(name: str, less: str, more: str) -> None:
    assert told(less, name) < told(more, name)


def test_every_feature_has_an_example_above() -> None:
    marks = test_a_feature_grows_with_what_it_is_named_after.pytestmark  # type: ignore[attr-defined]
    assert list(FEATURES) == [case[0] for case in marks[0].args[1]]


def test_characters_outside_ascii_are_not_counted_as_such() -> None:
    plain, other = style("it was ok in the end"), style("it was \u00f6\u03c0 in the end")
    assert np.array_equal(plain, other)


@given(st.text(st.sampled_from("AaBZ09_ .'\u00c9\u00e9\u0301\u00b2\u00aa\U0001f600"), max_size=30))
def test_capitals_are_counted_by_the_words_they_stand_in(text: str) -> None:
    words = len(re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower())) or 1
    found = dict(zip(FEATURES, style(text), strict=True))
    assert len(re.findall(r"\b[A-Z]", text)) / words == found["capitalised_words"]
    assert pytest.approx(np.log1p(len(re.findall(r"\b[A-Z]{2,}\b", text)))) == found["shouted_words"]


@given(
    st.lists(
        st.sampled_from(
            [*"a'bB1 ._?", "''", " you", " not", "n't", " damn ", "abc", "longword", "\u00e9", "\u0663"]
        ),
        max_size=40,
    ).map("".join)
)
def test_words_and_numbers_are_those_of_their_plain_definitions(text: str) -> None:
    found = dict(zip(FEATURES, style(text), strict=True))
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", text.lower())
    lengths, digits = [*map(len, words)], re.findall(r"\d+", text)
    each = len(words) or 1
    expected = {
        "words": np.log1p(len(words)),
        "word_length": sum(lengths) / each,
        "longest_word": max(lengths, default=0),
        "distinct_words": np.log1p(len(set(words))),
        "long_words": sum(length >= 8 for length in lengths) / each,
        "short_words": sum(length <= 3 for length in lengths) / each,
        "numbers": np.log1p(len(digits)),
        "digits": sum(map(len, digits)) / (len(text) or 1),
        "second_person": np.log1p(words.count("you")),
        "negation": np.log1p(words.count("not")),
        "profanity": np.log1p(words.count("damn")),
    }
    assert pytest.approx(expected) == {name: found[name] for name in expected}


@pytest.mark.parametrize(
    "link", ["http://a", "https://a", "www.a", "a.com", "a.org", "a.net", "a.edu", "a.gov", "a.io", "a.co.uk"]
)
def test_every_kind_of_link_counts(link: str) -> None:
    assert told(f"see {link} there", "links") > told("see a there", "links") == 0


def test_features_are_the_same_in_every_process() -> None:
    text = "You KNOW it, don't you? lol 7"
    code = f"from modeling.style import style; print(style({text!r}).tolist())"
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
    assert {f"{style(text).tolist()}\n"} == printed


def test_what_a_feature_adds_grows_with_its_distance_from_the_mean_and_ends() -> None:
    size = len(FEATURES)
    mean, scale = np.full(size, 2.0), np.full(size, 0.5)
    scale[1] = 0.0
    moved = standardised(np.full(size, 3.0), mean, scale)
    assert [0.5, 0.0] == moved[:2].tolist()
    assert [-LIMIT, 0.0] == standardised(np.full(size, -1e9), mean, scale)[:2].tolist()
    ones = np.ones(size)
    weights = StyleWeights(style("Why?"), ones, ones)
    assert not weights.contributions("Why?").any()
    assert weights.contributions("Why??")[FEATURES.index("questions")] == pytest.approx(np.log(3 / 2))
