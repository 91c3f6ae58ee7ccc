from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.tokens import Tokenizer

TEXTS = ["does figure 2 show the dose?", "", "x" * 500, "\u200b", "the dose " * 200]


@pytest.fixture(scope="module")
def content(encoder_dir: Path) -> str:
    return (encoder_dir / "tokenizer.json").read_text()


def test_tokens_are_those_of_transformers_own_tokenizer(encoder_dir: Path, content: str) -> None:
    from transformers import AutoTokenizer

    theirs = AutoTokenizer.from_pretrained(encoder_dir)(
        TEXTS, truncation=True, max_length=48, return_token_type_ids=True
    )
    ours = Tokenizer(content, 48)(TEXTS)
    assert theirs["input_ids"] == [each.numbers.tolist() for each in ours]
    assert theirs["token_type_ids"] == [each.segments.tolist() for each in ours]


def test_what_follows_the_most_tokens_is_not_read(content: str) -> None:
    long, longer = Tokenizer(content, 16)(["the dose " * 20, "the dose " * 20 + "you idiot"])
    assert 16 == len(long.numbers)
    assert np.array_equal(long.numbers, longer.numbers)


@given(text=st.text(max_size=200))
@settings(max_examples=100)
def test_every_text_has_one_to_so_many_tokens(content: str, text: str) -> None:
    [tokens] = Tokenizer(content, 24)([text])
    assert 1 <= len(tokens.numbers) <= 24
    assert tokens.numbers.shape == tokens.segments.shape


def test_a_tokenizer_without_marks_reads_nothing_as_one_token() -> None:
    import tokenizers

    bare = tokenizers.Tokenizer(tokenizers.models.WordLevel({"[UNK]": 0, "a": 1}, unk_token="[UNK]"))
    [tokens] = Tokenizer(bare.to_str(), 8)([""])
    assert ([0], [0]) == (tokens.numbers.tolist(), tokens.segments.tolist())


@pytest.mark.parametrize("bad", ["", "{", "[]", '{"version": "1.0"}'])
def test_what_is_no_tokenizer_is_refused(bad: str) -> None:
    with pytest.raises(ValueError, match="no tokenizer: "):
        Tokenizer(bad, 8)
