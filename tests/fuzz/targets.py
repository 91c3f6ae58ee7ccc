"""What is fuzzed: every operation of every dialect, with valid requests to start from and its shapes."""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from prediction_service.dialects.every import DIALECTS
from prediction_service.wire import Problem
from tests.fuzz.trees import MARK

MODEL: Final = "chat-moderation"
ATTRIBUTES: Final = "TOXICITY=LIKELY_TO_REJECT,harassment=LIKELY_TO_REJECT"
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
    "/analyze": ({"text": f"{MARK} you idiot"},),
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
    headers: Mapping[str, str] = field(default_factory=dict)

    def complaint(self, status: int, content_type: str, body: bytes) -> str:
        """What is wrong with an answer, or nothing."""
        if status == 200:
            return "" if self.answer is None else wrong_shape(self.answer, body)
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


def targets() -> list[Target]:
    """Every operation that there is."""
    return list(_targets())


def _targets() -> Iterator[Target]:
    for name, dialect in DIALECTS.items():
        for one in dialect.operations:
            path = re.sub(r"\{[^}]*\}", MODEL, one.path)
            examples = () if one.example is None else (one.example,)
            yield Target(
                dialect=name,
                method=one.method.upper(),
                path=path,
                bodies=(*examples, *OWN.get(path, ())),
                answer=one.answer,
                refusal=one.refusal,
                refusal_type=one.refusal_type,
            )
    for path in ("/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"):
        yield Target("operations", "GET", path, (), None, Problem, "application/problem+json")
