"""Whether a request has arrived whole, from its first bytes. Knows HTTP's framing; no socket, no thread.

Only what is certain is called whole: gunicorn then reads it to its end, or refuses it, without waiting.
"""

import re
from typing import Final

# how far is looked: more than a message and its head, less than what a kernel keeps for a connection
LOOK: Final = 65_536
LONGEST_FIRST_LINE: Final = 4096
# more are counted by a thread: or each byte of the last would have all before it counted again
MOST_CHUNKS: Final = 64
END: Final = b"\r\n\r\n"
LENGTH: Final = re.compile(rb"\r\ncontent-length:[ \t]*([0-9]{1,18})[ \t]*\r\n")
CHUNKED: Final = re.compile(rb"\r\ntransfer-encoding:[ \t]*chunked[ \t]*\r\n")
SIZE: Final = re.compile(rb"([0-9a-f]{1,15})[ \t]*(?:;[^\r]*)?\r\n", re.IGNORECASE)


def missing(data: bytes) -> int | None:
    """How many bytes must come at least before the request can be whole.

    Returns:
        0 for a whole request, and None where only reading on can tell.

    """
    end = data.find(END)
    if end < 0:
        endless = len(data) >= LOOK or (len(data) > LONGEST_FIRST_LINE and b"\r\n" not in data)
        return None if endless else 1
    head, begins = data[: end + 2].lower(), end + len(END)
    encoded = b"\r\ntransfer-encoding" in head
    lengths = head.count(b"\r\ncontent-length")
    if not encoded and not lengths:
        return 0
    if encoded:
        lack = None if lengths or not CHUNKED.search(head) else _missing_chunks(data, begins)
    else:
        length = LENGTH.search(head) if lengths == 1 else None
        lack = max(0, begins + int(length[1]) - len(data)) if length else None
    if lack and b"\r\nexpect" in head:
        return None  # its client waits to be told to send on
    if lack:
        lack = min(lack, max(0, LOOK - len(data))) or None
    return lack


def _missing_chunks(data: bytes, at: int) -> int | None:
    for _ in range(MOST_CHUNKS):
        line = SIZE.match(data, at)
        if line is None:
            # a line that has begun, or one that cannot be read
            return None if b"\r\n" in data[at:] else 1
        size, at = int(line[1], 16), line.end()
        if not size:
            return 0 if data.startswith(b"\r\n", at) or END in data[at:] else 1
        at += size + 2
        if at > len(data):
            return at - len(data)
    return None
