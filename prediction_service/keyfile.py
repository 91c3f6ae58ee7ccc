"""The file of API keys: written whole by commands, watched by workers. Knows no request."""

import contextlib
import fcntl
import os
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final, TypeVar

import structlog

from prediction_service.exceptions import KeysError
from prediction_service.keys import Key, Keyring, parse, render
from prediction_service.settings import PREFIX

LOOK_S: Final = 1.0
MODE: Final = 0o600
Result = TypeVar("Result")

log = structlog.get_logger(__name__)


def read(path: Path) -> list[Key]:
    """The keys of this file.

    Raises:
        KeysError: it is not there, or is no such file.

    """
    named = f"{PREFIX}KEYS={str(path)!r}"
    try:
        return parse(path.read_bytes())
    except FileNotFoundError as error:
        remedy = "name the right file, or make it: python -m prediction_service keys add --name … --scope …"
        raise KeysError(f"{named} is no file: {remedy}") from error
    except OSError as error:
        raise KeysError(f"{named} cannot be read ({error.strerror}): let this user read it") from error
    except KeysError as error:
        raise KeysError(f"{named} is no file of keys ({error}): mend it, or put a copy back") from None


def change(path: Path, edit: Callable[[list[Key]], tuple[list[Key], Result]]) -> Result:
    """Replace the keys by what ``edit`` makes of them, while no other command does the same.

    Raises:
        KeysError: the file cannot be read or written; it is then as it was.

    """
    # a link to the file stays a link
    path = path.resolve()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with _locked(path.with_name(f"{path.name}.lock")):
            keys, result = edit(read(path) if path.exists() else [])
            _replace(path, render(keys))
    except OSError as error:
        remedy = "give a place where this user may write"
        raise KeysError(
            f"{PREFIX}KEYS={str(path)!r} cannot be written ({error.strerror}): {remedy}"
        ) from error
    return result


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    # a file of its own: the keys' file is another one after each change
    with open(os.open(path, os.O_RDWR | os.O_CREAT, MODE), "rb") as lock:  # noqa: PTH123 - a mode is needed
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _replace(path: Path, content: bytes) -> None:
    # mkstemp gives mode 0600
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with open(handle, "wb") as draft:  # noqa: PTH123 - a descriptor
            draft.write(content)
            draft.flush()
            os.fsync(handle)
            if path.exists():
                # a service that runs as another user owns its file, and must go on reading it
                os.fchown(handle, path.stat().st_uid, path.stat().st_gid)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


class Watched:
    """The keys of a file that may change: looked at no more than once a second, by one thread."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._keyring: Keyring | None = None
        self._seen: tuple[int, ...] | None = None
        self._next = 0.0
        self._lock = threading.Lock()

    def current(self) -> Keyring | None:
        """The keys as they were last read without a fault; None where they never were."""
        if time.monotonic() >= self._next and self._lock.acquire(blocking=self._keyring is None):
            try:
                self._look()
                self._next = time.monotonic() + LOOK_S
            finally:
                self._lock.release()
        return self._keyring

    def _look(self) -> None:
        seen = self._stamp()
        if seen == self._seen and self._next:
            return
        self._seen = seen
        try:
            self._keyring = Keyring(read(self._path))
        except KeysError as error:
            log.error("API keys stay as they were", reason=str(error))  # noqa: TRY400 - the reason says it all

    def _stamp(self) -> tuple[int, ...] | None:
        try:
            now = self._path.stat()
        except OSError:
            return None
        return now.st_ino, now.st_size, now.st_mtime_ns, now.st_ctime_ns
