"""The listening socket that turns new connections away and keeps those that wait."""

import os
import socket

import pytest

from prediction_service.listener import Listener, turn_away


class Inner:
    """What gunicorn's own listening sockets offer."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.closed = False

    def getsockname(self) -> tuple[str, int]:
        name: tuple[str, int] = self.sock.getsockname()
        return name

    def close(self) -> None:
        self.closed = True

    def __str__(self) -> str:
        return "http://here"


def attempt(address: tuple[str, int]) -> str:
    try:
        with socket.create_connection(address, timeout=0.3):
            return "taken"
    except TimeoutError:
        return "unanswered"


def test_who_waits_is_kept_and_who_comes_later_is_not_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        address = listening.getsockname()
        with socket.create_connection(address, timeout=5) as early:
            assert turn_away(listening)
            assert attempt(address) == "unanswered"
            taken, _ = listening.accept()
            with taken:
                early.sendall(b"request")
                assert taken.recv(100) == b"request"
                taken.sendall(b"answer")
            assert early.recv(100) == b"answer"


def test_a_socket_that_takes_no_filter_is_left_as_it_is() -> None:
    with socket.socket() as closed:
        closed.close()
        assert not turn_away(closed)


@pytest.mark.parametrize(("for_good", "expected"), [(True, "unanswered"), (False, "taken")])
def test_only_a_server_that_stops_for_good_turns_clients_away(*, for_good: bool, expected: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        inner = Inner(listening)
        Listener(inner, lambda: for_good).close()
        assert inner.closed
        assert attempt(listening.getsockname()) == expected


def test_a_worker_closes_its_copy_and_turns_nobody_away(monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listener = Listener(Inner(listening), lambda: True)
        monkeypatch.setattr(os, "getpid", lambda: 1)
        listener.close()
        assert attempt(listening.getsockname()) == "taken"


def test_everything_else_is_the_sockets_own() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listener = Listener(Inner(listening), lambda: True)
        assert listener.getsockname() == listening.getsockname()
        assert str(listener) == "http://here"
