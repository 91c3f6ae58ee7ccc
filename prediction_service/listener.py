"""The master's listening socket: turns new connections away before it is closed. Knows no worker.

Closing a listening socket resets the connections in its queue, and between a worker's last accept
and the close there is always room for one more. So the master first asks the kernel (Linux) to drop
packets that would begin a connection; what is queued can then be taken to its end. Clients repeat such
a packet after a second and are refused by then.
"""

import os
import socket
import struct
from collections.abc import Callable
from ctypes import addressof, create_string_buffer
from typing import Any, Final

SO_ATTACH_FILTER: Final = 26
TCP_FLAGS_AT: Final = 13
SYN: Final = 0x02
SYN_OR_ACK: Final = 0x12
# classic BPF over the TCP header: load the flags, keep SYN and ACK, drop when SYN stands alone
PROGRAM: Final = (
    (0x30, 0, 0, TCP_FLAGS_AT),
    (0x54, 0, 0, SYN_OR_ACK),
    (0x15, 0, 1, SYN),
    (0x06, 0, 0, 0),
    (0x06, 0, 0, 0xFFFFFFFF),
)


class Listener:
    """A listening socket of gunicorn's that its master closes in two steps when the whole server stops."""

    def __init__(self, inner: Any, stops_for_good: Callable[[], bool]) -> None:
        self._inner = inner
        self._stops_for_good = stops_for_good
        self._master = os.getpid()

    def __getattr__(self, name: str) -> Any:
        """Everything else is the socket's own."""
        return getattr(self._inner, name)

    def __str__(self) -> str:
        """The address, as gunicorn logs it."""
        return str(self._inner)

    def close(self) -> None:
        """Close this process's copy; in a master that stops for good, turn new connections away first."""
        if os.getpid() == self._master and self._stops_for_good():
            turn_away(self._inner.sock)
        self._inner.close()


def turn_away(listening: socket.socket) -> bool:
    """Drop packets that begin a connection; False where this kernel cannot, and the race stays open."""
    code = create_string_buffer(b"".join(struct.pack("HBBI", *step) for step in PROGRAM))
    program = struct.pack("HL", len(PROGRAM), addressof(code))
    try:
        listening.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, program)
    except OSError:
        return False
    return True
