"""A fine-tuned encoder to the files of its bundle: safetensors, tokenizer and ONNX. Trains nothing."""

import logging
import tempfile
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from modeling.candidates.fine_tuning import inputs
from modeling.candidates.pretrained import Base
from modeling.onnx_scorer import MODEL, TOKENIZER
from modeling.tokens import Tokens

OPSET: Final = 18
SAVED: Final = ("config.json", "model.safetensors", TOKENIZER, "tokenizer_config.json")


def to_files(base: Base, sample: Tokens, precision: str) -> Mapping[str, bytes]:
    """The files by name, without ``transformer.json``.

    Args:
        base: fine-tuned, on the CPU.
        sample: tokens of any text, which the exporter follows through the model.
        precision: of the ONNX file, ``float32`` or ``int8``.

    """
    files = dict(_saved(base))
    with _quiet():
        exact = _onnx(base.model, sample)
        files[MODEL] = _quantised(exact) if precision == "int8" else exact
    return files


def _saved(base: Base) -> Mapping[str, bytes]:
    with tempfile.TemporaryDirectory(prefix="chatmod-export-") as scratch:
        base.model.save_pretrained(scratch)
        base.tokenizer.save_pretrained(scratch)
        return {name: (Path(scratch) / name).read_bytes() for name in SAVED}


def _onnx(model: Any, sample: Tokens) -> bytes:
    import torch

    # two rows of two lengths: the exporter takes sizes of 0 and 1 for constants
    batch = inputs(model, [sample, Tokens(sample.numbers[:2], sample.segments[:2])])
    shape = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens")}
    program = torch.onnx.export(
        model,
        args=(),
        kwargs=batch,
        dynamic_shapes=dict.fromkeys(batch, shape),
        input_names=list(batch),
        output_names=["logits"],
        opset_version=OPSET,
        dynamo=True,
        verbose=False,
    )
    return _plain(program.model_proto)


def _plain(model: Any) -> bytes:
    """Without the exporter's notes: paths of this machine, and shapes that quantisation disputes."""
    graph = model.graph
    del graph.value_info[:]
    for part in (model, graph, *graph.node, *graph.input, *graph.output, *graph.initializer):
        del part.metadata_props[:]
        part.doc_string = ""
    return bytes(model.SerializeToString(deterministic=True))


def _quantised(exact: bytes) -> bytes:
    """Weights of matrix products and embeddings in eight bits, a scale a column, activations at run time."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with tempfile.TemporaryDirectory(prefix="chatmod-export-") as scratch:
        before, after = Path(scratch) / "float32.onnx", Path(scratch) / "int8.onnx"
        before.write_bytes(exact)
        # seven bits: with eight, sums overflow on processors without VNNI, and scores differ by machine
        quantize_dynamic(before, after, weight_type=QuantType.QInt8, per_channel=True, reduce_range=True)
        return after.read_bytes()


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the exporters' advice to their own developers."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
