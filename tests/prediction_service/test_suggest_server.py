"""Labels through real gunicorn: many at once, workers that are killed, databases that are away."""

import http.client
import json
import re
import socket
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from moderation.labels import Journal
from tests.moderation.labels import rows
from tests.postgres import Postgres
from tests.prediction_service.serving import Server, records

PATH = "/v1alpha1/comments:suggestscore"
JSON = {"Content-Type": "application/json"}


def label(value: float = 1, name: str = "comment:id", text: str = "you clown") -> bytes:
    body = {
        "comment": {"text": text},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": value}}},
        "clientToken": name,
    }
    return json.dumps(body).encode()


def wait_until_stored(server: Server, body: bytes, within_s: float = 20) -> None:
    give_up = time.monotonic() + within_s
    while server.ask("POST", PATH, body)[0] != 200:
        assert time.monotonic() < give_up, server.log.read_text()[-2000:]
        time.sleep(0.1)


def wait_for(answered: set[str], count: int) -> None:
    give_up = time.monotonic() + 30
    while len(answered) < count:
        assert time.monotonic() < give_up, answered
        time.sleep(0.01)


def stored(address: str) -> list[dict[str, Any]]:
    with closing(Journal(address)) as journal:
        return rows(journal)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'state' / 'labels.db'}"
    cluster = request.getfixturevalue("postgres")
    return str(cluster.new_database())


@pytest.mark.parametrize("headers", [JSON, JSON | {"Idempotency-Key": "k-1"}], ids=["no key", "a key"])
def test_the_same_label_from_many_at_once_is_one_row_and_all_get_one_answer(
    bundle_dir: Path, tmp_path: Path, address: str, headers: dict[str, str]
) -> None:
    together = threading.Barrier(16)
    with Server(tmp_path / "log", bundle=bundle_dir, labels=address) as server:

        def send(_number: int) -> tuple[int, bytes]:
            together.wait()
            status, _, body = server.ask("POST", PATH, label(), headers)
            return status, body

        with ThreadPoolExecutor(16) as clients:
            answers = set(clients.map(send, range(16)))
        page = server.ask("GET", "/metrics")[2].decode()
    assert {(200, b'{"clientToken":"comment:id","detectedLanguages":["en"]}')} == answers
    assert 1 == len(stored(address))
    assert ["1.0"] == re.findall(
        r'^labels_total\{label="removed",source="perspective"\} (\S+)$', page, re.MULTILINE
    )


def test_what_was_answered_is_there_after_workers_were_killed(
    bundle_dir: Path, tmp_path: Path, address: str
) -> None:
    answered: set[str] = set()
    stop = threading.Event()

    def send(client: int) -> None:
        number = 0
        while not stop.is_set():
            name = f"{client}:{number}"
            try:
                status = server.ask("POST", PATH, label(name=name))[0]
            except (OSError, http.client.HTTPException):
                continue
            if status == 200:
                answered.add(name)
            number += 1

    with Server(tmp_path / "log", bundle=bundle_dir, labels=address) as server:
        wait_until_stored(server, label(name="first"))
        clients = [threading.Thread(target=send, args=(number,)) for number in range(4)]
        for client in clients:
            client.start()
        for round_ in range(4):
            wait_for(answered, 15 * (round_ + 1))
            for worker in server.children() if round_ < 3 else ():
                worker.kill()
        stop.set()
        for client in clients:
            client.join(30)
    found = [row["message"] for row in stored(address)]
    assert answered <= set(found)
    assert len(found) == len(set(found))


def test_scores_are_served_while_the_database_is_away_and_labels_are_taken_when_it_is_back(
    bundle_dir: Path, tmp_path: Path, postgres: Postgres
) -> None:
    address = postgres.new_database()
    with Server(tmp_path / "log", bundle=bundle_dir, labels=address) as server:
        assert 200 == server.ask("POST", PATH, label(1))[0]
        postgres.stop()
        try:
            for _ in range(8):
                status, headers, body = server.ask("POST", PATH, label(0, text="a very private message"))
                error = json.loads(body)["error"]
                assert (503, "1", "UNAVAILABLE") == (status, headers["Retry-After"], error["status"])
                assert 200 == server.ask("POST", "/predict", records(1))[0]
                assert 200 == server.status_of("/readyz")
        finally:
            postgres.start()
        wait_until_stored(server, label(0))
        assert "private" not in server.log.read_text()
        reasons = [line["reason"] for line in server.lines() if line["event"] == "labels cannot be stored"]
    assert reasons
    assert [1.0, 0.0] == [row["value"] for row in stored(address)]


@pytest.fixture
def silent() -> Iterator[int]:
    """A port that takes connections and never says a word, as a host behind a dead switch."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listener:
        yield int(listener.getsockname()[1])


def test_a_database_that_is_silent_holds_no_score_up_for_long(
    bundle_dir: Path, tmp_path: Path, silent: int
) -> None:
    address = f"postgresql+psycopg://me:topsecret@127.0.0.1:{silent}/labels"
    slowest = 0.0
    with Server(tmp_path / "log", bundle=bundle_dir, labels=address) as server:
        with ThreadPoolExecutor(12) as clients:
            began = time.monotonic()
            answers = [clients.submit(server.ask, "POST", PATH, label()) for _ in range(12)]
            while not all(answer.done() for answer in answers):
                asked = time.monotonic()
                assert 200 == server.ask("POST", "/predict", records(1))[0]
                slowest = max(slowest, time.monotonic() - asked)
            took = time.monotonic() - began
        assert {503} == {answer.result()[0] for answer in answers}
        asked = time.monotonic()
        for _ in range(10):
            assert 200 == server.ask("POST", "/predict", records(1))[0]
        at_once = time.monotonic() - asked
    assert (took < 10, slowest < 6, at_once < 1) == (True, True, True), (took, slowest, at_once)
    assert "topsecret" not in server.log.read_text()


def test_labels_outlive_the_service(bundle_dir: Path, tmp_path: Path) -> None:
    address = f"sqlite:///{tmp_path}/labels.db"
    for value in (0, 1, 1):
        with Server(tmp_path / "log", bundle=bundle_dir, workers=1, labels=address) as server:
            assert 200 == server.ask("POST", PATH, label(value))[0]
    assert [0.0, 1.0] == [row["value"] for row in stored(address)]


def test_an_address_that_cannot_be_used_ends_the_start_without_showing_it(
    bundle_dir: Path, tmp_path: Path
) -> None:
    with Server(
        tmp_path / "log", wait=False, bundle=bundle_dir, labels="mysql://me:topsecret@db/labels"
    ) as server:
        assert 1 == server.process.wait(20)
    said = server.log.read_text()
    assert said.startswith(
        "CHATMOD_API_LABELS='***' cannot be used: give sqlite:///PATH or postgresql+psycopg://"
    )
    assert "topsecret" not in said
