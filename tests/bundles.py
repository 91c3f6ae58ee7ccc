"""Bundles for tests: trained on a small corpus, or changed in ways that users cannot."""

import json
from pathlib import Path

import numpy as np

from modeling import bundle
from modeling.candidates.hashed_linear import HashedLinearClassifier
from modeling.candidates.interface import Candidate
from modeling.policy import ATTRIBUTE
from modeling.split import fold_of, frozen_key
from modeling.text import clean
from modeling.train import train


def trained(place: Path, rows: list[tuple[str, int]], candidate: Candidate | None = None) -> Path:
    """A real bundle, trained through the library on these texts and labels; else of the fast family."""
    candidate = candidate or HashedLinearClassifier()
    texts = [clean(text) for text, _ in rows]
    labels = np.array([label for _, label in rows])
    folds = np.array([fold_of(frozen_key(text)) for text in texts])
    model = train(texts, labels, folds, candidate, {"flag": 0.7, "remove": 0.9})
    passport = {
        "kind": candidate.kind,
        "requires": list(candidate.requires),
        "fit": dict(model.facts),
        "attributes": [ATTRIBUTE],
        "data": {
            "source": "file",
            "name": "corpus.csv",
            "sha256": "0" * 64,
            "rows": len(texts),
            "is_sample": False,
        },
        "metrics": {"roc_auc": {"value": 0.97, "low": 0.95, "high": 0.98}},
    }
    bundle.save(place, model.files, model.policy, passport)
    return place


def reseal(directory: Path, **changes: object) -> None:
    """State something else in a passport, and seal it as if it had always been so."""
    passport = json.loads((directory / bundle.PASSPORT).read_text())
    stated = json.dumps({**passport, **changes, "seal": bundle.UNSEALED})
    (directory / bundle.PASSPORT).write_bytes(bundle._sealed(stated))
