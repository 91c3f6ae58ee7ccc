"""Which part and fold a text belongs to, for ever. Knows no cleaner, no file and no label.

The key is frozen: it must give the same answer on every machine, with every version of Python's
Unicode tables and of our own cleaner, so it uses neither.
"""

import hashlib
import re
from collections.abc import Iterable
from typing import Final, Literal

Part = Literal["learning", "test"]
LEARNING_SHARE: Final = 80
FOLDS: Final = 5

_ESCAPES: Final = re.compile(r"<U\+[0-9A-Fa-f]{4,8}>|&#?[0-9A-Za-z]{1,31};")
_SILENT: Final = re.compile(r"[^0-9a-z\u00c0-\U0010ffff]+")
_LOWER: Final = {upper: upper + 32 for upper in range(ord("A"), ord("Z") + 1)}


def frozen_key(text: str) -> str:
    """The sha256 (64 hexadecimal digits) of a raw text's letters and digits.

    Case of ASCII letters, spaces, punctuation, entities and ``<U+XXXX>`` escapes do not count, so
    that the same comment met twice has one key; a text of nothing else is keyed by itself.
    """
    letters = _SILENT.sub("", _ESCAPES.sub("", text).translate(_LOWER))
    material = letters or "".join(text.split())
    return hashlib.sha256(material.encode("utf-8", "surrogatepass")).hexdigest()


def part_of(key: str) -> Part:
    """The part of a key: 80 of 100 keys are for learning, 20 for the test."""
    return "learning" if int(key, 16) % 100 < LEARNING_SHARE else "test"


def fold_of(key: str) -> int:
    """The fold (0..4) of a key; independent of its part."""
    return int(key, 16) // 100 % FOLDS


def keys_sha256(keys: Iterable[str]) -> str:
    """The sha256 of a set of keys, whatever their order: what a model learned from, in one line."""
    return hashlib.sha256("".join(f"{key}\n" for key in sorted(set(keys))).encode()).hexdigest()
