"""Clients that send half a request, and stop, in real workers: what they cost others, and how they end."""

import contextlib
import http.client
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from prediction_service.arrivals import LOOK
from prediction_service.lobby import QUEUE_S
from prediction_service.pace import STALL_S
from tests.prediction_service.serving import Server, exchange, records, request_bytes

WHOLE = request_bytes(records(1))
HEAD = WHOLE[: WHOLE.index(b"\r\n\r\n") + 4]
CHUNKED = HEAD[: HEAD.index(b"Content-Length")] + b"Transfer-Encoding: chunked\r\n\r\n"
LARGE = HEAD.replace(b"Content-Length: ", b"Content-Length: 10000")
EXPECTING = HEAD.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
WAITING = {
    "half a head": HEAD[:30],
    "a head without its body": HEAD,
    "half a body": WHOLE[:-10],
    "nearly all of a long body": request_bytes(records(750))[:-1],
    "chunks without an end": CHUNKED + b"5\r\nhe",
    "half a request after a whole one": WHOLE + HEAD,
}
READ_BY_THREADS = {
    "a large body": LARGE + b"{" * LOOK,
    "a body that waits to be asked for": EXPECTING,
    "very many chunks": CHUNKED + b"1\r\n{\r\n" * 200,
}


@pytest.fixture(scope="module")
def server(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("lobby") / "log", bundle=bundle_dir, workers=1) as server:
        yield server


@contextlib.contextmanager
def flood(server: Server, count: int, *starts: bytes) -> Iterator[list[socket.socket]]:
    """So many clients of each kind, whose first bytes have arrived."""
    clients = [server.connect() for _ in range(count * len(starts))]
    for number, client in enumerate(clients):
        client.sendall(starts[number % len(starts)])
    time.sleep(0.5)
    try:
        yield clients
    finally:
        for client in clients:
            client.close()


def wait_until(true: Callable[[], bool], within_s: float) -> None:
    give_up = time.monotonic() + within_s
    while not true():
        assert time.monotonic() < give_up
        time.sleep(0.02)


def connections(worker: psutil.Process) -> int:
    return sum(one.status != psutil.CONN_LISTEN for one in worker.net_connections("tcp"))


def everything(client: socket.socket) -> bytes:
    received = b""
    with contextlib.suppress(ConnectionResetError):
        while piece := client.recv(65_536):
            received += piece
    return received


def assert_others_are_answered(server: Server) -> None:
    for _ in range(3):
        for method, path in (("GET", "/healthz"), ("POST", "/predict")):
            began = time.monotonic()
            assert 200 == server.ask(method, path, records(1) if method == "POST" else None)[0]
            assert time.monotonic() - began < 1


@pytest.mark.parametrize("count", [64, 300])
@pytest.mark.parametrize("kind", [*WAITING, *READ_BY_THREADS])
def test_half_sent_requests_keep_nobody_waiting(server: Server, kind: str, count: int) -> None:
    [worker] = server.children()
    with flood(server, count, (WAITING | READ_BY_THREADS)[kind]) as clients:
        assert_others_are_answered(server)
        if kind.startswith("a large"):
            for client in clients:
                client.sendall(b" ")
            assert_others_are_answered(server)
        before = sum(worker.cpu_times()[:2])
        time.sleep(1)
        assert sum(worker.cpu_times()[:2]) - before < 0.1, "the poller does not rest"
    wait_until(lambda: not connections(worker), within_s=5)
    assert "exception" not in server.log.read_text()


def test_they_end_as_each_would_alone(server: Server) -> None:
    [worker] = server.children()
    began = time.monotonic()
    with flood(server, 20, *WAITING.values()) as clients:
        ends = [everything(client) for client in clients]
        assert STALL_S - 1 < time.monotonic() - began < STALL_S + 4
    kinds = dict(
        zip(WAITING, (set(map(_statuses, ends[at :: len(WAITING)])) for at in range(6)), strict=True)
    )
    assert {
        "half a head": {()},
        "a head without its body": {(408,)},
        "half a body": {(408,)},
        "nearly all of a long body": {(408,)},
        "chunks without an end": {(408,)},
        "half a request after a whole one": {(200, 408)},
    } == kinds
    wait_until(lambda: not connections(worker), within_s=5)


def _statuses(answers: bytes) -> tuple[int, ...]:
    return tuple(int(one[:3]) for one in answers.split(b"HTTP/1.1 ")[1:])


def test_bytes_one_by_one_do_not_renew_a_clients_time(server: Server) -> None:
    began = time.monotonic()
    with flood(server, 1, HEAD[:20], HEAD) as [in_head, in_body]:
        threading.Thread(target=_drip, args=((in_head, in_body),), daemon=True).start()
        assert b"" == everything(in_head)
        assert everything(in_body).startswith(b"HTTP/1.1 408")
    assert time.monotonic() - began < STALL_S + 4


def _drip(clients: tuple[socket.socket, ...]) -> None:
    with contextlib.suppress(OSError):
        while True:
            for client in clients:
                client.sendall(b" ")
            time.sleep(0.2)


def test_a_slow_client_that_keeps_sending_enough_is_answered(server: Server) -> None:
    whole = request_bytes(records(750))
    assert LOOK * 0.8 < len(whole) < LOOK
    with server.connect() as client:
        began = time.monotonic()
        for at in range(0, len(whole), 1000):
            client.sendall(whole[at : at + 1000])
            time.sleep(0.2)
        assert time.monotonic() - began > STALL_S + 1
        assert status_of_next(client) == 200


def status_of_next(client: socket.socket) -> int:
    answer = http.client.HTTPResponse(client, method="POST")
    answer.begin()
    answer.read()
    return answer.status


@pytest.mark.parametrize("start", [HEAD[:10], HEAD[:-2], HEAD, WHOLE[:-1], WHOLE + HEAD, WHOLE + WHOLE[:-1]])
def test_what_comes_after_a_pause_is_answered(server: Server, start: bytes) -> None:
    with server.connect() as client:
        client.sendall(start)
        time.sleep(0.3)
        client.sendall((WHOLE * 2)[len(start) :])
        client.settimeout(3)
        received = b""
        while _statuses(received) != (200, 200):
            received += client.recv(65_536)


def test_head_and_body_in_two_packets_are_no_slower(server: Server) -> None:
    def seconds(client: socket.socket, *packets: bytes) -> float:
        began = time.monotonic()
        for packet in packets:
            client.sendall(packet)
        assert 200 == status_of_next(client)
        return time.monotonic() - began

    with server.connect() as client:
        client.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        pairs = [(seconds(client, WHOLE), seconds(client, HEAD, WHOLE[len(HEAD) :])) for _ in range(100)]
    once, twice = (statistics.median(times) for times in zip(*pairs, strict=True))
    assert twice < once + 0.005


def test_a_large_body_is_answered_while_others_stall(server: Server) -> None:
    body = records(1000)
    assert len(body) > LOOK
    with flood(server, 2, READ_BY_THREADS["a large body"]):
        began = time.monotonic()
        assert 200 == server.ask("POST", "/predict", body)[0]
        assert time.monotonic() - began < STALL_S / 2


def test_the_queue_for_large_bodies_ends(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, threads=2) as server:
        began = time.monotonic()
        with flood(server, 4, *READ_BY_THREADS.values()) as clients:
            for client in clients:
                client.settimeout(QUEUE_S + STALL_S)
            ends = [everything(client) for client in clients]
        assert time.monotonic() - began < QUEUE_S + STALL_S
        assert {408} == {_statuses(end)[-1] for end in ends}


@pytest.mark.parametrize("threads", [1, 2])
def test_a_half_sent_request_that_is_completed_after_sigterm_is_answered(
    bundle_dir: Path, tmp_path: Path, threads: int
) -> None:
    whole = request_bytes(records(300))
    assert len(whole) < LOOK
    large = request_bytes(records(2000))
    assert len(large) > LOOK
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, threads=threads) as server:
        with flood(server, 1, whole[:-5], whole[:30], large[:-5], large[:-5]) as clients:
            server.process.send_signal(signal.SIGTERM)
            time.sleep(1)
            for client, wire in zip(clients, (whole, whole, large, large), strict=True):
                client.sendall(wire[30:] if wire is whole and client is clients[1] else wire[-5:])
            assert [200] * 4 == [status_of_next(client) for client in clients]
        assert server.process.wait(10) == 0


def test_half_sent_requests_end_with_the_server(bundle_dir: Path, tmp_path: Path) -> None:
    with (
        Server(tmp_path / "log", bundle=bundle_dir, workers=1) as server,
        flood(server, 20, *WAITING.values()),
    ):
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(STALL_S + 5) == 0


def test_a_client_that_says_it_has_ended_is_answered_at_once(server: Server) -> None:
    for start, answer in ((HEAD[:30], ""), (HEAD, "408"), (WHOLE[:-1], "408"), (LARGE + b"{" * LOOK, "408")):
        with server.connect() as client:
            client.sendall(start)
            time.sleep(0.1)
            client.shutdown(socket.SHUT_WR)
            began = time.monotonic()
            assert answer == everything(client)[9:12].decode()
            assert time.monotonic() - began < 1


def test_a_kept_connection_is_kept(server: Server) -> None:
    with server.connect() as client:
        for _ in range(5):
            assert ("answered", True) == exchange(client, WHOLE)
            time.sleep(0.05)
