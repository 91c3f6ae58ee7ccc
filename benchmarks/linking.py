"""Which map from our score to an old one keeps a threshold's meaning: none, a line, isotonic, equipercentile.

Usage: python -m benchmarks.linking [CSV [TOXIC_CSV]]   (default: CHATMOD_TEST_DATA, else the sample)
A third of the comments trains our model, a third another scorer (TF-IDF of words, logistic regression), which
plays the old one, and the last third has both scores: maps are fitted on four fifths of it and counted on
the fifth, five times. The old score also comes with noise on its logit and, where TOXIC_CSV is given (columns
tweet and class, 2 for inoffensive), from a scorer of another thing. From the sample, figures say nothing.
"""

import hashlib
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.isotonic import IsotonicRegression
from sklearn.linear_model import LinearRegression, LogisticRegression
from sklearn.pipeline import make_pipeline

from modeling.bundle import scorer_of
from modeling.candidates.hashed_linear import HashedLinearClassifier
from modeling.data import read_comments
from modeling.policy import ATTRIBUTE
from modeling.split import fold_of, frozen_key
from modeling.train import train
from prediction_service.agreement import decisions, spearman
from prediction_service.linking import fit, through
from tests.settings import TEST

THRESHOLDS = (0.5, 0.7, 0.8, 0.9)
NOISE = 1.5
FOLDS = 5
Map = Callable[[Any, Any, Any], Any]


def none(_ours: Any, _old: Any, scores: Any) -> Any:
    """Our score as it is."""
    return scores


def line(ours: Any, old: Any, scores: Any) -> Any:
    """A least-squares line through the logits."""
    model = LinearRegression().fit(logit(ours)[:, None], logit(old))
    return 1 / (1 + np.exp(-model.predict(logit(scores)[:, None])))


def isotonic(ours: Any, old: Any, scores: Any) -> Any:
    """The rising map with the least squared error."""
    return IsotonicRegression(out_of_bounds="clip").fit(ours, old).predict(scores)


def equipercentile(ours: Any, old: Any, scores: Any) -> Any:
    """The service's own."""
    return through(fit(ATTRIBUTE, ours, old), scores)


MAPS: dict[str, Map] = {"none": none, "line": line, "isotonic": isotonic, "equipercentile": equipercentile}


def logit(scores: Any) -> Any:
    """Log-odds, away from the ends."""
    inside = np.clip(scores, 1e-6, 1 - 1e-6)
    return np.log(inside / (1 - inside))


def third(text: str) -> int:
    """Which third of the comments a text belongs to."""
    return int(hashlib.sha256(text.encode()).hexdigest(), 16) % 3


def old_scorer(texts: Any, labels: Any) -> Any:
    """A scorer that shares no row and no feature with ours."""
    model = make_pipeline(
        TfidfVectorizer(sublinear_tf=True, min_df=2), LogisticRegression(C=4.0, max_iter=1_000)
    )
    return model.fit(texts, labels)


def our_scorer(texts: Any, labels: Any) -> Any:
    """Our own model, trained as the pipeline trains it."""
    folds = np.array([fold_of(frozen_key(text)) for text in texts])
    trained = train(texts, labels, folds, HashedLinearClassifier(), {"flag": 0.7, "remove": 0.9})
    with tempfile.TemporaryDirectory() as place:
        for name, content in trained.files.items():
            Path(place, name).write_bytes(content)
        return scorer_of(Path(place), {"kind": HashedLinearClassifier.kind})


def table(name: str, ours: Any, old: Any) -> None:
    """Each map fitted on four fifths and counted on the fifth."""
    folds = np.random.default_rng(0).integers(0, FOLDS, len(ours))
    print(f"\n{name}: {len(ours)} comments, Spearman {spearman(ours, old):.2f}")
    print("map             " + "".join(f"  at {t}: old/new/both" for t in THRESHOLDS) + "  largest")
    for label, mapping in MAPS.items():
        new = np.empty_like(ours)
        for fold in range(FOLDS):
            away = folds == fold
            new[away] = mapping(ours[~away], old[~away], ours[away])
        found = [decisions(old, new, threshold) for threshold in THRESHOLDS]
        cells = "".join(f"{one.before:>10}/{one.after}/{one.both}".ljust(22) for one in found)
        print(f"{label:<16}{cells} {new.max():.3f}")


def main() -> None:
    """Train both scorers, score the rest, and print a table for each old score."""
    given = [Path(argument) for argument in sys.argv[1:]]
    sample = sorted(Path(__file__).parent.parent.glob("workflow/sample/*.csv"))
    chosen = given[0] if given else TEST.data
    frame = read_comments([chosen] if chosen else sample).used
    texts, labels = frame["text"].to_numpy(dtype=object), frame["label"].to_numpy()
    part = np.array([third(text) for text in texts])
    mine = our_scorer(list(texts[part == 0]), labels[part == 0])
    other = old_scorer(texts[part == 1], labels[part == 1])
    judged = texts[part == 2]
    ours = mine.score(list(judged))[ATTRIBUTE]
    alike = other.predict_proba(judged)[:, 1]
    table("an old score of the same thing", ours, alike)
    noise = np.random.default_rng(1).normal(0, NOISE, len(alike))
    table("the same with noise", ours, 1 / (1 + np.exp(-(logit(alike) + noise))))
    if len(given) > 1:
        tweets = pd.read_csv(given[1])
        toxic = old_scorer(tweets["tweet"], (tweets["class"] != 2).astype(int))
        table("an old score of another thing", ours, toxic.predict_proba(judged)[:, 1])
    learned = texts[part == 0]
    seen = fit(ATTRIBUTE, mine.score(list(learned))[ATTRIBUTE], other.predict_proba(learned)[:, 1])
    print("\nfitted on the comments that our model learned from, counted on the others: old/new")
    for threshold in THRESHOLDS:
        found = decisions(alike, through(seen, ours), threshold)
        print(f"  at {threshold}: {found.before}/{found.after}")


if __name__ == "__main__":
    main()
