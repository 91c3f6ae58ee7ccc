"""Pet names and who is who."""

import unicodedata
from itertools import product

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.markup import cookie
from frontend.names import (
    ADJECTIVES,
    ANIMALS,
    MAX_NAME_CHARS,
    author_id,
    from_cookie,
    new_token,
    pet_name,
    tidy_name,
    to_cookie,
)


def test_there_are_enough_names_and_none_twice() -> None:
    names = {f"{adjective} {animal}" for adjective, animal in product(ADJECTIVES, ANIMALS)}
    assert len(ADJECTIVES) * len(ANIMALS) == len(names)
    assert min(len(ADJECTIVES), len(ANIMALS)) >= 40
    assert max(map(len, names)) <= MAX_NAME_CHARS


def test_a_token_always_has_the_same_name_and_different_tokens_mostly_others() -> None:
    tokens = [new_token() for _ in range(200)]
    names = [pet_name(token) for token in tokens]
    assert names == [pet_name(token) for token in tokens]
    assert len(set(names)) > 180


def test_the_id_that_others_could_learn_does_not_show_the_token() -> None:
    token = new_token()
    assert token not in author_id(token)
    assert author_id(token) != author_id(new_token())


@given(text=st.text())
def test_a_cookie_brings_the_same_reader_back(text: str) -> None:
    token = new_token()
    name = tidy_name(text) or pet_name(token)
    assert from_cookie(to_cookie(token, name)) == (token, name)
    assert cookie("reader", to_cookie(token, name)).count("<") == 2


@given(text=st.text() | st.from_regex(r"[A-Za-z0-9_-]{12,70}\.[%A-F0-9]*", fullmatch=True))
def test_whatever_a_browser_brings_is_a_tidy_reader_or_none(text: str) -> None:
    brought = from_cookie(text)
    if brought:
        token, name = brought
        assert text.startswith(f"{token}.") or text == token
        assert name == tidy_name(name) != ""


def test_what_is_no_cookie_of_ours_is_not_taken() -> None:
    for text in ("", "short.Name", "x" * 65, "<script>alert(1)</script>.x", "spaces in it here.x"):
        assert from_cookie(text) is None


def test_a_value_that_could_leave_its_script_is_refused() -> None:
    with pytest.raises(ValueError, match="quote it first"):
        cookie("reader", '"; alert(1); "')


@given(text=st.text())
def test_a_tidy_name_is_one_visible_line_of_bounded_length(text: str) -> None:
    name = tidy_name(text)
    assert len(name) <= MAX_NAME_CHARS
    assert name == tidy_name(name)
    assert not [char for char in name if unicodedata.category(char)[0] == "C"]


def test_a_name_cannot_turn_the_text_around_it() -> None:
    assert tidy_name("  Admin\u202enimdA\u200b\n") == "Admin nimdA"
