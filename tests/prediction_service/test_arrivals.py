"""What is called whole is whole: against gunicorn's own parser, for requests cut and mangled anywhere."""

from typing import Any

import pytest
from gunicorn.config import Config
from gunicorn.http.parser import RequestParser
from hypothesis import example, given
from hypothesis import strategies as st

from prediction_service.arrivals import LOOK, MOST_CHUNKS, missing

CONFIG = Config()


class WouldWaitError(Exception):
    """All that has come was read, and more is wanted."""


class Wire:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def recv(self, size: int) -> bytes:
        if not self._data:
            raise WouldWaitError
        data, self._data = self._data[:size], self._data[size:]
        return data

    def sendall(self, data: bytes) -> None:
        """To be told to continue is of no interest here."""


def waits(data: bytes) -> bool:
    """Whether gunicorn, given these bytes, waits for more."""
    try:
        request = next(RequestParser(CONFIG, Wire(data), ("127.0.0.1", 1)))
        while request.body.read(8192):
            pass
    except WouldWaitError:
        return True
    except Exception:  # noqa: BLE001 - whatever it finds wrong, it does not wait
        return False
    return False


def chunked(pieces: list[bytes], trailer: bytes = b"") -> bytes:
    framed = b"".join(b"%x;a=b\r\n%b\r\n" % (len(piece), piece) for piece in pieces)
    return framed + b"0\r\n" + trailer + b"\r\n"


bodies = st.binary(max_size=40) | st.sampled_from(
    [b"\r\n\r\n", b"\r\n0\r\n\r\n", b"\r\nContent-Length: 9\r\n"]
)
others = st.sampled_from(
    [
        b"Host: t",
        b"X-Content-Length: 7",
        b"X: content-length",
        b"Accept: a/b",
        b"Content-Type: application/json",
    ]
)


@st.composite
def requests(draw: st.DrawFn) -> bytes:
    lines: list[bytes] = draw(st.lists(others, max_size=4, unique=True))
    kind = draw(st.sampled_from(["none", "length", "chunks"]))
    body = b""
    if kind == "length":
        body = draw(bodies)
        name = draw(st.sampled_from([b"Content-Length: %d", b"content-length:%d", b"CONTENT-LENGTH: \t%d "]))
        lines.insert(draw(st.integers(0, len(lines))), name % len(body))
    if kind == "chunks":
        trailer = draw(st.sampled_from([b"", b"X-A: b\r\n", b"X-A: b\r\nX-C: d\r\n"]))
        body = chunked(draw(st.lists(bodies.filter(len), max_size=4)), trailer)
        lines.insert(draw(st.integers(0, len(lines))), b"Transfer-Encoding: Chunked")
    return b"\r\n".join([b"POST /predict HTTP/1.1", *lines, b"", b""]) + body


@given(requests())
def test_a_request_is_whole_at_its_last_byte_and_at_no_earlier_one(whole: bytes) -> None:
    assert 0 == missing(whole)
    assert not waits(whole)
    for cut in range(len(whole)):
        lack = missing(whole[:cut])
        assert lack is not None
        assert 0 < lack <= len(whole) - cut


@given(requests(), requests())
def test_what_follows_a_whole_request_changes_nothing(whole: bytes, following: bytes) -> None:
    assert 0 == missing(whole + following)


PIECES = (
    b"\r\n",
    b"\n",
    b"\r",
    b" ",
    b"\t",
    b":",
    b"\0",
    b"0\r\n\r\n",
    b"-1",
    b"99",
    b"\r\nContent-Length: 9",
)
MORE = (b"Transfer-Encoding: gzip\r\n", b"\r\nContent-Length : 5", b"\r\nExpect: 100-continue", b"chunked, ")
SMUGGLED = b"\r\nTransfer-Encoding: chunked"


@given(st.data(), requests())
@example(None, b"\r\n\r\n")
@example(None, b"POST / HTTP/1.1\r\nContent-Length:\x0b5\r\n\r\n")
@example(None, b"POST / HTTP/1.1\nContent-Length: 5\n\r\n\r\n")
@example(None, b"POST / HTTP/1.1\r\nA: b\r\n Content-Length: 5\r\n\r\n")
@example(None, b"POST / HTTP/1.1\r\nContent_Length: 5\r\n\r\n")
@example(None, b"POST / HTTP/1.1\r\nContent-Length: \xb2\r\n\r\n")
@example(None, b"POST / HTTP/1.1\r\nContent-Length: 5\r\nContent-Length: 0\r\n\r\n")
@example(None, b"POST / HTTP/1.1\r\nTransfer-Encoding: x, chunked\r\n\r\n")
@example(None, b"PRI * HTTP/2.0\r\n\r\n")
def test_whatever_is_called_whole_keeps_nobody_waiting(dice: Any, wire: bytes) -> None:
    for _ in range(dice.draw(st.integers(1, 3)) if dice else 0):
        at = dice.draw(st.integers(0, len(wire)))
        cut = dice.draw(st.integers(0, 3))
        wire = wire[:at] + dice.draw(st.sampled_from((b"", SMUGGLED, *PIECES, *MORE))) + wire[at + cut :]
    if missing(wire) == 0:
        assert not waits(wire)


@pytest.mark.parametrize(
    "wire",
    [
        b"x" * 5000,
        b"GET / HTTP/1.1\r\n" + b"A: b\r\n" * (LOOK // 6),
        b"POST / HTTP/1.1\r\nContent-Length: 100000\r\n\r\n" + b"x" * LOOK,
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n",
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nno size\r\n",
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n" + b"1\r\nx\r\n" * MOST_CHUNKS,
        b"POST / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * LOOK,
        b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\n",
    ],
)
def test_what_only_reading_on_can_tell_is_said(wire: bytes) -> None:
    assert missing(wire) is None


def test_of_a_large_body_no_more_is_awaited_than_can_be_looked_at() -> None:
    head = b"POST / HTTP/1.1\r\nContent-Length: 10000000\r\n\r\n"
    assert LOOK - len(head) == missing(head)


def test_a_body_that_came_although_its_client_would_have_waited_is_whole() -> None:
    assert 0 == missing(b"POST / HTTP/1.1\r\nContent-Length: 1\r\nExpect: 100-continue\r\n\r\nx")
