"""The normaliser with places: the same readings for every message, and each character's own place."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from modeling.align import aligned_readings
from modeling.text import readings

MARKS = [
    "edit",
    "EDIT:",
    "Edit 2:",
    "&amp;",
    "&gt;",
    "&#38;",
    "&#x26",
    "&notit;",
    "&NotEqualTilde;",
    "&bogus",
]
ESCAPES = ["<U+0041>", "<U+00A0>", "<U+0026>", "<U+FFFFFFFF>", "<U+D83D>", "&#0;", "&nbsp;", "lt;", "#33;"]
SIGNS = ["\n", "\r\n", ". ", "\xa0", "\t", "~", "\u200b", "\x00", "\ud800", "\u2028", " ", "!", "\x1c", "**"]
LETTERS = ["word", "e\u0301", "\U0001f469\u200d\U0001f680", "\U0001f600", "\u0130", "\u03a3", "漢字。", "ﬁ"]
MESSAGES = st.one_of(
    st.text(max_size=60),
    st.lists(st.sampled_from(MARKS + ESCAPES + SIGNS + LETTERS), max_size=14).map("".join),
)


@given(MESSAGES)
@example("<U+003C>" + "U+003C>" * 2 + "U+0041>")
@example("<U+003C>" + "U+003C>" * 9 + "U+0041>")
def test_the_readings_are_those_that_are_scored(message: str) -> None:
    assert readings(message) == [one.text for one in aligned_readings(message)]


@given(MESSAGES)
def test_places_rise_and_stay_inside_the_message(message: str) -> None:
    for one in aligned_readings(message):
        assert len(one.text) == len(one.begins) == len(one.ends)
        assert all(0 <= begin < end <= len(message) for begin, end in zip(one.begins, one.ends, strict=True))
        assert sorted(one.begins) == one.begins
        assert sorted(one.ends) == one.ends


@given(MESSAGES)
def test_a_word_stands_where_its_first_and_last_character_stand(message: str) -> None:
    whole = aligned_readings(message)[-1]
    start = 0
    for word in whole.text.split():
        start = whole.text.index(word, start)
        begin, end = whole.begins[start], whole.ends[start + len(word) - 1]
        assert word == readings(message[begin:end])[-1]
        start += len(word)


@pytest.mark.parametrize(
    ("message", "cuts"),
    [
        ("a &amp;amp;lt; b", ["a", "&amp;amp;lt;", "b"]),
        ("x&notit;y", ["x", "&not", "i", "t", ";", "y"]),
        ("&NotEqualTilde;", ["&NotEqualTilde;", "&NotEqualTilde;"]),
        ("<U+0041>\u200bz", ["<U+0041>", "z"]),
        ("&#65;&bogus", ["&#65;", "&", "b", "o", "g", "u", "s"]),
        ("<U+FFFFFFFF>", list("<U+FFFFFFFF>")),
    ],
)
def test_each_character_is_cut_from_what_made_it(message: str, cuts: list[str]) -> None:
    [one] = aligned_readings(message)
    found = [message[begin:end] for begin, end in zip(one.begins, one.ends, strict=True)]
    assert cuts == [cut for cut, character in zip(found, one.text, strict=True) if character != " "]
