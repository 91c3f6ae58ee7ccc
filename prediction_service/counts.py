"""Counts of requests that all workers of one server share, as a storage of the `limits` library.

A table in a mapped file: each name has a slot with the count of this window of time and of the one
before. When more names are about than slots, the one that was idle longest is forgotten. Knows no key.
"""

import fcntl
import mmap
import os
import struct
import threading
import time
from hashlib import blake2b
from math import floor
from pathlib import Path
from typing import Final

import structlog
from limits.storage import SlidingWindowCounterSupport, Storage

SLOT: Final = struct.Struct("<16sqIIq")  # digest of the name, window, its count, the last count, idle from
SLOTS: Final = 65_536
PROBES: Final = 8
SIZE: Final = SLOT.size * SLOTS
MOST: Final = 2**32 - 1

log = structlog.get_logger(__name__)


class SharedCounts(Storage, SlidingWindowCounterSupport):
    """A sliding window counter over one file; without a path, of this process alone."""

    STORAGE_SCHEME = None

    def __init__(self, path: Path | None = None) -> None:
        super().__init__()
        self._file = _opened(path)
        self._table = mmap.mmap(self._file, SIZE)
        # a lock of the kernel is the process's, and ends with it; between threads it does not count
        self._threads = threading.Lock()

    @property
    def base_exceptions(self) -> type[Exception]:
        """What a fault of the storage is."""
        return OSError

    def acquire_sliding_window_entry(self, key: str, limit: int, expiry: int, amount: int = 1) -> bool:
        """Count ``amount`` more, unless that would pass the limit."""
        now = time.time()
        name = blake2b(key.encode(), digest_size=16).digest()
        with self._threads:
            first = self._lock(name)
            try:
                place, previous, current = self._find(name, first, int(now // expiry), int(now))
                carried = previous * (expiry - now % expiry) / expiry
                if floor(carried + current) + amount > limit:
                    return False
                window, idle = int(now // expiry), int(now) + 2 * expiry
                SLOT.pack_into(self._table, place, name, window, min(current + amount, MOST), previous, idle)
                return True
            finally:
                self._unlock(first)

    def get_sliding_window(self, key: str, expiry: int) -> tuple[int, float, int, float]:
        """The count before and how long it weighs, the count now and how long it will."""
        now = time.time()
        name = blake2b(key.encode(), digest_size=16).digest()
        with self._threads:
            first = self._lock(name)
            try:
                _, previous, current = self._find(name, first, int(now // expiry), int(now))
            finally:
                self._unlock(first)
        left = expiry - now % expiry
        return previous, left if previous else 0.0, current, left + expiry

    def clear_sliding_window(self, key: str, expiry: int) -> None:
        """Forget a name."""
        name = blake2b(key.encode(), digest_size=16).digest()
        with self._threads:
            first = self._lock(name)
            try:
                place, _, _ = self._find(name, first, int(time.time() // expiry), int(time.time()))
                SLOT.pack_into(self._table, place, b"", 0, 0, 0, 0)
            finally:
                self._unlock(first)

    def _lock(self, name: bytes) -> int:
        """Where the slots begin that may be this name's, now of this process alone."""
        first = int.from_bytes(name[:4], "little") % (SLOTS - PROBES + 1) * SLOT.size
        fcntl.lockf(self._file, fcntl.LOCK_EX, PROBES * SLOT.size, first)
        return first

    def _unlock(self, first: int) -> None:
        fcntl.lockf(self._file, fcntl.LOCK_UN, PROBES * SLOT.size, first)

    def _find(self, name: bytes, first: int, window: int, now: int) -> tuple[int, int, int]:
        """The name's slot, or the one that it takes over; the last window's count and this one's."""
        oldest, oldest_idle = first, None
        for place in range(first, first + PROBES * SLOT.size, SLOT.size):
            known, at, current, previous, idle = SLOT.unpack_from(self._table, place)
            if known == name and idle > now:
                if at == window:
                    return place, previous, current
                return place, current if at == window - 1 else 0, 0
            if oldest_idle is None or idle < oldest_idle:
                oldest, oldest_idle = place, idle
        return oldest, 0, 0

    def incr(self, key: str, expiry: int, amount: int = 1) -> int:
        """No part of this strategy."""
        raise NotImplementedError

    def get(self, key: str) -> int:
        """No part of this strategy."""
        raise NotImplementedError

    def get_expiry(self, key: str) -> float:
        """No part of this strategy."""
        raise NotImplementedError

    def check(self) -> bool:
        """Whether it can count: always."""
        return True

    def reset(self) -> int | None:
        """Forget everything."""
        with self._threads:
            self._table[:] = bytes(SIZE)
        return None

    def clear(self, key: str) -> None:
        """No part of this strategy."""
        raise NotImplementedError


def _opened(path: Path | None) -> int:
    """A file with room for the table: that one where its disk has it, else one in memory."""
    if path is not None:
        file = -1
        try:
            file = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
            # room is taken now: a full disk would otherwise end the process at some write
            os.posix_fallocate(file, 0, SIZE)
        except OSError as error:
            if file >= 0:
                os.close(file)
            log.warning(
                "limits are counted by this worker alone", reason=str(error), remedy=f"make room for {path}"
            )
        else:
            return file
    file = os.memfd_create("chatmod-limits")
    os.posix_fallocate(file, 0, SIZE)
    return file
