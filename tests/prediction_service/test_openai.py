"""OpenAI's dialect: its shapes, all of its categories, and its error for all that is wrong."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE
from prediction_service.app import create_app
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from tests.conftest import Messages
from tests.prediction_service.loaders import loaded_from, not_begun

PATH = "/v1/moderations"
CATEGORIES = {
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
}
MAPPING = {"harassment": ATTRIBUTE, "hate/threatening": ATTRIBUTE}


def client_of(bundle_dir: Path, **mapping: str) -> FlaskClient:
    loader = loaded_from(bundle_dir, attributes=mapping)
    options = Settings(attributes=mapping, max_body_bytes=200_000, max_records=5, max_text_chars=1_000)
    return create_app(options, loader, Metrics()).test_client()


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    with client_of(bundle_dir, **MAPPING) as client:
        yield client


def refused(answer: Any, status: int, message: str, param: str | None, code: str | None) -> None:
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.text
    assert {"error"} == set(answer.json)
    error = answer.json["error"]
    assert {"message", "type", "param", "code"} == set(error)
    assert message in error["message"]
    assert (param, code) == (error["param"], error["code"])
    assert ("server_error" if status >= 500 else "invalid_request_error") == error["type"]


def test_the_documented_example_is_answered_in_the_documented_shape(client: FlaskClient) -> None:
    body = {"model": "omni-moderation-latest", "input": "I want to kill them."}
    answer = client.post(PATH, json=body, headers={"Authorization": "Bearer K"})
    assert answer.status_code == 200, answer.text
    assert {"id", "model", "results"} == set(answer.json)
    assert re.fullmatch("modr-[0-9a-f]{32}", answer.json["id"])
    assert "omni-moderation-latest" == answer.json["model"]
    [result] = answer.json["results"]
    keyed = {"categories", "category_scores", "category_applied_input_types"}
    assert {"flagged", *keyed} == set(result)
    assert all(CATEGORIES == set(result[name]) for name in keyed)


def test_flagged_is_what_the_policy_acts_upon(client: FlaskClient, messages: Messages) -> None:
    texts = [messages.civil, messages.flagged, messages.removed]
    results = client.post(PATH, json={"input": texts}).json["results"]
    assert [False, True, True] == [one["flagged"] for one in results]
    assert [False, True, True] == [one["categories"]["harassment"] for one in results]


def test_a_category_has_its_heads_score_and_every_other_none(
    client: FlaskClient, bundle_dir: Path, messages: Messages
) -> None:
    [score] = bundles.load(bundle_dir).score([messages.removed])[ATTRIBUTE].tolist()
    answer = client.post(PATH, json={"input": messages.removed})
    [result] = answer.json["results"]
    for name in CATEGORIES:
        mapped = name in MAPPING
        assert (mapped, score if mapped else 0.0, ["text"] if mapped else []) == (
            result["categories"][name],
            result["category_scores"][name],
            result["category_applied_input_types"][name],
        ), name
    assert "harassment=LIKELY_TO_REJECT" in answer.headers["X-Chatmod-Attributes"]


def test_without_a_mapping_a_text_is_flagged_and_no_category_claims_it(
    bundle_dir: Path, messages: Messages
) -> None:
    [result] = client_of(bundle_dir).post(PATH, json={"input": messages.removed}).json["results"]
    assert result["flagged"]
    assert {False} == set(result["categories"].values())
    assert {0.0} == set(result["category_scores"].values())


def test_parts_are_one_input(client: FlaskClient, bundle_dir: Path) -> None:
    parts = [{"type": "text", "text": "you idiot"}, {"type": "text", "text": "go away"}]
    [result] = client.post(PATH, json={"input": parts}).json["results"]
    [score] = bundles.load(bundle_dir).score(["you idiot\ngo away"])[ATTRIBUTE].tolist()
    assert score == result["category_scores"]["harassment"]


@pytest.mark.parametrize(
    "model",
    [
        "omni-moderation-latest",
        "omni-moderation-2024-09-26",
        "text-moderation-latest",
        "text-moderation-stable",
        "text-moderation-007",
        "chat-moderation",
    ],
)
def test_retired_names_of_models_are_accepted_and_echoed(client: FlaskClient, model: str) -> None:
    assert model == client.post(PATH, json={"input": "hi", "model": model}).json["model"]


def test_what_is_unknown_or_left_out_is_passed_over(client: FlaskClient) -> None:
    answer = client.post(PATH, json={"input": "hi", "model": None, "user": "u", "more": [1]})
    assert (200, "omni-moderation-latest") == (answer.status_code, answer.json["model"])


IMAGE = {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}}


@pytest.mark.parametrize(
    ("body", "message", "param", "code"),
    [
        ({}, "Missing required parameter: 'input'.", "input", "missing_required_parameter"),
        ({"input": None}, "Missing required parameter: 'input'.", "input", "missing_required_parameter"),
        ({"input": ""}, "Invalid 'input': empty string.", "input", "empty_string"),
        ({"input": ["a", ""]}, "Invalid 'input[1]': empty string.", "input[1]", "empty_string"),
        ({"input": []}, "Invalid 'input': empty array.", "input", "empty_array"),
        (
            {"input": ["a"] * 6},
            "maximum length 5, but got an array with length 6",
            "input",
            "array_above_max_length",
        ),
        ({"input": "a" * 1_001}, "maximum length 1000, but got", "input", "string_above_max_length"),
        ({"input": 7}, "expected a string, but got an integer instead", "input", "invalid_type"),
        ({"input": {"a": 1}}, "but got an object instead", "input", "invalid_type"),
        ({"input": ["a", None]}, "but got null instead", "input[1]", "invalid_type"),
        ({"input": ["a", IMAGE]}, "but got an object instead", "input[1]", "invalid_type"),
        ({"input": [[1, 2]]}, "but got an array instead", "input[0]", "invalid_type"),
        ({"input": [IMAGE]}, "This service judges text alone", "input[0].type", "invalid_value"),
        ({"input": [{"type": "text", "text": "a"}, IMAGE]}, "text alone", "input[1].type", "invalid_value"),
        ({"input": [{"type": "text"}]}, "but got null instead", "input[0].text", "invalid_type"),
        ({"input": [{"type": "text", "text": "a"}, "b"]}, "expected an object", "input[1]", "invalid_type"),
        ({"input": "a", "model": "gpt-4o"}, "Invalid value for 'model' = gpt-4o", "model", "invalid_value"),
        ({"input": "a", "model": 7}, "model is 7: give a string", "model", None),
        ([], "give an object", "body", None),
    ],
)
def test_a_request_that_cannot_be_served_gets_openais_error(
    client: FlaskClient, body: Any, message: str, param: str, code: str | None
) -> None:
    refused(client.post(PATH, json=body), 400, message, param, code)


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"hi", b"[" * 50_000, b'{"input": "\xff"}', b'{"input": "a", "x": NaNs}', b"\x1f\x8b\x08"],
)
def test_what_is_no_json_gets_openais_error(client: FlaskClient, body: bytes) -> None:
    refused(client.post(PATH, data=body, content_type="application/json"), 400, "cannot be read", None, None)


def test_other_wrong_turns_get_openais_error_too(client: FlaskClient) -> None:
    refused(client.post(PATH, data="a", content_type="text/plain"), 415, "send application/json", None, None)
    refused(client.get(PATH), 405, "use POST", None, None)
    assert "POST" in client.get(PATH).headers["Allow"]
    refused(client.post("/v1/chat/completions"), 404, "there is nothing at this path", None, None)
    refused(client.post(PATH, json={"input": "a" * 200_001}), 413, "MAX_BODY_BYTES", "body", None)


def test_an_error_of_ours_gets_openais_error(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prediction_service.dialects.openai.texts_of", None)
    with capture_logs():
        refused(client.post(PATH, json={"input": "a"}), 500, "report it with this request id", None, None)


def test_no_model_gets_openais_error_and_when_to_come_back(tmp_path: Path) -> None:
    loader = not_begun()
    answer = create_app(Settings(), loader, Metrics()).test_client().post(PATH, json={"input": "a"})
    refused(answer, 503, "the bundle is being loaded", None, None)
    assert "1" == answer.headers["Retry-After"]


@pytest.mark.parametrize("text", [r"nul \u0000", r"half \ud83d", "\U0001f600", "  ", "\u200b"])
def test_odd_characters_are_judged(client: FlaskClient, text: str) -> None:
    body = f'{{"input": "{text}"}}'.encode()
    assert client.post(PATH, data=body, content_type="application/json").status_code == 200


def test_no_text_and_no_key_is_logged(client: FlaskClient) -> None:
    with capture_logs() as lines:
        client.post(PATH, json={"input": "very private"}, headers={"Authorization": "Bearer secret"})
    assert lines
    assert not any(word in json.dumps(lines) for word in ("secret", "private"))
