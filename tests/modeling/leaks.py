"""Texts that say nothing of their label, and ways to plant a trace in the removed ones."""

import random
from collections.abc import Callable

import numpy as np

from modeling.leakage import Seen
from modeling.split import fold_of, frozen_key
from modeling.text import clean
from workflow.leak_limits import LeakLimits, read
from workflow.settings import Settings

WORDS = ("spectrum", "error", "dose", "signal", "model", "enzyme", "paper", "control", "sample", "noise")
ROWS = 1000
Plant = Callable[[str, int], str]


def our_limits() -> LeakLimits:
    return read(Settings().leakage)


def texts(rows: int = ROWS, seed: int = 0) -> list[str]:
    """Distinct sentences of like length without any artefact."""
    rng, found = random.Random(seed), dict[str, None]()
    while len(found) < rows:
        found[f"We saw {' and '.join(rng.sample(WORDS, 5))} here."] = None
    return list(found)


def planted(plant: Plant = lambda text, _: text, rows: int = ROWS, seed: int = 0, share: float = 0.5) -> Seen:
    """Rows of which a third is removed, by chance; ``plant`` takes a share of the removed ones."""
    rng = random.Random(seed + 1)
    labels = np.array([int(rng.random() < 1 / 3) for _ in range(rows)])
    said = texts(rows, seed)
    raw = [
        plant(text, row) if label and rng.random() < share else text
        for row, (text, label) in enumerate(zip(said, labels, strict=True))
    ]
    keys = [frozen_key(text) for text in said]
    folds = np.array([fold_of(key) for key in keys])
    return Seen(keys, labels, folds, raw, [clean(text) for text in raw])
