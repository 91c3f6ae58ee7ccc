"""Slow clients and malformed chunks: what one of them may cost, on real sockets and in real workers."""

import contextlib
import http.client
import json
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from prediction_service import pace
from prediction_service.pace import PacedSocket, Stalled
from tests.prediction_service.serving import Server, records, request_bytes

CHUNKED = (
    b"POST %b HTTP/1.1\r\nHost: t\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n"
)
TEXT = b'd\r\n{"text":"hi"}\r\n'


@pytest.fixture
def pair(monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[PacedSocket, socket.socket]]:
    """A paced end, as the worker makes it, and its client's; patience is a fifth of a second."""
    monkeypatch.setattr(pace, "STALL_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        theirs = socket.create_connection(listener.getsockname())
        ours, _ = listener.accept()
    paced = PacedSocket(ours.family, ours.type, ours.proto, ours.detach())
    for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
        paced.setsockopt(
            socket.SOL_SOCKET, direction, (0).to_bytes(8, "little") + (200_000).to_bytes(8, "little")
        )
    paced.settimeout(None)
    paced.begin()
    with paced, theirs:
        yield paced, theirs


def drip(client: socket.socket, data: bytes, pause: float) -> None:
    def send() -> None:
        for one in data:
            time.sleep(pause)
            try:
                client.sendall(bytes([one]))
            except OSError:
                return

    threading.Thread(target=send, daemon=True).start()


def test_what_comes_in_time_is_read(pair: tuple[PacedSocket, socket.socket]) -> None:
    paced, client = pair
    client.sendall(b"hello")
    assert b"hello" == paced.recv(100)


def _read_on(paced: PacedSocket) -> None:
    while True:
        assert paced.recv(100)


def test_silence_is_a_stall(pair: tuple[PacedSocket, socket.socket]) -> None:
    paced, _ = pair
    stalled: list[int] = []
    paced.on_stall = lambda: stalled.append(1)
    started = time.monotonic()
    with pytest.raises(Stalled):
        paced.recv(100)
    assert time.monotonic() - started < 1
    assert [1] == stalled


def test_a_byte_now_and_then_is_a_stall_as_well(pair: tuple[PacedSocket, socket.socket]) -> None:
    paced, client = pair
    drip(client, b"x" * 100, 0.05)
    started = time.monotonic()
    with pytest.raises(Stalled):
        _read_on(paced)
    assert time.monotonic() - started < 1


def test_a_slow_client_that_keeps_sending_enough_is_heard_to_its_end(
    pair: tuple[PacedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SLOWEST_BYTES_S", 10)
    paced, client = pair
    drip(client, b"x" * 12, 0.05)
    assert 12 == sum(len(paced.recv(100)) for _ in range(12))


def test_each_request_has_a_time_of_its_own(pair: tuple[PacedSocket, socket.socket]) -> None:
    paced, client = pair
    time.sleep(0.3)
    paced.begin()
    client.sendall(b"next")
    assert b"next" == paced.recv(100)


def test_a_client_that_does_not_take_its_answer_is_a_stall(pair: tuple[PacedSocket, socket.socket]) -> None:
    paced, _ = pair
    started = time.monotonic()
    with pytest.raises(Stalled):
        paced.sendall(b"x" * 10_000_000)
    assert time.monotonic() - started < 1


def test_a_client_that_takes_a_little_now_and_then_is_a_stall(
    pair: tuple[PacedSocket, socket.socket], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "SLOWEST_BYTES_S", 100_000_000)
    paced, client = pair

    def sip() -> None:
        try:
            while client.recv(200_000):
                time.sleep(0.05)
        except OSError:
            return

    threading.Thread(target=sip, daemon=True).start()
    started = time.monotonic()
    with pytest.raises(Stalled):
        paced.sendall(b"x" * 50_000_000)
    assert time.monotonic() - started < 3


def test_an_answers_head_waits_for_its_body_and_both_go_at_once(
    pair: tuple[PacedSocket, socket.socket],
) -> None:
    paced, client = pair
    client.setblocking(False)  # noqa: FBT003 - the standard library's
    paced.hold()
    paced.sendall(b"head ")
    with pytest.raises(BlockingIOError):
        client.recv(99)
    paced.sendall(b"body ")
    assert b"head body " == client.recv(99)
    paced.sendall(b"more")
    assert b"more" == client.recv(99)


def test_a_head_without_a_body_is_flushed_and_that_of_a_failed_answer_forgotten(
    pair: tuple[PacedSocket, socket.socket],
) -> None:
    paced, client = pair
    paced.hold()
    paced.sendall(b"failed")
    paced.drop()
    paced.sendall(b"told,")
    paced.hold()
    paced.drop()
    paced.sendall(b"told again")
    assert b"told,told again" == client.recv(99)
    paced.hold()
    paced.sendall(b"alone")
    paced.flush()
    assert b"alone" == client.recv(99)


def test_a_large_answer_is_sent_whole(pair: tuple[PacedSocket, socket.socket]) -> None:
    paced, client = pair
    got: list[int] = []
    reader = threading.Thread(
        target=lambda: got.extend(len(one) for one in iter(lambda: client.recv(65_536), b""))
    )
    reader.start()
    paced.sendall(b"x" * 5_000_000)
    paced.shutdown(socket.SHUT_WR)
    reader.join(10)
    assert 5_000_000 == sum(got)


def test_a_client_that_takes_a_large_answer_slowly_but_steadily_gets_all_of_it(
    pair: tuple[PacedSocket, socket.socket],
) -> None:
    paced, client = pair
    client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65_536)
    got: list[int] = []

    def take() -> None:
        while piece := client.recv(1_000_000):
            got.append(len(piece))
            time.sleep(0.004)

    reader = threading.Thread(target=take)
    reader.start()
    begun = time.monotonic()
    paced.sendall(b"x" * 30_000_000)
    took = time.monotonic() - begun
    paced.shutdown(socket.SHUT_WR)
    reader.join(10)
    assert (30_000_000, True) == (sum(got), took > 2 * pace.STALL_S)


@pytest.fixture(scope="module")
def server(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with Server(tmp_path_factory.mktemp("pace") / "log", bundle=bundle_dir, workers=1, threads=2) as server:
        yield server


def everything(client: socket.socket) -> bytes:
    """All that comes until the server has closed the connection."""
    received = b""
    while piece := client.recv(65_536):
        received += piece
    return received


@pytest.mark.parametrize(
    "chunks",
    [
        b"zz\r\n" + TEXT,
        b"-1\r\n",
        b'd\r\n{"text":"hi"}XX0\r\n\r\n',
        TEXT + b"0\r\nno trailer\r\n\r\n",
        TEXT + b"0\r\nHost: x\r\n\r\n",
        b"1;a=\r\r\n",
        b"1" * 1_000_000,
        b"1;" + b"e" * 1_000_000,
        TEXT + b"0\r\n" + b"A: b\r\n" * 200_000,
    ],
    ids=[
        *(
            "no size",
            "a negative size",
            "no end of a chunk",
            "no trailer",
            "a forbidden trailer",
            "a bare CR",
        ),
        *("a size without end", "an extension without end", "trailers without end"),
    ],
)
@pytest.mark.parametrize(
    ("path", "kind"),
    [(b"/analyze", "application/problem+json"), (b"/v1/moderations", "application/json")],
    ids=["a problem", "another dialect"],
)
def test_chunks_that_cannot_be_read_are_a_bad_request_and_end_the_connection(
    server: Server, path: bytes, kind: str, chunks: bytes
) -> None:
    started = time.monotonic()
    with server.connect(5) as client:
        with contextlib.suppress(ConnectionError):  # refused before all was sent
            client.sendall(CHUNKED % path + chunks)
        head, _, body = everything(client).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 400"), head
    assert b"Connection: close" in head
    assert f"Content-Type: {kind}".encode() in head
    assert "chunks cannot be read" in json.loads(body).get("detail", json.dumps(json.loads(body)))
    assert time.monotonic() - started < 3


def test_what_follows_malformed_chunks_is_no_request(server: Server) -> None:
    follows = b"GET /healthz HTTP/1.1\r\nHost: t\r\n\r\n"
    unread = CHUNKED.replace(b"POST", b"GET") % b"/healthz"
    for head, status in ((CHUNKED % b"/analyze", b"400"), (CHUNKED % b"/no", b"404"), (unread, b"200")):
        with server.connect(5) as client:
            client.sendall(head + b"zz\r\n" + follows)
            answers = everything(client)
        assert answers.startswith(b"HTTP/1.1 " + status)
        assert 1 == answers.count(b"HTTP/1.1 ")


def test_a_body_that_ends_early_is_not_judged(server: Server) -> None:
    whole = request_bytes(records(1))
    with server.connect(5) as client:
        client.sendall(whole.replace(b"Content-Length: ", b"Content-Length: 1"))
        client.shutdown(socket.SHUT_WR)
        assert everything(client).startswith(b"HTTP/1.1 408")


def test_trickling_clients_do_not_keep_others_waiting_for_ever(server: Server) -> None:
    whole = request_bytes(records(1, "a long text " * 100))
    head, body = server.connect(), server.connect()
    head.sendall(whole[:20])
    body.sendall(whole[:-500])
    drip(head, whole[20:], 1.0)
    drip(body, whole[-500:], 1.0)
    started = time.monotonic()
    time.sleep(0.5)
    assert server.ask("POST", "/predict", records(1))[0] == 200
    assert time.monotonic() - started < 25
    assert everything(body).startswith(b"HTTP/1.1 408")
    assert b"" == everything(head)
    for client in (head, body):
        client.close()
    assert "exception" not in server.log.read_text()


def test_a_worker_without_free_file_descriptors_waits_for_one(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1) as server:
        [worker] = server.children()
        worker.rlimit(7, (worker.num_fds() + 8, 20_000))
        clients = [server.connect(5) for _ in range(40)]
        time.sleep(1.0)
        assert [worker.pid] == [one.pid for one in server.children()]
        for client in clients:
            client.close()
        assert 200 == server.ask("POST", "/predict", records(1))[0]
        assert [worker.pid] == [one.pid for one in server.children()]


def test_a_full_disk_under_the_log_loses_lines_and_no_answer(bundle_dir: Path) -> None:
    with Server(Path("/dev/full"), bundle=bundle_dir) as server:
        for method, path, status in (("POST", "/predict", 200), ("GET", "/nothing", 404)):
            assert status == server.ask(method, path, records(1))[0]
        assert 400 == _garbage(server)
        assert 2 == len(server.children())


def _garbage(server: Server) -> int:
    with server.connect(5) as client:
        client.sendall(b"garbage\r\n\r\n")
        answer = http.client.HTTPResponse(client)
        answer.begin()
        return answer.status


def test_memory_stays_flat_under_large_bodies_in_every_thread(bundle_dir: Path, tmp_path: Path) -> None:
    def used(server: Server) -> int:
        return sum(int(worker.memory_full_info().uss) for worker in server.children())

    def large(server: Server) -> None:
        for _ in range(6):
            server.ask("POST", "/analyze", b'{"text":"' + b"a" * 8_000_000 + b'"}')

    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, threads=8) as server:
        server.ask("POST", "/predict", records(1))
        before = used(server)
        threads: list[Any] = [threading.Thread(target=large, args=(server,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert used(server) - before < 25_000_000, "eight heaps would hold what eight threads have read"
