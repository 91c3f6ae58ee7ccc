"""The seed's dialect through Flask's test client: what is answered, and everything that is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE
from prediction_service.app import create_app
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from prediction_service.wire import PredictResponse, Problem
from tests.prediction_service.loaders import loaded_from, not_begun

SMALL = Settings(max_records=10_000, max_text_chars=20_000, max_body_bytes=1_000_000)


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    loader = loaded_from(bundle_dir)
    with create_app(SMALL, loader, Metrics()).test_client() as client:
        yield client


def post(client: FlaskClient, records: Any) -> Any:
    return client.post("/predict", json={"Records": records})


def refusal(answer: Any, status: int) -> Problem:
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    problem = Problem.model_validate_json(answer.data)
    assert problem.status == status
    assert problem.request_id == answer.headers["X-Request-ID"]
    return problem


def test_the_seeds_client_gets_the_seeds_answer_with_the_decision_beside_it(
    client: FlaskClient, bundle_dir: Path
) -> None:
    bundle = bundles.load(bundle_dir)
    texts = [
        "you idiot clown, number 3, go away with your dose",
        "does figure 3 show the dose before the signal?",
    ]
    answer = post(client, [{"body": texts[0], "message_id": "a"}, {"body": texts[1], "message_id": 7}])
    assert answer.status_code == 200
    first, second = PredictResponse.model_validate_json(answer.data).predictions
    assert (first.model, first.version) == ("chat-moderation-model", f"sha256:{bundle.digest[:12]}")
    assert (first.prediction.action, second.prediction.action) == ("remove", "allow")
    threshold = bundle.policy.attributes[ATTRIBUTE]["remove"].value
    assert first.prediction.rule == f"{ATTRIBUTE}>={threshold:.4f}"
    assert second.prediction.rule == "default"
    assert (first.prediction.message_id, second.prediction.message_id) == ("a", 7)
    assert first.prediction.policy_version == bundle.policy.version
    scores = [one.prediction.moderate_message for one in (first, second)]
    assert scores == bundle.score(texts)[ATTRIBUTE].tolist()


def test_the_answer_has_exactly_the_fields_of_the_contract(client: FlaskClient) -> None:
    [prediction] = post(client, [{"body": "hi", "message_id": "a"}]).json["predictions"]
    assert set(prediction) == {"model", "version", "prediction"}
    assert set(prediction["prediction"]) == {
        "moderate_message",
        "message_id",
        "action",
        "rule",
        "id",
        "policy_version",
    }


def test_ten_thousand_records_are_one_batch(client: FlaskClient) -> None:
    answer = post(client, [{"body": f"message {number}", "message_id": number} for number in range(10_000)])
    assert [one["prediction"]["message_id"] for one in answer.json["predictions"]] == list(range(10_000))


def test_ten_thousand_and_one_records_are_refused(client: FlaskClient) -> None:
    problem = refusal(post(client, [{"body": "m", "message_id": 1}] * 10_001), 422)
    [error] = problem.errors
    assert (error.field, error.value) == ("Records", "a list of 10001")
    assert error.remedy == "send 1 to 10000 records in one request"


def test_no_record_is_refused(client: FlaskClient) -> None:
    [error] = refusal(post(client, []), 422).errors
    assert (error.field, error.value) == ("Records", "a list of 0")


@pytest.mark.parametrize(
    ("body", "field", "value", "remedy"),
    [
        ({}, "Records", "missing", "add it"),
        ([], "body", "a list of 0", "give an object"),
        ("hi", "body", '"hi"', "give an object"),
        (None, "body", "null", "give an object"),
        ({"Records": {}}, "Records", "an object", "give a list"),
        ({"Records": ["hi"]}, "Records[0]", '"hi"', "give an object"),
        ({"Records": [{"message_id": 1}]}, "Records[0].body", "missing", "add it"),
        ({"Records": [{"body": "hi"}]}, "Records[0].message_id", "missing", "add it"),
        ({"Records": [{"body": 7, "message_id": 1}]}, "Records[0].body", "7", "give a string"),
        ({"Records": [{"body": ["hi"], "message_id": 1}]}, "Records[0].body", "a list of 1", "give a string"),
        ({"Records": [{"body": None, "message_id": 1}]}, "Records[0].body", "null", "give a string"),
        (
            {"Records": [{"body": "hi", "message_id": 1.5}]},
            "Records[0].message_id",
            "1.5",
            "give a string of at most 512 characters, or a whole number of at most 64 bits",
        ),
    ],
)
def test_a_wrong_shape_is_refused_with_field_value_and_remedy(
    client: FlaskClient, body: Any, field: str, value: str, remedy: str
) -> None:
    answer = client.post("/predict", data=json.dumps(body), content_type="application/json")
    [error] = refusal(answer, 422).errors
    assert (error.field, error.value, error.remedy) == (field, value, remedy)


def test_each_wrong_record_is_named_up_to_twenty(client: FlaskClient) -> None:
    problem = refusal(post(client, [{"body": number, "message_id": 1} for number in range(30)]), 422)
    assert [error.field for error in problem.errors] == [f"Records[{n}].body" for n in range(20)]
    assert problem.detail == "Records[0].body is 0: give a string; and 29 more"


@pytest.mark.parametrize("text", ["", " ", "\n\t ", "\u00a0\u2003", "\0", "\u200b\u2063", "&nbsp;"])
def test_an_empty_text_is_refused(client: FlaskClient, text: str) -> None:
    problem = refusal(post(client, [{"body": "ok", "message_id": 0}, {"body": text, "message_id": 1}]), 422)
    [error] = problem.errors
    assert (error.field, error.value) == ("Records[1].body", "empty")


def test_a_text_at_the_limit_is_judged_and_one_over_it_refused(client: FlaskClient) -> None:
    assert post(client, [{"body": "a" * 20_000, "message_id": 1}]).status_code == 200
    [error] = refusal(post(client, [{"body": "a" * 20_001, "message_id": 1}]), 422).errors
    assert (error.value, error.remedy) == ("20001 characters", "send at most 20000 characters")


def test_a_body_over_the_limit_is_refused(client: FlaskClient) -> None:
    [error] = refusal(post(client, [{"body": "a" * 1_000_001, "message_id": 1}]), 413).errors
    assert error.field == "body"
    assert "raise CHATMOD_API_MAX_BODY_BYTES" in error.remedy


def test_a_refusal_repeats_no_whole_message(client: FlaskClient) -> None:
    answer = client.post("/predict", json={"Records": "secret " * 100})
    assert len(answer.json["errors"][0]["value"]) < 100


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"Records",
        b'{"Records": [',
        b'{"Records": [{"body": "hi", "message_id": NaN}]}',
        b'{"Records": [{"body": "hi", "message_id": -Infinity}]}',
        b'{"Records": [{"body": "hi", "message_id": ' + b"9" * 5000 + b"}]}",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b'{"Records": [{"body": "\xff\xfe", "message_id": 1}]}',
        b"\x00\x01",
    ],
    ids=lambda body: body[:20].decode("latin-1") + f"({len(body)})",
)
def test_what_is_no_json_is_refused(client: FlaskClient, body: bytes) -> None:
    answer = client.post("/predict", data=body, content_type="application/json")
    assert answer.status_code in (400, 422)
    assert refusal(answer, answer.status_code).detail


def test_the_refusal_of_no_json_shows_what_to_send(client: FlaskClient) -> None:
    problem = refusal(client.post("/predict", data=b"hi", content_type="application/json"), 400)
    assert 'send JSON such as {"Records": [{"body": "Thank you!", "message_id": "1"}]}' in problem.detail


@pytest.mark.parametrize(
    "content_type", [None, "text/plain", "application/x-www-form-urlencoded", "text/csv"]
)
def test_another_content_type_is_refused(client: FlaskClient, content_type: str | None) -> None:
    answer = client.post("/predict", data=b'{"Records": []}', content_type=content_type)
    assert "send application/json" in refusal(answer, 415).detail


def test_a_charset_beside_the_content_type_is_accepted(client: FlaskClient) -> None:
    body = json.dumps({"Records": [{"body": "hi", "message_id": 1}]})
    answer = client.post("/predict", data=body, content_type="application/json; charset=utf-8")
    assert answer.status_code == 200


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "PATCH"])
def test_another_method_is_refused_and_the_right_one_named(client: FlaskClient, method: str) -> None:
    answer = client.open("/predict", method=method)
    refusal(answer, 405)
    assert "POST" in answer.headers["Allow"]


@pytest.mark.parametrize(
    "text",
    [
        r"nul \u0000 inside",
        r"half an emoji \ud83d",
        r"the other half \ude00",
        "na\u00efve \U0001f600",
    ],
)
def test_odd_characters_are_judged(client: FlaskClient, text: str) -> None:
    body = f'{{"Records": [{{"body": "{text}", "message_id": 1}}]}}'
    answer = client.post("/predict", data=body.encode(), content_type="application/json")
    assert answer.status_code == 200, answer.text


def test_a_byte_order_mark_is_passed_over(client: FlaskClient) -> None:
    body = b'\xef\xbb\xbf{"Records": [{"body": "hi", "message_id": 1}]}'
    assert client.post("/predict", data=body, content_type="application/json").status_code == 200


def test_a_number_too_large_for_a_message_id_is_refused(client: FlaskClient) -> None:
    body = b'{"Records": [{"body": "hi", "message_id": ' + b"9" * 400 + b"}]}"
    [error] = refusal(client.post("/predict", data=body, content_type="application/json"), 422).errors
    assert error.field == "Records[0].message_id"
    assert len(error.value) < 100


def test_nothing_is_judged_before_the_bundle_is_ready(tmp_path: Path) -> None:
    loader = not_begun()
    client = create_app(SMALL, loader, Metrics()).test_client()
    answer = post(client, [{"body": "hi", "message_id": 1}])
    assert "the bundle is being loaded" in refusal(answer, 503).detail
    assert answer.headers["Retry-After"] == "1"
