"""An export such as a client of Perspective has: texts, and what another scorer once said of them."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE


def old_scores(bundle_dir: Path, texts: Sequence[str], noise: float = 0.7, seed: int = 0) -> list[float]:
    """Scores of a stricter scorer that agrees with the bundle's up to noise on the logit."""
    ours = np.clip(bundles.load(bundle_dir).score(texts)[ATTRIBUTE], 1e-6, 1 - 1e-6)
    drift = np.random.default_rng(seed).normal(-1.5, noise, len(texts))
    return [float(one) for one in 1 / (1 + np.exp(-(np.log(ours / (1 - ours)) + drift)))]


def write_export(
    path: Path, texts: Sequence[str], scores: Sequence[object], header: Sequence[str] = ("text", "score")
) -> Path:
    """The CSV as a spreadsheet saves it: with a byte order mark, and quotes where they are needed."""
    with path.open("w", encoding="utf-8-sig", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header)
        writer.writerows(zip(texts, scores, strict=True))
    return path
