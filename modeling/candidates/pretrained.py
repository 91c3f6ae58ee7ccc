"""Encoders to start from, of a local directory or the hub, or refused with a remedy. Trains nothing."""

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from modeling.exceptions import CandidateError
from modeling.onnx_scorer import LABELS

PACKAGES: Final = ("torch", "transformers", "tokenizers", "onnx", "onnxscript", "onnxruntime")
INSTALL: Final = 'pip install torch==2.13.0 "chat-moderation[transformer]" (in a checkout: make transformer)'
WEIGHT_FILES: Final = ("model.safetensors", "model.safetensors.index.json")
TOKENIZER_FILES: Final = ("tokenizer.json", "vocab.txt", "vocab.json", "spiece.model", "tokenizer.model")
HUB_TIMEOUT_S: Final = 10.0
AS_SAVED: Final = "config.json, model.safetensors and tokenizer.json, as save_pretrained writes them"


@dataclass(frozen=True)
class Base:
    """An encoder with a new head of two labels, and its tokenizer, both of `transformers`."""

    model: Any
    tokenizer: Any

    def digest(self) -> str:
        """The sha256 over the encoder's tensors before they are fine-tuned; the new head does not count."""
        total = hashlib.sha256()
        for name, tensor in sorted(self.model.base_model.state_dict().items()):
            total.update(f"{name}\0{tuple(tensor.shape)}\0".encode() + tensor.float().numpy().tobytes())
        return total.hexdigest()


def check_installed() -> None:
    """Whether what training needs is there.

    Raises:
        CandidateError: names what is missing and how to install it.

    """
    if missing := [name for name in PACKAGES if find_spec(name) is None]:
        raise CandidateError(
            f"the transformer needs {', '.join(missing)}, not installed here: {INSTALL}, or choose a "
            "candidate that does without"
        )


def read_tokenizer(name: str, max_length: int) -> Any:
    """The tokenizer of a local directory or of a model on the hub.

    Raises:
        CandidateError: it cannot be had, or cannot be served.

    """
    from transformers import AutoTokenizer

    with _refusing(name) as on_disk:
        tokenizer = AutoTokenizer.from_pretrained(name, local_files_only=on_disk)
    if not tokenizer.is_fast:
        raise CandidateError(f"model={name!r}: its tokenizer has no tokenizer.json: use one with a fast one")
    if tokenizer.pad_token_id is None:
        raise CandidateError(f"model={name!r}: its tokenizer does not pad: use an encoder (BERT's kind)")
    if max_length > tokenizer.model_max_length:
        raise CandidateError(
            f"max_length={max_length}: {name} reads {tokenizer.model_max_length} tokens at most: lower it"
        )
    return tokenizer


def read_base(name: str, max_length: int) -> Base:
    """The encoder with a new head, and its tokenizer; the head's numbers come from torch's generator.

    Raises:
        CandidateError: it cannot be had, lacks weights, or reads fewer tokens.

    """
    from transformers import AutoModelForSequenceClassification

    tokenizer = read_tokenizer(name, max_length)
    with _refusing(name) as on_disk:
        model, told = AutoModelForSequenceClassification.from_pretrained(
            name,
            num_labels=len(LABELS),
            id2label=dict(enumerate(LABELS)),
            label2id={label: number for number, label in enumerate(LABELS)},
            ignore_mismatched_sizes=True,
            use_safetensors=True,
            dtype="float32",
            output_loading_info=True,
            local_files_only=on_disk,
        )
    _check_weights(name, model, told)
    most = getattr(model.config, "max_position_embeddings", None)
    if most and max_length > most:
        raise CandidateError(f"max_length={max_length}: {name} has {most} positions: lower it")
    return Base(model, tokenizer)


def _check_weights(name: str, model: Any, told: Any) -> None:
    prefix = f"{model.base_model_prefix}."
    # an encoder that was trained without a classifier has no pooler
    absent = sorted(key for key in told["missing_keys"] if key.startswith(prefix) and "pooler" not in key)
    if absent:
        raise CandidateError(
            f"model={name!r}: {absent[0]} and {len(absent) - 1} more weights are not in model.safetensors: "
            f"give a directory with {AS_SAVED}"
        )


@contextmanager
def _refusing(name: str) -> Iterator[bool]:
    """Whether only what lies on this machine can be read; errors are told with a remedy."""
    from safetensors import SafetensorError
    from transformers.utils import logging

    local = _is_local(name)
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield local or not _answers(name)
    # the hub's client raises its own, all of them OSError or ValueError
    except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
        said = " ".join(str(error).split())
        remedy = (
            f"give a directory with {AS_SAVED}" if local else "go online, or give a local directory instead"
        )
        where = "cannot be read" if local else "cannot be had from the hub"
        raise CandidateError(f"model={name!r} {where} ({said}): {remedy}") from error


def _answers(name: str) -> bool:
    """Whether the hub can be reached: asked once, for every file is asked for again and again."""
    from huggingface_hub import HfApi
    from huggingface_hub.errors import HfHubHTTPError

    try:
        HfApi().model_info(name, timeout=HUB_TIMEOUT_S)
    except HfHubHTTPError:
        pass  # it answers; whoever asks for a file is told why it is not given
    except Exception:  # noqa: BLE001 - what its client raises is another package's with each version
        return False
    return True


def _is_local(name: str) -> bool:
    """Whether the name is a directory of ours, which then has all that is needed.

    Raises:
        CandidateError: it is meant to be one and is none, or a file is missing there.

    """
    path = Path(name)
    if not path.is_dir():
        if path.is_absolute() or name.startswith((".", "~")) or name.count("/") > 1:
            raise CandidateError(f"model={name!r} is no directory: give a directory with {AS_SAVED}")
        return False
    for wanted in (("config.json",), WEIGHT_FILES, TOKENIZER_FILES):
        if not any((path / each).is_file() for each in wanted):
            raise CandidateError(
                f"model={name!r}: {wanted[0]} is missing there: give a directory with {AS_SAVED}"
            )
    return True
