"""The sentences of a text and where they stand in it. Pure; knows no model."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MAX_SENTENCES: Final = 500
NARROW: Final = "\uffff"
# a run of full stops with what closes after it (quotes, brackets, marks that join the stop), or of line ends
STOPS: Final = re.compile(
    "[.!?\u2026\u3002\uff01\uff1f\uff61]+"
    "[\"'\u2019\u201d\u00bb)\\]\u300d\u300f\uff09\u3011\u0300-\u036f\u20d0-\u20ff\ufe00-\ufe0f\u200d]*"
    "|[\r\n\v\f\x1c-\x1e\x85\u2028\u2029]+"
)
NEXT: Final = re.compile(r"\S")
FULL_WIDTH: Final = frozenset("\u3002\uff01\uff1f\uff61")
LOUD: Final = frozenset("!?")


@dataclass(frozen=True)
class Sentence:
    """A sentence without the white space around it; begin and end count UTF-16 code units, end exclusive."""

    begin: int
    end: int
    text: str


def sentences(text: str) -> list[Sentence]:
    """The sentences of a text, in order; from the five hundredth on, the rest is one."""
    found: list[Sentence] = []
    seen = units = 0
    for begin, end in _trimmed(text):
        units += width(text[seen:begin])
        inside = text[begin:end]
        found.append(Sentence(units, units + width(inside), inside))
        seen, units = end, found[-1].end
    return found


def width(text: str) -> int:
    """How many UTF-16 code units a text has."""
    if not text or max(text) <= NARROW:
        return len(text)
    return len(text) + sum(character > NARROW for character in text)


def _trimmed(text: str) -> Iterator[tuple[int, int]]:
    start = count = 0
    for end in (*_ends(text), len(text)):
        if count == MAX_SENTENCES - 1:
            end = len(text)  # noqa: PLW2901 - the rest is one sentence
        piece = text[start:end]
        if inside := piece.strip():
            begin = start + len(piece) - len(piece.lstrip())
            yield begin, begin + len(inside)
            count += 1
        start = end
        if count == MAX_SENTENCES:
            return


def _ends(text: str) -> Iterator[int]:
    for stop in STOPS.finditer(text):
        first, end = stop[0][0], stop.end()
        if first.isspace() or FULL_WIDTH & set(stop[0]):
            yield end
        elif end < len(text) and text[end].isspace():
            following = NEXT.search(text, end)
            # "e.g. this" and "hm... well" go on; "What? yes!" does not
            if following is None or not following[0].islower() or LOUD & set(stop[0]):
                yield end
