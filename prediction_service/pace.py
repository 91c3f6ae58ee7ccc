"""What one client may cost a thread: how slowly it may send and take, and a chunked body within bounds.

A timeout on the socket alone ends only a client that has stopped. One that sends a byte every nine
seconds would keep its thread for hours; so a request, and its answer, has a time of its own that grows
with the bytes that were moved. Knows no Flask and no model.
"""

import io
import math
import socket
import time
from collections.abc import Callable
from http import HTTPStatus
from typing import Any, Final, Never

from gunicorn.http.body import ChunkedReader
from gunicorn.http.errors import (
    ChunkMissingTerminator,
    InvalidChunkExtension,
    InvalidChunkSize,
    NoMoreData,
    ParseException,
)

from prediction_service.problems import Refusal

# a client that stops half-way through its request holds a thread no longer than this
STALL_S: Final = 10
# slower than any network between two servers, and a client on a telephone's can still send a text
SLOWEST_BYTES_S: Final = 4096
# gunicorn reads a chunk's first line, and the trailers, to whatever length, copying what it has each time
LONGEST_LINE: Final = 32_768
MALFORMED: Final = (ChunkMissingTerminator, InvalidChunkExtension, InvalidChunkSize, ParseException)


class Stalled(NoMoreData):  # type: ignore[misc]
    """The client sends or takes too slowly; gunicorn treats it as one that has hung up."""


class PacedSocket(socket.socket):
    """A connection on which a thread waits for a bounded time; its socket timeouts are STALL_S."""

    on_stall: Callable[[], None] | None = None
    patient = True
    _patient_until = 0.0
    _holds = False
    _head = b""

    def begin(self) -> None:
        """From now on the client's next request is awaited, by one who is patient; else it must be there."""
        self.on_stall = None
        self._patient_until = time.monotonic() + STALL_S if self.patient else -math.inf

    def recv(self, size: int, flags: int = 0) -> bytes:
        """What has come.

        Raises:
            Stalled: nothing in time, or too little.

        """
        if self.gettimeout() is not None:
            return super().recv(size, flags)  # the poller's own, which never waits
        if time.monotonic() > self._patient_until:
            flags |= socket.MSG_DONTWAIT  # what is there already costs no time
        try:
            data = super().recv(size, flags)
        except BlockingIOError:
            self._stall()
        self._patient_until += len(data) / SLOWEST_BYTES_S
        return data

    def hold(self) -> None:
        """Keep what is sent next, an answer's head, until its body follows: one packet, one wake-up."""
        self._holds = True

    def flush(self) -> None:
        """Send a head that no body has followed."""
        self._holds = False
        if self._head:
            self.sendall(b"")

    def drop(self) -> None:
        """Forget a head whose answer has failed."""
        self._holds, self._head = False, b""

    def sendall(self, data: Any, flags: int = 0) -> None:
        """Send all of it, after what was kept.

        Raises:
            Stalled: the client does not take it in time.

        """
        if self._holds:
            self._holds, self._head = False, data
            return
        if self._head:
            data, self._head = self._head + data, b""
        left, until = memoryview(data), time.monotonic() + STALL_S
        while left:
            try:
                sent = self.send(left, flags)
            except BlockingIOError:
                self._stall()
            left = left[sent:]
            until += sent / SLOWEST_BYTES_S
            if left and time.monotonic() > until:
                self._stall()

    def _stall(self) -> Never:
        if self.on_stall:
            self.on_stall()
        raise Stalled


class Chunks(ChunkedReader):  # type: ignore[misc]
    """A chunked body that is refused, and its connection closed, where its framing cannot be read."""

    def read(self, size: int) -> bytes:
        """The next bytes.

        Raises:
            Refusal: the framing is malformed.

        """
        try:
            data: bytes = super().read(size)
        except MALFORMED as error:
            self.req.force_close()  # where the next request begins is unknown
            detail = f"the body's chunks cannot be read ({type(error).__name__}): mend the client"
            raise Refusal(HTTPStatus.BAD_REQUEST, detail) from error
        return data

    def get_data(self, unreader: Any, buf: io.BytesIO) -> None:
        """Read on in the line of a chunk's size, or in the trailers.

        Raises:
            InvalidChunkSize: there is no end to it.

        """
        if buf.tell() > LONGEST_LINE:
            raise InvalidChunkSize(b"too long")
        super().get_data(unreader, buf)
