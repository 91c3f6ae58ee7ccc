"""The scores of texts that one worker has scored before: bounded, and without the texts. Knows no model."""

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from typing import Final

from modeling.text import readings

KEY_BYTES: Final = 16

Scores = Mapping[str, float]


def _nothing(_hits: int, _misses: int) -> None: ...


class ScoreCache:
    """At most so many texts' scores, those asked for last; ``counted`` is told each batch's hits and misses.

    A text's key is a hash over what a model sees of it, under a seal that names model and policy: an
    entry is as small for a long text as for a short one, and nobody can read a message out of it.
    """

    def __init__(self, entries: int, counted: Callable[[int, int], None] = _nothing) -> None:
        self._most = entries
        self._counted = counted
        self._kept: OrderedDict[bytes, Scores] = OrderedDict()
        self._lock = threading.Lock()

    def __len__(self) -> int:
        """How many texts' scores are kept."""
        return len(self._kept)

    def through(
        self, seal: bytes, texts: Sequence[str], score: Callable[[Sequence[str]], Sequence[Scores]]
    ) -> list[Scores]:
        """The scores of each text; ``score`` is asked at most once, for the texts that are not kept."""
        keys = [_key(seal, text) for text in texts]
        found = self._look_up(keys)
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in found}
        if missing:
            scored = dict(zip(missing, score(list(missing.values())), strict=True))
            self._keep(scored)
            found |= scored
        self._counted(len(texts) - len(missing), len(missing))
        return [found[key] for key in keys]

    def _look_up(self, keys: Sequence[bytes]) -> dict[bytes, Scores]:
        with self._lock:
            found = {key: self._kept[key] for key in keys if key in self._kept}
            for key in found:
                self._kept.move_to_end(key)
        return found

    def _keep(self, scored: Mapping[bytes, Scores]) -> None:
        with self._lock:
            self._kept.update(scored)
            while len(self._kept) > self._most:
                self._kept.popitem(last=False)


def _key(seal: bytes, text: str) -> bytes:
    seen = "\0".join(readings(text))  # a reading holds no NUL
    return hashlib.blake2b(seen.encode(), digest_size=KEY_BYTES, key=seal).digest()
