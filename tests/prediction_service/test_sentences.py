"""Sentences and their places: every span cuts its sentence out of the text as UTF-16 counts it."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from prediction_service.sentences import MAX_SENTENCES, sentences, width

ODD = st.sampled_from(
    [
        "\U0001f600",
        "\U0001f468\u200d\U0001f469",
        "e\u0301",
        "\r\n",
        "\n",
        "\x00",
        ". ",
        "! ",
        "?",
        "\u3002",
        "\ufe0f",
        "\u2028",
        " ",
        "\u00a0",
        "a",
        "Z",
        '."',
        "\ud83d",
        "\ude00",
        "\ufffd",
        "...",
    ]
)
TEXTS = st.one_of(st.text(), st.lists(ODD, max_size=40).map("".join))


def cut(text: str, begin: int, end: int) -> str:
    """What JavaScript's `text.slice(begin, end)` gives."""
    units = text.encode("utf-16-le", "surrogatepass")
    return units[2 * begin : 2 * end].decode("utf-16-le", "surrogatepass")


def normal(text: str) -> str:
    """The same text where two halves of an emoji that stand together are one character."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "surrogatepass")


@given(TEXTS)
def test_every_span_cuts_its_sentence_out_of_the_text(text: str) -> None:
    for one in sentences(text):
        assert normal(one.text) == cut(text, one.begin, one.end)
        assert one.text == one.text.strip() != ""


@given(TEXTS)
def test_spans_follow_one_another_and_leave_out_white_space_alone(text: str) -> None:
    place, left_out = 0, ""
    for one in sentences(text):
        assert place <= one.begin < one.end <= width(text)
        left_out += cut(text, place, one.begin)
        place = one.end
    left_out += cut(text, place, width(text))
    assert "" == left_out.strip()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("What kind of idiot name is foo? Sorry, I like your name.", [(0, 31), (32, 56)]),
        ("no stop at all", [(0, 14)]),
        ("  around  ", [(2, 8)]),
        ("\U0001f600! b", [(0, 3), (4, 5)]),
        ("one\r\ntwo\n\nthree", [(0, 3), (5, 8), (10, 15)]),
        ("a\x00b. C", [(0, 4), (5, 6)]),
        ("one\rtwo\u2028three\x85four", [(0, 3), (4, 7), (8, 13), (14, 18)]),
        ("cafe\u0301. Oui", [(0, 6), (7, 10)]),
        ('"Go away." She left.', [(0, 10), (11, 20)]),
        ("e.g. this one, hm... well", [(0, 25)]),
        ("What?! yes", [(0, 6), (7, 10)]),
        ("you idiot. thanks a lot!", [(0, 10), (11, 24)]),
        ("no. shut up.\tok. fine", [(0, 3), (4, 12), (13, 16), (17, 21)]),
        ("it was 3.14. really", [(0, 12), (13, 19)]),
        ("a \U0001f600. then", [(0, 5), (6, 10)]),
        ("see x.com. it is fun", [(0, 10), (11, 20)]),
        ("hm\u2026 well, hm.. well", [(0, 19)]),
        ('she said "go away." and left', [(0, 28)]),
        ("(e.g. this, i.e. that, Etc. and so on)", [(0, 38)]),
        ("mr. smith vs. dr. who et al. at 9 p.m. sharp", [(0, 44)]),
        ("thanks to j. doe", [(0, 16)]),
        ("my nemesis. sorry. forest. trees", [(0, 11), (12, 18), (19, 26), (27, 32)]),
        ("\u884c\u3051\u3002\u99ac\u9e7f\uff01", [(0, 3), (3, 6)]),
        ("3.14 is pi", [(0, 10)]),
        (" \r\n ", []),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_ends_them(text: str, expected: list[tuple[int, int]]) -> None:
    assert expected == [(one.begin, one.end) for one in sentences(text)]


def test_a_mark_that_joins_the_stop_is_not_torn_from_it() -> None:
    assert ["\u597d\uff01\ufe0f", "\u662f"] == [one.text for one in sentences("\u597d\uff01\ufe0f\u662f")]


def test_beyond_the_most_sentences_the_rest_is_one() -> None:
    found = sentences("Ab. " * 2 * MAX_SENTENCES)
    assert MAX_SENTENCES == len(found)
    assert found[-1].text.count(".") == MAX_SENTENCES + 1


@pytest.mark.parametrize(
    "text",
    [
        "." * 20_480,
        "a. " * 6_826,
        "ab. " * 5_120,
        "a." * 10_240 + " b",
        "a" * 20_477 + ". b",
        ".)" * 10_240,
        ". " * 10_240,
        " " * 20_479 + "a",
        ".\n" * 10_240,
    ],
)
def test_a_flood_takes_no_longer_than_its_length(text: str) -> None:
    started = time.process_time()
    sentences(text)
    assert time.process_time() - started < 0.5
