"""What a text tells of how it was collected and not of what it says: features by group. Knows no label."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log1p
from typing import Final, Literal

import numpy as np

from modeling.hashing import Floats
from modeling.text import R_ESCAPE, UNSEEN

ENTITY: Final = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z][0-9A-Za-z]{1,31});")
# What Windows-1252 makes of UTF-8: "Ã©" for "é", "â€™" for an apostrophe.
MOJIBAKE: Final = re.compile("[\u00c2\u00c3][\u0080-\u00bf]|\u00e2\u20ac[\u0080-\u2122]?")
ODD_SPACE: Final = re.compile("[\u00a0\u1680\u2000-\u200a\u202f\u205f\u3000]")
LINE_END: Final = re.compile("\r\n|[\n\r\v\f\x1c-\x1e\u0085\u2028\u2029]")
BLANK_LINE: Final = re.compile(r"\n[ \t\r]*\n")
NON_ASCII: Final = re.compile(r"[^\x00-\x7f]")
TAG: Final = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
QUOTED: Final = re.compile(r"(?:^|(?<=\s))>+(?=\s*\S)")
EMPHASIS: Final = re.compile(r"\*\*|~~|`|\^|(?<!\w)[*_](?=\w)")
EDIT_WORD: Final = re.compile(r"\bedit(?:ed|s)?\b", re.IGNORECASE)
EDIT_MARK: Final = re.compile(r"\b(?:edit(?:ed)?|update|eta)\b[*_)\]]{0,4} ?\d{0,2} ?[:;]", re.IGNORECASE)
FIRST_NUMBER: Final = re.compile(r"\W{0,9}(\d{1,9})(?!\d)")
LAST_NUMBER: Final = re.compile(r"(?<!\d)(\d{1,9})\W{0,9}\Z")
LAST_CHARS: Final = 20
LINK: Final = re.compile(r"https?://|www\.", re.IGNORECASE)
SHOUTED: Final = re.compile(r"\b[A-Z]{2,}\b")
QUOTES: Final = "\"'\u2018\u2019\u201c\u201d"

Model = Literal["linear", "tree"]


@dataclass(frozen=True)
class Group:
    """Features that are judged together.

    Attributes:
        name: as it stands in ``leakage.toml``.
        title: what a person reads.
        features: their names; none where they are columns of the file and no text.
        of: the features of one text, as many as ``features``.
        model: ``linear`` (logistic regression) where more of it means more; ``tree`` where any stretch of
            values may be one label, as with the numbers of rows in files that were sorted.

    """

    name: str
    title: str
    features: tuple[str, ...] = ()
    of: Callable[[str], tuple[float, ...]] = lambda _: ()
    model: Model = "linear"

    def matrix(self, texts: Sequence[str]) -> Floats:
        """The features of texts, shape (texts, features)."""
        return np.array([self.of(text) for text in texts], dtype=float).reshape(len(texts), -1)


@dataclass(frozen=True)
class Limit:
    """What a group may reach: a ROC-AUC after cleaning, one before, or anything, with a reason."""

    after: float | None = None
    before: float | None = None
    allow: str = ""


def _amounts(*counts: int) -> tuple[float, ...]:
    """Of each count whether there is one and its logarithm, so that one long text does not decide."""
    return tuple(value for count in counts for value in (float(count > 0), log1p(count)))


def _length(text: str) -> tuple[float, ...]:
    return (log1p(len(text)), log1p(len(text.split())))


def _entities(text: str) -> tuple[float, ...]:
    return _amounts(len(ENTITY.findall(text)) if "&" in text else 0)


def _non_ascii(text: str) -> tuple[float, ...]:
    if text.isascii():
        return _amounts(0)
    rest = LINE_END.sub("", UNSEEN.sub("", ODD_SPACE.sub("", MOJIBAKE.sub("", text))))
    return _amounts(len(NON_ASCII.findall(rest.replace("\ufffd", ""))))


def _newlines(text: str) -> tuple[float, ...]:
    return _amounts(len(LINE_END.findall(text)), len(BLANK_LINE.findall(text)), text.count("\r"))


def _markup(text: str) -> tuple[float, ...]:
    if "<" not in text and ">" not in text:
        return _amounts(0, 0)
    rest = QUOTED.sub("", R_ESCAPE.sub("", text))
    return _amounts(rest.count("<") + rest.count(">"), len(TAG.findall(rest)))


def _markdown(text: str) -> tuple[float, ...]:
    return _amounts(len(QUOTED.findall(text)), text.count("]("), len(EMPHASIS.findall(text)))


def _encoding_residue(text: str) -> tuple[float, ...]:
    found = [0, 0, 0, 0]
    if "<U+" in text or "<u+" in text:
        found[0] = len(R_ESCAPE.findall(text))
    if not text.isprintable():
        found[1] = len(UNSEEN.findall(text)) + text.count("\ufffd")
        found[2] = len(ODD_SPACE.findall(text))
    if not text.isascii():
        found[3] = len(MOJIBAKE.findall(text)) + text.count("\ufffd")
    return _amounts(*found)


def _edit(text: str) -> tuple[float, ...]:
    return _amounts(len(EDIT_WORD.findall(text)), len(EDIT_MARK.findall(text)))


def _number_in_text(text: str) -> tuple[float, ...]:
    found = (FIRST_NUMBER.match(text), LAST_NUMBER.search(text[-LAST_CHARS:]))
    return tuple(float(match[1]) if match else -1.0 for match in found)


def _style(text: str) -> tuple[float, ...]:
    letters = sum(map(str.isalpha, text)) or 1
    words = text.split() or [""]
    chars = len(text) or 1
    first = next((char for char in text if char.isalpha()), "A")
    shares = [sum(map(text.count, marks)) / chars for marks in ("!", "?", ".", ",", QUOTES, "()", "-:;")]
    return (
        *shares,
        sum(map(str.isupper, text)) / letters,
        sum(map(str.isdigit, text)) / chars,
        len(SHOUTED.findall(text)) / len(words),
        min(letters / len(words), 20.0),
        float(first.islower()),
        float(text.rstrip()[-1:] in {".", "!", "?", '"', ")"}),
        float(text.rstrip()[-1:] == "?"),
        float("..." in text or "\u2026" in text),
        float(bool(LINK.search(text))),
    )


STYLE: Final = (
    *("exclamation marks", "question marks", "full stops", "commas", "quotes", "parentheses", "other marks"),
    *("capitals", "digits", "shouted words", "word length", "begins small", "ends a sentence"),
    *("ends with a question", "ellipsis", "link"),
)


def _each(*names: str) -> tuple[str, ...]:
    return tuple(f"{name}{kind}" for name in names for kind in (" (any)", " (log count)"))


GROUPS: Final = (
    Group("row_number", "Row number", model="tree"),
    Group("columns", "Other columns", model="tree"),
    Group(
        "number_in_text",
        "Number at either end",
        ("number at the start", "number at the end"),
        _number_in_text,
        "tree",
    ),
    Group("entities", "HTML entities", _each("entities"), _entities),
    Group(
        "encoding_residue",
        "Encoding residue",
        _each("<U+XXXX>", "unseen characters", "odd spaces", "broken UTF-8"),
        _encoding_residue,
    ),
    Group("non_ascii", "Non-ASCII characters", _each("non-ASCII characters"), _non_ascii),
    Group("newlines", "Line ends", _each("line ends", "blank lines", "carriage returns"), _newlines),
    Group("markup", "HTML markup", _each("angle brackets", "tags"), _markup),
    Group("edit", "Edit marks", _each("the word edit", "edit marks"), _edit),
    Group("length", "Length", ("characters (log)", "words (log)"), _length),
    Group("markdown", "Markdown", _each("quote marks", "links", "emphasis"), _markdown),
    Group("style", "Style", STYLE, _style),
)
