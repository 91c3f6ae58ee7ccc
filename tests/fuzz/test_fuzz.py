"""Five thousand requests of nonsense against real workers; and that the fuzzer sees what is wrong."""

import random
import socketserver
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from prediction_service.wire import Problem
from tests.fuzz.campaign import Campaign, Finding, _loud
from tests.fuzz.cases import KINDS, Case, case, heavy
from tests.fuzz.exchange import Client
from tests.fuzz.targets import ATTRIBUTES, Target, targets
from tests.fuzz.trees import LARGE, MARK, Pairs, Raw, dump, mutated, tree
from tests.prediction_service.guarded import add
from tests.prediction_service.serving import Server

REQUESTS = 5_000
TARGET = Target("x", "POST", "/x", ({"a": [1, MARK]},), None, Problem, "application/problem+json")
TOLD = (
    b'{"type":"about:blank","title":"t","status":400,"detail":"d","instance":"","request_id":"","errors":[]}'
)
GOOD = (
    b"HTTP/1.1 400 BAD REQUEST\r\nContent-Type: application/problem+json\r\nX-Request-ID: 1\r\n"
    b"Content-Length: %d\r\n\r\n%b" % (len(TOLD), TOLD)
)


def test_nothing_breaks_the_service(bundle_dir: Path, tmp_path: Path) -> None:
    options = {"attributes": ATTRIBUTES, "labels": f"sqlite:///{tmp_path}/labels.db"}
    with Server(tmp_path / "log", bundle=bundle_dir, **options) as server:
        campaign = Campaign(server, seed=20, requests=REQUESTS, heavy=50)
        campaign.run()
        assert [] == [(one.case.number, one.case.kind, one.complaint) for one in campaign.findings]
        assert [] == list(campaign.aftermath())
        assert REQUESTS + 50 == campaign.kinds.total()
        assert campaign.statuses[200] > REQUESTS // 10
        assert campaign.statuses[400] > REQUESTS // 10
        assert set(KINDS) - {"stall"} <= set(campaign.kinds)
        assert server.ask("GET", "/readyz")[0] == 200


def test_nothing_breaks_the_service_for_those_without_a_key(bundle_dir: Path, tmp_path: Path) -> None:
    """Each dialect refuses in its own shape before it reads a body, or what else the client made of it."""
    keys = tmp_path / "keys"
    add(keys)
    with Server(tmp_path / "log", bundle=bundle_dir, attributes=ATTRIBUTES, keys=keys) as server:
        campaign = Campaign(server, seed=21, requests=1_000)
        campaign.run()
        assert [] == [(one.case.number, one.case.kind, one.complaint) for one in campaign.findings]
        assert [] == list(campaign.aftermath())
        assert campaign.statuses[401] > 500


def test_the_same_seed_and_number_give_the_same_bytes() -> None:
    every = targets("1")
    assert [case(7, number, every) for number in range(300)] == [
        case(7, number, every) for number in range(300)
    ]
    assert [case(7, number, every).wire for number in range(50)] != [
        case(8, number, every).wire for number in range(50)
    ]


def test_every_operation_is_asked_and_every_kind_of_case_made() -> None:
    every = targets("1")
    made = [case(1, number, every) for number in range(6_000)]
    assert set(KINDS) - {"stall"} <= {one.kind for one in made}
    assert {one.path for one in every} == {one.owner.path for one in made if one.owner}


def test_a_tree_is_sent_as_it_stands_with_keys_twice_and_tokens_that_are_no_json() -> None:
    assert b'{"a":[1,null],"a":NaN}' == dump(Pairs([*tree({"a": [1, None]}), ("a", Raw(b"NaN"))]))


def test_every_operation_gets_a_megabyte_of_every_kind() -> None:
    every = targets("1")
    asked = [one for one in every if one.bodies]
    made = [heavy(1, number, every) for number in range(len(asked) * len(LARGE))]
    assert {one.path for one in asked} == {one.owner.path for one in made if one.owner}
    assert all(len(one.wire) > 100_000 for one in made)
    assert made[3].wire == heavy(1, 3, every).wire


def test_mutations_change_a_tree_in_many_ways() -> None:
    start = {"a": [1, 2], "b": {"c": "d"}}
    made = {dump(mutated(tree(start), random.Random(seed)))[:200] for seed in range(200)}
    assert len(made) > 120


@contextmanager
def answering(*answers: bytes) -> Iterator[int]:
    """A server that gives each connection these bytes, and no more; without any it is silent."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65_536)
            for one in answers:
                self.request.sendall(one)
            if not answers:
                time.sleep(3)

    class Threaded(socketserver.ThreadingTCPServer):
        allow_reuse_address = daemon_threads = True

    with Threaded(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def complaint(port: int, owner: Target | None = TARGET, **how: Any) -> str:
    client = Client(port, [Problem])
    try:
        return client.ask(Case(1, "valid", b"POST /x HTTP/1.1\r\n\r\n", owner, **how))
    finally:
        client.close()


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (GOOD, ""),
        (GOOD.replace(b"400 BAD REQUEST", b"500 OOPS"), "status 500"),
        (GOOD.replace(b"400 BAD REQUEST", b"503 NO"), "status 503"),
        (GOOD.replace(b"X-Request-ID: 1\r\n", b""), "without X-Request-ID"),
        (GOOD.replace(b"problem+json", b"json"), "Content-Type is 'application/json'"),
        (GOOD.replace(b'"title":"t"', b'"tytle":"t"'), "the body is no Problem"),
        (GOOD.replace(b'"errors":[]', b'"error":{} '), "Problem has no {'error'}"),
        (GOOD.replace(b'"status":400', b'"status":NaN'), "NaN is no JSON"),
        (GOOD[:-1], f"unreadable: {len(TOLD) - 1} of {len(TOLD)} bytes"),
        (GOOD[:60], "unreadable: the end amid a head"),
        (b"hello\r\n\r\n", "unreadable: head"),
        (b"\0", "unreadable: the end amid a head"),
        (GOOD.replace(b"Content-Length: %d\r\n" % len(TOLD), b""), "unreadable: no Content-Length"),
    ],
)
def test_the_fuzzer_complains_of_what_is_wrong(answer: bytes, expected: str) -> None:
    with answering(answer) as port:
        assert (expected in complaint(port)) if expected else complaint(port) == ""
        assert (expected in complaint(port, ends="half")) if expected else complaint(port, ends="half") == ""


def test_the_fuzzer_complains_of_silence_and_of_a_connection_that_is_closed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("tests.fuzz.exchange.LONGEST_S", 0.3)
    with answering() as port:
        assert complaint(port).startswith("hung: nothing for 0.")
    with answering(b"") as port:
        assert "closed without an answer" == complaint(port)
        assert "closed without an answer" == complaint(port, ends="half")


def test_an_answer_in_no_shape_is_seen_where_http_is_broken() -> None:
    with answering(GOOD) as port:
        assert "" == complaint(port, None)
    with answering(GOOD.replace(b'"title"', b'"tytle"')) as port:
        assert "in no dialect's shape" in complaint(port, None)


@pytest.mark.parametrize(
    ("line", "loud"),
    [
        ('{"event": "request", "level": "info"}', ""),
        ('{"event": "request x cannot be read", "level": "warning"}', ""),
        ('{"event": "unexpected error", "level": "error"}', "unexpected error"),
        ('{"event": "a", "level": "info", "exception": "Traceback"}', "Traceback"),
        ('{"event": "WORKER TIMEOUT (pid:1)", "level": "critical"}', "WORKER TIMEOUT"),
        ("Traceback (most recent call last):", "no JSON"),
    ],
)
def test_a_loud_line_of_the_log_is_a_finding(line: str, loud: str) -> None:
    assert loud in _loud(line)
    assert bool(loud) == bool(_loud(line))


def test_a_dead_worker_and_a_message_in_the_log_are_findings(bundle_dir: Path, tmp_path: Path) -> None:
    options = {"attributes": ATTRIBUTES, "labels": f"sqlite:///{tmp_path}/labels.db"}
    with Server(tmp_path / "log", bundle=bundle_dir, **options) as server:
        campaign = Campaign(server, seed=1, requests=50, clients=1)
        campaign.run()
        assert [] == list(campaign.aftermath())
        server.children()[0].kill()
        time.sleep(1)
        with server.log.open("a") as log:
            log.write(f'{{"event": "{MARK}"}}\n')
        assert {"workers died", "the log tells a message"} <= {
            one.split(":")[0] for one in campaign.aftermath()
        }


def test_growth_is_what_the_end_has_over_the_warm_up(bundle_dir: Path, tmp_path: Path) -> None:
    campaign = Campaign.__new__(Campaign)
    campaign.requests = 100
    campaign.memory = [(0, 10), (20, 100), (25, 110), (29, 120), (60, 400), (90, 130), (100, 150), (100, 140)]
    assert pytest.approx((110 / 1_048_576, 140 / 1_048_576, 30 / 110)) == campaign.growth()


def test_a_finding_is_kept_so_that_it_can_be_sent_again(tmp_path: Path) -> None:
    kept = Finding(Case(4711, "tree", b"POST \0", ends="half"), "status 500").write(tmp_path / "x", seed=3)
    assert ("3-4711.bin", b"POST \0") == (kept.name, kept.read_bytes())
    assert '"ends": "half"' in kept.with_suffix(".json").read_text()
