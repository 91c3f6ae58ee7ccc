"""A client that reads answers byte for byte, and says what is wrong with each. Knows no generator."""

import re
import socket
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from tests.fuzz.cases import Case
from tests.fuzz.targets import Target, wrong_shape

LONGEST_S: Final = 15.0
STALLED_S: Final = 25.0
STATUS_LINE: Final = re.compile(rb"HTTP/1\.\d ([1-5]\d\d) [ -~]*")
FIELD: Final = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\x20-\x7e\x80-\xff\t]*)")
PIECE_PAUSE_S: Final = 0.1
BLOCK: Final = 65_536


class Unreadable(Exception):  # noqa: N818 - an outcome
    """What came is no HTTP answer, or not all of one."""


@dataclass(frozen=True)
class Answer:
    """One answer."""

    status: int
    fields: dict[str, str]
    body: bytes


@dataclass
class Client:
    """One client with one connection, which it keeps where it may."""

    port: int
    refusals: Sequence[type]
    retried: int = 0
    statuses: list[int] = field(default_factory=list)
    _socket: socket.socket | None = None
    _buffer: bytes = b""

    def ask(self, one: Case) -> str:
        """Send a case; the statuses that were answered are in ``statuses``. What is wrong, or nothing."""
        self.statuses = []
        fresh = self._socket is None or one.ends != "keep"
        complaint = self._ask(one, fresh=fresh)
        if complaint.startswith("closed without") and not fresh:
            # a kept connection may be closed while it is idle
            self.retried += 1
            complaint = self._ask(one, fresh=True)
        return complaint

    def close(self) -> None:
        """Hang up."""
        if self._socket:
            self._socket.close()
        self._socket, self._buffer = None, b""

    def _ask(self, one: Case, *, fresh: bool) -> str:
        started = time.monotonic()
        if fresh:
            self.close()
            self._socket = socket.create_connection(("127.0.0.1", self.port), LONGEST_S)
        assert self._socket
        self._socket.settimeout(STALLED_S if one.ends == "stall" else LONGEST_S)
        try:
            self._send(one)
            complaint = self._judged(one)
        except TimeoutError:
            complaint = f"hung: nothing for {time.monotonic() - started:.1f} s"
        except Unreadable as error:
            complaint = f"unreadable: {error}"
        if complaint or one.ends != "keep":
            self.close()
        return complaint

    def _send(self, one: Case) -> None:
        assert self._socket
        size = -(-len(one.wire) // one.pieces) or 1
        try:
            for start in range(0, len(one.wire), size):
                if start:
                    time.sleep(PIECE_PAUSE_S)
                self._socket.sendall(one.wire[start : start + size])
            if one.ends == "half":
                self._socket.shutdown(socket.SHUT_WR)
        except (BrokenPipeError, ConnectionResetError):
            pass  # refused before it was read: the answer is there, or judged as missing

    def _judged(self, one: Case) -> str:
        if one.ends == "abandon":
            return ""
        if one.ends == "keep":
            answer = self._answer(bodiless=one.bodiless)
            if answer is None:
                return "closed without an answer"
            if answer.fields.get("connection") == "close":
                self.close()
            return self._complaint(one.owner, answer)
        return self._judged_to_the_end(one)

    def _judged_to_the_end(self, one: Case) -> str:
        while (answer := self._answer(bodiless=one.bodiless)) is not None:
            if complaint := self._complaint(one.owner, answer):
                return complaint
        if not self.statuses and one.ends == "half" and b"\r\n\r\n" in one.wire:
            return "closed without an answer"
        return ""

    def _complaint(self, owner: Target | None, answer: Answer) -> str:
        self.statuses.append(answer.status)
        if answer.status >= 500:
            return f"status {answer.status}: {answer.body[:300]!r}"
        if "x-request-id" not in answer.fields:
            return f"status {answer.status} without X-Request-ID"
        kind = answer.fields.get("content-type", "")
        if owner:
            return owner.complaint(answer.status, kind, answer.body)
        if (
            answer.status >= 400
            and answer.body
            and all(wrong_shape(one, answer.body) for one in self.refusals)
        ):
            return f"status {answer.status} in no dialect's shape: {answer.body[:300]!r}"
        return ""

    def _answer(self, *, bodiless: bool) -> Answer | None:
        """The next answer, or None where the connection has ended before it began."""
        while True:
            head = self._head()
            if head is None:
                return None
            first, *lines = head.split(b"\r\n")
            matched = STATUS_LINE.fullmatch(first)
            found = [FIELD.fullmatch(line) for line in lines]
            if matched is None or not all(found):
                raise Unreadable(f"head {head[:300]!r}")
            status = int(matched[1])
            if status >= 200:
                fields = {one[1].decode().lower(): one[2].decode("latin-1") for one in found if one}
                return Answer(status, fields, self._body(status, fields, bodiless=bodiless))

    def _head(self) -> bytes | None:
        while b"\r\n\r\n" not in self._buffer:
            if not self._more():
                if self._buffer:
                    raise Unreadable(f"the end amid a head: {self._buffer[:300]!r}")
                return None
        head, self._buffer = self._buffer.split(b"\r\n\r\n", 1)
        return head

    def _body(self, status: int, fields: dict[str, str], *, bodiless: bool) -> bytes:
        if status in (204, 304) or (bodiless and "server" in fields):
            return b""  # what could not be read, its method least of all, is refused with a body
        if "content-length" not in fields:
            raise Unreadable("no Content-Length")
        length = int(fields["content-length"])
        while len(self._buffer) < length:
            if not self._more():
                raise Unreadable(f"{len(self._buffer)} of {length} bytes")
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return body

    def _more(self) -> bool:
        assert self._socket
        try:
            data = self._socket.recv(BLOCK)
        except ConnectionResetError:
            data = b""
        self._buffer += data
        return bool(data)
