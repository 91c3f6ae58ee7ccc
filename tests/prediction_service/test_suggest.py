"""comments:suggestscore: Coral's request, Google's shapes and errors, and what a label then says."""

import json
import sqlite3
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from structlog.testing import capture_logs

from modeling import bundle as bundles
from moderation.labels import Journal
from prediction_service.app import create_app
from prediction_service.metrics import Metrics
from prediction_service.settings import Secret, Settings
from tests.moderation.labels import rows
from tests.prediction_service.guarded import add
from tests.prediction_service.loaders import loaded_from, not_begun
from tests.prediction_service.test_perspective import refused

PATH = "/v1alpha1/comments:suggestscore"
TEXT = "What kind of idiot name is foo? Sorry, I like your name."
CONTEXT = {"url": "https://news.example/1", "reply_to_id_Coral_comment_id": None, "Coral_comment_id": "id"}
# WIRE.md's, as Coral sends it
CORAL: dict[str, Any] = {
    "comment": {"text": TEXT},
    "context": {"entries": [{"text": json.dumps(CONTEXT)}]},
    "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}},
    "languages": ["en"],
    "communityId": "Coral:https://news.example",
    "clientToken": "comment:id",
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "state" / "labels.db"


@pytest.fixture
def client(bundle_dir: Path, place: Path) -> FlaskClient:
    return client_of(bundle_dir, place)


def client_of(bundle_dir: Path, place: Path, **more: Any) -> FlaskClient:
    loader = loaded_from(bundle_dir)
    labels = Secret(f"sqlite:///{place}")
    options = Settings(labels=labels, max_body_bytes=200_000, max_text_chars=10_000, **more)
    return create_app(options, loader, Metrics()).test_client()


@pytest.fixture
def journal(place: Path) -> Iterator[Journal]:
    opened = Journal(f"sqlite:///{place}")
    yield opened
    opened.close()


def send(client: FlaskClient, headers: dict[str, str] | None = None, **fields: Any) -> Any:
    return client.post(PATH, json=CORAL | fields, headers=headers)


def labels(client: FlaskClient) -> dict[str, str]:
    lines = client.get("/metrics").text.splitlines()
    return dict(line.rsplit(" ", 1) for line in lines if line.startswith("labels_total{"))


def test_corals_label_is_stored_and_answered(client: FlaskClient, journal: Journal, bundle_dir: Path) -> None:
    answer = client.post(f"{PATH}?key=K", json=CORAL, headers={"X-Request-ID": "mine-1"})
    expected = {"clientToken": "comment:id", "requestedLanguages": ["en"], "detectedLanguages": ["en"]}
    assert (200, expected) == (answer.status_code, answer.json)
    bundle = bundles.load(bundle_dir)
    [row] = rows(journal)
    assert {
        "source": "perspective",
        "community": "Coral:https://news.example",
        "message": "comment:id",
        "text": TEXT,
        "attribute": "TOXICITY",
        "value": 1.0,
        "removed": True,
        "languages": ["en"],
        "model_version": f"sha256:{bundle.digest[:12]}",
        "policy_version": bundle.policy.version,
        "provenance": {"context": [CONTEXT], "request": "mine-1"},
    }.items() <= row.items()


def test_corals_sequence_of_verdicts_is_kept_and_repeats_are_not(
    client: FlaskClient, journal: Journal
) -> None:
    for value in (0, 0, 1, 1, 0):
        score = {"TOXICITY": {"summaryScore": {"value": value}}}
        assert {"clientToken": "comment:id"}.items() <= send(client, attributeScores=score).json.items()
    assert [0.0, 1.0, 0.0] == [row["value"] for row in rows(journal)]
    assert {
        'labels_total{label="kept",source="perspective"}': "2.0",
        'labels_total{label="removed",source="perspective"}': "1.0",
    } == labels(client)


def test_googles_whole_shape_is_read(client: FlaskClient, journal: Journal) -> None:
    """Several attributes, scores of spans beside that of the whole, a session, and names of other heads."""
    span = {"begin": 0, "end": 4, "score": {"value": 0.5, "type": "PROBABILITY"}}
    whole = {
        "comment": {"text": TEXT, "type": "PLAIN_TEXT"},
        "context": {"articleAndParentComment": {"parentComment": {"text": "somebody else's words"}}},
        "attributeScores": {
            "ATTACK_ON_AUTHOR": {
                "summaryScore": {"value": 0.25, "type": "PROBABILITY"},
                "spanScores": [span],
            },
            "SPAM": {"summaryScore": {"value": 1.0}},
        },
        "sessionId": "s1",
        "more": {"a": [1]},
    }
    answer = client.post(PATH, json=whole)
    assert (200, {"detectedLanguages": ["en"]}) == (answer.status_code, answer.json)
    found = rows(journal)
    assert [("ATTACK_ON_AUTHOR", 0.25, False), ("SPAM", 1.0, True)] == [
        (row["attribute"], row["value"], row["removed"]) for row in found
    ]
    assert ["s1", "s1"] == [row["provenance"]["session"] for row in found]
    assert "somebody else" not in repr(found)


def test_names_of_the_protocol_buffers_are_read_too(client: FlaskClient, journal: Journal) -> None:
    score = {"SPAM": {"summary_score": {"value": 0}}}
    body = {"comment": {"text": TEXT}, "attribute_scores": score, "client_token": "t", "community_id": "c"}
    assert "t" == client.post(PATH, json=body).json["clientToken"]
    assert [("t", "c")] == [(row["message"], row["community"]) for row in rows(journal)]


def test_without_a_token_a_message_is_named_by_corals_context(client: FlaskClient, journal: Journal) -> None:
    send(client, clientToken=None)
    assert ["id"] == [row["message"] for row in rows(journal)]


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ('{"url": "u"}', [{"url": "u"}]),
        ("a whole article of somebody's", None),
        ('"a string"', None),
        ("[" * 50_000, None),
        (json.dumps({"long": "x" * 5000}), None),
        (None, None),
    ],
    ids=["an object", "an article", "a string", "depths", "too long", "nothing"],
)
def test_of_the_context_objects_are_kept_and_texts_are_not(
    client: FlaskClient, journal: Journal, text: str | None, kept: Any
) -> None:
    assert 200 == send(client, context={"entries": [{"text": text}]}).status_code
    [row] = rows(journal)
    assert kept == row["provenance"].get("context")


def test_a_text_with_nul_and_half_an_emoji_is_stored_as_a_model_sees_it(
    client: FlaskClient, journal: Journal
) -> None:
    body = json.dumps(CORAL | {"comment": {"text": "a\x00b \ud83d"}})
    assert 200 == client.post(PATH, data=body, content_type="application/json").status_code
    assert ["ab \ufffd"] == [row["text"] for row in rows(journal)]


@pytest.mark.parametrize(
    ("fields", "message", "kind"),
    [
        ({"comment": {"text": " \u200b"}}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": None}, "Comment must be non-empty.", "COMMENT_EMPTY"),
        ({"comment": {"text": "a" * 10_001}}, "Comment text too long.", "COMMENT_TOO_LONG"),
        ({"comment": {"text": "\u20ac" * 6_827}}, "Comment text too long.", "COMMENT_TOO_LONG"),
        ({"comment": {"text": "a", "type": "HTML"}}, "only 'PLAIN_TEXT' comments", "INVALID_REQUEST"),
        ({"attributeScores": {}}, "Missing attribute_scores", "NO_REQUESTED_ATTRIBUTES"),
        ({"attributeScores": None}, "Missing attribute_scores", "NO_REQUESTED_ATTRIBUTES"),
        ({"languages": ["english!"]}, "Unknown languages", "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE"),
        ({"languages": ["en"] * 17}, "languages is 17 entries: give at most 16", "INVALID_REQUEST"),
        ({"clientToken": "t" * 1025}, "clientToken is 1025 characters: give at most", "INVALID_REQUEST"),
        ({"communityId": "t" * 1025}, "communityId is 1025 characters: give at most", "INVALID_REQUEST"),
        ({"sessionId": "t" * 1025}, "sessionId is 1025 characters: give at most", "INVALID_REQUEST"),
        ({"clientToken": 7}, "clientToken is 7: give a string", "INVALID_REQUEST"),
        ({"doNotStore": True}, "doNotStore is true: leave it out", "INVALID_REQUEST"),
        (
            {"attributeScores": {f"A{number}": {} for number in range(33)}},
            "attributeScores is 33 entries: give at most 32",
            "INVALID_REQUEST",
        ),
    ],
)
def test_what_is_no_label_is_refused_by_field_and_not_stored(
    client: FlaskClient, place: Path, fields: dict[str, Any], message: str, kind: str
) -> None:
    refused(send(client, **fields), 400, message, kind)
    assert not place.exists()


@pytest.mark.parametrize("value", ["1", True, -0.01, 1.01, None, [1], {}, "high"])
def test_a_score_that_is_no_number_from_0_to_1_is_refused(
    client: FlaskClient, place: Path, value: Any
) -> None:
    score = {"TOXICITY": {"summaryScore": {"value": value}}}
    refused(send(client, attributeScores=score), 400, "attributeScores.TOXICITY.summaryScore.value is ")
    assert not place.exists()


@pytest.mark.parametrize("value", ["NaN", "Infinity", "1e999"])
def test_a_score_that_is_no_json_is_refused(client: FlaskClient, place: Path, value: str) -> None:
    body = json.dumps(CORAL).replace('"value": 1', f'"value": {value}')
    refused(client.post(PATH, data=body, content_type="application/json"), 400, "")
    assert not place.exists()


@pytest.mark.parametrize(
    ("score", "message"),
    [
        (None, "summaryScore.value is missing: give the score of the whole comment"),
        ({}, "summaryScore.value is missing"),
        ({"spanScores": [{"begin": 0, "end": 1, "score": {"value": 1}}]}, "scores of spans alone are not"),
        ({"summaryScore": {}}, "summaryScore.value is missing"),
        ({"summaryScore": {"value": 1, "type": "PERCENTILE"}}, "Score type PERCENTILE is not supported by"),
    ],
)
def test_an_attribute_without_a_score_of_the_whole_is_refused(
    client: FlaskClient, place: Path, score: Any, message: str
) -> None:
    refused(send(client, attributeScores={"TOXICITY": score}), 400, message)
    assert not place.exists()


@pytest.mark.parametrize("name", ["", "9LIVES", "A B", "A" * 65, "T\u00d6XICITY", "A\n"])
def test_a_name_that_no_attribute_can_have_is_refused(client: FlaskClient, place: Path, name: str) -> None:
    score = {name: {"summaryScore": {"value": 1}}}
    refused(send(client, attributeScores=score), 400, "no name of an attribute: begin with a letter")
    assert not place.exists()


def test_one_wrong_attribute_refuses_the_whole_suggestion(client: FlaskClient, place: Path) -> None:
    scores = {"TOXICITY": {"summaryScore": {"value": 1}}, "SPAM": {"summaryScore": {"value": 2}}}
    error = refused(send(client, attributeScores=scores), 400, "attributeScores.SPAM")
    assert "fieldViolations" in error["details"][1]
    assert not place.exists()


def test_a_key_makes_a_repeat_of_an_old_request_harmless(client: FlaskClient, journal: Journal) -> None:
    kept = {"TOXICITY": {"summaryScore": {"value": 0}}}
    first = send(client, {"Idempotency-Key": '"k-1"'}, attributeScores=kept)
    send(client)
    again = send(client, {"Idempotency-Key": "k-1"}, attributeScores=kept)
    assert (200, first.json) == (again.status_code, again.json)
    assert [0.0, 1.0] == [row["value"] for row in rows(journal)]


def test_a_key_with_another_request_is_refused(client: FlaskClient, journal: Journal) -> None:
    send(client, {"Idempotency-Key": "k-1"})
    for other in ({"clientToken": "comment:2"}, {"sessionId": "s2"}, {"languages": ["de"]}):
        error = refused(
            send(client, {"Idempotency-Key": "k-1"}, **other), 400, "Idempotency-Key is used before"
        )
        [violation] = error["details"][1]["fieldViolations"]
        assert {
            "field": "Idempotency-Key",
            "description": "used before: make a new key for each request",
        } == violation
    assert 1 == len(rows(journal))


@pytest.mark.parametrize("key", ["k" * 256, "a b", '"', 'a"b', "k\u00f6"])
def test_a_key_that_is_none_is_refused(client: FlaskClient, place: Path, key: str) -> None:
    refused(send(client, {"Idempotency-Key": key}), 400, "Idempotency-Key is ")
    assert not place.exists()


@pytest.mark.parametrize(
    ("origin", "host", "status"),
    [
        ("https://evil.example", "127.0.0.1:9696", 403),
        ("http://evil.example:9696", "evil.example:9696", 403),
        ("null", "127.0.0.1:9696", 403),
        ("http://127.0.0.1:9696", "127.0.0.1:9696", 200),
        ("http://[::1]:9696", "[::1]:9696", 200),
        ("https://mod.example", "10.0.0.7:9696", 200),
        ("https://forum.example", "127.0.0.1:9696", 200),
    ],
)
def test_no_page_of_others_writes_labels(
    bundle_dir: Path, place: Path, origin: str, host: str, status: int
) -> None:
    client = client_of(
        bundle_dir, place, public_url="https://mod.example/api", cors_origins=("https://forum.example",)
    )
    answer = send(client, {"Origin": origin, "Host": host, "Content-Type": "text/plain"})
    assert status == answer.status_code, answer.text
    assert (status == 200) == place.exists()


def test_keys_of_two_clients_are_not_the_same_idempotency_key(
    bundle_dir: Path, place: Path, journal: Journal, tmp_path: Path
) -> None:
    issued = [add(tmp_path / "keys.json", "labels", name=name) for name in ("one", "other")]
    client = client_of(bundle_dir, place, keys=tmp_path / "keys.json")
    for number, key in enumerate(issued):
        headers = {"Idempotency-Key": "same", "X-API-Key": key.secret}
        assert 200 == send(client, headers, clientToken=f"comment:{number}").status_code
    assert [key.id for key in issued] == [row["provenance"]["key"] for row in rows(journal)]


def test_a_score_leaves_nothing_behind_whatever_it_says_of_storing(client: FlaskClient, place: Path) -> None:
    for do_not_store in (True, False, None):
        body = {
            "comment": {"text": TEXT},
            "requestedAttributes": {"LIKELY_TO_REJECT": {}},
            "doNotStore": do_not_store,
        }
        assert 200 == client.post("/v1alpha1/comments:analyze", json=body).status_code
    assert not place.parent.exists()


def test_a_label_needs_no_model(tmp_path: Path, place: Path, journal: Journal) -> None:
    loader = not_begun()
    options = Settings(labels=Secret(f"sqlite:///{place}"))
    assert 200 == send(create_app(options, loader, Metrics()).test_client()).status_code
    assert [("", "")] == [(row["model_version"], row["policy_version"]) for row in rows(journal)]


def test_a_store_that_is_away_is_said_to_the_client_and_logged_without_the_text(
    client: FlaskClient, place: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prediction_service.feedback.PAUSE_S", 0.3)
    place.parent.mkdir()
    place.write_text("no database " * 500)
    with capture_logs() as lines:
        answer = send(client, comment={"text": "a very private message"})
        at_once = send(client)
    for one in (answer, at_once):
        assert "UNAVAILABLE" == refused(one, 503, "the label was not stored: send it again later")["status"]
        assert one.headers["Retry-After"].isdigit()
    [error] = [line for line in lines if line["log_level"] == "error"]
    assert "file is not a database" in error["reason"]
    assert "private" not in repr(lines)
    assert {} == labels(client)
    place.unlink()
    time.sleep(0.3)
    assert [200] * 3 == [send(client).status_code for _ in range(3)]
    with sqlite3.connect(place) as connection:
        assert [(1,)] == connection.execute("SELECT count(*) FROM label").fetchall()


def test_a_key_that_is_refused_does_not_count_as_a_store_that_is_away(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prediction_service.feedback.PAUSE_S", 0.3)
    send(client, {"Idempotency-Key": "k-1"})
    with monkeypatch.context() as patch:
        patch.setattr("moderation.labels.KEYS", None)
        assert 503 == send(client, {"Idempotency-Key": "k-1"}, sessionId="other").status_code
    time.sleep(0.3)
    for _ in range(3):
        assert 400 == send(client, {"Idempotency-Key": "k-1"}, sessionId="other").status_code
    assert 200 == send(client).status_code


def test_the_address_of_the_journal_is_never_shown() -> None:
    assert "labels='***'" in repr(Settings(labels=Secret("postgresql+psycopg://me:topsecret@db/labels")))
