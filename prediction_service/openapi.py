"""The service described for machines (OpenAPI 3.1) and for people (one page), from the wire's schemas."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from prediction_service import wire
from prediction_service.dialects.dialect import Described
from prediction_service.dialects.every import DIALECTS
from prediction_service.dialects.records import ANSWER, EXAMPLE
from prediction_service.settings import Settings

TEMPLATES: Final = Path(__file__).parent / "templates"
PAGE_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
API_VERSION: Final = "1.0"
REF: Final = "#/components/schemas/{model}"
NATIVE: Final[tuple[type[wire.Wire], ...]] = (wire.Alive, wire.Readiness, wire.Problem)


@dataclass(frozen=True)
class Operation:
    """One line of the table of contents."""

    method: str
    path: str
    summary: str
    answers: dict[str, Any]
    request: str | None


def document(settings: Settings) -> dict[str, Any]:
    """The OpenAPI description of this service under these limits."""
    operations = [one for name in settings.dialects for one in DIALECTS[name].operations]
    definitions = _schemas(operations)
    if "PredictRequest" in definitions:
        definitions["PredictRequest"]["properties"]["Records"] |= {
            "minItems": 1,
            "maxItems": settings.max_records,
        }
        definitions["Record"]["properties"]["body"] |= {"minLength": 1, "maxLength": settings.max_text_chars}
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "chat-moderation",
            "version": API_VERSION,
            "summary": "The probability that a community's moderators would remove a message, and what "
            "follows from it.",
        },
        "paths": _paths(operations),
        "components": {"schemas": definitions},
    }


def _schemas(operations: Sequence[Described]) -> dict[str, Any]:
    requests = [one.request for one in operations if one.request]
    answers = [one.answer for one in operations if one.answer] + [one.refusal for one in operations]
    shapes: dict[tuple[type[wire.Wire], JsonSchemaMode], None] = {
        (one, "validation"): None for one in requests
    }
    shapes |= {(one, "serialization"): None for one in (*answers, *NATIVE)}
    _, schemas = models_json_schema(list(shapes), ref_template=REF)
    definitions: dict[str, Any] = schemas["$defs"]
    return definitions


def _paths(operations: Sequence[Described]) -> dict[str, Any]:
    ready = {
        "200": _json("A bundle is loaded, verified and tried.", "Readiness"),
        "503": _json("No bundle is ready; detail says why.", "Readiness"),
    }
    return {
        **{one.path: {one.method: _operation(one)} for one in operations},
        "/healthz": _get("Whether the process lives", {"200": _json("It does.", "Alive")}),
        "/readyz": _get("Whether messages are judged, and by which model", ready),
        "/metrics": _get(
            "Figures for Prometheus, of all workers", {"200": _text("text/plain", "The figures.")}
        ),
        "/openapi.json": _get(
            "This description", {"200": _text("application/json", "The document.", "object")}
        ),
        "/docs": _get("This description for people", {"200": _text("text/html", "The page.")}),
    }


def _operation(one: Described) -> dict[str, Any]:
    described: dict[str, Any] = {"operationId": one.name, "summary": one.summary}
    if one.query:
        described["parameters"] = [
            {"name": name, "in": "query", "schema": {"type": "string"}, "description": meaning}
            for name, meaning in one.query.items()
        ]
    if one.request:
        body = {"schema": {"$ref": REF.format(model=one.request.__name__)}, "example": one.example}
        described["requestBody"] = {"required": True, "content": {"application/json": body}}
    answer = (
        _json(one.meaning, one.answer.__name__)
        if one.answer
        else _text("application/json", one.meaning, "object")
    )
    refusals = {
        status: _json(text, one.refusal.__name__, one.refusal_type) for status, text in one.refusals.items()
    }
    return {**described, "responses": {"200": answer, **refusals}}


def _get(summary: str, responses: dict[str, Any]) -> dict[str, Any]:
    return {"get": {"summary": summary, "responses": responses}}


def _json(description: str, model: str, kind: str = "application/json") -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": {"$ref": REF.format(model=model)}}}}


def _text(kind: str, description: str, shape: str = "string") -> dict[str, Any]:
    return {"description": description, "content": {kind: {"schema": {"type": shape}}}}


def page(described: dict[str, Any], settings: Settings, root: str) -> str:
    """The same description as one HTML page that loads nothing from elsewhere; ``root`` is our address."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"kind": kind_of, "plain": partial(json.dumps, indent=2)}
    limits = {
        "Records in one request": settings.max_records,
        "Characters in one text": settings.max_text_chars,
        "Bytes in one body": settings.max_body_bytes,
    }
    return environment.get_template("docs.html").render(
        document=described,
        operations=list(_operations(described)),
        limits=limits,
        attributes=settings.attributes,
        example=EXAMPLE,
        answer=ANSWER,
        root=root,
    )


def _operations(described: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in described["paths"].items():
        for method, operation in methods.items():
            content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
            reference = content.get("schema", {}).get("$ref", "")
            yield Operation(
                method.upper(),
                path,
                operation["summary"],
                operation["responses"],
                reference.rsplit("/", 1)[-1] or None,
            )


def kind_of(schema: dict[str, Any]) -> str:
    """A schema's type in one short line: `string`, `list of Record`, `allow | flag | remove`."""
    match schema:
        case {"$ref": str(reference)}:
            return reference.rsplit("/", 1)[-1]
        case {"anyOf": [*choices]}:
            return " or ".join(kind_of(one) for one in choices)
        case {"enum": [*known]}:
            return " | ".join(str(value) for value in known)
        case {"type": "array", "items": items}:
            return f"list of {kind_of(items)}"
        case {"additionalProperties": dict(values)}:
            return f"object of {kind_of(values)}"
        case _:
            return str(schema.get("const", schema.get("type", "any")))
