"""The hashed linear family's weights on disk and its scorer. NumPy alone; workers map the same pages."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from modeling.exceptions import BundleError
from modeling.explain import Explanation, explain
from modeling.hashing import SLOTS, Weights, logit, sigmoid
from modeling.policy import ATTRIBUTE
from modeling.style import FEATURES, StyleWeights
from modeling.text import readings

_SHAPES: Final = {"table": [SLOTS, 2], "intercept": [1]}
# Bundles of before style was known have no such tensor, and none of its names.
_STYLE: Final = "style"
_DTYPES: Final[dict[str, np.dtype[Any]]] = {"F32": np.dtype("<f4"), "F64": np.dtype("<f8")}
_LENGTH_BYTES: Final = 8


class HashedLinearScorer:
    """Scores of raw texts under one head, the removal model."""

    def __init__(self, weights: Weights) -> None:
        self._weights = weights

    def score(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """The probability of removal of each text in the reading that scores highest, shape (len(texts),)."""
        return {ATTRIBUTE: sigmoid(np.array([self._logit(text) for text in texts], dtype=np.float64))}

    def explain(self, text: str, cuts: Sequence[int] = ()) -> dict[str, Explanation]:
        """Why a raw text has its score; no token goes across one of ``cuts``, places in code points."""
        return {ATTRIBUTE: explain(text, self._weights, cuts)}

    def _logit(self, text: str) -> float:
        return max(logit(reading, self._weights) for reading in readings(text))


def to_bytes(weights: Weights) -> bytes:
    """The weights as a safetensors file: the same weights give the same bytes."""
    tensors: dict[str, npt.NDArray[Any]] = {
        "table": weights.table,
        "intercept": np.array([weights.intercept], dtype=np.float64),
    }
    if weights.style is None:
        return save(tensors)
    style = weights.style
    tensors[_STYLE] = np.stack([style.mean, style.scale, style.coefficients])
    return save(tensors, {_STYLE: " ".join(FEATURES)})


def load(directory: Path, passport: Mapping[str, Any]) -> HashedLinearScorer:  # noqa: ARG001
    """Map the weights of a verified bundle.

    Raises:
        BundleError: the file does not hold this family's tensors.

    """
    return HashedLinearScorer(weights_of(directory / "weights.safetensors"))


def weights_of(path: Path) -> Weights:
    """Map a weights file.

    Raises:
        BundleError: the file does not hold this family's tensors.

    """
    try:
        tensors, told = _mapped(path)
        shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read ({error}): fetch the bundle again") from error
    style = shapes.pop(_STYLE, None)
    if shapes != _SHAPES:
        raise BundleError(f"{path}: tensors {shapes} are not {_SHAPES}: fetch a bundle of this version")
    table, intercept = tensors["table"], float(tensors["intercept"][0])
    if style is None:
        return Weights(table, intercept)
    if style != [3, len(FEATURES)] or told.get(_STYLE) != " ".join(FEATURES):
        raise BundleError(
            f"{path}: {_STYLE} of shape {style} has other features than this version's {len(FEATURES)}: "
            "serve it with the version that trained it, or train again"
        )
    return Weights(table, intercept, StyleWeights(*np.array(tensors[_STYLE])))


def _mapped(path: Path) -> tuple[dict[str, npt.NDArray[Any]], dict[str, str]]:
    """The tensors by name, and what the file says of them."""
    # The safetensors package copies tensors into each process; the format is a length, a JSON header
    # and plain data (https://huggingface.co/docs/safetensors), so mapping it takes these few lines.
    # As a plain array of the same pages: a memmap's own indexing runs Python code for each look.
    data = np.asarray(np.memmap(path, dtype=np.uint8, mode="r"))
    length = int.from_bytes(data[:_LENGTH_BYTES].tobytes(), "little")
    start = _LENGTH_BYTES + length
    header = json.loads(data[_LENGTH_BYTES:start].tobytes())
    told = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        first, last = entry["data_offsets"]
        tensors[name] = (
            data[start + first : start + last].view(_DTYPES[entry["dtype"]]).reshape(entry["shape"])
        )
    return tensors, told
