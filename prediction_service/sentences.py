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
# Words and initials that seldom end a sentence before a small letter. "no" is not among them: in a chat it
# is the word.
SHORT: Final = re.compile(
    "al|approx|ca|cf|dr|eg|esp|est|etc|fig|ie|inc|incl|jr|ltd|messrs|mr|mrs|ms|prof|resp|rev|sr|st|viz|vol|vs"
    r"|([^\W\d_]\.)*[^\W\d_]"
)
NO_PART: Final = re.compile(r"[^\w.]")
LOOK_BACK: Final = 16  # more than any of them has


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
            if following is None or not following[0].islower() or _ends_before_small(text, stop):
                yield end


def _ends_before_small(text: str, stop: re.Match[str]) -> bool:
    """Whether a sentence ends here though a small letter follows, as most do in a chat.

    "you idiot. thanks!" and "What? yes!" are two; "hm... well", "e.g. this" and "'go.' she said" are one.
    """
    if stop[0] != ".":
        return bool(LOUD & set(stop[0]))
    before = text[max(0, stop.start() - LOOK_BACK) : stop.start()]
    return SHORT.fullmatch(NO_PART.split(before)[-1].lower()) is None
