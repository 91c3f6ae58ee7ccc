"""How far a score falls when somebody writes round the model: leet, spacing, homoglyphs, zero-width marks.

Removed test messages that the model would flag are altered as people alter them (Gröndahl et al. 2018, "All
You Need is 'Love'", and Hosseini et al. 2017, "Deceiving Google's Perspective API"), a part of their longer
words each, by a generator seeded with the message's own key: the same message is always altered alike.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np

from modeling import resampling
from modeling.hashing import Floats
from modeling.resampling import Labels, Metric

Score = Callable[[Sequence[str]], Floats]
# A word shorter than this is seldom what a message is removed for.
LONG: Final = 4
ALTERED: Final = 0.5
# As many are altered at most; where nothing is flagged, the top-scored ones stand in, as many as these.
MESSAGES: Final = 300
STAND_INS: Final = 100

_LEET: Final = str.maketrans("aeiostAEIOST", "431057431057")
# Cyrillic letters that look like Latin ones (Unicode's confusables).
_LOOK_ALIKES: Final = str.maketrans(
    "aceiopsxyABCEHIKMOPTXY",
    "\u0430\u0441\u0435\u0456\u043e\u0440\u0455\u0445\u0443"
    "\u0410\u0412\u0421\u0415\u041d\u0406\u041a\u041c\u041e\u0420\u0422\u0425\u0423",
)
_UNSEEN: Final = ("\u200b", "\u200c", "\u200d", "\u2060")

TITLES: Final = {
    "leet": "digits for letters (l33t)",
    "spacing": "letters apart (s p a c e)",
    "homoglyphs": "Cyrillic look-alikes",
    "zero_width": "invisible characters",
}


@dataclass(frozen=True)
class Evaded:
    """What one kind of writing round did to messages that the model had caught."""

    name: str
    title: str
    messages: int
    mean_drop: Metric
    recall_before: float
    recall_after: float


def alter(text: str, kind: str, key: str) -> str:
    """A text with about half of its words of four or more letters altered, at least one if there is any."""
    words = text.split(" ")
    long = [place for place, word in enumerate(words) if sum(map(str.isalpha, word)) >= LONG]
    if not long:
        return text
    random = np.random.default_rng([list(TITLES).index(kind), int(key[:16], 16)])
    chosen = random.random(len(long)) < ALTERED
    chosen[random.integers(len(long))] = True
    for place in (place for place, is_chosen in zip(long, chosen, strict=True) if is_chosen):
        words[place] = _word(words[place], kind, random)
    return " ".join(words)


def _word(word: str, kind: str, random: np.random.Generator) -> str:
    if kind == "leet":
        return word.translate(_LEET)
    if kind == "spacing":
        return " ".join(word)
    if kind == "homoglyphs":
        return word.translate(_LOOK_ALIKES)
    marks = [_UNSEEN[mark] for mark in random.integers(len(_UNSEEN), size=len(word) - 1)]
    return word[0] + "".join(mark + letter for mark, letter in zip(marks, word[1:], strict=True))


def evasion(
    score: Score,
    texts: Sequence[str],
    keys: Sequence[str],
    scores: Floats,
    labels: Labels,
    flag: float | None,
    resamples: int,
    seed: int,
) -> dict[str, Any]:
    """Score drop and lost recall for each kind, over removed test messages that the model had caught.

    Args:
        score: texts to probabilities.
        texts: of the test part, cleaned.
        keys: of these texts.
        scores: of these texts.
        labels: 1 where moderators removed the message.
        flag: the score from which a message is flagged; where that is off or catches no removed message, the
            score of the hundredth highest removed one stands in, and ``threshold`` says which it was.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    """
    removed = np.flatnonzero(labels == 1)
    ranked = removed[np.argsort(-scores[removed], kind="stable")]
    is_flag = flag is not None and bool(scores[ranked[0]] >= flag)
    threshold = flag if flag is not None and is_flag else float(scores[ranked[:STAND_INS]][-1])
    over = ranked[scores[ranked] >= threshold]
    caught = over[np.unique(np.linspace(0, len(over) - 1, min(MESSAGES, len(over))).round().astype(int))]
    recall = len(over) / len(removed)
    kinds = []
    for kind, title in TITLES.items():
        after = score([alter(texts[row], kind, keys[row]) for row in caught])
        drop = resampling.mean(scores[caught] - after, resamples, seed)
        left = recall * float(np.mean(after >= threshold))
        kinds.append(asdict(Evaded(kind, title, len(caught), drop, recall, left)))
    return {"kinds": kinds, "threshold": threshold, "is_flag": is_flag, "removed": len(removed)}
