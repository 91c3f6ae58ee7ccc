"""The description: valid OpenAPI 3.1, true to the application, and a page that loads nothing else."""

import json
import re
import subprocess
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from operator import attrgetter
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from jsonschema import Draft202012Validator
from openapi_spec_validator import OpenAPIV31SpecValidator

from modeling.policy import ATTRIBUTE
from prediction_service.app import create_app
from prediction_service.dialects.dialect import Answer, Content, Described, Parameter
from prediction_service.dialects.every import DIALECTS
from prediction_service.dialects.records import ANSWER, EXAMPLE
from prediction_service.loader import Loader, from_disk
from prediction_service.metrics import Metrics
from prediction_service.openapi import describe, document
from prediction_service.page import KEY, TITLES, curl, groups, kind_of, render
from prediction_service.probes import TAG
from prediction_service.settings import Secret, Settings
from prediction_service.wire import Alive, Record
from tests.frontend.browser import chromium
from tests.prediction_service.loaders import loaded_from, not_begun
from tests.prediction_service.operations import address
from tests.prediction_service.serving import Server

SETTINGS = Settings(max_records=123, max_text_chars=456, max_body_bytes=7890)


@pytest.fixture(scope="module")
def client(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    loader = loaded_from(bundle_dir, attributes={"Hate": ATTRIBUTE})
    labels = Secret(f"sqlite:///{tmp_path_factory.mktemp('labels')}/labels.db")
    return create_app(replace(SETTINGS, labels=labels), loader, Metrics()).test_client()


def conform(described: dict[str, Any], name: str, value: Any) -> None:
    schema = {"$ref": f"#/components/schemas/{name}", "components": described["components"]}
    Draft202012Validator(schema).validate(value)


def test_it_is_valid_openapi(client: FlaskClient) -> None:
    OpenAPIV31SpecValidator(client.get("/openapi.json").json).validate()


def operations(described: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (path, method): operation
        for path, methods in described["paths"].items()
        for method, operation in methods.items()
    }


def test_it_describes_every_route_and_no_other(client: FlaskClient) -> None:
    routes = {
        (re.sub(r"<(?:[^:<>]+:)?(\w+)>", r"{\1}", rule.rule), method.lower())
        for rule in client.application.url_map.iter_rules()
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}
    }
    # the root only leads to the page
    unlisted = {
        (one.path, one.method)
        for dialect in DIALECTS.values()
        for one in dialect.operations
        if not one.listed
    }
    assert {("/batch", "post")} == unlisted
    assert routes - {("/", "get")} - unlisted == set(operations(document(SETTINGS)))


def test_every_operation_has_a_name_of_its_own_and_a_tag_that_is_listed() -> None:
    described = document(SETTINGS)
    every = operations(described).values()
    names = [one["operationId"] for one in every]
    assert len(names) == len(set(names))
    assert all(re.fullmatch("[a-z][A-Za-z0-9]+", name) for name in names)
    assert [{"name": tag} for tag in dict.fromkeys(one["tags"][0] for one in every)] == described["tags"]


def test_it_says_where_it_was_asked_for(client: FlaskClient) -> None:
    answer = client.get("/openapi.json", base_url="https://chat.example/api")
    assert [{"url": "https://chat.example/api"}] == answer.json["servers"]


@pytest.mark.parametrize("mapping", [{}, {"TOXICITY": "LIKELY_TO_REJECT"}])
def test_answers_carry_the_headers_that_it_names(bundle_dir: Path, mapping: dict[str, str]) -> None:
    options = Settings(attributes=mapping)
    loader = Loader(lambda: from_disk(bundle_dir), retry=False, attributes=mapping)
    client = create_app(options, loader, Metrics()).test_client()
    said = operations(document(options))
    seen = set()
    for status in (503, 200):
        if status == 200:
            loader.start()
            loader.join()
        for path, body in (("/predict", EXAMPLE), ("/analyze", {"text": "a"})):
            answer = client.post(path, json=body)
            assert status == answer.status_code
            named = set(said[path, "post"]["responses"][str(status)]["headers"])
            assert named == named & set(answer.headers.keys())
            seen |= named
    assert {"X-Request-ID", "Retry-After", *(["X-Chatmod-Attributes"] if mapping else [])} == seen


def test_a_dialect_can_tell_of_parameters_media_types_and_statuses() -> None:
    size = {"type": "integer", "minimum": 1}
    one = Described(
        method="put",
        path="/things/{thing}",
        name="putThing",
        summary="Put a thing",
        description="At length.",
        request=Record,
        requests=(Content({"type": "string"}, "text/csv", "a,b"),),
        query={"key": "A key."},
        parameters=(Parameter("thing", "path", "Which."), Parameter("X-Size", "header", "How big.", size)),
        answers={
            "200": Answer("One or the other.", (Content(Alive), Content({"type": "string"}, "text/plain"))),
            "204": Answer("Nothing.", headers={"Location": "Where."}),
        },
        refusals={"429": "Too many."},
    )
    described = describe([("things", one)], SETTINGS, "/")
    OpenAPIV31SpecValidator(described).validate()
    told = described["paths"]["/things/{thing}"]["put"]
    assert [("key", "query", False), ("thing", "path", True), ("X-Size", "header", False)] == [
        (each["name"], each["in"], each["required"]) for each in told["parameters"][:-1]
    ]
    assert size == told["parameters"][2]["schema"]
    assert ["application/json", "text/csv"] == list(told["requestBody"]["content"])
    assert "a,b" == told["requestBody"]["content"]["text/csv"]["example"]
    assert ["application/json", "text/plain"] == list(told["responses"]["200"]["content"])
    assert {} == told["responses"]["204"]["content"]
    assert {"Location", "X-Request-ID"} == set(told["responses"]["204"]["headers"])
    assert {"Retry-After", "X-Request-ID"} == set(told["responses"]["429"]["headers"])
    assert {"application/problem+json"} == set(told["responses"]["500"]["content"])
    assert {"Alive", "FieldError", "Problem", "Record"} == set(described["components"]["schemas"])
    assert "At length." == told["description"]


def test_it_tells_the_limits_in_force() -> None:
    schemas = document(SETTINGS)["components"]["schemas"]
    assert schemas["PredictRequest"]["properties"]["Records"]["maxItems"] == 123
    for model, field in (("Record", "body"), ("AnalyzeRequest", "text"), ("ModerateRequest", "message")):
        said = schemas[model]["properties"][field]
        assert (1, 456, r"\S") == (said["minLength"], said["maxLength"], said["pattern"])


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
    told = described["paths"][operation.path]["post"]
    asked = told["requestBody"]["content"]["application/json"]
    as_said(described, asked, asked["example"])
    answer = client.post(address(operation, client), json=operation.example)
    assert answer.status_code == 200, answer.text
    as_said(described, told["responses"]["200"]["content"]["application/json"], answer.json)
    path = address(operation, client)
    for refused in (client.post(path, json={}), client.post(path, data=b"a=1")):
        [(kind, content)] = told["responses"][str(refused.status_code)]["content"].items()
        assert kind == refused.content_type
        as_said(described, content, refused.json)


READS = [one for dialect in DIALECTS.values() for one in dialect.operations if one.method == "get"]


@pytest.mark.parametrize("operation", READS, ids=lambda operation: operation.path)
def test_what_is_only_read_is_as_it_says_with_a_bundle_and_without(
    client: FlaskClient, tmp_path: Path, operation: Described
) -> None:
    described = document(SETTINGS)
    waiting = create_app(SETTINGS, not_begun(), Metrics()).test_client()
    for one in (client, waiting):
        answer = one.get(address(operation, client))
        said = described["paths"][operation.path]["get"]["responses"][str(answer.status_code)]
        [(kind, content)] = said["content"].items()
        assert kind == answer.mimetype
        if kind == "application/json":
            as_said(described, content, answer.json)


def test_a_body_in_bytes_is_told_of_beside_that_in_json() -> None:
    infer = document(SETTINGS)["paths"]["/v2/models/{model}/infer"]["post"]
    for content in (infer["requestBody"]["content"], infer["responses"]["200"]["content"]):
        assert {"application/json", "application/octet-stream"} == set(content)
    assert "Inference-Header-Content-Length" in infer["responses"]["200"]["headers"]


OTHERS = [(one, content) for one in OPERATIONS for content in one.requests if content.example]


@pytest.mark.parametrize(("operation", "content"), OTHERS, ids=lambda one: getattr(one, "kind", ""))
def test_every_dialect_takes_its_other_kinds_of_body(
    client: FlaskClient, operation: Described, content: Content
) -> None:
    described = document(SETTINGS)
    answer = client.post(address(operation, client), data=content.example, content_type=content.kind)
    assert answer.status_code == 200, answer.text
    told = described["paths"][operation.path]["post"]["responses"]["200"]["content"]["application/json"]
    as_said(described, told, answer.json)


@pytest.mark.parametrize("path", ["/ping", "/health", "/version"])
def test_an_answer_without_a_shape_has_the_kind_that_is_told(client: FlaskClient, path: str) -> None:
    [kind] = document(SETTINGS)["paths"][path]["get"]["responses"]["200"]["content"]
    assert kind == client.get(path).mimetype


def as_said(described: dict[str, Any], content: dict[str, Any], value: Any) -> None:
    Draft202012Validator(content["schema"] | {"components": described["components"]}).validate(value)


@pytest.mark.parametrize(
    ("given", "valid"),
    [
        ("a", True),
        ("", False),
        (["a", "b"], True),
        ([], False),
        ([{"type": "text", "text": "a"}], True),
        ([{"type": "image_url"}], False),
        (["a", {"type": "text", "text": "a"}], False),
        ([{"type": "text", "text": "a"}, "a"], False),
    ],
)
def test_it_tells_which_inputs_of_openais_are_judged(client: FlaskClient, given: Any, valid: bool) -> None:  # noqa: FBT001
    described = document(SETTINGS)
    content = described["paths"]["/v1/moderations"]["post"]["requestBody"]["content"]["application/json"]
    schema = content["schema"] | {"components": described["components"]}
    assert valid == Draft202012Validator(schema).is_valid({"input": given})
    assert valid == (client.post("/v1/moderations", json={"input": given}).status_code == 200)


class Page(HTMLParser):
    """Elements that load something, link targets, ids, levels of headings, and which cards are open."""

    def __init__(self) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.levels: list[int] = []
        self.cards: list[bool] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = {key: value or "" for key, value in attrs}
        self.levels += [int(tag[1])] if re.fullmatch("h[1-6]", tag) else []
        self.cards += ["open" in named] if tag == "details" else []
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


def test_the_page_has_contents_headings_in_order_and_one_open_card(client: FlaskClient) -> None:
    page = Page()
    page.feed(client.get("/docs").text)
    assert {"#access", "#limits", *(f"#dialect-{name}" for name in (*DIALECTS, TAG))} <= set(page.links)
    assert set(DIALECTS) | {TAG} == set(TITLES)
    assert [1, 2] == page.levels[:2]
    assert all(after <= before + 1 for before, after in pairwise(page.levels))
    assert [True] == [is_open for is_open in page.cards if is_open]
    assert len(page.cards) >= len(operations(document(SETTINGS)))
    assert len(page.ids) == len(set(page.ids))


@pytest.mark.parametrize("width", [1280, 390])
def test_the_page_fits_its_window_and_a_link_opens_the_card_that_it_leads_into(
    client: FlaskClient, width: int
) -> None:
    with chromium() as browser:
        tab = browser.new_context(viewport={"width": width, "height": 844}).new_page()
        tab.set_content(client.get("/docs").text)
        tab.evaluate("document.querySelectorAll('details').forEach(card => card.open = true)")
        assert width == tab.evaluate("document.documentElement.scrollWidth")
        assert [] == tab.evaluate(
            "[...document.querySelectorAll('body *')]"
            ".filter(one => one.getBoundingClientRect().right > innerWidth).map(one => one.outerHTML)"
        )
        tab.evaluate("document.querySelectorAll('details').forEach(card => card.open = false)")
        assert not tab.locator("#GoogleError").is_visible()
        tab.evaluate("location.hash = 'GoogleError'")
        tab.locator("#GoogleError").wait_for(timeout=5000)


def test_the_page_says_who_may_ask_and_shows_where_a_key_goes() -> None:
    shown = render(document(SETTINGS), SETTINGS, "http://h")
    assert "Open: nobody is asked for a key" in shown
    assert "YOUR_KEY" not in shown
    guarded = replace(SETTINGS, keys=Path("keys.json"), rate_limit="600/minute")
    shown = render(document(guarded), guarded, "http://h")
    for expected in ("A key is needed", "X-API-Key: KEY", "?key=KEY", "600/minute"):
        assert expected in shown
    described = document(guarded)["paths"]
    assert KEY in curl("http://h/predict", described["/predict"]["post"])
    assert KEY not in curl("http://h/readyz", described["/readyz"]["get"])


def test_every_command_of_the_page_is_answered(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(
        tmp_path / "api.log", bundle=bundle_dir, workers=1, attributes="Hate=LIKELY_TO_REJECT"
    ) as server:
        status, _, body = server.ask("GET", "/openapi.json")
        assert 200 == status
        described = json.loads(body)
        version = json.loads(server.ask("GET", "/readyz")[2])["model"]["version"]
        commands = [
            one.curl.replace("/versions/7", f"/versions/{version}")
            for group in groups(described, described["servers"][0]["url"])
            for one in group.operations
        ]
        assert all(commands)
        for command in commands:
            strict = command.replace("curl ", "curl --fail-with-body ", 1)
            done = subprocess.run(["bash", "-c", strict], capture_output=True, text=True, check=False)
            assert 0 == done.returncode, f"{command}: {done.stdout}{done.stderr}"


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


def test_without_keys_and_limits_it_knows_of_neither() -> None:
    described = document(SETTINGS)
    assert "securitySchemes" not in described["components"]
    for operation in operations(described).values():
        assert "security" not in operation
        assert {"401", "403", "429"}.isdisjoint(operation["responses"])


def test_with_keys_it_says_where_they_go_and_how_each_dialect_refuses() -> None:
    described = document(Settings(keys=Path("keys.json")))
    OpenAPIV31SpecValidator(described).validate()
    known = operations(described)
    carriers = ["bearer", "header", "google", "azure"]
    assert [*carriers, "query"] == list(described["components"]["securitySchemes"])
    for name, dialect in DIALECTS.items():
        own = {"400", "403", "429"} if name == "perspective" else {"401", "403", "429"}
        for one in filter(attrgetter("listed"), dialect.operations):
            operation = known[one.path, one.method]
            if one.access == "open":
                assert "security" not in operation
                continue
            ways = [*carriers, "query"] if name == "perspective" else carriers
            assert [{way: []} for way in ways] == operation["security"]
            assert own <= set(operation["responses"])
            assert "Retry-After" in operation["responses"]["429"]["headers"]
            [kind] = operation["responses"]["403"]["content"]
            assert one.refusal_type == kind
    assert "security" not in known["/readyz", "get"]


def test_with_a_limit_alone_it_says_only_that() -> None:
    known = operations(document(Settings(rate_limit="1/day")))
    assert "429" in known["/predict", "post"]["responses"]
    assert "401" not in known["/predict", "post"]["responses"]
