"""The description as one HTML page for people, which loads nothing from elsewhere. Knows no dialect."""

import json
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from prediction_service.dialects.records import ANSWER
from prediction_service.settings import Settings

TEMPLATES: Final = Path(__file__).parent / "templates"
POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"
KEY: Final = "Authorization: Bearer YOUR_KEY"
ERRORS: Final = "400"
TITLES: Final[Mapping[str, tuple[str, str]]] = {
    "records": ("Messages in batches", "The service's own operation: many messages, one call."),
    "perspective": (
        "Perspective",
        "For clients of Google's Perspective API, and for verdicts of moderators.",
    ),
    "openai": ("OpenAI", "For clients of OpenAI's moderation endpoint."),
    "azure": (
        "Azure AI Content Safety",
        "For clients that analyze text there; a category is answered by the head that is mapped to it.",
    ),
    "kserve": ("KServe V2", "The Open Inference Protocol, as Triton's clients speak it."),
    "mlflow": ("MLflow", "For clients of `mlflow models serve`."),
    "analyze": ("One text", "The service's own operation for one text, with what made its score."),
    "moderate": ("One message in a channel", "The same for one message, with the client's own names."),
    "operations": ("Operations", "For probes, figures and readers; none needs a key."),
}


@dataclass(frozen=True)
class Operation:
    """What one card tells."""

    method: str
    path: str
    summary: str
    description: str
    bodies: Mapping[str, dict[str, Any]]
    parameters: tuple[dict[str, Any], ...]
    answers: Mapping[str, dict[str, Any]]
    curl: str

    @property
    def error(self) -> dict[str, Any]:
        """The shape of its refusals, which an error of the service has in any case."""
        [content] = self.answers["500"]["content"].values()
        return dict(content["schema"])

    def told(self, *, refusals: bool) -> dict[str, dict[str, Any]]:
        """The answers that are refusals, or the others."""
        return {status: one for status, one in self.answers.items() if (status >= ERRORS) == refusals}


@dataclass(frozen=True)
class Group:
    """A dialect: its operations, and the shapes that no group before it has told."""

    name: str
    title: str
    about: str
    operations: tuple[Operation, ...]
    shapes: Mapping[str, dict[str, Any]]


def render(described: dict[str, Any], settings: Settings, root: str) -> str:
    """The page of a description under these settings; ``root`` is our address."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES), autoescape=True, undefined=StrictUndefined, trim_blocks=True
    )
    environment.filters |= {"kind": kind_of, "shape": shape_of, "plain": partial(json.dumps, indent=2)}
    limits = {
        "Records in one request": settings.max_records,
        "Characters in one text": settings.max_text_chars,
        "Bytes in one body": settings.max_body_bytes,
    }
    return environment.get_template("docs.html").render(
        document=described,
        groups=list(groups(described, root)),
        limits=limits,
        settings=settings,
        carriers=_carriers(described),
        answer=ANSWER,
    )


def groups(described: dict[str, Any], root: str) -> Iterator[Group]:
    """The operations by tag, in the order of the tags."""
    schemas = described["components"]["schemas"]
    told: set[str] = set()
    for tag in (one["name"] for one in described["tags"]):
        own = [
            (method, path, operation)
            for path, methods in described["paths"].items()
            for method, operation in methods.items()
            if tag in operation["tags"]
        ]
        names = _reached([operation for *_, operation in own], schemas) - told
        told |= names
        title, about = TITLES.get(tag, (tag, ""))
        operations = tuple(_operation(*each, root) for each in own)
        yield Group(tag, title, about, operations, {name: schemas[name] for name in schemas if name in names})


def _reached(value: Any, schemas: Mapping[str, Any]) -> set[str]:
    """The names of all shapes that something refers to, directly or through another shape."""
    found: set[str] = set()
    waiting = [value]
    while waiting:
        new = set(re.findall(r'"#/components/schemas/([^"]+)"', json.dumps(waiting.pop()))) - found
        found |= new
        waiting += [schemas[name] for name in new]
    return found


def _operation(method: str, path: str, operation: dict[str, Any], root: str) -> Operation:
    # the one parameter that is a reference, X-Request-ID, is told once for all operations
    parameters = tuple(one for one in operation["parameters"] if "$ref" not in one)
    summary = operation["summary"].rpartition(": ")[2]
    return Operation(
        method.upper(),
        path,
        summary[0].upper() + summary[1:],
        operation.get("description", ""),
        operation.get("requestBody", {}).get("content", {}),
        parameters,
        operation["responses"],
        curl(root + path, operation),
    )


def curl(url: str, operation: dict[str, Any]) -> str:
    """A command that asks this operation, with its own examples; empty where it has none to send."""
    bodies = operation.get("requestBody", {}).get("content", {})
    example = bodies.get("application/json", {}).get("example")
    if bodies and example is None:
        return ""
    given = {one["name"]: one.get("example", "") for one in operation["parameters"] if one.get("required")}
    for name in re.findall(r"{(\w+)}", url):
        url = url.replace(f"{{{name}}}", str(given.pop(name)))
    lines = [f"curl -s {shlex.quote(url + ('?' + urlencode(given) if given else ''))}"]
    if operation.get("security"):
        lines.append(f"-H '{KEY}'")
    if bodies:
        body = json.dumps(example, indent=2, ensure_ascii=False)
        lines += ["-H 'Content-Type: application/json'", f"-d {shlex.quote(body)}"]
    return " \\\n  ".join(lines)


def _carriers(described: dict[str, Any]) -> list[str]:
    """How a key may be sent, as it looks in a request."""
    looks = {"http": "Authorization: Bearer {}", "header": "{name}: {}", "query": "?{name}={}"}
    schemes = described["components"].get("securitySchemes", {}).values()
    return [looks[one.get("in", one["type"])].format("KEY", name=one.get("name", "")) for one in schemes]


def shape_of(schema: dict[str, Any]) -> str:
    """The name of the shape that a schema refers to; empty where it is told in place."""
    return str(schema.get("$ref", "")).rpartition("/")[2]


def kind_of(schema: dict[str, Any]) -> str:
    """A schema's type in one short line: `string`, `list of Record`, `allow | flag | remove`."""
    match schema:
        case {"$ref": str()}:
            return shape_of(schema)
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
