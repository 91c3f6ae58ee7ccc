"""The application through Flask's test client: operations, request ids, figures, and refusals everywhere."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from modeling import bundle as bundles
from prediction_service.app import create_app
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from prediction_service.wire import Problem, Readiness
from tests.prediction_service.loaders import loaded_from, not_begun


@pytest.fixture
def app(bundle_dir: Path) -> Flask:
    loader = loaded_from(bundle_dir)
    return create_app(Settings(), loader, Metrics())


@pytest.fixture
def client(app: Flask) -> Iterator[FlaskClient]:
    with app.test_client() as client:
        yield client


def post(client: FlaskClient, *texts: str, **headers: str) -> Any:
    records = [{"body": text, "message_id": place} for place, text in enumerate(texts)]
    return client.post("/predict", json={"Records": records}, headers=headers)


def test_alive_is_said_without_a_model() -> None:
    loader = not_begun()
    answer = create_app(Settings(), loader, Metrics()).test_client().get("/healthz")
    assert (answer.status_code, answer.json) == (200, {"status": "alive"})


def test_ready_says_which_model_which_policy_and_which_data(client: FlaskClient, bundle_dir: Path) -> None:
    bundle = bundles.load(bundle_dir)
    answer = client.get("/readyz")
    assert answer.status_code == 200
    said = Readiness.model_validate_json(answer.data)
    assert said.status == "ready"
    assert said.model is not None
    assert said.model.model_dump() == {
        "name": "chat-moderation",
        "version": f"sha256:{bundle.digest[:12]}",
        "digest": bundle.digest,
        "kind": "hashed-linear",
        "source": "disk",
    }
    assert said.policy is not None
    assert said.policy.version == bundle.policy.version
    flag = said.policy.attributes["LIKELY_TO_REJECT"]["flag"]
    assert (flag.reachable, flag.target) == (True, 0.7)
    assert flag.threshold == bundle.policy.attributes["LIKELY_TO_REJECT"]["flag"].value
    assert said.data is not None
    assert said.data.model_dump() == {
        "source": "file",
        "name": "corpus.csv",
        "rows": 800,
        "is_sample": False,
    }


def test_a_failed_load_leaves_the_process_alive_and_says_why(tmp_path: Path) -> None:
    loader = loaded_from(tmp_path / "gone")
    client = create_app(Settings(), loader, Metrics()).test_client()
    assert client.get("/healthz").status_code == 200
    answer = client.get("/readyz")
    assert answer.status_code == 503
    assert answer.headers["Retry-After"] == "1"
    said = Readiness.model_validate_json(answer.data)
    assert (said.status, said.model) == ("failed", None)
    assert "no bundle there" in said.detail


@pytest.mark.parametrize("path", ["/nope", "/predict/", "/%00", "/%ff", "/predict%2f"])
def test_an_unknown_path_is_a_problem_document(client: FlaskClient, path: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
    assert Problem.model_validate_json(answer.data).title == "Not Found"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"])
def test_another_method_is_a_problem_document_with_allow(client: FlaskClient, path: str) -> None:
    answer = client.post(path)
    assert (answer.status_code, answer.content_type) == (405, "application/problem+json")
    assert "GET" in answer.headers["Allow"]


def test_an_unexpected_error_is_logged_and_tells_the_client_nothing(app: Flask) -> None:
    @app.get("/broken")
    def broken() -> str:
        raise ZeroDivisionError("private detail")

    with capture_logs() as lines:
        answer = app.test_client().get("/broken")
    assert (answer.status_code, answer.content_type) == (500, "application/problem+json")
    assert "private" not in answer.text
    [line] = [line for line in lines if line["event"] == "unexpected error"]
    assert "ZeroDivisionError" == line["error"]
    assert line["at"][1].endswith(" broken")
    assert "private" not in str(lines)


@pytest.mark.parametrize("given", ["abc", "a-b_c.d:e/f=", "0" * 128])
def test_a_request_id_is_echoed(client: FlaskClient, given: str) -> None:
    assert client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"] == given


@pytest.mark.parametrize("given", ["", "with space", "é", "0" * 129, "<script>"])
def test_a_request_id_that_could_do_harm_is_replaced(client: FlaskClient, given: str) -> None:
    answered = client.get("/healthz", headers={"X-Request-ID": given}).headers["X-Request-ID"]
    assert re.fullmatch("[0-9a-f]{32}", answered)


def test_a_log_line_tells_the_request_and_never_the_message(client: FlaskClient) -> None:
    with capture_logs() as lines:
        post(client, "a very private message", **{"X-Request-ID": "mine"})
    [line] = [line for line in lines if line["event"] == "request"]
    assert (line["method"], line["endpoint"], line["status"]) == ("POST", "/predict", 200)
    assert "private" not in json.dumps(lines)


def test_figures_count_requests_by_route_and_messages_by_action(client: FlaskClient) -> None:
    post(
        client,
        "you idiot clown, number 3, go away with your dose",
        "does figure 3 show the dose before that?",
    )
    client.get("/someone/wrote/this")
    client.open("/healthz", method="BREW")
    page = client.get("/metrics")
    assert page.content_type == "text/plain; version=0.0.4; charset=utf-8"
    lines = page.text.splitlines()
    assert 'http_requests_total{endpoint="/predict",method="POST",status="200"} 1.0' in lines
    assert 'http_requests_total{endpoint="unmatched",method="GET",status="404"} 1.0' in lines
    assert 'http_requests_total{endpoint="unmatched",method="OTHER",status="405"} 1.0' in lines
    assert 'messages_processed_total{action="remove"} 1.0' in lines
    assert 'messages_processed_total{action="allow"} 1.0' in lines
    assert 'http_request_duration_seconds_count{endpoint="/predict",method="POST"} 1.0' in lines
    assert "wrote" not in page.text


def test_an_expected_refusal_counts_under_its_status(client: FlaskClient) -> None:
    client.post("/predict", data=b"hi", content_type="text/plain")
    assert (
        'http_requests_total{endpoint="/predict",method="POST",status="415"} 1.0'
        in client.get("/metrics").text
    )
