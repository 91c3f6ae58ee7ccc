"""Parts of the test rows, each with its figures: where a model is worse than its average says."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from modeling import resampling
from modeling.evaluate import chance_calibration_error
from modeling.hashing import Floats
from modeling.policy import wilson_lower
from modeling.resampling import Figure, Labels, Metric, Ranked, bootstrap
from modeling.wordlists import MODERATION, PROFANITY

Mask = npt.NDArray[np.bool_]
# Below either, a figure's interval is too wide to compare models by: the slice is shown, marked as small.
SMALL_ROWS: Final = 200
SMALL_LABEL: Final = 20

TITLES: Final = {
    "words_1_10": "up to 10 words",
    "words_11_30": "11 to 30 words",
    "words_31_100": "31 to 100 words",
    "words_101_up": "over 100 words",
    "links": "with a link",
    "questions": "with a question",
    "profanity": "with swearing or insults",
    "moderation": "about moderation",
    "artefact": "raw text with artefacts",
    "artefact_free": "raw text without artefacts",
}
LAST_WORD: Final = {"words_1_10": 10, "words_11_30": 30, "words_31_100": 100}
LINK: Final = re.compile(r"https?://|\bwww\.|\]\(", re.IGNORECASE)


def _any_of(words: Iterable[str]) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(map(re.escape, words))})\b", re.IGNORECASE)


_PROFANE: Final = _any_of(PROFANITY)
_MODERATION: Final = _any_of(MODERATION)


@dataclass(frozen=True)
class Slice:
    """Figures of some of the rows; one that these rows cannot give is None.

    ``ece_by_chance`` is the calibration error that perfect scores would show on so many rows.
    """

    name: str
    title: str
    rows: int
    removed: int
    small: bool
    metrics: Mapping[str, Metric | None]
    ece_by_chance: float | None

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return asdict(self)


def masks(texts: Sequence[str], artefacts: Sequence[bool] | Mask) -> dict[str, Mask]:
    """Which rows belong to each slice, by its name, each of shape (rows,).

    Args:
        texts: cleaned.
        artefacts: whether each row's raw text had traces of how it was collected.

    """
    words = np.array([len(text.split()) for text in texts], dtype=np.int64)
    edges = np.searchsorted(list(LAST_WORD.values()), words, side="left")
    had = np.asarray(artefacts, dtype=np.bool_)
    bands = {name: edges == place for place, name in enumerate([*LAST_WORD, "words_101_up"])}
    return bands | {
        "links": _where(texts, LINK),
        "questions": _where(texts, re.compile(r"\?")),
        "profanity": _where(texts, _PROFANE),
        "moderation": _where(texts, _MODERATION),
        "artefact": had,
        "artefact_free": ~had,
    }


def _where(texts: Sequence[str], pattern: re.Pattern[str]) -> Mask:
    return np.array([pattern.search(text) is not None for text in texts], dtype=np.bool_)


def slices(
    chosen: Mapping[str, Mask], scores: Floats, labels: Labels, flag: float | None, resamples: int, seed: int
) -> list[Slice]:
    """Figures of each slice, its own rows drawn again and again.

    Args:
        chosen: rows of each slice by name, see `masks`.
        scores: calibrated probabilities, shape (rows,).
        labels: 1 where moderators removed the row, shape (rows,).
        flag: the score from which a message is flagged; None where that action is off, and then there is
            no false-positive rate.
        resamples: of the bootstrap.
        seed: of the bootstrap.

    """
    return [_slice(name, scores[rows], labels[rows], flag, resamples, seed) for name, rows in chosen.items()]


def _slice(name: str, scores: Floats, labels: Labels, flag: float | None, resamples: int, seed: int) -> Slice:
    rows, removed = len(labels), int(labels.sum())
    figures: dict[str, Figure] = {"roc_auc": resampling.roc_auc}
    figures["ece"] = resampling.calibration_error(np.sort(scores))
    found = bootstrap(Ranked.of(scores, labels), figures, resamples, seed) if rows else {}
    alarms = None if flag is None else _share(int(np.sum(scores[labels == 0] >= flag)), rows - removed)
    return Slice(
        name=name,
        title=TITLES.get(name, name),
        rows=rows,
        removed=removed,
        small=is_small(rows, removed),
        metrics={
            "roc_auc": found.get("roc_auc"),
            "ece": found.get("ece"),
            "false_positive_rate": alarms,
        },
        ece_by_chance=chance_calibration_error(scores) if rows else None,
    )


def _share(part: int, whole: int) -> Metric | None:
    # By Wilson, not by resampling: where no kept row is flagged, every resample would say 0 as well.
    if not whole:
        return None
    return Metric(part / whole, wilson_lower(part, whole), 1 - wilson_lower(whole - part, whole))


def is_small(rows: int, removed: int) -> bool:
    """Whether so few rows can hardly tell two models apart."""
    return rows < SMALL_ROWS or min(removed, rows - removed) < SMALL_LABEL
