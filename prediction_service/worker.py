"""A gunicorn thread worker that answers what was received before it stops. Knows no Flask and no model.

gunicorn's own thread worker, told to stop, resets connections that wait in the listen queue, hangs up
on clients whose next request is on its way over a kept connection, waits the whole grace period for
idle ones, and lingers up to two seconds on the loop that serves everybody for each that it closes.
This one takes the listen queue to its end, gives kept connections a moment, and lingers in the poller.
"""

import contextlib
import errno
import selectors
import socket
import struct
import time
import uuid
from collections import deque
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

from gunicorn.http.body import Body, ChunkedReader
from gunicorn.http.errors import (
    ExpectationFailed,
    LimitRequestHeaders,
    LimitRequestLine,
    ParseException,
)
from gunicorn.workers.gthread import TConn

from prediction_service import heap
from prediction_service.lobby import Lobby
from prediction_service.logs import places
from prediction_service.outside import PLAIN, lines
from prediction_service.pace import STALL_S, Chunks, PacedSocket
from prediction_service.problems import CONTENT_TYPE, Refusal

if TYPE_CHECKING:
    from concurrent.futures import Future

# new connections are already turned away (see listener.py): this is for handshakes on their way
LISTEN_GRACE_S: Final = 0.25
# a kept connection's next request may be on its way when the answer that says "close" was not yet due
IDLE_GRACE_S: Final = 2.0
LINGER_S: Final = 2.0
LINGER_CHUNK: Final = 65_536
POLL_S: Final = 0.05
MALFORMED: Final[dict[type[BaseException], HTTPStatus]] = {
    LimitRequestHeaders: HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
    LimitRequestLine: HTTPStatus.REQUEST_URI_TOO_LONG,
    ExpectationFailed: HTTPStatus.EXPECTATION_FAILED,
}
SECURITY: Final = tuple(lines(PLAIN))
# gunicorn's own worker would die of it, and take its open connections along
EXHAUSTED: Final = frozenset({errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
HARMLESS: Final = frozenset({errno.EAGAIN, errno.EWOULDBLOCK, errno.ECONNABORTED})


class DrainingWorker(Lobby):
    """Serves like its base; on SIGTERM it drains before it ends."""

    alive: bool

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.lingering: deque[TConn] = deque()
        self.idle_until: float | None = None

    def init_process(self) -> None:
        """Begin, after the fork and before any thread."""
        heap.keep_flat()
        super().init_process()

    def accept(self, listener: socket.socket) -> bool:
        """Take one connection and wait in the poller for its request; False when none was waiting."""
        try:
            taken, address = listener.accept()
        except OSError as error:
            if error.errno in EXHAUSTED:
                time.sleep(POLL_S)  # it waits in the queue, where the poller sees it again at once
            elif error.errno not in HARMLESS:
                raise
            return False
        self.nr_conns += 1
        client = PacedSocket(taken.family, taken.type, taken.proto, taken.detach())
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            # not Python's own timeout: the base switches that off before it reads
            client.setsockopt(socket.SOL_SOCKET, direction, struct.pack("ll", STALL_S, 0))
        conn = TConn(self.cfg, client, address, listener.getsockname())
        conn.data_ready = True  # a thread is asked only once the poller has seen the request
        self._await_request(conn)
        return True

    def handle(self, conn: TConn) -> Any:
        """Answer one request, in a thread."""
        conn.sock.begin()
        return super().handle(conn)

    def handle_request(self, req: Any, conn: TConn) -> Any:
        """Answer it with a body that is read within bounds."""
        conn.sock.on_stall = req.force_close
        conn.sock.hold()
        if isinstance(req.body.reader, ChunkedReader):
            req.body = Body(Chunks(req, conn.parser.unreader))
        try:
            keep = super().handle_request(req, conn)
            conn.sock.flush()
        finally:
            conn.sock.drop()
            conn.sock.on_stall = None  # or request and socket would keep each other
        return keep

    def _keepalive_after(self, conn: TConn, keepalive: bool) -> bool:  # noqa: FBT001 - the base's
        # what the application has left of a body may be malformed too
        with contextlib.suppress(OSError, Refusal):
            return bool(super()._keepalive_after(conn, keepalive)) and not conn.parser.mesg.must_close
        return False

    def finish_request(self, conn: TConn, future: "Future[bool]") -> None:
        """After an answer: keep the connection, or close it without holding up the loop."""
        self.release(conn)
        keep = not future.cancelled() and future.exception() is None and future.result()
        try:
            if not keep:
                self._linger(conn)
            else:
                self._await_request(conn)
        except OSError:
            self._drop(conn)

    def handle_error(self, req: Any, client: socket.socket, addr: Any, exc: BaseException) -> None:  # noqa: ARG002 - the base's own
        """Refuse what is no HTTP as everything else is refused: with a problem document and an id.

        The base would log the address of a request, or what is wrong in it: a key may stand in either.
        """
        kind = type(exc).__name__
        status = MALFORMED.get(type(exc), HTTPStatus.BAD_REQUEST)
        detail = f"this is no HTTP request that can be read ({kind}): mend the client"
        if not isinstance(exc, ParseException):
            status = HTTPStatus.INTERNAL_SERVER_ERROR
            detail = "an error of the service, not of the request: report it with this request id"
        refusal, request_id = Refusal(status, detail), uuid.uuid4().hex
        body = refusal.document("", request_id).model_dump_json().encode()
        head = (
            f"HTTP/1.1 {status.value} {status.phrase}",
            "Connection: close",
            f"Content-Type: {CONTENT_TYPE}",
            f"Content-Length: {len(body)}",
            f"X-Request-ID: {request_id}",
            *SECURITY,
        )
        if isinstance(exc, ParseException):
            self.log.warning("request %s cannot be read: %s", request_id, kind)
        else:
            self.log.error("request %s met an unexpected error: %s", request_id, places(exc))
        with contextlib.suppress(OSError):
            client.sendall("\r\n".join((*head, "", "")).encode() + body)

    def run(self) -> None:
        """Serve until told to stop, then drain."""
        self.poller.register(
            self.method_queue.fileno(), selectors.EVENT_READ, self.method_queue.run_callbacks
        )
        self.set_accept_enabled(True)
        while self.alive and self.is_parent_alive():
            self.notify()
            self.set_accept_enabled(self.nr_conns < self.worker_connections)
            self._turn(1.0)
        self.alive = False
        self._drain()
        self.tpool.shutdown(wait=False)
        self.poller.close()
        self.method_queue.close()

    def _turn(self, longest_s: float) -> None:
        self.wait_for_and_dispatch_events(timeout=longest_s)
        self.murder_keepalived()
        self.murder_pending()
        self.end_late()
        self._end_lingering()

    def _drain(self) -> None:
        started = time.monotonic()
        self._expect_no_more(started + IDLE_GRACE_S)
        self.set_accept_enabled(True)
        while (now := time.monotonic()) < started + self.cfg.graceful_timeout:
            if self._accepting and now >= started + LISTEN_GRACE_S:
                self._stop_listening()
            if not self._accepting and not self.nr_conns:
                break
            self.notify()
            self._turn(POLL_S)

    def _expect_no_more(self, until: float) -> None:
        """Give connections without a request until then, whether they are idle now or become so."""
        self.idle_until = until
        for conn in (*self.keepalived_conns, *self.pending_conns):
            conn.timeout = min(conn.timeout, until)

    def _stop_listening(self) -> None:
        for listener in self.sockets:
            # bounded: when only this worker stops, the others keep the queue filled
            for _ in range(self.cfg.backlog):
                if not self.accept(listener):
                    break
        self.set_accept_enabled(False)
        for listener in self.sockets:
            listener.close()

    def _await_request(self, conn: TConn) -> None:
        conn.sock.settimeout(0)
        conn.set_timeout()
        if self.idle_until is not None:
            conn.timeout = min(conn.timeout, max(self.idle_until, time.monotonic() + POLL_S))
        self.await_request(conn)

    def _linger(self, conn: TConn) -> None:
        """Half-close, and read on until the client has closed too: else it may lose our last bytes."""
        conn.sock.settimeout(0)
        conn.sock.shutdown(socket.SHUT_WR)
        conn.timeout = time.monotonic() + LINGER_S
        self.lingering.append(conn)
        self.poller.register(conn.sock, selectors.EVENT_READ, partial(self._on_lingering, conn))

    def _on_lingering(self, conn: TConn, client: socket.socket) -> None:
        try:
            more = client.recv(LINGER_CHUNK)
        except BlockingIOError:
            return
        except OSError:
            more = b""
        if not more:
            self.lingering.remove(conn)
            self.poller.unregister(client)
            self._drop(conn)

    def _end_lingering(self) -> None:
        now = time.monotonic()
        while self.lingering and self.lingering[0].timeout <= now:
            conn = self.lingering.popleft()
            self.poller.unregister(conn.sock)
            self._drop(conn)

    def _drop(self, conn: TConn) -> None:
        self.nr_conns -= 1
        conn.close()
