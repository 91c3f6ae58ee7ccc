"""What a dialect is: its name, paths, routes, refusals and description. Knows none of them."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any, Final, Literal

from flask import Blueprint

from modeling.policy import Decision
from prediction_service import logs
from prediction_service.feedback import Feedback
from prediction_service.lane import Reply
from prediction_service.metrics import Metrics
from prediction_service.problems import CONTENT_TYPE, Refusal
from prediction_service.service import Moderator
from prediction_service.wire import Problem, Wire

Access = Literal["key", "labels", "open"]

VALUES_A_RECORD: Final = 5
OTHER_VALUES: Final = 2_000


@dataclass(frozen=True)
class Limits:
    """How much one request may hold."""

    records: int
    text_chars: int

    @property
    def values(self) -> int:
        """How many values the JSON of one request may have: some for each record, and some besides."""
        return VALUES_A_RECORD * self.records + OTHER_VALUES


@dataclass(frozen=True)
class Service:
    """What a dialect is given; ``moderator`` refuses while no bundle is ready.

    ``public_url`` is the address under which clients reach it, where the operator names one; ``origins``
    are those of pages that may ask.
    """

    moderator: Callable[[], Moderator]
    metrics: Metrics
    limits: Limits
    feedback: Feedback
    model_name: str = "chat-moderation"
    public_url: str | None = None
    origins: Collection[str] = ()

    def decide(self, judge: Moderator, messages: Sequence[str], parts: Sequence[str] = ()) -> list[Decision]:
        """Decide on messages, and on ``parts`` of them after these, in one call; only messages count."""
        decisions = judge.moderate([*messages, *parts])
        self.metrics.decided([decision.action for decision in decisions[: len(messages)]])
        logs.bind(messages=len(messages))
        return decisions


@dataclass(frozen=True)
class Parameter:
    """A value in an operation's path, query or headers: optional text, unless it says otherwise."""

    name: str
    place: Literal["path", "query", "header"]
    meaning: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "string"})
    required: bool = False
    example: Any = None


@dataclass(frozen=True)
class Content:
    """A body of one media type: a shape of ours, or a JSON schema where we have none."""

    shape: type[Wire] | Mapping[str, Any]
    kind: str = "application/json"
    example: Any = None


@dataclass(frozen=True)
class Answer:
    """What one status brings: several contents where the client chooses, none where the body is empty."""

    meaning: str
    contents: tuple[Content, ...] = ()
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Described:
    """One operation, as the OpenAPI document tells it.

    ``answer`` is what 200 brings (None: a JSON object of no shape of ours), ``meaning`` says so, and is
    empty where 200 is not answered; ``answers`` has further statuses, and replaces those it has in common
    with ``refusals``. ``requests`` has the request's media types beside ``request`` in JSON. A path is
    Flask's, with ``{name}`` where a parameter stands. ``access`` says what key it needs: one with the
    dialect's scope, one with that for labels, or none, as probes and descriptions do. It is ``listed``
    unless OpenAPI has no words for its body.
    """

    method: str
    path: str
    name: str
    summary: str
    answer: type[Wire] | None = None
    meaning: str = ""
    refusals: Mapping[str, str] = field(default_factory=dict)
    refusal: type[Wire] = Problem
    refusal_type: str = "application/problem+json"
    request: type[Wire] | None = None
    example: Any = None
    query: Mapping[str, str] = field(default_factory=dict)
    parameters: tuple[Parameter, ...] = ()
    requests: tuple[Content, ...] = ()
    answers: Mapping[str, Answer] = field(default_factory=dict)
    description: str = ""
    access: Access = "key"
    listed: bool = True

    def every_parameter(self) -> tuple[Parameter, ...]:
        """Those of ``query`` and ``parameters``."""
        return (*(Parameter(name, "query", text) for name, text in self.query.items()), *self.parameters)

    def every_request(self) -> tuple[Content, ...]:
        """The media types that a client may send."""
        json = (Content(self.request, example=self.example),) if self.request else ()
        return (*json, *self.requests)

    def every_answer(self) -> dict[str, Answer]:
        """What each status brings."""
        said = {"200": Answer(self.meaning, (Content(self.answer or {"type": "object"}),))}
        refused = {
            status: Answer(text, (Content(self.refusal, self.refusal_type),))
            for status, text in self.refusals.items()
        }
        return (said if self.meaning else {}) | refused | dict(self.answers)


def _no_headers(_shape: Wire) -> Mapping[str, str]:
    return {}


@dataclass(frozen=True)
class Dialect:
    """One wire format: errors under ``prefixes`` have its shape where ``refuse`` gives one.

    ``headers`` are those that repeat what such a shape says.
    ``carrier`` says where its clients put a key.
    ``answers`` are the routes, by path, that turn a body into an answer and need nothing else of a request.
    """

    name: str
    prefixes: tuple[str, ...]
    blueprint: Callable[[Service], Blueprint]
    operations: tuple[Described, ...]
    refuse: Callable[[Refusal], tuple[HTTPStatus, Wire]] | None = None
    headers: Callable[[Any], Mapping[str, str]] = _no_headers
    answers: Mapping[str, Callable[[Service], Reply]] = field(default_factory=dict)
    carrier: str = "Authorization: Bearer …, or in X-API-Key"

    def owns(self, path: str) -> bool:
        """Whether a path is this dialect's, whatever is there."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)


def tell(
    dialects: Sequence[Dialect], refusal: Refusal, path: str, request_id: str
) -> tuple[HTTPStatus, str, dict[str, str]]:
    """Status, body and headers of a refusal, in the shape of the dialect whose path it is."""
    for dialect in dialects:
        if dialect.refuse is not None and dialect.owns(path):
            status, shape = dialect.refuse(refusal)
            document = shape.model_dump_json(by_alias=True, exclude_unset=True)
            kind = {"Content-Type": "application/json"}
            return status, document, {**kind, **refusal.headers, **dialect.headers(shape)}
    document = refusal.document(path, request_id).model_dump_json()
    return refusal.status, document, {"Content-Type": CONTENT_TYPE, **refusal.headers}
