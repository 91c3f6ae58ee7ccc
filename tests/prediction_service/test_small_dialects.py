"""The two small dialects, `/analyze` and `/moderate`: one text in, its decision out."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE, decide
from prediction_service.app import create_app
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from prediction_service.wire import Problem
from tests.conftest import Messages
from tests.prediction_service.loaders import loaded_from, not_begun

BOTH = pytest.mark.parametrize(("path", "field"), [("/analyze", "text"), ("/moderate", "message")])
ID_REMEDY = "give a string of at most 512 characters, or a whole number of at most 64 bits"


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    mapping = {"TOXICITY": ATTRIBUTE}
    loader = loaded_from(bundle_dir, attributes=mapping)
    options = Settings(attributes=mapping, max_text_chars=1_000, max_body_bytes=100_000)
    with create_app(options, loader, Metrics()).test_client() as client:
        yield client


def refusal(answer: Any, status: int) -> Problem:
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json"), answer.text
    return Problem.model_validate_json(answer.data)


def expected(bundle_dir: Path, text: str) -> dict[str, Any]:
    bundle = bundles.load(bundle_dir)
    [score] = bundle.score([text])[ATTRIBUTE].tolist()
    action, rule = decide({ATTRIBUTE: score}, bundle.policy)
    return {
        "action": action,
        "flagged": action != "allow",
        "rule": rule,
        "scores": {ATTRIBUTE: score, "TOXICITY": score},
        "model_version": f"sha256:{bundle.digest[:12]}",
        "policy_version": bundle.policy.version,
    }


def test_analyze_answers_the_decision_on_a_text(
    client: FlaskClient, messages: Messages, bundle_dir: Path
) -> None:
    actions = []
    for text in (messages.civil, messages.flagged, messages.removed):
        answer = client.post("/analyze", json={"text": text, "more": 1}).json
        assert 32 == len(answer.pop("id"))
        assert expected(bundle_dir, text) == answer
        actions.append((answer["action"], answer["flagged"]))
    assert [("allow", False), ("flag", True), ("remove", True)] == actions


def test_moderate_answers_the_same_beside_the_clients_own_names(
    client: FlaskClient, messages: Messages, bundle_dir: Path
) -> None:
    body = {"message": messages.removed, "user_id": "u1", "channel_id": 7}
    answer = client.post("/moderate", json=body).json
    assert 32 == len(answer.pop("id"))
    assert expected(bundle_dir, messages.removed) | {"user_id": "u1", "channel_id": 7} == answer


def test_moderate_does_without_names(client: FlaskClient) -> None:
    answer = client.post("/moderate", json={"message": "hi"}).json
    assert (None, None) == (answer["user_id"], answer["channel_id"])


@pytest.mark.parametrize("field", ["user_id", "channel_id"])
@pytest.mark.parametrize("value", [1.5, [1], {"a": 1}, "x" * 513, 2**63, True])
def test_a_name_of_another_type_is_refused_in_one_line(client: FlaskClient, field: str, value: Any) -> None:
    problem = refusal(client.post("/moderate", json={"message": "hi", field: value}), 422)
    assert [(field, ID_REMEDY)] == [(one.field, one.remedy) for one in problem.errors]


@BOTH
@pytest.mark.parametrize(
    ("value", "shown", "remedy"),
    [
        ("", "empty", "give a text"),
        (" \n", "empty", "give a text"),
        ("\u200b\0", "empty", "give a text"),
        ("a" * 1_001, "1001 characters", "send at most 1000 characters"),
        (7, "7", "give a string"),
        (None, "null", "give a string"),
        (["a"], "a list of 1", "give a string"),
    ],
)
def test_a_text_that_cannot_be_judged_is_refused(
    client: FlaskClient, path: str, field: str, value: Any, shown: str, remedy: str
) -> None:
    [error] = refusal(client.post(path, json={field: value}), 422).errors
    assert (field, shown, remedy) == (error.field, error.value, error.remedy)


@BOTH
def test_a_missing_text_is_named(client: FlaskClient, path: str, field: str) -> None:
    [error] = refusal(client.post(path, json={}), 422).errors
    assert (field, "missing", "add it") == (error.field, error.value, error.remedy)


@BOTH
@pytest.mark.parametrize("body", [b"", b"{", b"[" * 50_000, b'{"text": "\xff"}', b"\x1f\x8b\x08"])
def test_what_is_no_json_is_refused(client: FlaskClient, path: str, field: str, body: bytes) -> None:
    detail = refusal(client.post(path, data=body, content_type="application/json"), 400).detail
    assert f'send JSON such as {{"{field}": "Thank you!"' in detail


@BOTH
def test_other_wrong_turns_are_problems(client: FlaskClient, path: str, field: str) -> None:
    refusal(client.post(path, data="a", content_type="text/plain"), 415)
    refusal(client.post(path, json={field: "a" * 100_001}), 413)
    answer = client.get(path)
    refusal(answer, 405)
    assert "POST" in answer.headers["Allow"]
    refusal(client.post(f"{path}/more"), 404)


@BOTH
def test_nothing_is_judged_before_the_bundle_is_ready(path: str, field: str, tmp_path: Path) -> None:
    loader = not_begun()
    answer = create_app(Settings(), loader, Metrics()).test_client().post(path, json={field: "a"})
    refusal(answer, 503)
    assert "1" == answer.headers["Retry-After"]


@BOTH
@pytest.mark.parametrize("text", [r"nul \u0000", r"half \ud83d", "\U0001f600"])
def test_odd_characters_are_judged(client: FlaskClient, path: str, field: str, text: str) -> None:
    body = f'{{"{field}": "{text}"}}'.encode()
    assert client.post(path, data=body, content_type="application/json").status_code == 200
