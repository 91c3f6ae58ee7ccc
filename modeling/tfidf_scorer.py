"""The TF-IDF candidate's files and its scorer. scikit-learn is imported only when such a bundle is loaded.

The vocabularies are JSON, the numbers safetensors: nothing in them runs when they are read.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError
from safetensors.numpy import load_file
from safetensors.numpy import save as to_safetensors

from modeling.bundle import WEIGHTS
from modeling.exceptions import BundleError
from modeling.hashing import Floats, sigmoid
from modeling.policy import ATTRIBUTE
from modeling.text import readings

VOCABULARY: Final = "vocabulary.json"
# What counts as a term, by block; features of each block are scaled to length 1 on their own.
BLOCKS: Final[Mapping[str, Mapping[str, Any]]] = {
    "words": {"analyzer": "word", "ngram_range": (1, 2)},
    "characters": {"analyzer": "char_wb", "ngram_range": (2, 5)},
}


@dataclass(frozen=True)
class Block:
    """Terms in rising order with the weight of each; calibration is part of the coefficients."""

    terms: Sequence[str]
    idf: Floats
    coefficients: Floats


class TfidfScorer:
    """Scores of raw texts under one head, the removal model."""

    def __init__(self, blocks: Mapping[str, Block], intercept: float) -> None:
        from sklearn.feature_extraction.text import TfidfVectorizer

        self._parts: list[tuple[Any, Floats]] = []
        self._intercept = intercept
        for name, block in blocks.items():
            vectoriser = TfidfVectorizer(**BLOCKS[name], sublinear_tf=True, vocabulary=block.terms)
            vectoriser.idf_ = block.idf
            self._parts.append((vectoriser, block.coefficients))

    def score(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """The probability of removal of each text in the reading that scores highest, shape (len(texts),)."""
        if not texts:
            return {ATTRIBUTE: np.zeros(0)}
        read = [readings(text) for text in texts]
        logits = self._logits([reading for several in read for reading in several])
        begins = np.cumsum([0, *(len(several) for several in read[:-1])])
        return {ATTRIBUTE: sigmoid(np.maximum.reduceat(logits, begins))}

    def _logits(self, cleaned: list[str]) -> Floats:
        parts = [vectoriser.transform(cleaned) @ coefficients for vectoriser, coefficients in self._parts]
        return np.asarray(sum(parts) + self._intercept)


def to_files(blocks: Mapping[str, Block], intercept: float) -> dict[str, bytes]:
    """The files that `load` reads: the same model gives the same bytes."""
    terms = {name: list(block.terms) for name, block in blocks.items()}
    tensors = {"intercept": np.array([intercept])}
    for name, block in blocks.items():
        tensors |= {f"{name}.idf": block.idf, f"{name}.coefficients": block.coefficients}
    return {
        VOCABULARY: (json.dumps(terms, sort_keys=True, separators=(",", ":")) + "\n").encode(),
        WEIGHTS: to_safetensors({name: np.ascontiguousarray(tensors[name]) for name in sorted(tensors)}),
    }


def load(directory: Path, passport: Mapping[str, Any]) -> TfidfScorer:  # noqa: ARG001
    """Read vocabularies and weights of a verified bundle.

    Raises:
        BundleError: a file does not hold what this family writes, or they do not fit together.

    """
    terms = _terms(directory / VOCABULARY)
    tensors = _tensors(directory / WEIGHTS, {name: len(terms[name]) for name in BLOCKS})
    blocks = {
        name: Block(terms[name], tensors[f"{name}.idf"], tensors[f"{name}.coefficients"]) for name in BLOCKS
    }
    return TfidfScorer(blocks, float(tensors["intercept"][0]))


def _terms(path: Path) -> dict[str, list[str]]:
    try:
        terms = json.loads(path.read_bytes().decode("utf-8"))
    except (OSError, ValueError) as error:
        raise _unreadable(path, error) from error
    if not isinstance(terms, dict) or set(terms) != set(BLOCKS):
        found = sorted(terms) if isinstance(terms, dict) else type(terms).__name__
        raise _unfit(path, f"holds {found}, not {sorted(BLOCKS)}")
    for name, block in terms.items():
        if not isinstance(block, list) or not all(isinstance(term, str) for term in block) or not block:
            raise _unfit(path, f"{name} is no list of terms")
        for before, term in pairwise(block):
            if before >= term:
                raise _unfit(path, f"{name}: {term!r} does not come after {before!r}")
    return dict(terms)


def _tensors(path: Path, sizes: Mapping[str, int]) -> dict[str, Floats]:
    try:
        tensors = load_file(path)
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise _unreadable(path, error) from error
    wanted = {f"{name}.{part}": [size] for name, size in sizes.items() for part in ("idf", "coefficients")}
    wanted["intercept"] = [1]
    found = {name: list(tensor.shape) for name, tensor in tensors.items()}
    if found != wanted:
        raise _unfit(path, f"tensors {found} are not {wanted}, which {VOCABULARY} asks for")
    for name, tensor in tensors.items():
        if tensor.dtype != np.float64 or not np.isfinite(tensor).all():
            raise _unfit(path, f"{name} holds something else than finite numbers of 64 bits")
    return dict(tensors)


def _unreadable(path: Path, error: Exception) -> BundleError:
    return BundleError(f"{path}: cannot be read ({error}): fetch the bundle again")


def _unfit(path: Path, what: str) -> BundleError:
    return BundleError(f"{path}: {what}: fetch a bundle of this version")
