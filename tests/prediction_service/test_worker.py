"""The worker and the listener, in real gunicorn processes under load."""

import signal
import socket
import time
from http.client import HTTPResponse
from pathlib import Path

import pytest

from tests.prediction_service.serving import Load, Server, exchange, records, request_bytes


def read_status(client: socket.socket) -> int:
    answer = HTTPResponse(client, method="POST")
    answer.begin()
    answer.read()
    return answer.status


def refused_within(server: Server, seconds: float) -> float:
    """Seconds until a new connection is refused."""
    began = time.monotonic()
    while time.monotonic() < began + seconds:
        try:
            with server.connect(timeout=seconds):
                time.sleep(0.01)
        except ConnectionRefusedError:
            return time.monotonic() - began
    pytest.fail(f"connections were still taken after {seconds} s")


@pytest.mark.parametrize("attempt", range(3))
def test_sigterm_under_load_answers_what_was_received_and_refuses_the_rest(
    bundle_dir: Path, tmp_path: Path, attempt: int
) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir) as server:
        load = Load(server)
        load.start(fresh=8, kept=8)
        time.sleep(0.5 + attempt / 10)
        server.process.send_signal(signal.SIGTERM)
        load.wait_until_refused(within_s=15)
        assert server.process.wait(15) == 0
    answered = load.outcomes.pop("answered")
    assert load.outcomes == {"refused": 16, "hung": 0}
    assert answered > 100


def test_a_slow_batch_is_answered_after_sigterm_while_new_connections_are_refused(
    bundle_dir: Path, tmp_path: Path
) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1) as server:
        with server.connect(timeout=60) as slow:
            slow.sendall(request_bytes(records(10_000, "a long message about the error " * 20)))
            time.sleep(0.5)
            server.process.send_signal(signal.SIGTERM)
            assert refused_within(server, 5) < 3
            assert server.process.poll() is None, "the batch ended too soon to show anything"
            assert read_status(slow) == 200
        assert server.process.wait(10) == 0


def test_requests_in_the_listen_queue_are_answered_after_sigterm(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, threads=1) as server:
        [worker] = server.children()
        worker.suspend()
        waiting = [server.connect() for _ in range(40)]
        for client in waiting:
            client.sendall(request_bytes(records(1)))
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.3)
        with pytest.raises(TimeoutError):
            # nobody new is let into the queue that nobody may be left to serve
            server.connect(timeout=0.4)
        worker.resume()
        assert [read_status(client) for client in waiting] == [200] * 40
        for client in waiting:
            client.close()
        assert server.process.wait(10) == 0


def test_a_next_request_on_a_kept_connection_is_answered_after_sigterm(
    bundle_dir: Path, tmp_path: Path
) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1) as server:
        with server.connect() as kept:
            assert exchange(kept, request_bytes(records(1))) == ("answered", True)
            [worker] = server.children()
            worker.suspend()
            kept.sendall(request_bytes(records(1)))
            server.process.send_signal(signal.SIGTERM)
            time.sleep(0.3)
            worker.resume()
            answer = HTTPResponse(kept, method="POST")
            answer.begin()
            answer.read()
            assert (answer.status, answer.headers["Connection"]) == (200, "close")
        assert server.process.wait(10) == 0


def test_idle_connections_do_not_hold_up_the_end(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir) as server:
        silent = [server.connect() for _ in range(20)]
        for client in silent[:10]:
            assert exchange(client, request_bytes(records(1))) == ("answered", True)
        server.process.send_signal(signal.SIGTERM)
        assert server.process.wait(6) == 0
        assert [client.recv(1) for client in silent] == [b""] * 20
        for client in silent:
            client.close()


def test_two_requests_sent_at_once_are_both_answered(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1) as server, server.connect(5) as client:
        client.sendall(request_bytes(records(1)) * 2)
        received = b""
        while received.count(b"HTTP/1.1 200 OK") < 2 or not received.endswith(b"}]}"):
            received += client.recv(65536)


def test_clients_that_send_nothing_do_not_keep_others_waiting(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, threads=2) as server:
        silent = [server.connect() for _ in range(30)]
        began = time.monotonic()
        assert server.ask("POST", "/predict", records(1))[0] == 200
        assert time.monotonic() - began < 1
        for client in silent:
            client.close()


def test_clients_that_do_not_hang_up_do_not_keep_others_waiting(bundle_dir: Path, tmp_path: Path) -> None:
    closing = request_bytes(records(1)).replace(b"Host: t", b"Host: t\r\nConnection: close")
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1) as server:
        lazy = [server.connect() for _ in range(10)]
        assert [exchange(client, closing) for client in lazy] == [("answered", False)] * 10
        began = time.monotonic()
        assert server.ask("POST", "/predict", records(1))[0] == 200
        assert time.monotonic() - began < 1
        for client in lazy:
            client.close()


def test_clients_that_stop_half_way_do_not_hold_their_thread(bundle_dir: Path, tmp_path: Path) -> None:
    whole = request_bytes(records(1))
    with Server(tmp_path / "log", bundle=bundle_dir, workers=1, threads=2) as server:
        in_body, in_head = (server.connect() for _ in range(2))
        in_body.sendall(whole[:-10])
        in_head.sendall(whole[:10])
        time.sleep(0.2)
        assert server.ask("POST", "/predict", records(1))[0] == 200, "nobody else is kept waiting for ever"
        assert read_status(in_body) == 408
        assert in_head.recv(1) == b""
        for client in (in_body, in_head):
            client.close()


def test_a_killed_worker_takes_only_the_requests_in_its_hands_and_returns(
    bundle_dir: Path, tmp_path: Path
) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir) as server:
        load = Load(server)
        load.start(fresh=8, kept=8)
        time.sleep(0.5)
        before = {child.pid for child in server.children()}
        killed_at = time.monotonic()
        server.children()[0].kill()
        time.sleep(2.5)
        answered = load.outcomes["answered"]
        time.sleep(0.5)
        assert load.outcomes["answered"] > answered
        load.finish(within_s=10)
        after = {child.pid for child in server.children()}
        server.wait_until_ready()
    assert len(after) == 2
    assert len(after & before) == 1
    assert load.outcomes["hung"] == load.outcomes["refused"] == 0
    assert len(load.failures) <= 16
    assert all(moment - killed_at < 0.5 for moment, _ in load.failures), load.failures


def test_one_worker_told_to_stop_ends_without_a_lost_request(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir) as server:
        load = Load(server)
        load.start(fresh=8, kept=8)
        time.sleep(0.5)
        server.children()[0].send_signal(signal.SIGTERM)
        time.sleep(3)
        load.finish(within_s=10)
        assert len(server.children()) == 2
    answered = load.outcomes.pop("answered")
    assert load.outcomes == {"hung": 0}
    assert answered > 100


def test_a_reload_loses_no_request(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir) as server:
        load = Load(server)
        load.start(fresh=4, kept=4)
        time.sleep(0.5)
        before = {child.pid for child in server.children()}
        server.process.send_signal(signal.SIGHUP)
        give_up = time.monotonic() + 15
        while {child.pid for child in server.children()} & before and time.monotonic() < give_up:
            time.sleep(0.1)
        load.finish(within_s=10)
        after = {child.pid for child in server.children()}
    assert not after & before
    answered = load.outcomes.pop("answered")
    assert load.outcomes == {"hung": 0}
    assert answered > 100


def test_no_process_is_left(bundle_dir: Path, tmp_path: Path) -> None:
    with Server(tmp_path / "log", bundle=bundle_dir) as server:
        workers = server.children()
        assert len(workers) == 2
    assert not any(worker.is_running() for worker in workers)
