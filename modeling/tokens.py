"""Texts to token numbers by a ``tokenizer.json``, the same in training and serving. Knows no model."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Numbers = npt.NDArray[np.int64]


class Tokens(NamedTuple):
    """A text as a model reads it: numbers of its tokens and of their segments, both of shape (tokens,)."""

    numbers: Numbers
    segments: Numbers


class Tokenizer:
    """A tokenizer that cuts texts after ``max_length`` tokens.

    Args:
        content: of a ``tokenizer.json``.
        max_length: most tokens of a text, the marks of its beginning and end included.

    Raises:
        ValueError: the content is none of a tokenizer.

    """

    def __init__(self, content: str, max_length: int) -> None:
        import tokenizers

        try:
            self._inner = tokenizers.Tokenizer.from_str(content)
            self._inner.no_padding()
            self._inner.enable_truncation(max_length)
        except Exception as error:  # tokenizers raises nothing narrower
            raise ValueError(f"no tokenizer: {error}") from error

    def __call__(self, texts: Sequence[str]) -> list[Tokens]:
        """The tokens of each text, never none."""
        # one by one: encode_batch would start a thread for each core in each worker
        return [_tokens(self._inner.encode(text)) for text in texts]


def _tokens(encoding: "object") -> Tokens:
    numbers, segments = encoding.ids, encoding.type_ids  # type: ignore[attr-defined]
    return Tokens(
        np.array(numbers or [0], dtype=np.int64),
        np.array(segments if numbers else [0], dtype=np.int64),
    )
