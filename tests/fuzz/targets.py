"""What is fuzzed: every operation of every dialect, with valid requests to start from and its shapes."""

import json
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import urlencode

from pydantic import BaseModel, ValidationError

from prediction_service.dialects.dialect import Described
from prediction_service.dialects.every import DIALECTS
from prediction_service.wire import Problem
from tests.fuzz.trees import MARK

JSON: Final = "application/json"
BINARY: Final = "application/octet-stream"
ATTRIBUTES: Final = ",".join(f"{name}=LIKELY_TO_REJECT" for name in ("TOXICITY", "harassment", "Hate"))
PERSPECTIVE: Final = {
    "comment": {"text": f"{MARK} idiot. \U0001f600 Sorry!", "type": "PLAIN_TEXT"},
    "context": {"entries": [{"text": "what", "type": "PLAIN_TEXT"}]},
    "requestedAttributes": {"TOXICITY": {"scoreType": "PROBABILITY", "scoreThreshold": 0.1}},
    "spanAnnotations": True,
    "languages": ["en", "hi-Latn"],
    "doNotStore": True,
    "clientToken": "abc",
    "sessionId": "s1",
    "communityId": "/forum/x",
    "dropUnsupportedAttributes": True,
}
OPENAI: Final = (
    {"model": "omni-moderation-latest", "input": f"{MARK} idiot"},
    {"input": [MARK, "two", "\u00e9"]},
    {"input": [{"type": "text", "text": MARK}, {"type": "text", "text": "two"}]},
)
RECORDS: Final = {"Records": [{"body": f"{MARK} {one}", "message_id": one} for one in (1, "b", -3)]}
OWN: Final[Mapping[str, tuple[Any, ...]]] = {
    "/predict": (RECORDS,),
    "/v1alpha1/comments:analyze": (PERSPECTIVE,),
    "/v1/moderations": OPENAI,
    "/v2/models/{model}/infer": (
        {
            "id": "1",
            "parameters": {"binary_data_output": False},
            "inputs": [{"name": "text", "datatype": "BYTES", "shape": [2, 1], "data": [[MARK], ["two"]]}],
            "outputs": [{"name": "score", "parameters": {"binary_data": True}}],
        },
    ),
    "/contentsafety/text:analyze": (
        {"text": MARK, "categories": ["Hate"], "blocklistNames": [], "outputType": "EightSeverityLevels"},
    ),
    "/invocations": (
        {"dataframe_records": [{"text": MARK}, {"text": "two", "more": 1}]},
        {"inputs": [MARK, "two"]},
        {"instances": {"text": [MARK]}},
    ),
    "/analyze": ({"text": f"{MARK} you idiot"}, {"text": f"{MARK} you <U+0041>. EDIT: no", "explain": True}),
    "/moderate": ({"message": f"{MARK} you idiot", "user_id": "u1", "channel_id": 7},),
}


@dataclass(frozen=True)
class Target:
    """One operation: how it is asked, and what its answers must be."""

    dialect: str
    method: str
    path: str
    bodies: tuple[Any, ...]
    answer: type[BaseModel] | None
    refusal: type[BaseModel]
    refusal_type: str
    others: tuple[tuple[Mapping[str, str], bytes], ...] = ()

    def complaint(self, status: int, content_type: str, body: bytes) -> str:
        """What is wrong with an answer, or nothing."""
        if status == 200:
            return wrong_shape(self.answer, body) if self.answer and content_type == JSON else ""
        if content_type != self.refusal_type:
            return f"Content-Type is {content_type!r} and not {self.refusal_type!r}"
        return wrong_shape(self.refusal, body)


def wrong_shape(shape: type[BaseModel], body: bytes) -> str:
    """How a body differs from a shape: another type, a key more or less, a number that is none."""
    try:
        given = json.loads(body, parse_constant=_refused)
        shape.model_validate_json(body)
    except (ValueError, ValidationError) as error:
        return f"the body is no {shape.__name__}: {str(error)[:200]}"
    names = {one.serialization_alias or one.alias or name for name, one in shape.model_fields.items()}
    return f"{shape.__name__} has no {set(given) - names}" if set(given) - names else ""


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no JSON")


def targets(version: str) -> list[Target]:
    """Every operation that there is; ``version`` is the model's."""
    return list(_targets(version))


def _targets(version: str) -> Iterator[Target]:
    for name, dialect in DIALECTS.items():
        for one in dialect.operations:
            told = one.every_answer().get("200")
            shapes = [content.shape for content in told.contents if content.kind == JSON] if told else []
            yield Target(
                dialect=name,
                method=one.method.upper(),
                path=_address(one, version),
                bodies=(*(() if one.example is None else (one.example,)), *OWN.get(one.path, ())),
                answer=next((shape for shape in shapes if isinstance(shape, type)), None),
                refusal=one.refusal,
                refusal_type=one.refusal_type,
                others=tuple(_others(one)),
            )
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        yield Target("operations", "GET", path, (), None, Problem, "application/problem+json")


def _address(one: Described, version: str) -> str:
    parameters = one.every_parameter()
    values = {each.name: each.example for each in parameters if each.place == "path"} | {"version": version}
    wanted = {each.name: each.example for each in parameters if each.place == "query" and each.required}
    return one.path.format(**values) + (f"?{urlencode(wanted)}" if wanted else "")


def _others(one: Described) -> Iterator[tuple[Mapping[str, str], bytes]]:
    """Valid bodies that are no JSON."""
    for content in one.requests:
        if isinstance(content.example, str):
            yield {"Content-Type": content.kind}, content.example.encode()
    if one.path == "/batch":
        asked = json.dumps(PERSPECTIVE)
        part = f"POST /v1alpha1/comments:analyze?key=K HTTP/1.1\r\nContent-Type: {JSON}\r\n\r\n{asked}"
        form = "".join(
            f"--b\r\nContent-Type: application/http\r\nContent-ID: <{MARK} + {number}>\r\n\r\n{part}\r\n"
            for number in range(3)
        )
        yield {"Content-Type": "multipart/mixed; boundary=b"}, f"{form}--b--\r\n".encode()
    if one.path.endswith("/infer"):
        element = struct.pack("<I", len(MARK)) + MARK.encode()
        tensor = {"name": "text", "datatype": "BYTES", "shape": [2]}
        size = {"parameters": {"binary_data_size": 2 * len(element)}}
        document = json.dumps({"inputs": [tensor | size]}).encode()
        for length, body in ((len(document), document + 2 * element), (0, MARK.encode())):
            yield {"Content-Type": BINARY, "Inference-Header-Content-Length": str(length)}, body
