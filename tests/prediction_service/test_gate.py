"""The gate around every route: no path that a dialect answers is left open by chance."""

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from flask import Flask

from prediction_service.app import NOTHING, create_app
from prediction_service.dialects.every import DIALECTS
from prediction_service.gate import Places
from prediction_service.loader import Loader
from prediction_service.metrics import Metrics
from prediction_service.problems import Refusal
from prediction_service.settings import Settings
from tests.prediction_service.guarded import add
from tests.prediction_service.loaders import loaded_from

OPEN = {
    (operation.method.upper(), operation.path)
    for dialect in DIALECTS.values()
    for operation in dialect.operations
    if operation.access == "open"
}


def never() -> object:
    raise AssertionError


@pytest.fixture
def app(tmp_path: Path) -> Flask:
    add(tmp_path / "keys.json")
    loader = Loader(never, retry=False)  # type: ignore[arg-type]
    return create_app(Settings(keys=tmp_path / "keys.json"), loader, Metrics())


def routes(app: Flask) -> list[tuple[str, str]]:
    return [
        (method, re.sub(r"<[^>]+>", "{any}", rule.rule))
        for rule in app.url_map.iter_rules()
        if rule.endpoint.partition(".")[0] in DIALECTS
        for method in rule.methods or ()
    ]


def test_what_is_open_is_a_list_that_somebody_wrote() -> None:
    models = ("/v2/models/{model}", "/v2/models/{model}/versions/{version}")
    described = {f"{model}{what}" for model in models for what in ("", "/config", "/ready")}
    probes = {"/v2", "/v2/health/live", "/v2/health/ready", "/ping", "/health", "/version"}
    opened = {("GET", path) for path in {"/$discovery/rest", *probes, *described}}
    assert opened | {("POST", "/batch")} == OPEN, "each part of a batch shows a key of its own"


def test_every_other_route_of_a_dialect_asks_for_a_key(app: Flask) -> None:
    client = app.test_client()
    opened = {(method, re.sub(r"{[^}]+}", "{any}", path)) for method, path in OPEN}
    asked = {
        (method, path): client.open(path.replace("{any}", "x"), method=method).status_code
        for method, path in routes(app)
    }
    assert len(asked) > len(DIALECTS)
    assert set() == {
        route for route, status in asked.items() if status not in (401, 403) and route not in opened
    } - {("HEAD", path) for _, path in opened}


def test_a_request_that_has_got_past_the_gate_finds_no_view_that_answers_it(app: Flask) -> None:
    asked = [(method, path.replace("{any}", "x")) for method, path in routes(app) if method != "OPTIONS"]
    assert len(asked) > len(DIALECTS)
    for method, path in asked:
        with app.test_request_context(path, method=method):
            answer = app.full_dispatch_request()
        assert 404 == answer.status_code, path
        assert NOTHING in answer.get_data(as_text=True), path


@pytest.mark.parametrize("form", ["/{}", "//{}", "{}/", "%2F{}", "/.{}", "{}//", "/%2e/{}", "\\{}"])
def test_a_path_written_otherwise_is_no_way_past_the_key(app: Flask, form: str) -> None:
    client = app.test_client()
    opened = {re.sub(r"{[^}]+}", "{any}", path) for _, path in OPEN}
    for method, path in routes(app):
        if path in opened:
            continue
        written = form.format(path.replace("{any}", "x"))
        answer = client.open("/", method=method, environ_overrides={"PATH_INFO": unquote(written)})
        assert answer.status_code in (400, 401, 403, 404), (method, written, answer.status_code)


def test_repeated_slashes_are_one_for_the_gate_and_for_whoever_answers(bundle_dir: Path) -> None:
    loader = loaded_from(bundle_dir)
    client = create_app(Settings(), loader, Metrics()).test_client()
    asked = {"comment": {"text": "hi"}, "requestedAttributes": {"LIKELY_TO_REJECT": {}}}
    for path, body in (("/v1alpha1//comments:analyze", asked), ("//analyze", {"text": "hi"})):
        assert 200 == client.post("/", json=body, environ_overrides={"PATH_INFO": path}).status_code


def test_a_view_that_the_gate_has_not_let_in_does_not_run(app: Flask) -> None:
    view = app.view_functions["analyze.analyze"]
    with app.test_request_context("/analyze", method="POST"), pytest.raises(Refusal):
        view()


def test_a_refused_request_is_counted_under_its_route_and_never_under_what_was_written(app: Flask) -> None:
    client = app.test_client()
    client.post("/predict")
    client.post("/predict/someone-wrote-this")
    page = client.get("/metrics").text
    assert 'http_requests_total{endpoint="/predict",method="POST",status="401"} 1.0' in page
    assert 'http_requests_total{endpoint="unmatched",method="POST",status="401"} 1.0' in page
    assert "wrote" not in page


def test_a_refusal_has_an_id_and_no_body_for_head(app: Flask) -> None:
    client = app.test_client()
    answer = client.post("/predict", headers={"X-Request-ID": "mine"})
    assert ("mine", "mine") == (answer.headers["X-Request-ID"], answer.json["request_id"])
    assert (401, b"") == (client.head("/predict").status_code, client.head("/predict").data)


@pytest.mark.parametrize(
    ("path", "rule"),
    [
        ("/predict", "/predict"),
        ("/predict/more", "unmatched"),
        ("/predictions", None),
        ("/healthz", None),
        ("/", None),
        ("", None),
    ],
)
def test_a_path_has_its_place(path: str, rule: str | None) -> None:
    place = Places(DIALECTS.values()).find(path)
    assert rule == (place.rule if place else None)


def test_a_path_that_is_open_is_open_with_a_slash_at_its_end_where_the_route_takes_one(app: Flask) -> None:
    client = app.test_client()
    assert [200, 200, 404] == [client.get(path).status_code for path in ("/v2", "/v2/", "/ping/")]
    assert 401 == client.post("/v1/moderations/", json={}).status_code
