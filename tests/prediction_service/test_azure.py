"""Azure's dialect: its shapes, severities that agree with the policy, and its error for all that is wrong."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from modeling.policy import ATTRIBUTE
from prediction_service.app import create_app
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from tests.conftest import Messages
from tests.prediction_service.loaders import loaded_from, not_begun

PATH = "/contentsafety/text:analyze?api-version=2024-09-01"
MAPPING = {"Hate": ATTRIBUTE, "Violence": ATTRIBUTE}
ALL = dict.fromkeys(("Hate", "SelfHarm", "Sexual", "Violence"), ATTRIBUTE)


def client_of(bundle_dir: Path, max_text_chars: int = 20_480, **mapping: str) -> FlaskClient:
    loader = loaded_from(bundle_dir, attributes=mapping)
    options = Settings(attributes=mapping, max_body_bytes=200_000, max_text_chars=max_text_chars)
    return create_app(options, loader, Metrics()).test_client()


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    with client_of(bundle_dir, **MAPPING) as client:
        yield client


def refused(answer: Any, status: int, code: str, message: str, target: str | None = None) -> None:
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.text
    assert {"error"} == set(answer.json)
    error = answer.json["error"]
    assert {"code", "message"} | ({"target", "details"} if target else set()) == set(error)
    assert message in error["message"]
    assert (code, target) == (error["code"], error.get("target"))
    assert code == answer.headers["x-ms-error-code"]
    for detail in error.get("details", ()):
        assert {"code", "message", "target"} == set(detail)


def severities(answer: Any) -> dict[str, int]:
    assert answer.status_code == 200, answer.text
    assert [] == answer.json["blocklistsMatch"]
    return {one["category"]: one["severity"] for one in answer.json["categoriesAnalysis"]}


def test_the_documented_example_is_answered_in_the_documented_shape(bundle_dir: Path) -> None:
    body = {
        "text": "…",
        "categories": ["Hate", "SelfHarm", "Sexual", "Violence"],
        "blocklistNames": [],
        "haltOnBlocklistHit": True,
        "outputType": "FourSeverityLevels",
    }
    answer = client_of(bundle_dir, **ALL).post(
        PATH, json={**body, "text": "hi"}, headers={"Ocp-Apim-Subscription-Key": "K"}
    )
    assert (answer.status_code, answer.content_type) == (200, "application/json")
    assert {"blocklistsMatch", "categoriesAnalysis"} == set(answer.json)
    assert list(ALL) == [one["category"] for one in answer.json["categoriesAnalysis"]]
    assert all({"category", "severity"} == set(one) for one in answer.json["categoriesAnalysis"])


@pytest.mark.parametrize("wanted", [{}, {"outputType": None}, {"outputType": "FourSeverityLevels"}])
def test_four_levels_say_what_the_policy_does(
    client: FlaskClient, messages: Messages, wanted: dict[str, Any]
) -> None:
    texts = (messages.civil, messages.flagged, messages.removed)
    levels = [severities(client.post(PATH, json={"text": text, **wanted}))["Hate"] for text in texts]
    assert [0, 4, 6] == levels


def test_eight_levels_say_which_half_too(client: FlaskClient, messages: Messages) -> None:
    body = {"outputType": "EightSeverityLevels"}
    levels = [
        severities(client.post(PATH, json={**body, "text": text}))["Hate"]
        for text in (messages.civil, messages.flagged, messages.removed)
    ]
    assert [0, 4, 7] == [levels[0], levels[1] - levels[1] % 2, levels[2]]


@pytest.mark.parametrize("wanted", [{}, {"categories": None}, {"categories": []}])
def test_without_categories_those_with_a_head_are_answered(
    client: FlaskClient, wanted: dict[str, Any]
) -> None:
    answer = client.post(PATH, json={"text": "hi", **wanted})
    assert ["Hate", "Violence"] == list(severities(answer))
    assert "Hate=LIKELY_TO_REJECT" in answer.headers["X-Chatmod-Attributes"]


def test_categories_that_are_named_are_answered_once_and_no_others(client: FlaskClient) -> None:
    answer = client.post(PATH, json={"text": "hi", "categories": ["Violence", "Violence"]})
    assert ["Violence"] == [one["category"] for one in answer.json["categoriesAnalysis"]]


def test_a_named_category_without_a_head_gets_an_error_that_says_what_to_do(client: FlaskClient) -> None:
    answer = client.post(PATH, json={"text": "hi", "categories": ["Hate", "SelfHarm"]})
    refused(answer, 400, "InvalidRequestBody", '"SelfHarm", which is not analyzed here', "categories")
    for part in ("ask for Hate, Violence", "map SelfHarm", "CHATMOD_API_ATTRIBUTES"):
        assert part in answer.json["error"]["message"]


@pytest.mark.parametrize("wanted", [{}, {"categories": ["Hate"]}])
def test_without_any_head_the_error_names_the_setting(bundle_dir: Path, wanted: dict[str, Any]) -> None:
    answer = client_of(bundle_dir).post(PATH, json={"text": "hi", **wanted})
    refused(answer, 400, "InvalidRequestBody", "CHATMOD_API_ATTRIBUTES", "categories")
    assert "map Hate" in answer.json["error"]["message"]


@pytest.mark.parametrize(
    "version", ["2023-10-01", "2024-02-15-preview", "2024-09-01", "2024-09-15-preview", "2027-01-01"]
)
def test_versions_from_the_first_on_are_answered(client: FlaskClient, version: str) -> None:
    answer = client.post(f"/contentsafety/text:analyze?api-version={version}", json={"text": "hi"})
    assert answer.status_code == 200


@pytest.mark.parametrize(
    "version", ["2023-04-30-preview", "2023-09-30", "2024-13-01", "2024-09-01-beta", "1.0", "latest"]
)
def test_other_versions_are_refused(client: FlaskClient, version: str) -> None:
    answer = client.post(f"/contentsafety/text:analyze?api-version={version}", json={"text": "hi"})
    refused(answer, 400, "UnsupportedApiVersionValue", "send 2024-09-01")


@pytest.mark.parametrize("query", ["", "?api-version=", "?api_version=2024-09-01"])
def test_no_version_is_refused(client: FlaskClient, query: str) -> None:
    answer = client.post(f"/contentsafety/text:analyze{query}", json={"text": "hi"})
    refused(answer, 400, "MissingApiVersionParameter", "is required for all requests")


@pytest.mark.parametrize(
    ("body", "message", "target"),
    [
        ({}, "text is missing: add it", "text"),
        ({"text": None}, "give a string", "text"),
        ({"text": 7}, "text is 7: give a string", "text"),
        ({"text": ["hi"]}, "give a string", "text"),
        ({"text": ""}, "text is empty", "text"),
        ({"text": " \u200b\n"}, "text is empty", "text"),
        ({"text": "a" * 10_001}, "text is 10001 code points: send at most 10000", "text"),
        ({"text": "hi", "categories": "Hate"}, "give a list", "categories"),
        ({"text": "hi", "categories": [7]}, "give a string", "categories[0]"),
        ({"text": "hi", "categories": ["hate"]}, 'categories is "hate": give some of Hate,', "categories"),
        ({"text": "hi", "blocklistNames": ["b1"]}, '"b1": this service has no blocklists', "blocklistNames"),
        ({"text": "hi", "blocklistNames": "b1"}, "give a list", "blocklistNames"),
        ({"text": "hi", "outputType": "TenLevels"}, "FourSeverityLevels or EightSeverity", "outputType"),
        ({"text": "hi", "haltOnBlocklistHit": "yes"}, "haltOnBlocklistHit", "haltOnBlocklistHit"),
        ([], "give an object", "body"),
    ],
)
def test_a_request_that_cannot_be_served_gets_azures_error(
    client: FlaskClient, body: Any, message: str, target: str
) -> None:
    refused(client.post(PATH, json=body), 400, "InvalidRequestBody", message, target)


def test_a_text_of_ten_thousand_code_points_is_judged(client: FlaskClient) -> None:
    assert client.post(PATH, json={"text": "\U0001f600" * 10_000}).status_code == 200


def test_the_services_own_limit_holds_where_it_is_lower(bundle_dir: Path) -> None:
    answer = client_of(bundle_dir, max_text_chars=5, **MAPPING).post(PATH, json={"text": "a" * 6})
    refused(answer, 400, "InvalidRequestBody", "6 code points: send at most 5", "text")


def test_every_wrong_field_has_its_detail(client: FlaskClient) -> None:
    answer = client.post(PATH, json={"text": 7, "outputType": 8})
    assert ["text", "outputType"] == [one["target"] for one in answer.json["error"]["details"]]


def test_what_is_unknown_is_passed_over(client: FlaskClient) -> None:
    body = {"text": "hi", "haltOnBlocklistHit": False, "blocklistNames": None, "incidents": {"a": 1}}
    assert client.post(PATH, json=body).status_code == 200


@pytest.mark.parametrize("body", [b"", b"{", b"hi", b"[" * 50_000, b'{"text": "\xff"}', b"\x1f\x8b\x08"])
def test_what_is_no_json_gets_azures_error(client: FlaskClient, body: bytes) -> None:
    answer = client.post(PATH, data=body, content_type="application/json")
    refused(answer, 400, "InvalidRequestBody", "cannot be read")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("POST", "/contentsafety/image:analyze?api-version=2024-09-01", 404, "ResourceNotFound"),
        ("GET", "/contentsafety/text/blocklists?api-version=2024-09-01", 404, "ResourceNotFound"),
        ("PATCH", "/contentsafety/text/blocklists/b1?api-version=2024-09-01", 404, "ResourceNotFound"),
        ("GET", "/contentsafety", 404, "ResourceNotFound"),
        ("GET", PATH, 405, "MethodNotAllowed"),
    ],
)
def test_other_operations_get_azures_error(
    client: FlaskClient, method: str, path: str, status: int, code: str
) -> None:
    refused(client.open(path, method=method), status, code, "")


def test_other_wrong_turns_get_azures_error_too(client: FlaskClient) -> None:
    answer = client.post(PATH, data="a", content_type="text/plain")
    refused(answer, 415, "UnsupportedMediaType", "send application/json")
    answer = client.post(PATH, json={"text": "a" * 200_001})
    refused(answer, 413, "RequestBodyTooLarge", "MAX_BODY_BYTES", "body")


def test_an_error_of_ours_gets_azures_error(client: FlaskClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("prediction_service.dialects.azure.heads_of", None)
    with capture_logs():
        refused(client.post(PATH, json={"text": "a"}), 500, "InternalError", "report it with this request id")


def test_no_model_gets_azures_error_and_when_to_come_back(tmp_path: Path) -> None:
    loader = not_begun()
    answer = create_app(Settings(), loader, Metrics()).test_client().post(PATH, json={"text": "a"})
    refused(answer, 503, "ServerBusy", "the bundle is being loaded")
    assert "1" == answer.headers["Retry-After"]


def test_a_refusal_of_another_dialect_has_no_header_of_azures(client: FlaskClient) -> None:
    assert "x-ms-error-code" not in client.post("/predict", json={}).headers
    assert "x-ms-error-code" not in client.post("/v1/moderations", json={}).headers


def test_no_text_and_no_key_is_logged(client: FlaskClient) -> None:
    with capture_logs() as lines:
        client.post(PATH, json={"text": "very private"}, headers={"Ocp-Apim-Subscription-Key": "secret"})
    assert lines
    assert not any(word in json.dumps(lines) for word in ("secret", "private"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=10,
)
FIELDS = {
    "text": VALUES | st.text(max_size=50),
    "categories": VALUES | st.lists(st.sampled_from(list(ALL)), max_size=4),
    "blocklistNames": VALUES,
    "haltOnBlocklistHit": VALUES,
    "outputType": VALUES | st.sampled_from(["FourSeverityLevels", "EightSeverityLevels"]),
}


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(body=VALUES | st.fixed_dictionaries({}, optional=FIELDS))
def test_whatever_is_sent_gets_an_answer_or_azures_error(client: FlaskClient, body: Any) -> None:
    answer = client.post(PATH, data=json.dumps(body), content_type="application/json")
    if answer.status_code != 200:
        assert 400 == answer.status_code, answer.text
        assert "InvalidRequestBody" == answer.json["error"]["code"] == answer.headers["x-ms-error-code"]
