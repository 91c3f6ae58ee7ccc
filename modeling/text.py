"""The one normaliser, used by training and serving alike. Knows no file and no label."""

import html
import re
import sys
from typing import Final

# Each pass undoes one level of escaping; texts escaped deeper than this are left as they then are.
MAX_PASSES: Final = 4

_R_ESCAPE: Final = re.compile(r"<U\+([0-9A-Fa-f]{4,8})>")
_AMPERSANDS: Final = re.compile(r"&(?:(?:amp|AMP|#0*38|#[xX]0*26);?)+")
_ENTITY: Final = re.compile(r"&[#A-Za-z]")
_UNSEEN: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u00ad\u200b\u2060-\u2064\ufeff]")
_SURROGATE: Final = re.compile(r"[\ud800-\udfff]")
_SPACE_IN_LINE: Final = re.compile(r"[^\S\r\n]+")
_OPEN: Final = r"[*_~(\[\\# \t]{0,6}"
_CLOSE: Final = r"[*_~)\]\\ \t]{0,6}"
_MARK: Final = rf"{_OPEN}\bedit(?:ed)?\b{_CLOSE}\d{{0,2}}{_CLOSE}[:;.\-\u2013\u2014]{_CLOSE}"
_LEADING_EDIT: Final = re.compile(rf"^(?:{_MARK}\s*)+", re.IGNORECASE)
_EDIT_TAIL: Final = re.compile(rf"(?:[\r\n]|(?<=[.!?)\]~])[ \t]){_MARK}.*\Z", re.IGNORECASE | re.DOTALL)


def readings(text: str) -> list[str]:
    """The ways in which a message that has just been written can be read: cleaned, and with its tail.

    A tail that is cut in training would otherwise be a way past the model: "Thanks. EDIT: …".
    """
    plain = _plain(text)
    whole, cut = " ".join(plain.split()), _without_edits(plain)
    return [cut] if whole == cut else [cut, whole]


def clean(text: str) -> str:
    """What a model sees of a message: unescaped, on one line, without what was added after it survived.

    Undone are HTML entities, R's ``<U+XXXX>`` escapes, no-break and other spaces, control and
    zero-width characters, and "EDIT: …" tails: authors add them when a comment has survived for
    a while, so they tell the label and never stand in a message that has just been written.
    """
    return _without_edits(_plain(text))


def _without_edits(text: str) -> str:
    if "edit" in text.lower():
        text = _LEADING_EDIT.sub("", _SPACE_IN_LINE.sub(" ", text).strip())
        text = _EDIT_TAIL.sub("", text)
    return " ".join(text.split())


def _plain(text: str) -> str:
    text = _UNSEEN.sub("", _unescape(text))
    return text if text.isascii() else _SURROGATE.sub("\ufffd", text)


def _unescape(text: str) -> str:
    for _ in range(MAX_PASSES):
        before = text
        if "&" in text:
            text = _AMPERSANDS.sub("&", text)
            if _ENTITY.search(text):
                text = html.unescape(text)
        if "<" in text:
            text = _R_ESCAPE.sub(_decode, text)
        if text == before:
            break
    return text


def _decode(match: re.Match[str]) -> str:
    code = int(match[1], 16)
    return chr(code) if code <= sys.maxunicode else match[0]
