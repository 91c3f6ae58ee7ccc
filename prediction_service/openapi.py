"""The service described for machines (OpenAPI 3.1), from the wire's schemas. Knows no page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic.json_schema import JsonSchemaMode, models_json_schema

from prediction_service import access
from prediction_service.attributes import HEADER
from prediction_service.dialects.dialect import Answer, Content, Described, Parameter
from prediction_service.dialects.every import DIALECTS
from prediction_service.probes import PROBES, TAG
from prediction_service.settings import Settings
from prediction_service.wire import API_VERSION, Problem, Wire

REF: Final = "#/components/schemas/{model}"
REQUEST_ID: Final = "X-Request-ID"
RETRY_AFTER: Final = "Retry-After"
UNAVAILABLE: Final = frozenset({"429", "503"})
FAILED: Final = "An error of the service, not of the request."
HEADERS: Final[dict[str, Any]] = {
    REQUEST_ID: {
        "description": "The request's own id where it has a usable one, else a new one.",
        "required": True,
        "schema": {"type": "string", "pattern": "^[A-Za-z0-9._:/+=-]{1,128}$"},
    },
    RETRY_AFTER: {
        "description": "In how many seconds to ask again.",
        "required": True,
        "schema": {"type": "integer", "minimum": 0},
    },
    HEADER: {
        "description": "Which names the operator maps to which heads.",
        "required": True,
        "schema": {"type": "string"},
    },
}
OFFERED_ID: Final = {
    "name": REQUEST_ID,
    "in": "header",
    "required": False,
    "description": "Comes back in the answer and stands in the log: up to 128 letters, digits and ._:/+=-; "
    "any other is replaced.",
    "schema": {"type": "string"},
}
TEXTS: Final = (("Record", "body"), ("AnalyzeRequest", "text"), ("ModerateRequest", "message"))
TEXT: Final = {"minLength": 1, "pattern": "\\S"}
Modes = dict[tuple[type[Wire], JsonSchemaMode], dict[str, Any]]


def document(settings: Settings, root: str = "/") -> dict[str, Any]:
    """The OpenAPI description of this service under these limits; ``root`` is its address."""
    tagged = [(name, one) for name in settings.dialects for one in DIALECTS[name].operations if one.listed]
    return describe([*tagged, *((TAG, one) for one in PROBES)], settings, root)


def describe(tagged: Sequence[tuple[str, Described]], settings: Settings, root: str) -> dict[str, Any]:
    """The OpenAPI description of these operations, each beside its tag."""
    references, definitions = _schemas([one for _, one in tagged])
    _limit(definitions, settings)
    paths: dict[str, dict[str, Any]] = {}
    for tag, one in tagged:
        mapped = bool(settings.attributes) and tag != TAG
        dialect = None if tag == TAG else DIALECTS.get(tag)
        refused = access.answers(dialect, one, settings)
        paths.setdefault(one.path, {})[one.method] = _operation(
            one, tag, references, refused, mapped=mapped
        ) | access.security(dialect, one, settings)
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chat-moderation",
            "version": API_VERSION,
            "summary": "The probability that a community's moderators would remove a message, and what "
            "follows from it.",
        },
        "servers": [{"url": root}],
        "tags": [{"name": tag} for tag in dict.fromkeys(tag for tag, _ in tagged)],
        "paths": paths,
        "components": {
            "schemas": definitions,
            "headers": HEADERS,
            "parameters": {REQUEST_ID: OFFERED_ID},
            **access.schemes(settings),
        },
    }


def _limit(definitions: dict[str, Any], settings: Settings) -> None:
    """Say what the operator lets a request hold."""
    for model, field in TEXTS:
        if model in definitions:
            definitions[model]["properties"][field] |= TEXT | {"maxLength": settings.max_text_chars}
    if "PredictRequest" in definitions:
        most = {"minItems": 1, "maxItems": settings.max_records}
        definitions["PredictRequest"]["properties"]["Records"] |= most


def _schemas(operations: list[Described]) -> tuple[Modes, dict[str, Any]]:
    sent = [content.shape for one in operations for content in one.every_request()]
    told = [
        content.shape
        for one in operations
        for answer in one.every_answer().values()
        for content in answer.contents
    ]
    shapes: dict[tuple[type[Wire], JsonSchemaMode], None] = {
        (shape, "validation"): None for shape in sent if isinstance(shape, type)
    }
    shapes |= {(shape, "serialization"): None for shape in (*told, Problem) if isinstance(shape, type)}
    references, schemas = models_json_schema(list(shapes), ref_template=REF)
    definitions: dict[str, Any] = schemas["$defs"]
    return {key: references[key] for key in shapes}, definitions


def _operation(
    one: Described, tag: str, references: Modes, refused: Mapping[str, Answer], *, mapped: bool
) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": one.name, "tags": [tag], "summary": one.summary}
    if one.description:
        described["description"] = one.description
    described["parameters"] = [
        *map(_parameter, one.every_parameter()),
        {"$ref": f"#/components/parameters/{REQUEST_ID}"},
    ]
    if requests := one.every_request():
        described["requestBody"] = {
            "required": True,
            "content": _contents(requests, references, "validation"),
        }
    answers = one.every_answer()
    failed = {"500": Answer(FAILED, (Content(one.refusal, one.refusal_type),))}
    described["responses"] = {
        status: _response(status, answer, references, mapped=mapped)
        for status, answer in sorted((failed | dict(refused) | answers).items())
    }
    return described


def _parameter(one: Parameter) -> dict[str, Any]:
    return {
        "name": one.name,
        "in": one.place,
        "required": one.required or one.place == "path",
        "description": one.meaning,
        "schema": dict(one.schema),
        **_example(one.example),
    }


def _example(example: Any) -> dict[str, Any]:
    return {} if example is None else {"example": example}


def _response(status: str, one: Answer, references: Modes, *, mapped: bool) -> dict[str, Any]:
    shared = [REQUEST_ID, *([RETRY_AFTER] if status in UNAVAILABLE else []), *([HEADER] if mapped else [])]
    own = {
        name: {"description": meaning, "schema": {"type": "string"}} for name, meaning in one.headers.items()
    }
    return {
        "description": one.meaning,
        "headers": own | {name: {"$ref": f"#/components/headers/{name}"} for name in shared},
        "content": _contents(one.contents, references, "serialization"),
    }


def _contents(contents: tuple[Content, ...], references: Modes, mode: JsonSchemaMode) -> dict[str, Any]:
    return {
        one.kind: {"schema": _schema(one.shape, references, mode), **_example(one.example)}
        for one in contents
    }


def _schema(shape: type[Wire] | Mapping[str, Any], references: Modes, mode: JsonSchemaMode) -> dict[str, Any]:
    return references[shape, mode] if isinstance(shape, type) else dict(shape)
