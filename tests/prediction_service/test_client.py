"""The shipped client: against a real gunicorn, and against answers that ours never gives."""

import math
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest

from modeling import bundle as bundles
from moderation.labels import Journal
from prediction_service import client as clients
from prediction_service.client import (
    Client,
    RateLimitedError,
    RefusedError,
    UnauthorizedError,
    UnavailableError,
)
from prediction_service.dialects.every import DIALECTS
from prediction_service.wire import Record
from tests.conftest import Messages
from tests.frontend.servers import Answer, StandIn, stand_in
from tests.moderation.labels import rows
from tests.prediction_service.guarded import add
from tests.prediction_service.registries import StandIn as Registry
from tests.prediction_service.serving import Server, free_port

PROBLEM = {
    "type": "about:blank",
    "title": "Too Many Requests",
    "status": 429,
    "detail": "12 requests a minute are allowed",
    "instance": "/analyze",
    "request_id": "r",
    "errors": [],
}


@pytest.fixture(scope="module")
def server(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("client") / "api.log", bundle=bundle_dir, workers=1) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    with Client(f"http://127.0.0.1:{server.port}/", batch=3) as client:
        yield client


@pytest.fixture
def odd() -> Iterator[StandIn]:
    with stand_in() as api:
        yield api


def test_one_verdict_a_message_in_their_order_over_several_batches(
    client: Client, messages: Messages, server: Server
) -> None:
    texts = [messages.civil, messages.removed, messages.flagged] * 3 + [messages.removed]
    asked = batches(server)
    verdicts = client.predict(texts)
    assert ["allow", "remove", "flag"] * 3 + ["remove"] == [one.action for one in verdicts]
    assert list(range(10)) == [one.message_id for one in verdicts]
    time.sleep(0.2)
    assert 4 == batches(server) - asked


def batches(server: Server) -> int:
    return sum(line.get("endpoint") == "/predict" for line in server.lines())


def test_messages_keep_the_names_that_they_have(client: Client) -> None:
    records = [Record(body="Thank you!", message_id=name) for name in ("a", 7, "a", "b")]
    assert ["a", 7, "a", "b"] == [one.message_id for one in client.predict(records)]


def test_no_messages_have_no_verdicts() -> None:
    assert [] == Client(f"http://127.0.0.1:{free_port()}").predict([])


def test_verdicts_come_with_the_models_version(client: Client, bundle_dir: Path) -> None:
    [one] = client.predictions(["Thank you!"])
    assert f"sha256:{bundles.load(bundle_dir).digest[:12]}" == one.version


def test_a_label_is_kept_once_under_its_key_and_a_later_one_beside_it(
    client: Client, server: Server, tmp_path: Path
) -> None:
    said = {"message_id": "comment:7", "community": "town", "attribute": "TOXICITY"}
    for removed, key in ((True, "k-1"), (False, None), (True, "k-1")):
        client.label("you clown", removed=removed, idempotency_key=key, **said)
    with closing(Journal(server.labels)) as journal:
        kept = rows(journal)
    assert [("comment:7", "town", "TOXICITY", 1.0), ("comment:7", "town", "TOXICITY", 0.0)] == [
        (row["message"], row["community"], row["attribute"], row["value"]) for row in kept
    ]


def test_a_label_that_cannot_be_taken_is_refused_with_the_reason(client: Client) -> None:
    with pytest.raises(RefusedError, match=r"answered 400 .Comment must be non-empty\."):
        client.label(" ", removed=True)


def test_a_label_is_given_again_under_the_same_key(odd: StandIn) -> None:
    odd.script = [Answer(503, PROBLEM), Answer(200, {})]
    Client(odd.url).label("you clown", removed=True)
    assert 2 == len(odd.idempotency_keys)
    assert 1 == len(set(odd.idempotency_keys))


def test_a_text_is_analyzed_and_explained_where_that_is_asked_for(client: Client, messages: Messages) -> None:
    plain = client.analyze(messages.removed)
    assert ("remove", True, None) == (plain.action, plain.flagged, plain.explanation)
    found = client.analyze(messages.removed, explain=True).explanation
    assert found
    assert math.isclose(
        found.logit,
        found.intercept + sum(one.contribution for one in [*found.tokens, *found.style]),
        abs_tol=1e-9,
    )


def test_a_message_is_moderated_with_its_names(client: Client, messages: Messages) -> None:
    found = client.moderate(messages.civil, user_id="u1", channel_id=7)
    assert ("allow", "u1", 7) == (found.action, found.user_id, found.channel_id)


def test_the_service_says_what_it_is(client: Client) -> None:
    found = client.ready()
    assert found.model
    assert ("ready", "disk") == (found.status, found.model.source)


def test_a_refusal_names_each_message_by_its_place_among_all(client: Client) -> None:
    with pytest.raises(RefusedError, match=r"answered 422 .*is empty") as caught:
        client.predict(["a", "b", "c", "d", "", "f", "", "h"])
    assert 422 == caught.value.status
    assert ["Records[4].body"] == [one.field for one in caught.value.errors]
    assert ["leave empty messages out of the batch"] == [one.remedy for one in caught.value.errors]


def test_a_service_that_is_killed_and_started_again_is_waited_for(bundle_dir: Path, tmp_path: Path) -> None:
    first = Server(tmp_path / "first.log", bundle=bundle_dir, workers=1)
    again = Server(tmp_path / "again.log", wait=False, bundle=bundle_dir, workers=1)
    again._environment["CHATMOD_API_PORT"] = str(first.port)
    with ThreadPoolExecutor(1) as elsewhere, Client(f"http://127.0.0.1:{first.port}", retries=60) as client:
        with first:
            assert 1 == len(client.predict(["Thank you!"]))
            [worker] = first.children()
            first.process.kill()
            worker.kill()
            asked = elsewhere.submit(client.predict, ["Thank you!"])
            time.sleep(0.3)
            assert not asked.done()
        with again:
            assert 1 == len(asked.result(20))


def test_a_service_that_is_loading_is_waited_for(bundle_dir: Path, tmp_path: Path) -> None:
    options = {"model_version": 1, "cache_dir": tmp_path / "cache", "workers": 1}
    with Registry(bundle_dir, None) as registry:
        registry.script["version"] = [500] * 2
        with Server(tmp_path / "log", wait=False, registry_url=registry.url, **options) as server:
            while server.status_of("/readyz") is None:
                time.sleep(0.02)
            with Client(f"http://127.0.0.1:{server.port}", retries=0) as client:
                assert "loading" == client.ready().status
                with pytest.raises(UnavailableError, match=r"answered 503 \(no model is ready"):
                    client.predict(["Thank you!"])
            with Client(f"http://127.0.0.1:{server.port}", retries=20) as client:
                assert 1 == len(client.predict(["Thank you!"]))


def test_nobody_at_the_address_is_said_with_the_address_once_the_tries_are_used_up() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    started = time.monotonic()
    with pytest.raises(UnavailableError, match=f"{url} cannot be reached"):
        Client(url, retries=2).predict(["x"])
    assert 0.15 <= time.monotonic() - started < 2


def test_the_deadline_ends_the_waiting(odd: StandIn) -> None:
    odd.script = [Answer(503, PROBLEM, headers={"Retry-After": "60"})] * 9
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="answered 503"):
        Client(odd.url, deadline_s=5).predict(["x"])
    assert time.monotonic() - started < 1
    assert 8 == len(odd.script)


def test_a_slow_answer_is_cut_off_by_the_deadline(odd: StandIn) -> None:
    odd.script = [Answer(200, {}, delay_s=2)] * 9
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="did not answer in time"):
        Client(odd.url, timeout=10, deadline_s=0.3).predict(["x"])
    assert time.monotonic() - started < 1


HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"


@pytest.mark.parametrize(
    "head", [HEAD + b"Content-Length: 1000\r\n\r\n", HEAD + b"X-Long: "], ids=["body", "head"]
)
@pytest.mark.parametrize(
    "ask",
    [
        lambda client: client.analyze("x"),
        lambda client: client.label("x", removed=True),
        lambda client: client.ready(1),
    ],
    ids=["analyze", "label", "ready"],
)
def test_an_answer_in_drops_is_cut_off_by_the_deadline(head: bytes, ask: Callable[[Client], object]) -> None:
    with dripping(head) as (url, asked):
        started = time.monotonic()
        with pytest.raises(UnavailableError, match=f"{url} did not answer in time"):
            ask(Client(url, timeout=0.8, deadline_s=1, retries=0))
        assert 0.9 <= time.monotonic() - started < 1.4
        assert 1 == len(asked)


@contextmanager
def dripping(head: bytes) -> Iterator[tuple[str, list[bytes]]]:
    """A server that sends a head at once and then a byte every fifth of a second, for four seconds."""
    asked: list[bytes] = []

    def answer(line: socket.socket) -> None:
        with line, suppress(OSError):
            asked.append(line.recv(65536))
            for piece in (head, *[b"a"] * 20):
                line.sendall(piece)
                time.sleep(0.2)

    def serve() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=answer, args=listener.accept()[:1], daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", asked
        listener.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("retries", [0, 1, 3])
def test_a_service_that_hangs_up_is_asked_no_more_often_than_was_said(odd: StandIn, retries: int) -> None:
    odd.script = [Answer(cut=True)] * 9
    with pytest.raises(UnavailableError, match="cannot be reached"):
        Client(odd.url, retries=retries).predict(["x"])
    assert 1 + retries == 9 - len(odd.script)


def test_a_connection_that_was_closed_while_it_was_kept_is_no_failure(odd: StandIn) -> None:
    client = Client(odd.url, retries=0)
    client.predict(["hello"])
    odd.script = [Answer(cut=True)]
    assert ["allow"] == [one.action for one in client.predict(["hello"])]
    odd.script = [Answer(cut=True)] * 3
    with pytest.raises(UnavailableError, match="cannot be reached"):
        client.predict(["hello"])
    assert 1 == len(odd.script)


def test_a_kept_connection_that_breaks_within_an_answer_is_a_failure(odd: StandIn) -> None:
    client = Client(odd.url, retries=0)
    client.predict(["hello"])
    odd.script = [Answer(200, b"{", headers={"Content-Length": "99", "Connection": "close"})] * 2
    with pytest.raises(UnavailableError, match="cannot be reached"):
        client.predict(["hello"])
    assert 1 == len(odd.script)


def test_the_second_try_has_what_is_left_of_the_time(odd: StandIn) -> None:
    client = Client(odd.url, retries=0, deadline_s=1)
    client.predict(["hello"])
    odd.script = [Answer(cut=True, delay_s=0.7), Answer(200, {}, delay_s=3)]
    started = time.monotonic()
    with pytest.raises(UnavailableError, match="did not answer in time"):
        client.predict(["hello"])
    assert 0.9 <= time.monotonic() - started < 1.4
    assert [] == odd.script


@pytest.mark.parametrize("status", [408, 429, 502, 503, 504])
def test_what_may_pass_is_waited_for(odd: StandIn, status: int) -> None:
    odd.script = [Answer(status, b"")]
    assert ["allow"] == [one.action for one in Client(odd.url).predict(["hello"])]
    odd.script = [Answer(status, b""), Answer(200, {})]
    Client(odd.url).label("you clown", removed=True)
    assert [] == odd.script


@pytest.mark.parametrize("status", [408, 502, 503, 504])
def test_what_does_not_pass_in_time_is_no_refusal(odd: StandIn, status: int) -> None:
    odd.script = [Answer(status, b"")] * 2
    with pytest.raises(UnavailableError, match=f"answered {status}"):
        Client(odd.url, retries=1).predict(["hello"])
    assert [] == odd.script


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        *(
            ({"base_url": url}, f"base_url='{url}': give the service's address, such as http")
            for url in ("localhost:9696", "", "/x", "ftp://a", "http://", "http://a:x", "http://a:99999")
        ),
        ({"retries": -1}, "retries=-1: give 0 to ask once, or more"),
        ({"batch": 0}, "batch=0: give 1 or more"),
        ({"batch": -5}, "batch=-5: give 1 or more"),
        ({"deadline_s": 0}, "deadline_s=0: give seconds above 0"),
        ({"deadline_s": -1.5}, "deadline_s=-1.5: give seconds above 0"),
        ({"deadline_s": math.nan}, "deadline_s=nan: give seconds above 0"),
        ({"timeout": -1}, "timeout (connect)=-1: give seconds above 0"),
    ],
    ids=str,
)
def test_what_could_never_ask_is_refused_before_it_does(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(ValueError, match=re.escape(said)):
        Client(**{"base_url": "http://127.0.0.1:9696"} | wrong)


def test_no_deadline_is_a_long_one(odd: StandIn) -> None:
    client = Client(odd.url, timeout=math.inf, deadline_s=math.inf)
    assert ["allow"] == [one.action for one in client.predict(["hello"])]


def test_a_crowded_service_is_asked_again_when_it_says(odd: StandIn) -> None:
    odd.script = [Answer(429, PROBLEM, headers={"Retry-After": "1"})]
    started = time.monotonic()
    assert ["allow"] == [one.action for one in Client(odd.url).predict(["hello"])]
    assert 1 <= time.monotonic() - started < 3


def test_a_service_that_stays_crowded_says_when_to_come_again(odd: StandIn) -> None:
    odd.script = [Answer(429, PROBLEM, headers={"Retry-After": "7"})]
    with pytest.raises(RateLimitedError, match=r"answered 429 .12 requests a minute") as caught:
        Client(odd.url, deadline_s=3).predict(["hello"])
    assert (7, 429) == (caught.value.retry_after, caught.value.status)


@pytest.mark.parametrize("status", [401, 403])
def test_a_missing_key_is_said_and_not_tried_again(odd: StandIn, status: int) -> None:
    odd.script = [Answer(status, PROBLEM)] * 2
    with pytest.raises(UnauthorizedError, match=f"answered {status}"):
        Client(odd.url).predict(["hello"])
    assert 1 == len(odd.script)


@pytest.mark.parametrize("detail", [{"reason": "API_KEY_INVALID"}, {"errorType": "API_KEY_INVALID"}])
def test_a_wrong_key_is_known_by_googles_word_for_it(odd: StandIn, detail: dict[str, str]) -> None:
    error = {"code": 400, "message": "API key not valid.", "status": "INVALID_ARGUMENT", "details": [detail]}
    odd.script = [Answer(400, {"error": error})]
    with pytest.raises(UnauthorizedError, match=r"answered 400 .API key not valid\."):
        Client(odd.url, "wrong").label("hello", removed=True)


@pytest.mark.parametrize(
    "details", [None, [], {}, [None], "API_KEY_INVALID", [{"errorType": "COMMENT_EMPTY"}]]
)
def test_any_other_400_is_about_the_request(odd: StandIn, details: object) -> None:
    odd.script = [Answer(400, {"error": {"message": "no", "details": details}})]
    with pytest.raises(RefusedError, match="answered 400") as caught:
        Client(odd.url).label("hello", removed=True)
    assert RefusedError is type(caught.value)


def test_every_operation_tells_a_key_that_is_missing_or_wrong(bundle_dir: Path, tmp_path: Path) -> None:
    key = add(tmp_path / "keys.json", "records", "labels", name="a").secret
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, keys=tmp_path / "keys.json") as server:
        url = f"http://127.0.0.1:{server.port}"
        for shown in (None, "wrong"):
            client = Client(url, shown)
            for ask in (lambda: client.predict(["x"]), lambda: client.label("x", removed=True)):  # noqa: B023
                with pytest.raises(UnauthorizedError):
                    ask()
        Client(url, key).label("x", removed=True)


def test_half_an_emoji_is_judged_and_kept_as_the_service_does_it(client: Client, server: Server) -> None:
    half, mended = "you clown \ud83d\ude00 \ud83d", "you clown \U0001f600 \ufffd"
    assert client.predict([mended])[0].moderate_message == client.predict([half])[0].moderate_message
    assert client.analyze(mended).scores == client.analyze(half).scores
    assert mended == client.moderate(half, user_id=half).user_id
    client.label(half, removed=True, message_id="emoji\udfff", community="\ud800")
    with closing(Journal(server.labels)) as journal:
        [row] = [row for row in rows(journal) if row["message"].startswith("emoji")]
    assert (mended, "emoji\ufffd", "\ufffd") == (row["text"], row["message"], row["community"])


def test_the_key_is_sent_and_not_shown(odd: StandIn) -> None:
    client = Client(odd.url, api_key="s3cret")
    client.predict(["hello"])
    assert "Bearer s3cret" == odd.keys[-1]
    assert "s3cret" not in repr(vars(client))
    Client(odd.url).predict(["hello"])
    assert odd.keys[-1] is None


@pytest.mark.parametrize("status", [404, 422])
def test_a_refusal_without_a_problem_document_is_still_a_refusal(odd: StandIn, status: int) -> None:
    odd.script = [Answer(status, b"<html>no</html>")] * 2
    with pytest.raises(RefusedError, match=f"answered {status}") as caught:
        Client(odd.url).analyze("hello")
    assert ([], None) == (caught.value.errors, caught.value.problem)
    assert 1 == len(odd.script)


def test_a_dialect_that_is_off_is_named_with_the_setting(bundle_dir: Path, tmp_path: Path) -> None:
    asks: dict[str, Callable[[Client], object]] = {
        "records": lambda client: client.predict(["hello"]),
        "analyze": lambda client: client.analyze("hello"),
        "moderate": lambda client: client.moderate("hello"),
        "perspective": lambda client: client.label("hello", removed=True),
    }
    with (
        Server(tmp_path / "log", bundle=bundle_dir, workers=1, dialects="openai") as server,
        Client(f"http://127.0.0.1:{server.port}") as client,
    ):
        for name, ask in asks.items():
            with pytest.raises(RefusedError, match=rf"404 .*that CHATMOD_API_DIALECTS there has {name}$"):
                ask(client)


def test_the_dialects_of_its_paths_are_the_services_own() -> None:
    owners = {one.path: name for name, dialect in DIALECTS.items() for one in dialect.operations}
    assert clients.DIALECTS == {path: owners[path] for path in clients.DIALECTS}


@pytest.mark.parametrize("status", [500, 501, 301])
def test_other_failures_are_told_at_once(odd: StandIn, status: int) -> None:
    odd.script = [Answer(status, b"")] * 2
    with pytest.raises(UnavailableError, match=f"answered {status}"):
        Client(odd.url).analyze("hello")
    assert 1 == len(odd.script)


@pytest.mark.parametrize(
    "body", [b"<html>welcome</html>", {"predictions": [StandIn.judge({"body": "x", "message_id": 1})]}]
)
def test_an_answer_that_is_not_about_these_messages_is_none(odd: StandIn, body: object) -> None:
    odd.script = [Answer(200, body)]
    with pytest.raises(UnavailableError, match="answer"):
        Client(odd.url).predict(["hello"])


def test_what_is_no_prediction_service_is_not_ready(odd: StandIn) -> None:
    odd.script = [Answer(200, b"<html>welcome</html>"), Answer(404, b"")]
    with pytest.raises(UnavailableError, match="answered 200, which is not understood"):
        Client(odd.url).ready()
    with pytest.raises(RefusedError, match="answered 404"):
        Client(odd.url).ready()


def test_any_number_of_threads_share_one_client(client: Client) -> None:
    found: list[int] = []
    threads = [
        threading.Thread(target=lambda: found.append(len(client.predict(["a"] * 7)))) for _ in range(8)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert [7] * 8 == found


def test_it_needs_neither_flask_nor_a_model() -> None:
    code = f"import sys, {clients.__name__}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.split(".")[0] for name in done.stdout.split()}
    assert not loaded & {"flask", "werkzeug", "modeling", "numpy", "structlog", "prometheus_client"}


def test_its_types_are_shipped() -> None:
    assert (Path(clients.__file__).parent / "py.typed").is_file()
