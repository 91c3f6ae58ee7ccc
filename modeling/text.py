"""The one normaliser, used by training and serving alike. Knows no file and no label."""

import html
import re
import sys
from typing import Final

# Each pass undoes one level of escaping; texts escaped deeper than this are left as they then are.
MAX_PASSES: Final = 4

R_ESCAPE: Final = re.compile(r"<U\+([0-9A-Fa-f]{4,8})>")
AMPERSANDS: Final = re.compile(r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);?)+")
ENTITY: Final = re.compile(r"&[#A-Za-z]")
UNSEEN: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060-\u2064\ufeff]")
_SURELY_LEFT: Final = re.compile(r"[abcfghj-su-zABCFGHJ-SU-Z]")
SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
SPACE_IN_LINE: Final = re.compile(r"[^\S\r\n]+")
_OPEN: Final = r"[*_~(\[\\# \t]{0,6}"
_CLOSE: Final = r"[*_~)\]\\ \t]{0,6}"
_MARK: Final = rf"{_OPEN}\bedit(?:ed)?\b{_CLOSE}\d{{0,2}}{_CLOSE}[:;.\-\u2013\u2014]{_CLOSE}"
LEADING_EDIT: Final = re.compile(rf"^(?:{_MARK}\s*)+", re.IGNORECASE)
EDIT_TAIL: Final = re.compile(rf"(?:[\r\n]|(?<=[.!?)\]~])[ \t]){_MARK}.*\Z", re.IGNORECASE | re.DOTALL)


def readings(text: str) -> list[str]:
    """The ways in which a message that has just been written can be read: cleaned, and with its tail.

    A tail that is cut in training would otherwise be a way past the model: "Thanks. EDIT: …".
    """
    plain = _plain(text)
    whole = " ".join(plain.split())
    if not _may_have_edits(plain):
        return [whole]
    cut = _without_edits(plain)
    return [cut] if whole == cut else [cut, whole]


def clean(text: str) -> str:
    """What a model sees of a message: unescaped, on one line, without what was added after it survived.

    Undone are HTML entities, R's ``<U+XXXX>`` escapes, no-break and other spaces, control and
    zero-width characters, and "EDIT: …" tails: authors add them when a comment has survived for
    a while, so they tell the label and never stand in a message that has just been written.
    """
    return _without_edits(_plain(text))


def is_empty(text: str) -> bool:
    """Whether nothing is left of a text when it is cleaned."""
    # most texts hold a letter that is part of no escape and of no "EDIT:", and need no cleaning to tell
    if "&" not in text and "<" not in text and _SURELY_LEFT.search(text):
        return False
    return not clean(text)


def _may_have_edits(text: str) -> bool:
    return "edit" in text.lower()


def _without_edits(text: str) -> str:
    if _may_have_edits(text):
        text = LEADING_EDIT.sub("", SPACE_IN_LINE.sub(" ", text).strip())
        text = EDIT_TAIL.sub("", text)
    return " ".join(text.split())


def _plain(text: str) -> str:
    text = _unescape(text)
    if not text.isprintable():
        text = UNSEEN.sub("", text)
    return text if text.isascii() else SURROGATE.sub("\ufffd", text)


def _unescape(text: str) -> str:
    for _ in range(MAX_PASSES):
        before = text
        if "&" in text:
            text = AMPERSANDS.sub("&", text)
            if ENTITY.search(text):
                text = html.unescape(text)
        if "<" in text:
            text = R_ESCAPE.sub(decode, text)
        if text == before:
            break
    return text


def decode(match: re.Match[str]) -> str:
    """The character of an ``<U+XXXX>``, or the escape itself where there is none of that number."""
    code = int(match[1], 16)
    return chr(code) if code <= sys.maxunicode else match[0]
