"""The normaliser once more, telling where each character of a reading stands in the message. Knows no model.

The steps are those of `modeling.text`, which keeps no places because every request pays for it.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from html import unescape
from html.entities import html5
from typing import Final

from modeling.text import (
    AMPERSANDS,
    EDIT_TAIL,
    ENTITY,
    LEADING_EDIT,
    MAX_PASSES,
    R_ESCAPE,
    SPACE_IN_LINE,
    SURROGATE,
    UNSEEN,
    decode,
)

# what Python's html.unescape looks at: a number, or up to 32 characters of which a beginning may be a name
_REFERENCE: Final = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
_SHORTEST_NAME: Final = 2
_SPACES: Final = re.compile(r"\s{2,}|[^\S ]")  # a single space stays as it is

Edit = tuple[int, int, str]


@dataclass(frozen=True)
class Aligned:
    """A text and, by character, the half-open range of the message that it was made from, in code points."""

    text: str
    begins: list[int]
    ends: list[int]

    def edited(self, edits: Iterable[Edit]) -> "Aligned":
        """With parts replaced; every character of a replacement was made from the whole part."""
        pieces, begins, ends, seen = list[str](), list[int](), list[int](), 0
        for first, last, new in edits:
            pieces += (self.text[seen:first], new)
            begins += self.begins[seen:first] + [self.begins[first]] * len(new)
            ends += self.ends[seen:first] + [self.ends[last - 1]] * len(new)
            seen = last
        if not pieces:
            return self
        pieces.append(self.text[seen:])
        return Aligned("".join(pieces), begins + self.begins[seen:], ends + self.ends[seen:])

    def sub(self, pattern: re.Pattern[str], new: str | Callable[[re.Match[str]], str]) -> "Aligned":
        """As the pattern's own ``sub``; what is replaced by itself keeps its places."""
        found = (
            (match, new if isinstance(new, str) else new(match)) for match in pattern.finditer(self.text)
        )
        return self.edited((*match.span(), text) for match, text in found if text != match[0])

    def on_one_line(self) -> "Aligned":
        """As ``" ".join(text.split())``."""
        return self.sub(_SPACES, " ").stripped()

    def stripped(self) -> "Aligned":
        """Without white space at both ends."""
        first = len(self.text) - len(self.text.lstrip())
        last = first + len(self.text.strip())
        return Aligned(self.text[first:last], self.begins[first:last], self.ends[first:last])


def aligned_readings(message: str) -> list[Aligned]:
    """What `modeling.text.readings` gives, with places."""
    places = list(range(len(message) + 1))
    plain = _plain(Aligned(message, places[:-1], places[1:]))
    whole = plain.on_one_line()
    if "edit" not in plain.text.lower():
        return [whole]
    cut = plain.sub(SPACE_IN_LINE, " ").stripped().sub(LEADING_EDIT, "").sub(EDIT_TAIL, "").on_one_line()
    return [cut] if whole.text == cut.text else [cut, whole]


def _plain(text: Aligned) -> Aligned:
    return _unescaped(text).sub(UNSEEN, "").sub(SURROGATE, "\ufffd")


def _unescaped(text: Aligned) -> Aligned:
    for _ in range(MAX_PASSES):
        before = text.text
        if "&" in text.text:
            text = text.sub(AMPERSANDS, "&")
            if ENTITY.search(text.text):
                text = text.edited(_references(text.text))
        if "<" in text.text:
            text = text.sub(R_ESCAPE, decode)
        if text.text == before:
            break
    return text


def _references(text: str) -> Iterator[Edit]:
    for match in _REFERENCE.finditer(text):
        name = match[1]
        if name[0] == "#":
            yield (*match.span(), unescape(match[0]))
            continue
        for length in range(len(name), _SHORTEST_NAME - 1, -1):
            if name[:length] in html5:
                yield match.start(), match.start(1) + length, html5[name[:length]]
                break
