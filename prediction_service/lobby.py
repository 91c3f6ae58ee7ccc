"""A gunicorn thread worker in which a request waits without a thread until it is whole.

Threads are few: clients that send half a request each, and stop, would hold them all. Here a request
stays with the poller until it has arrived; one that is too large to be looked at is read by a thread,
but never by the last. Knows no Flask and no model.
"""

import socket
import time
from collections import OrderedDict, deque
from dataclasses import dataclass
from functools import partial
from selectors import EVENT_READ
from typing import Any, Final

from gunicorn.workers.gthread import TConn, ThreadWorker

from prediction_service.arrivals import LOOK, missing
from prediction_service.pace import SLOWEST_BYTES_S, STALL_S

# for a thread that reads large bodies: as long as most clients wait for an answer
QUEUE_S: Final = 30.0


@dataclass(slots=True)
class Arrival:
    """A request of which a part is there: since when, until when the rest may come, and how much is there."""

    since: float
    until: float
    at_first: int
    there: int


class Lobby(ThreadWorker):  # type: ignore[misc]
    """Hands a connection to a thread when there is something to do for it."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.arriving: OrderedDict[TConn, Arrival] = OrderedDict()
        self.queued: deque[tuple[float, TConn]] = deque()
        self.reading: set[TConn] = set()
        self._sight = memoryview(bytearray(LOOK))

    def await_request(self, conn: TConn) -> None:
        """Leave the connection with the poller until its next request has come."""
        # the base counts kept connections, and ends some when there are too many
        kept = self.keepalived_conns if conn.initialized else self.pending_conns
        kept.append(conn)
        self.poller.register(conn.sock, EVENT_READ, partial(self._on_readable, conn, kept))
        if _begun(conn):
            self._on_readable(conn, kept, conn.sock)

    def release(self, conn: TConn) -> None:
        """After an answer: its thread may read the next large body."""
        if conn in self.reading:
            self.reading.remove(conn)
            self._read_next()

    def end_late(self) -> None:
        """Give those whose time is over to a thread that answers without waiting."""
        now = time.monotonic()
        while self.arriving and (first := next(iter(self.arriving.items())))[1].until <= now:
            self._expire(*first, now)
        while self.queued and self.queued[0][0] <= now:
            self._hand_over(self.queued.popleft()[1], patient=False)

    def _on_readable(self, conn: TConn, kept: deque[TConn], _: socket.socket) -> None:
        arrival = self.arriving.get(conn)
        if arrival is None:
            kept.remove(conn)
        there, lack = self._look(conn)
        # readable, and nothing new: it is at its end, or the kernel has no room for more
        stuck = arrival is not None and arrival.there == there
        if lack and not stuck:
            self._await_rest(conn, there, lack)
            return
        self._leave_poller(conn)
        if lack == 0:
            self._hand_over(conn)
        else:
            self.queued.append((time.monotonic() + QUEUE_S, conn))
            self._read_next()

    def _look(self, conn: TConn) -> tuple[int, int | None]:
        """How much has come to the socket, and what is missing; an end or an error is for a thread to see."""
        begun = _begun(conn)
        try:
            there = conn.sock.recv_into(self._sight, LOOK, socket.MSG_PEEK)
        except BlockingIOError:
            there = 0
        except OSError:
            return 0, 0
        else:
            if not there:
                return 0, 0
        return there, missing(begun + self._sight[:there].tobytes())

    def _await_rest(self, conn: TConn, there: int, lack: int) -> None:
        arrival = self.arriving.get(conn)
        if arrival is None:
            now = time.monotonic()
            self.arriving[conn] = Arrival(now, now + STALL_S, there, there)
        else:
            arrival.there = there
        # else the poller would come back at once, for what it has shown already
        conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, there + lack)

    def _expire(self, conn: TConn, arrival: Arrival, now: float) -> None:
        """End a client's time, unless as much has come as a slow one sends."""
        there, _ = self._look(conn)
        until = min(arrival.since + STALL_S + there / SLOWEST_BYTES_S, now + STALL_S)
        if there > arrival.at_first and until > now:
            arrival.at_first, arrival.until = there, until
            self.arriving.move_to_end(conn)
        else:
            self._leave_poller(conn)
            self._hand_over(conn, patient=False)

    def _leave_poller(self, conn: TConn) -> None:
        self.poller.unregister(conn.sock)
        if self.arriving.pop(conn, None):
            conn.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1)

    def _read_next(self) -> None:
        while self.queued and len(self.reading) < max(1, self.cfg.threads - 1):
            _, conn = self.queued.popleft()
            self.reading.add(conn)
            self._hand_over(conn)

    def _hand_over(self, conn: TConn, *, patient: bool = True) -> None:
        conn.sock.patient = patient
        self.enqueue_req(conn)


def _begun(conn: TConn) -> bytes:
    """What the client has sent of its next request together with the last: the poller does not see it."""
    return conn.parser.unreader.buf.getvalue() if conn.parser else b""
