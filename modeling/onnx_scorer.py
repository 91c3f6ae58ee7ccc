"""Scores of a transformer through ONNX Runtime. Knows no torch and no transformers.

A bundle of this kind holds ``model.onnx``, ``tokenizer.json`` and ``transformer.json``, which are read
here, beside ``model.safetensors``, ``config.json`` and ``tokenizer_config.json``, from which
`transformers` can go on training.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from modeling.exceptions import BundleError
from modeling.hashing import Floats, sigmoid
from modeling.policy import ATTRIBUTE
from modeling.text import readings
from modeling.tokens import Tokenizer, Tokens

MODEL: Final = "model.onnx"
TOKENIZER: Final = "tokenizer.json"
FACTS: Final = "transformer.json"
LABELS: Final = ("kept", "removed")
INPUTS: Final = frozenset({"input_ids", "attention_mask", "token_type_ids"})
LEAST_LOGGED: Final = 3  # errors


@dataclass(frozen=True)
class Facts:
    """What ``transformer.json`` says: the logit that is scored is ``slope * (removed - kept) + offset``."""

    max_length: int
    slope: float
    offset: float
    precision: str
    labels: tuple[str, ...] = LABELS

    def to_json(self) -> bytes:
        """The file's content: the same facts give the same bytes."""
        return (json.dumps(asdict(self), indent=2, sort_keys=True) + "\n").encode()


class OnnxModel:
    """The logits of token numbers.

    Every text is a run of its own, without padding: quantised activations share one scale a run, so
    that in a batch a text's score would depend on its neighbours (see ADR 0016).

    Args:
        model: an ONNX file, or its content.
        threads: for one text. One is right for a server whose workers and threads are many already.

    """

    def __init__(self, model: str | bytes, threads: int = 1) -> None:
        import onnxruntime

        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = LEAST_LOGGED
        # patterns of memory are kept for every length that was met
        options.enable_mem_pattern = False
        # a thread that waits for work must not take another worker's core
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        self._session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._inputs = [each.name for each in self._session.get_inputs()]
        outputs = [each.shape[-1] for each in self._session.get_outputs()]
        if not {"input_ids"} <= set(self._inputs) <= INPUTS or outputs != [len(LABELS)]:
            raise ValueError(f"inputs {self._inputs} and outputs {outputs} are none of a classifier of two")

    def logits(self, texts: Sequence[Tokens]) -> Floats:
        """How much likelier removal is, as a logit, shape (len(texts),)."""
        return np.array([self.logit(text) for text in texts], dtype=np.float64)

    def logit(self, text: Tokens) -> float:
        """The same of one text."""
        feeds = {
            "input_ids": text.numbers,
            "attention_mask": np.ones_like(text.numbers),
            "token_type_ids": text.segments,
        }
        [[pair]] = self._session.run(None, {name: feeds[name][np.newaxis] for name in self._inputs})
        return float(pair[1]) - float(pair[0])


class OnnxScorer:
    """Scores of raw texts under one head, the removal model."""

    def __init__(self, model: OnnxModel, tokenizer: Tokenizer, facts: Facts) -> None:
        self._model = model
        self._tokenizer = tokenizer
        self._facts = facts

    def score(self, texts: Sequence[str]) -> dict[str, npt.NDArray[np.float64]]:
        """The probability of removal of each text in the reading that scores highest, shape (len(texts),)."""
        logits = np.array([self._highest(text) for text in texts], dtype=np.float64)
        return {ATTRIBUTE: sigmoid(self._facts.slope * logits + self._facts.offset)}

    def _highest(self, text: str) -> float:
        return float(self._model.logits(self._tokenizer(readings(text))).max())


def load(directory: Path, passport: Mapping[str, Any]) -> OnnxScorer:  # noqa: ARG001
    """Read the files of a verified bundle.

    Raises:
        BundleError: a file is missing, or is not what its name says.

    """
    facts = _facts(directory / FACTS)
    tokenizer = _tokenizer(directory / TOKENIZER, facts.max_length)
    return OnnxScorer(_model(directory / MODEL), tokenizer, facts)


def _facts(path: Path) -> Facts:
    try:
        said = json.loads(path.read_text(encoding="utf-8"))
        facts = Facts(
            int(said["max_length"]), float(said["slope"]), float(said["offset"]), str(said["precision"])
        )
        labels = tuple(said["labels"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise BundleError(f"{path}: cannot be read ({error!r}): fetch the bundle again") from error
    if labels != LABELS or facts.max_length < 1 or not np.isfinite((facts.slope, facts.offset)).all():
        raise BundleError(f"{path}: {said} is not of labels {LABELS} and finite numbers: train it again")
    return facts


def _tokenizer(path: Path, max_length: int) -> Tokenizer:
    try:
        return Tokenizer(path.read_text(encoding="utf-8"), max_length)
    except (OSError, ValueError) as error:
        raise BundleError(f"{path}: cannot be read ({error}): fetch the bundle again") from error


def _model(path: Path) -> OnnxModel:
    try:
        return OnnxModel(str(path))
    except Exception as error:  # onnxruntime's own errors have no common base but this
        raise BundleError(f"{path}: cannot be read ({error}): fetch the bundle again") from error
