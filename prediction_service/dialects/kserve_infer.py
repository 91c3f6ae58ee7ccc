"""What an infer request asks for, and the tensors that answer it. Knows the shapes and no route."""

from collections.abc import Sequence
from typing import Any, Final

import numpy as np

from modeling.policy import ATTRIBUTE, Decision
from modeling.text import is_empty
from prediction_service.dialects import tensors
from prediction_service.dialects.dialect import Limits
from prediction_service.dialects.kserve_wire import INPUT, InferInput, InferRequest
from prediction_service.dialects.tensors import DATA, HEADER, SIZE, Output, wrong
from prediction_service.problems import shown
from prediction_service.service import Moderator

# Triton's extensions that would change the meaning of an answer; other parameters change nothing
REFUSED: Final = ("classification", "shared_memory_region")


def texts_of(asked: InferRequest, raw: bytes | None, limits: Limits) -> list[str]:
    """The texts of a request, whose bytes after the JSON are ``raw``.

    Raises:
        Refusal: it is not one tensor of texts, of a shape and size that can be judged.

    """
    if len(asked.inputs) != 1:
        raise wrong("inputs", f"a list of {len(asked.inputs)}", f"send one, named {INPUT}")
    [given] = asked.inputs
    if given.name != INPUT:
        raise wrong("inputs[0].name", shown(given.name), f"name it {INPUT}")
    if given.datatype != "BYTES":
        raise wrong("inputs[0].datatype", shown(given.datatype), "texts are BYTES")
    count = _count(given.shape, limits)
    parameters = given.parameters or {}
    _none_refused("inputs[0]", parameters)
    size = parameters.get("binary_data_size")
    if size is None:
        if raw:
            raise wrong(SIZE, "missing", f"{len(raw)} bytes follow the JSON: say so, or send none")
        texts = tensors.from_json(given.data, count)
    else:
        texts = tensors.from_bytes(_binary(given, size, raw), count)
    check(texts, limits)
    return texts


def _count(shape: list[int], limits: Limits) -> int:
    match shape:
        case [count] | [count, 1] | [1, count]:
            if 1 <= count <= limits.records:
                return count
            raise wrong("inputs[0].shape", str(shape), f"send 1 to {limits.records} texts in one request")
        case _:
            raise wrong("inputs[0].shape", str(shape[:8]), "give [n], [n, 1] or [1, n]")


def _binary(given: InferInput, size: Any, raw: bytes | None) -> bytes:
    if given.data is not None:
        raise wrong("inputs[0].data", shown(given.data), "leave it out where binary_data_size is given")
    if type(size) is not int or size < 0:
        raise wrong(SIZE, shown(size), "give the number of bytes of the tensor")
    if raw is None:
        raise wrong(HEADER, "missing", "say how many bytes of the body are JSON")
    if size != len(raw):
        raise wrong(SIZE, str(size), f"{len(raw)} bytes follow the JSON: give their number")
    return raw


def check(texts: Sequence[str], limits: Limits) -> None:
    """Refuse texts that are empty or too long.

    Raises:
        Refusal: one is.

    """
    for place, text in enumerate(texts):
        if len(text) > limits.text_chars:
            remedy = f"send at most {limits.text_chars} characters"
            raise wrong(f"{DATA}[{place}]", f"{len(text)} characters", remedy)
        if is_empty(text):
            raise wrong(f"{DATA}[{place}]", "empty", "leave empty texts out of the batch")


def wanted(asked: InferRequest, known: Sequence[str]) -> dict[str, bool]:
    """The names of the outputs to answer with, in their order, and whether as bytes.

    Raises:
        Refusal: one is unknown, named twice, or wanted in a way that there is none.

    """
    default = _flag(asked.parameters or {}, "binary_data_output", "parameters", default=False)
    if not asked.outputs:
        return dict.fromkeys(known, default)
    chosen: dict[str, bool] = {}
    for place, one in enumerate(asked.outputs):
        where = f"outputs[{place}]"
        if one.name not in known:
            raise wrong(f"{where}.name", shown(one.name), f"ask for {', '.join(known)}")
        if one.name in chosen:
            raise wrong(f"{where}.name", shown(one.name), "name each output once")
        parameters = one.parameters or {}
        _none_refused(where, parameters)
        chosen[one.name] = _flag(parameters, "binary_data", f"{where}.parameters", default=default)
    return chosen


def _none_refused(where: str, parameters: dict[str, Any]) -> None:
    for name in REFUSED:
        if name in parameters:
            raise wrong(
                f"{where}.parameters.{name}", shown(parameters[name]), "leave it out: not served here"
            )


def _flag(parameters: dict[str, Any], name: str, where: str, *, default: bool) -> bool:
    value = parameters.get(name, default)
    if not isinstance(value, bool):
        raise wrong(f"{where}.{name}", shown(value), "give true or false")
    return value


def output(judge: Moderator, decisions: Sequence[Decision], name: str, *, binary: bool) -> Output:
    """One output tensor for these decisions."""
    if name == "label":
        return Output(name, [one.action for one in decisions], binary)
    if name == "rule":
        return Output(name, [one.rule for one in decisions], binary)
    scores = (one.scores[ATTRIBUTE] if name == "score" else judge.value(one, name) for one in decisions)
    return Output(name, np.fromiter(scores, tensors.FP32, len(decisions)), binary)
