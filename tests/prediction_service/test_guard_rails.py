"""What holds around the keys: shared limits, Redis, the start, browsers, and a log without secrets."""

import hashlib
import http.client
import json
import time
from collections import Counter
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest

from prediction_service.dialects.every import DIALECTS
from tests.prediction_service.guarded import Issued, Redis, add
from tests.prediction_service.operations import with_version
from tests.prediction_service.serving import Server, records
from tests.prediction_service.test_server import start, total

JSON = {"Content-Type": "application/json"}
SECURITY = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "X-Frame-Options": "DENY",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}


def statuses(server: Server, number: int, headers: dict[str, str] = JSON) -> Counter[int]:
    return Counter(server.ask("POST", "/predict", records(1), headers)[0] for _ in range(number))


def test_two_workers_share_a_limit(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=2, rate_limit="20/day") as server:
        one, two = server.children()
        two.suspend()
        assert {200: 12} == statuses(server, 12)
        two.resume()
        one.suspend()
        assert {200: 8, 429: 7} == statuses(server, 15)
        one.resume()
        server.process.send_signal(1)
        fresh = wait_for_others(server, {one.pid, two.pid})
        assert {429: 3} == statuses(server, 3), fresh


def wait_for_others(server: Server, gone: set[int]) -> list[psutil.Process]:
    give_up = time.monotonic() + 20
    while gone & {child.pid for child in server.children()}:
        assert time.monotonic() < give_up
        time.sleep(0.05)
    server.wait_until_ready()
    return server.children()


def test_two_servers_share_a_limit_in_redis_and_score_on_without_it(bundle_dir: Path, tmp_path: Path) -> None:
    options = {"bundle": bundle_dir, "workers": 1, "rate_limit": "30/day"}
    with (
        Redis() as redis,
        Server(tmp_path / "one", redis=redis.url, **options) as one,
        Server(tmp_path / "two", redis=redis.url, **options) as two,
    ):
        assert {200: 20} == statuses(one, 20)
        assert {200: 10, 429: 5} == statuses(two, 15)
        redis.kill()
        started = time.monotonic()
        assert {200: 25} == statuses(one, 25)
        assert time.monotonic() - started < 3
        page = one.ask("GET", "/metrics")[2].decode()
        assert 25 == total(page, "rate_limit_fallbacks_total")
        redis.start()
        time.sleep(2.1)
        # the counts went with the killed server, and both count together again
        assert {200: 20} == statuses(one, 20)
        assert {200: 10, 429: 5} == statuses(two, 15)
        assert 25 == total(one.ask("GET", "/metrics")[2].decode(), "rate_limit_fallbacks_total")
    said = [line for line in one.lines() if line["event"].startswith("Redis does not count")]
    assert ["ConnectionError"] == [line["reason"] for line in said]


def test_a_port_for_other_machines_needs_keys_or_a_word(bundle_dir: Path, tmp_path: Path) -> None:
    ended = start(bundle=bundle_dir, host="0.0.0.0", port=9)
    assert (1, "") == (ended.returncode, ended.stdout)
    [line] = ended.stderr.splitlines()
    assert line.startswith("CHATMOD_API_HOST='0.0.0.0' can be reached by other machines")
    assert "CHATMOD_API_KEYS" in line
    assert "CHATMOD_API_OPEN=1" in line
    file = tmp_path / "keys.json"
    key = add(file)
    with Server(tmp_path / "keys", bundle=bundle_dir, host="0.0.0.0", workers=1, keys=file) as server:
        assert [{401: 1}, {200: 1}] == [statuses(server, 1), statuses(server, 1, key.bearer)]
    with Server(tmp_path / "open", bundle=bundle_dir, host="0.0.0.0", workers=1, open=1) as server:
        assert {200: 1} == statuses(server, 1)
        assert "open" == json.loads(server.ask("GET", "/readyz")[2])["access"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "is no file: name the right file, or make it: python -m prediction_service keys add"),
        ("{", "is no file of keys (the file: Invalid JSON"),
        ('{"keys": [{"id": 1}]}', "is no file of keys (keys.0.id: "),
    ],
)
def test_a_file_of_keys_that_is_none_ends_the_start_with_one_clear_line(
    bundle_dir: Path, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "keys.json"
    if content is not None:
        file.write_text(content)
    ended = start(bundle=bundle_dir, port=9, keys=file)
    assert 1 == ended.returncode
    line = ended.stderr.splitlines()[-1]
    assert line.startswith(f"CHATMOD_API_KEYS='{file}' {said}")
    assert "Traceback" not in ended.stderr


def test_a_file_that_breaks_keeps_its_keys_and_a_new_worker_lets_nobody_in(
    bundle_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    key = add(file)
    good = file.read_bytes()
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, keys=file) as server:
        file.write_text("{")
        time.sleep(1.2)
        assert {200: 5} == statuses(server, 5, key.bearer)
        [worker] = server.children()
        worker.kill()
        wait_for_others(server, {worker.pid})
        assert {503: 3} == statuses(server, 3, key.bearer)
        file.write_bytes(good)
        time.sleep(1.2)
        assert {200: 5} == statuses(server, 5, key.bearer)
    said = [line["reason"] for line in server.lines() if line["event"] == "API keys stay as they were"]
    assert 2 == len(said)
    assert all(reason.startswith(f"CHATMOD_API_KEYS='{file}' is no file of keys") for reason in said)


def test_browsers_are_told_nothing_unless_the_operator_names_their_origin(
    bundle_dir: Path, tmp_path: Path
) -> None:
    file = tmp_path / "keys.json"
    key = add(file)
    page = {"Origin": "https://app.test"}
    asks = {
        "Access-Control-Request-Method": "POST",
        "Access-Control-Request-Headers": "x-api-key,x-stainless-os",
    }
    with Server(tmp_path / "off", bundle=bundle_dir, workers=1, keys=file) as server:
        status, told, _ = server.ask("OPTIONS", "/predict", None, page | asks)
        assert (401, False) == (status, "Access-Control-Allow-Origin" in told)
    origins = "https://other.test,https://app.test"
    with Server(tmp_path / "on", bundle=bundle_dir, workers=1, keys=file, cors_origins=origins) as server:
        for dialect in DIALECTS.values():
            for operation in dialect.operations:
                wanted = asks | {"Access-Control-Request-Method": operation.method.upper()}
                path = with_version(operation, "1")
                status, told, body = server.ask("OPTIONS", path, None, page | wanted)
                assert (204, b"") == (status, body)
                assert "https://app.test" == told["Access-Control-Allow-Origin"]
                assert operation.method.upper() in told["Access-Control-Allow-Methods"]
                assert "x-api-key,x-stainless-os" == told["Access-Control-Allow-Headers"]
        status, told, _ = server.ask("POST", "/predict", records(1), key.bearer | page)
        assert (200, "https://app.test") == (status, told["Access-Control-Allow-Origin"])
        status, told, _ = server.ask("POST", "/predict", records(1), JSON | page)
        assert (401, "https://app.test") == (status, told["Access-Control-Allow-Origin"])
        for refused in ({"Origin": "https://evil.test"}, {}):
            status, told, _ = server.ask("OPTIONS", "/predict", None, asks | refused)
            assert (401, False) == (status, "Access-Control-Allow-Origin" in told)
        assert 404 == server.ask("OPTIONS", "/nothing", None, page | asks)[0]


def test_the_public_address_stands_in_the_discovery_document_and_on_the_page(
    bundle_dir: Path, tmp_path: Path
) -> None:
    url = "https://moderation.test/api"
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, public_url=f"{url}/") as server:
        elsewhere = {"Host": "evil.test"}
        found = json.loads(server.ask("GET", "/$discovery/rest?version=v1alpha1", None, elsewhere)[2])
        assert [f"{url}/"] * 2 == [found["rootUrl"], found["baseUrl"]]
        page = server.ask("GET", "/docs", None, elsewhere)[2].decode()
        assert f"curl -s {url}/predict" in page
        assert "evil.test" not in page


def test_every_answer_has_security_headers_the_refusals_of_no_http_too(
    bundle_dir: Path, tmp_path: Path
) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1) as server:
        answers = [
            server.ask("POST", "/predict", records(1)),
            server.ask("POST", "/predict", b"no json"),
            server.ask("GET", "/nothing"),
            server.ask("GET", "/readyz"),
            server.ask("GET", "/docs"),
        ]
        with server.connect() as client:
            client.sendall(b"no http\r\n\r\n")
            malformed = http.client.HTTPResponse(client)
            malformed.begin()
            answers.append((malformed.status, dict(malformed.getheaders()), malformed.read()))
    for status, told, _ in answers:
        assert told.items() >= SECURITY.items(), status
    policies = [told["Content-Security-Policy"] for _, told, _ in answers]
    own = "default-src 'none'; style-src 'unsafe-inline'"
    plain = "default-src 'none'; frame-ancestors 'none'"
    assert [plain, plain, plain, plain, own, plain] == policies


MESSAGE = "the violet heron wrote this private message"


def every_request(server: Server, key: Issued) -> None:
    """Each operation with keys in each place, right and wrong; bodies that fit and that do not."""
    wrong = key.secret[:-4] + "AAAA"
    carriers: list[dict[str, str]] = [{}]
    for secret in (key.secret, wrong):
        carriers += [
            {"Authorization": f"Bearer {secret}"},
            {"Authorization": f"Basic {secret}"},
            {"X-API-Key": secret},
            {"X-Goog-Api-Key": secret, "Ocp-Apim-Subscription-Key": wrong},
        ]
    for dialect in DIALECTS.values():
        for operation in dialect.operations:
            good = json.dumps(operation.example)
            texts = (good, f'{{"{MESSAGE}": 1}}', MESSAGE, json.dumps([MESSAGE]))
            for carrier in carriers:
                for body in texts:
                    named = with_version(operation, "1")
                    more = f"key={key.secret}&text={quote(MESSAGE)}"
                    path = f"{named}{'&' if '?' in named else '?'}{more}"
                    server.ask(operation.method.upper(), path, body.encode(), JSON | carrier)


def malformed(server: Server, key: Issued) -> list[bytes]:
    asked = f"POST /predict?key={key.secret} HTTP/1.1\r\nHost: t\r\n"
    answers = []
    for sent in (
        f"{MESSAGE} {key.secret}\r\n\r\n",
        f"POST /predict?{key.secret} HTTP/9.9\r\n\r\n",
        f"{asked}Authorization Bearer {key.secret}\r\n\r\n",
        f"{asked}X-API-Key: {key.secret}\x00\r\n\r\n",
        f"{asked}{key.secret} : x\r\n\r\n",
        f"{asked}Content-Length: {key.secret}\r\n\r\n",
        f"{asked}Transfer-Encoding: {key.secret}\r\n\r\n",
        f"GET /outside?{key.secret}&{quote(MESSAGE)} HTTP/1.1\r\nHost: t\r\n\r\n",
    ):
        with server.connect() as client:
            client.sendall(sent.encode())
            answer = http.client.HTTPResponse(client)
            answer.begin()
            answers.append(answer.read())
    return answers


def test_no_secret_and_no_message_is_in_the_log_or_on_any_page(bundle_dir: Path, tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    key, gone = add(file, limit="100000/day"), "cm_0000000000_" + "Z" * 43
    options = {
        "bundle": bundle_dir,
        "keys": file,
        "log_level": "debug",
        "registry_token": "registry-word-71c5",
        "app": "tests.prediction_service.faulty:wsgi()",
    }
    with Redis() as redis, Server(tmp_path / "log", redis=redis.url, **options) as server:  # type: ignore[arg-type]
        every_request(server, key)
        answers = malformed(server, key)
        body = json.dumps({"text": MESSAGE}).encode()
        status, _, answer = server.ask("POST", "/broken", body, key.bearer)
        assert 500 == status
        answers.append(answer)
        server.ask("POST", "/predict", body, {"X-API-Key": gone})
        redis.kill()
        server.ask("POST", "/predict", records(1, MESSAGE), key.bearer)
        file.write_text(f'{{"{key.secret}": 1}}')
        time.sleep(1.2)
        server.ask("POST", "/predict", records(1, MESSAGE), key.bearer)
        pages = [server.ask("GET", path)[2] for path in ("/metrics", "/readyz", "/docs", "/openapi.json")]
    log = server.log.read_text()
    for said in ("unexpected error", "met an unexpected error", "cannot be read", "Redis does not count"):
        assert said in log
    assert "API keys stay as they were" in log
    assert "debug" in {line["level"] for line in server.lines()}
    told = log + b"\n".join((*pages, *answers)).decode()
    digest = hashlib.sha256(key.secret.encode()).hexdigest()
    words = {
        "secret": key.secret[14:30],
        "end of the secret": key.secret[-20:],
        "hash": digest,
        "unknown key": gone[14:],
        "Redis password": Redis.password,
        "registry token": "registry-word-71c5",
        "message": "heron",
    }
    assert [] == [name for name, word in words.items() if word in told]


def test_places_where_an_error_was_are_told(bundle_dir: Path, tmp_path: Path) -> None:
    app = "tests.prediction_service.faulty:wsgi()"
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, app=app) as server:
        server.ask("POST", "/broken", b"x", {"Authorization": "x", "Content-Type": "text/plain"})
    [line] = [line for line in server.lines() if line["event"] == "unexpected error"]
    assert "ValueError" == line["error"]
    assert any(place.endswith(" broken") and "faulty.py:" in place for place in line["at"])
    assert "KeyError" in line["at"]
