"""Keys, limits and CORS of a real gunicorn: in every dialect's own words, across workers, and in Redis."""

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from mlflow.protos.databricks_pb2 import ErrorCode

from prediction_service import keyfile
from prediction_service.dialects.dialect import Described
from prediction_service.dialects.every import DIALECTS
from prediction_service.keys import issue
from tests.prediction_service.guarded import Issued, add, command
from tests.prediction_service.operations import with_version
from tests.prediction_service.serving import Server, records

JSON = {"Content-Type": "application/json"}
GUARDED = [
    pytest.param(name, operation, id=f"{name} {operation.path}")
    for name, dialect in DIALECTS.items()
    for operation in dialect.operations
    if operation.request is not None
]
# what another status than the usual one says in this dialect
OWN = {
    ("perspective", "missing"): 403,
    ("perspective", "invalid"): 400,
}
USUAL = {"missing": 401, "invalid": 401, "scope": 403, "limit": 429}


@dataclass(frozen=True)
class House:
    """A server, its file of keys, and a key of each kind."""

    server: Server
    file: Path
    everything: Issued
    nothing: Issued
    records: Issued
    spent: Issued
    expired: Issued


@pytest.fixture(scope="module")
def house(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    folder = tmp_path_factory.mktemp("guarded")
    file = folder / "keys.json"
    keys = [add(file), add(file, "labels"), add(file, "records"), add(file, limit="1/day")]
    key, secret = issue("late", ["*"], datetime.now(UTC) - timedelta(2), life=timedelta(1))
    keyfile.change(file, lambda known: ([*known, key], None))
    with Server(folder / "log", bundle=bundle_dir, keys=file, attributes="Hate=LIKELY_TO_REJECT") as server:
        yield House(server, file, *keys, Issued(secret))


def ask(server: Server, operation: Described, headers: dict[str, str]) -> tuple[int, dict[str, str], bytes]:
    body = json.dumps(operation.example).encode() if operation.request else None
    version = json.loads(server.ask("GET", "/readyz")[2])["model"]["version"]
    return server.ask(operation.method.upper(), with_version(operation, version), body, JSON | headers)


@pytest.mark.parametrize(("name", "operation"), GUARDED)
def test_every_dialect_answers_with_the_right_key(house: House, name: str, operation: Described) -> None:
    assert 200 == ask(house.server, operation, house.everything.bearer)[0]


@pytest.mark.parametrize("fault", ["missing", "invalid", "scope", "limit"])
@pytest.mark.parametrize(("name", "operation"), GUARDED)
def test_every_dialect_refuses_in_its_own_shape(
    house: House, name: str, operation: Described, fault: str
) -> None:
    headers = {
        "missing": {},
        "invalid": {"X-API-Key": house.everything.secret[:-1]},
        "scope": (house.records if operation.access == "labels" else house.nothing).bearer,
        "limit": house.spent.bearer,
    }[fault]
    ask(house.server, operation, headers)
    status, told, body = ask(house.server, operation, headers)
    assert OWN.get((name, fault), USUAL[fault]) == status
    assert operation.refusal_type == told["Content-Type"]
    assert set(json.loads(body)) <= set(operation.refusal.model_validate_json(body).model_dump(by_alias=True))
    assert ("WWW-Authenticate" in told) == (fault != "limit")
    assert ("Retry-After" in told) == (fault == "limit")


def test_labels_have_a_scope_of_their_own(house: House) -> None:
    [labels] = [one for one in DIALECTS["perspective"].operations if one.access == "labels"]
    assert "/v1alpha1/comments:suggestscore" == labels.path
    assert 200 == ask(house.server, labels, house.nothing.bearer)[0]
    comments = add(house.file, "perspective")
    eventually(lambda: ask(house.server, labels, comments.bearer)[0], 403)


def test_google_is_refused_as_by_google(house: House) -> None:
    path, body = (
        "/v1alpha1/comments:analyze",
        b'{"comment": {"text": "hi"}, "requestedAttributes": {"LIKELY_TO_REJECT": {}}}',
    )

    def error(query: str, **headers: str) -> tuple[str, str]:
        fault = json.loads(house.server.ask("POST", f"{path}{query}", body, JSON | headers)[2])["error"]
        return fault["status"], fault["details"][0]["reason"]

    assert ("PERMISSION_DENIED", "CREDENTIALS_MISSING") == error("")
    assert ("INVALID_ARGUMENT", "API_KEY_INVALID") == error("?key=any")
    assert ("PERMISSION_DENIED", "API_KEY_SERVICE_BLOCKED") == error(f"?key={house.nothing.secret}")
    error(f"?key={house.spent.secret}")
    assert ("RESOURCE_EXHAUSTED", "RATE_LIMIT_EXCEEDED") == error(f"?key={house.spent.secret}")
    assert 200 == house.server.ask("POST", f"{path}?key={house.everything.secret}", body, JSON)[0]


def refusal(house: House, path: str, *carriers: dict[str, str]) -> dict[str, Any]:
    headers = {name: value for one in carriers for name, value in one.items()}
    told: dict[str, Any] = json.loads(house.server.ask("POST", path, b"{}", JSON | headers)[2])
    return told


@pytest.mark.parametrize(
    ("path", "carrier"),
    [
        ("/predict", "Authorization: Bearer …, or in X-API-Key"),
        ("/v1alpha1/comments:analyze", "?key=…, or in X-Goog-Api-Key"),
        ("/v1/moderations", "Authorization: Bearer …, or in X-API-Key"),
        ("/contentsafety/text:analyze?api-version=2024-09-01", "Ocp-Apim-Subscription-Key: …"),
    ],
)
def test_a_missing_key_is_asked_for_where_the_dialects_clients_put_it(
    house: House, path: str, carrier: str
) -> None:
    expected = f"there is no API key in this request: send one as {carrier}"
    told = refusal(house, path)
    assert expected == (told["error"]["message"] if "error" in told else told["detail"])


def test_two_keys_are_told_in_each_providers_words(house: House) -> None:
    both = (house.everything.bearer, {"X-API-Key": house.nothing.secret})
    google = refusal(house, "/v1alpha1/comments:analyze", *both)["error"]["details"][0]
    azure = refusal(house, "/contentsafety/text:analyze?api-version=2024-09-01", *both)["error"]["code"]
    mlflow = refusal(house, "/invocations", *both)["error_code"]
    assert ("SEVERAL_API_KEYS", "SeveralApiKeys", "BAD_REQUEST") == (google["errorType"], azure, mlflow)


def test_mlflows_clients_are_told_codes_that_mlflow_has(house: House) -> None:
    def code(*carriers: dict[str, str]) -> str:
        return str(refusal(house, "/invocations", *carriers)["error_code"])

    refusal(house, "/invocations", house.spent.bearer)
    told = [
        code(),
        code({"X-API-Key": "any"}),
        code(house.nothing.bearer),
        code(house.spent.bearer),
    ]
    assert ["UNAUTHENTICATED", "UNAUTHENTICATED", "PERMISSION_DENIED", "REQUEST_LIMIT_EXCEEDED"] == told
    assert set(told) <= set(ErrorCode.keys())


def test_a_key_in_the_address_counts_for_googles_clients_alone(house: House) -> None:
    assert 401 == house.server.ask("POST", f"/predict?key={house.everything.secret}", records(1), JSON)[0]


def test_openais_clients_are_told_the_codes_that_they_know(house: House) -> None:
    def error(headers: dict[str, str]) -> tuple[str, str]:
        fault = json.loads(house.server.ask("POST", "/v1/moderations", b'{"input": "hi"}', JSON | headers)[2])
        return fault["error"]["type"], fault["error"]["code"]

    assert ("invalid_request_error", "invalid_api_key") == error({"Authorization": "Bearer sk-any"})
    error(house.spent.bearer)
    assert ("requests", "rate_limit_exceeded") == error(house.spent.bearer)


@pytest.mark.parametrize(
    "path",
    ["/healthz", "/readyz", "/metrics", "/docs", "/openapi.json", "/$discovery/rest?version=v1alpha1"],
)
def test_probes_and_descriptions_need_no_key(house: House, path: str) -> None:
    assert 200 == house.server.ask("GET", path)[0]


def test_the_root_leads_to_the_page_without_a_key(house: House) -> None:
    status, told, body = house.server.ask("GET", "/")
    assert (302, "docs", b"") == (status, told["Location"], body)


def test_readiness_says_that_keys_are_asked_for(house: House) -> None:
    assert "keys" == json.loads(house.server.ask("GET", "/readyz")[2])["access"]


@pytest.mark.parametrize("path", ["/predict/more", "/v1/models", "/v1alpha1/nothing"])
def test_what_is_on_a_dialects_paths_is_not_told_without_a_key(house: House, path: str) -> None:
    assert house.server.ask("GET", path)[0] in (401, 403)
    assert 404 == house.server.ask("GET", path, None, house.everything.bearer)[0]


def test_an_expired_key_is_refused(house: House) -> None:
    assert 401 == house.server.ask("POST", "/predict", records(1), house.expired.bearer)[0]


def eventually(answer: Callable[[], int], expected: int, within_s: float = 2.5) -> None:
    """Every worker has looked at the file by then: ten answers in a row."""
    give_up, in_a_row = time.monotonic() + within_s, 0
    while in_a_row < 10:
        assert time.monotonic() < give_up
        in_a_row = in_a_row + 1 if answer() == expected else 0


def test_running_workers_learn_of_new_rotated_and_revoked_keys(house: House) -> None:
    def status(key: Issued) -> int:
        return house.server.ask("POST", "/predict", records(1), key.bearer)[0]

    one = add(house.file, "records")
    eventually(lambda: status(one), 200)
    two = Issued(command(house.file, "rotate", one.id, "--grace", "3s").stdout.strip())
    changed = time.monotonic()
    eventually(lambda: status(two), 200)
    assert 200 == status(one)
    time.sleep(max(0.0, changed + 3.1 - time.monotonic()))
    assert [401, 200] == [status(one), status(two)]
    command(house.file, "revoke", two.id)
    eventually(lambda: status(two), 401)


def test_a_log_line_says_which_key_it_was(house: House) -> None:
    house.server.ask("POST", "/predict", records(1), house.everything.bearer | {"X-Request-ID": "by-key"})
    house.server.ask("POST", "/predict", records(1), house.nothing.bearer | {"X-Request-ID": "no-scope"})
    house.server.ask("POST", "/predict", records(1), JSON | {"X-Request-ID": "no-key"})
    named = {line["request_id"]: line.get("key_id") for line in house.server.lines() if "request_id" in line}
    assert [house.everything.id, house.nothing.id, None] == [
        named[one] for one in ("by-key", "no-scope", "no-key")
    ]


def test_an_answer_within_the_limit_says_how_much_is_left(house: House) -> None:
    key = add(house.file, limit="5/day")
    give_up = time.monotonic() + 3
    while (answer := house.server.ask("POST", "/predict", records(1), key.bearer))[0] != 200:
        assert time.monotonic() < give_up
    told = answer[1]
    assert '"default";q=5;w=86400' == told["RateLimit-Policy"]
    assert told["RateLimit"].startswith('"default";r=4;t=')
    assert ("5", "4") == (told["X-RateLimit-Limit"], told["X-RateLimit-Remaining"])
    assert int(told["X-RateLimit-Reset"]) > time.time()
