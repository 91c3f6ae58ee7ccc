"""The short way and Flask's way give the same answers, and what is odd goes Flask's way."""

import io
import json
import re
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, Response
from flask.testing import FlaskClient
from pydantic import BaseModel
from structlog.testing import capture_logs

from prediction_service import app as app_module
from prediction_service import lane
from prediction_service.app import create_app
from prediction_service.dialects.google import AnalyzeCommentResponse
from prediction_service.loader import Loader
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from prediction_service.wire import PredictResponse
from tests.prediction_service.loaders import loaded_from, not_begun

GOOD = {
    "Records": [{"body": "you idiot", "message_id": 1}, {"body": "na\u00efve \U0001f600", "message_id": "b"}]
}
COMMENT = {
    "comment": {"text": "You idiot. Thanks \U0001f600!"},
    "requestedAttributes": {"LIKELY_TO_REJECT": {}, "TOXICITY": {"scoreThreshold": 0.999}},
    "spanAnnotations": True,
    "clientToken": "t",
}
ROUTES = [("/predict", GOOD), ("/v1alpha1/comments:analyze", COMMENT)]
OPTIONS = Settings(attributes={"TOXICITY": "LIKELY_TO_REJECT"}, max_body_bytes=10_000)


@pytest.fixture(scope="module")
def loader(bundle_dir: Path) -> Loader:
    return loaded_from(bundle_dir, attributes=OPTIONS.attributes)


@pytest.fixture
def app(loader: Loader) -> Flask:
    return create_app(OPTIONS, loader, Metrics())


@pytest.fixture
def flask_alone(loader: Loader) -> FlaskClient:
    """The same application without the short way."""
    return application(loader, None).test_client()


def application(loader: Loader, short: lane.Lane | None) -> Flask:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app_module, "_lane", lambda *_: short)
        return create_app(OPTIONS, loader, Metrics())


def told(answer: Any) -> tuple[int, dict[str, str], bytes]:
    headers = {name: value for name, value in answer.headers.items() if name != "X-Request-ID"}
    return answer.status_code, headers, re.sub(rb'"id":"[0-9a-f]{32}"', b"", answer.data)


@pytest.mark.parametrize(("path", "document"), ROUTES)
def test_both_ways_give_the_same_status_headers_and_bytes(
    app: Flask, flask_alone: FlaskClient, path: str, document: Any
) -> None:
    short = told(app.test_client().post(path, json=document))
    assert told(flask_alone.post(path, json=document)) == short
    assert (200, "TOXICITY=LIKELY_TO_REJECT") == (short[0], short[1]["X-Chatmod-Attributes"])


@pytest.mark.parametrize(
    ("path", "document", "shape"),
    [(*ROUTES[0], PredictResponse), (*ROUTES[1], AnalyzeCommentResponse)],
    ids=[path for path, _ in ROUTES],
)
def test_an_answer_has_exactly_what_its_schema_says(
    app: Flask, path: str, document: Any, shape: type[BaseModel]
) -> None:
    said = app.test_client().post(path, json=document).data
    whole = shape.model_validate_json(said).model_dump(mode="json", by_alias=True, exclude_none=True)
    assert whole == json.loads(said)
    assert list(whole) == list(json.loads(said))


@pytest.mark.parametrize(
    "given",
    [
        {"data": b"{"},
        {"data": b'{"Records": []}'},
        {"data": b'{"comment": {"text": ""}}'},
        {"data": b"x" * 10_001},
        {"data": b"{}", "content_type": "text/csv"},
        {"data": b"{}", "headers": {"Content-Encoding": "br"}},
        {"data": b"", "content_length": 0},
    ],
    ids=["no json", "another shape", "empty", "too large", "another type", "another encoding", "nothing"],
)
@pytest.mark.parametrize("path", [path for path, _ in ROUTES])
def test_both_ways_refuse_alike(
    app: Flask, flask_alone: FlaskClient, path: str, given: dict[str, Any]
) -> None:
    asked = {"content_type": "application/json", **given}
    asked["headers"] = {**given.get("headers", {}), "X-Request-ID": "mine"}
    short = told(app.test_client().post(path, **asked))
    assert told(flask_alone.post(path, **asked)) == short
    assert 400 <= short[0] < 500


@pytest.mark.parametrize("path", [path for path, _ in ROUTES])
def test_flask_is_not_asked_for_what_is_in_order(app: Flask, path: str) -> None:
    def unused() -> Any:
        raise AssertionError(path)

    app.full_dispatch_request = unused  # type: ignore[method-assign]
    assert 200 == app.test_client().post(path, json=dict(ROUTES)[path]).status_code


@pytest.mark.parametrize(
    "odd",
    [
        {"HTTP_HOST": "a b"},
        {"HTTP_HOST": ""},
        {"REQUEST_METHOD": "PUT"},
        {"PATH_INFO": "/predict/"},
        {"CONTENT_TYPE": "text/plain"},
        {"CONTENT_LENGTH": ""},
        {"CONTENT_LENGTH": "-1"},
        {"CONTENT_LENGTH": "101"},
        {"HTTP_TRANSFER_ENCODING": "chunked"},
        {"HTTP_CONTENT_ENCODING": "gzip"},
    ],
    ids=lambda odd: "=".join(*odd.items()),
)
def test_what_is_not_plainly_in_order_is_left_untouched(odd: dict[str, str]) -> None:
    plain = {
        "HTTP_HOST": "127.0.0.1:9696",
        "REQUEST_METHOD": "POST",
        "PATH_INFO": "/predict",
        "CONTENT_TYPE": "application/json",
        "CONTENT_LENGTH": "4",
    }
    started: list[str] = []

    def start(status: str, _headers: Any, _error: Any = None) -> Any:
        started.append(status)

    way = lane.Lane({"/predict": bytes.upper}, most_bytes=100)
    assert [b"BODY"] == way.take({**plain, "wsgi.input": io.BytesIO(b"body")}, start)
    body = io.BytesIO(b"body")
    assert None is way.take({**plain, **odd, "wsgi.input": body}, start)
    assert (0, ["200 OK"]) == (body.tell(), started)


def test_an_unexpected_error_is_met_once_logged_and_told_by_flask(loader: Loader) -> None:
    asked: list[bytes] = []

    def broken(content: bytes) -> bytes:
        asked.append(content)
        raise ZeroDivisionError("private detail")

    app = application(loader, lane.Lane({"/predict": broken}, 10_000))
    with capture_logs() as lines:
        answer = app.test_client().post("/predict", json=GOOD)
    assert (500, "application/problem+json") == (answer.status_code, answer.content_type)
    assert 1 == len(asked)
    assert ["unexpected error", "request"] == [line["event"] for line in lines]


def test_a_body_that_breaks_off_is_answered_with_408() -> None:
    class Stalled:
        def read(self, _size: int) -> bytes:
            raise TimeoutError

    app = create_app(OPTIONS, not_begun(), Metrics())
    answer = app.test_client().post("/predict", json=GOOD, environ_overrides={"wsgi.input": Stalled()})
    assert 408 == answer.status_code


def test_a_hook_of_flasks_sees_every_request(loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []

    def with_hook(app: Flask, *_: Any) -> None:
        @app.after_request
        def look(answer: Response) -> Response:
            seen.append(answer.status)
            return answer

    monkeypatch.setattr(app_module, "_add_descriptions", with_hook)
    answer = create_app(OPTIONS, loader, Metrics()).test_client().post("/predict", json=GOOD)
    assert (200, ["200 OK"]) == (answer.status_code, seen)


@pytest.mark.parametrize("path", [path for path, _ in ROUTES])
def test_the_short_way_is_counted_and_told_like_every_other(app: Flask, path: str) -> None:
    client = app.test_client()
    with capture_logs() as lines:
        answer = client.post(path, json=dict(ROUTES)[path], headers={"X-Request-ID": "mine"})
    assert "mine" == answer.headers["X-Request-ID"]
    [line] = [line for line in lines if line["event"] == "request"]
    assert ("POST", path, 200) == (line["method"], line["endpoint"], line["status"])
    series = f'http_requests_total{{endpoint="{path}",method="POST",status="200"}} 1.0'
    assert series in client.get("/metrics").text
    assert json.loads(answer.data)
