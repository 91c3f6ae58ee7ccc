import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.text import clean, is_empty, readings

MARKS = ["edit", "EDIT:", "Edit 2:", "&amp;", "&gt;", "&#38;", "<U+0041>", "<U+00A0>", "word", "**"]
SIGNS = ["\n", "\r\n", ". ", "\xa0", "\t", "(", ")", "~", "\u200b", "\x00", "\ud800", "\u2028", " ", "!"]
PIECES = st.lists(st.sampled_from(MARKS + SIGNS), max_size=12).map("".join)


@pytest.mark.parametrize(
    ("raw", "cleaned"),
    [
        ("&gt;quoted &amp;amp; said", ">quoted & said"),
        ("a<U+00A0>b\xa0c", "a b c"),
        ("<U+0295><U+2022>", "ʕ•"),
        ("two\r\n\r\nlines \t here", "two lines here"),
        ("nul\x00 and zero\u200bwidth", "nul and zerowidth"),
        ("nul\x00 alone", "nul alone"),
        ("lone \ud800 surrogate", "lone \ufffd surrogate"),
        ("It works.\r\n\r\nEDIT: thanks for the gold!", "It works."),
        ("It works.\n\n**Edit 2:** typo\nmore", "It works."),
        ("It works. Edit: typo", "It works."),
        ("Edit: typo", "typo"),
        ("we can edit genes: it works", "we can edit genes: it works"),
        ("insert, delete, and edit: base pairs", "insert, delete, and edit: base pairs"),
        ("<U+FFFFFFFF> is no character", "<U+FFFFFFFF> is no character"),
        ("", ""),
    ],
)
def test_a_message_is_unescaped_put_on_one_line_and_loses_its_edit_tail(raw: str, cleaned: str) -> None:
    assert cleaned == clean(raw)


@given(st.one_of(st.text(max_size=60), PIECES))
def test_cleaning_twice_changes_nothing(raw: str) -> None:
    assert clean(raw) == clean(clean(raw))


@given(st.one_of(st.text(max_size=60), PIECES))
def test_a_clean_text_has_no_odd_spaces_and_can_be_encoded(raw: str) -> None:
    cleaned = clean(raw)
    assert " ".join(cleaned.split()) == cleaned
    cleaned.encode("utf-8")


@pytest.mark.parametrize(
    "unit", ["edit ", "&amp;", "<U+", "\n*", "**", " edit:", ". ", ".(*", "&#38;", "<U+003C>U+", "\n\t("]
)
def test_no_text_takes_more_than_linear_time(unit: str) -> None:
    def cpu(length: int) -> float:
        text = unit * (length // len(unit)) + "edit"
        started = time.process_time()
        for _ in range(3):
            clean(text)
        return time.process_time() - started

    # Sixteen times the text: a linear cleaner takes about 16 times as long, a quadratic one 256 times.
    assert cpu(320_000) < 100 * max(cpu(20_000), 1e-3)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        ("It works.", ["It works."]),
        ("It\n works. ", ["It works."]),
        ("It works. EDIT: thanks", ["It works.", "It works. EDIT: thanks"]),
        ("Edit: typo", ["typo", "Edit: typo"]),
    ],
)
def test_a_new_message_is_read_with_its_tail_as_well(raw: str, expected: list[str]) -> None:
    assert expected == readings(raw)


@given(st.one_of(st.text(max_size=60), PIECES))
def test_the_first_reading_is_what_training_sees(raw: str) -> None:
    assert clean(raw) == readings(raw)[0]


@given(st.one_of(st.text(max_size=60), PIECES))
def test_a_text_is_empty_when_cleaning_leaves_nothing(raw: str) -> None:
    assert is_empty(raw) == (clean(raw) == "")


@pytest.mark.parametrize("raw", ["e\u200bdit: ", "&nbsp;", "<U+00A0>", "EDIT 2: \n edit:", "\ufeff"])
def test_letters_of_an_escape_or_an_edit_mark_are_no_text(raw: str) -> None:
    assert is_empty(raw)
