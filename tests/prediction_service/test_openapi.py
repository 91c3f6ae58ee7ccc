"""The description: valid OpenAPI 3.1, true to the application, and a page that loads nothing else."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from prediction_service.app import create_app
from prediction_service.dialects.dialect import Described
from prediction_service.dialects.every import DIALECTS
from prediction_service.loader import Loader, from_disk
from prediction_service.metrics import Metrics
from prediction_service.openapi import ANSWER, EXAMPLE, document, kind_of
from prediction_service.settings import Settings

SETTINGS = Settings(max_records=123, max_text_chars=456, max_body_bytes=7890)


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> FlaskClient:
    loader = Loader(lambda: from_disk(bundle_dir), retry=False)
    loader.start()
    loader.join()
    return create_app(SETTINGS, loader, Metrics()).test_client()


def conform(described: dict[str, Any], name: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    Draft202012Validator(schema).validate(value)


def test_it_is_valid_openapi(client: FlaskClient) -> None:
    OpenAPIV31SpecValidator(client.get("/openapi.json").json).validate()


def test_it_describes_every_route_and_no_other(client: FlaskClient) -> None:
    routes = {rule.rule for rule in client.application.url_map.iter_rules()}
    assert set(document(SETTINGS)["paths"]) == routes


def test_it_tells_the_limits_in_force() -> None:
    schemas = document(SETTINGS)["components"]["schemas"]
    assert schemas["PredictRequest"]["properties"]["Records"]["maxItems"] == 123
    assert schemas["Record"]["properties"]["body"]["maxLength"] == 456


def test_answers_are_as_it_says(client: FlaskClient) -> None:
    described = document(SETTINGS)
    conform(described, "PredictRequest", EXAMPLE)
    conform(described, "PredictResponse", ANSWER)
    conform(described, "PredictResponse", client.post("/predict", json=EXAMPLE).json)
    conform(described, "Readiness", client.get("/readyz").json)
    conform(described, "Alive", client.get("/healthz").json)
    conform(described, "Problem", client.post("/predict", json={}).json)


OPERATIONS = [one for dialect in DIALECTS.values() for one in dialect.operations if one.request]


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.path)
def test_every_dialect_answers_its_example_and_a_refusal_as_it_says(
    client: FlaskClient, operation: Described
) -> None:
    described = document(SETTINGS)
    assert operation.request is not None
    assert operation.answer is not None
    conform(described, operation.request.__name__, operation.example)
    answer = client.post(operation.path, json=operation.example)
    assert answer.status_code == 200, answer.text
    conform(described, operation.answer.__name__, answer.json)
    said = described["paths"][operation.path]["post"]["responses"]
    for refused in (client.post(operation.path, json={}), client.post(operation.path, data=b"a=1")):
        [(kind, content)] = said[str(refused.status_code)]["content"].items()
        assert kind == refused.content_type
        Draft202012Validator(content["schema"] | {"components": described["components"]}).validate(
            refused.json
        )


class Page(HTMLParser):
    """Elements that load something, link targets, and ids."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {key: value or "" for key, value in attrs}
        self.ids += [named["id"]] if "id" in named else []
        self.links += [named["href"]] if tag == "a" else []
        if tag in ("script", "link", "img", "iframe") or "src" in named:
            self.loads.append(tag)


def test_the_page_loads_nothing_and_its_links_lead_somewhere(client: FlaskClient) -> None:
    answer = client.get("/docs")
    assert answer.content_type == "text/html; charset=utf-8"
    page = Page()
    page.feed(answer.text)
    assert page.loads == []
    assert not re.search(r"@import|url\(", answer.text)
    assert {link for link in page.links if link != "openapi.json"} <= {f"#{one}" for one in page.ids}
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")


def test_the_page_shows_endpoints_schemas_limits_and_an_example(client: FlaskClient) -> None:
    text = client.get("/docs").text
    described = document(SETTINGS)
    for expected in (
        *described["paths"],
        *described["components"]["schemas"],
        "123",
        "456",
        "7,890",
        "curl -s http://localhost/predict",
    ):
        assert expected in text


@pytest.mark.parametrize(
    ("schema", "expected"),
    [
        ({"$ref": "#/components/schemas/Record"}, "Record"),
        ({"anyOf": [{"type": "string"}, {"type": "integer"}]}, "string or integer"),
        ({"enum": ["allow", "flag"], "type": "string"}, "allow | flag"),
        ({"type": "array", "items": {"type": "string"}}, "list of string"),
        ({"type": "object", "additionalProperties": {"type": "number"}}, "object of number"),
        ({"const": "alive", "type": "string"}, "alive"),
        ({}, "any"),
    ],
)
def test_a_type_reads_as_one_short_line(schema: dict[str, Any], expected: str) -> None:
    assert kind_of(schema) == expected
