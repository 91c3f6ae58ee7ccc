"""One downloaded file on disk: grows as .part, is kept only whole, with its checksum. Knows no network."""

import errno
import fcntl
import hashlib
import json
import os
import shutil
import zipfile
import zlib
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath
from typing import Final, Literal

from workflow.exceptions import SourceError

ZIP_MAGIC: Final = b"PK\x03\x04"
DISK_IS_FULL: Final = (errno.ENOSPC, errno.EDQUOT)


class IncompleteError(SourceError):
    """What arrived is not the whole file."""


@dataclass(frozen=True)
class Remote:
    """What a server says of the file it sends, so that a part is never joined to another file's end."""

    validator: str | None
    size: int | None
    md5: str | None = None


def file_sha256(path: Path) -> str:
    """Checksum of a file, read in blocks."""
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()


@contextmanager
def locked(folder: Path, wait: Callable[[], None]) -> Iterator[None]:
    """Hold a folder of the cache alone: a second run says so (``wait``), waits, and finds the files there.

    Raises:
        SourceError: the folder cannot be made or written.

    """
    with _worded(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    with lock:
        with _worded(folder):
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                wait()
                fcntl.flock(lock, fcntl.LOCK_EX)
        yield


class CachedFile:
    """A file of the cache, the part of it that has arrived, and the record that proves it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.part = path.with_name(f"{path.name}.part")
        self._record = path.with_name(f"{path.name}.json")
        self._origin = path.with_name(f"{path.name}.part.json")
        self._fresh = path.with_name(f"{path.name}.tmp")
        self._draft = path.with_name(f"{path.name}.json.tmp")

    def state(self) -> Literal["absent", "altered", "whole"]:
        """Whether the file is there, with the size and checksum that were recorded when it came."""
        with _worded(self.path.parent):
            if not self.path.exists():
                return "absent"
            record = _read_json(self._record)
            if record.get("size") != self.path.stat().st_size:
                return "altered"
            return "whole" if record.get("sha256") == file_sha256(self.path) else "altered"

    def arrived(self, remote: Remote) -> int:
        """How many bytes of this very remote file an earlier download has left here."""
        if remote.validator is None or remote.size is None or _read_json(self._origin) != asdict(remote):
            return 0
        with _worded(self.path.parent):
            size = self.part.stat().st_size if self.part.exists() else 0
        return size if size <= remote.size else 0

    def write(self, remote: Remote, chunks: Iterable[bytes], offset: int = 0) -> None:
        """Write what arrives behind the first ``offset`` bytes of the part; what came stays if it breaks off.

        Raises:
            SourceError: the disk is full (the part is then given back) or cannot be written.

        """
        with _worded(self.path.parent, self.part, self._origin):
            if not offset:
                self._origin.write_text(json.dumps(asdict(remote)))
            with self.part.open("r+b" if offset else "wb") as out:
                if offset:
                    out.truncate(out.seek(offset))
                for chunk in chunks:
                    out.write(chunk)

    def finish(self, remote: Remote) -> None:
        """Move the part to its final name if it is whole; an archive leaves only the file asked for.

        Raises:
            IncompleteError: fewer bytes than announced (the part is kept), or other ones (it is not).
            SourceError: the disk is full or cannot be written.

        """
        with _worded(self.path.parent, self.part, self._origin, self._fresh, self._draft):
            self._check(remote)
            with self.part.open("rb") as part:
                zipped = part.read(len(ZIP_MAGIC)) == ZIP_MAGIC
            if zipped:
                self._unpack()
            else:
                self.part.replace(self._fresh)
            record = {"sha256": file_sha256(self._fresh), "size": self._fresh.stat().st_size}
            self._put_in_place(json.dumps(record))

    def discard(self) -> None:
        """Throw away what has arrived."""
        for path in (self.part, self._origin, self._fresh, self._draft):
            path.unlink(missing_ok=True)

    def _check(self, remote: Remote) -> None:
        size = self.part.stat().st_size
        if remote.size is not None and size < remote.size:
            msg = f"{self.path.name} was cut at {size} of {remote.size} bytes"
            raise IncompleteError(msg)
        with self.part.open("rb") as part:
            md5 = hashlib.file_digest(part, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()
        if size != (remote.size or size) or md5 != (remote.md5 or md5):
            self.discard()
            msg = f"{self.path.name} arrived damaged ({size} bytes, md5 {md5}; announced: {remote})"
            raise IncompleteError(msg)

    def _unpack(self) -> None:
        try:
            with (
                zipfile.ZipFile(self.part) as archive,
                archive.open(self._member(archive)) as source,
                self._fresh.open("wb") as out,
            ):
                shutil.copyfileobj(source, out)
        except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
            self.discard()
            msg = f"the archive of {self.path.name} is damaged ({error})"
            raise IncompleteError(msg) from error

    def _member(self, archive: zipfile.ZipFile) -> str:
        names = [name for name in archive.namelist() if PurePosixPath(name).name == self.path.name]
        if len(names) != 1:
            self.discard()
            msg = f"the archive holds {archive.namelist()[:5]}, not one {self.path.name}"
            raise SourceError(msg)
        return names[0]

    def _put_in_place(self, record: str) -> None:
        # The record goes first: a crash between the two leaves a file that reads as altered, never as proven.
        self._draft.write_text(record)
        for path, final in ((self._draft, self._record), (self._fresh, self.path)):
            _sync(path)
            path.replace(final)
        _sync(self.path.parent)
        self.discard()


@contextmanager
def _worded(folder: Path, *litter: Path) -> Iterator[None]:
    """Say what a failing disk means; a full one gets back what ``litter`` holds."""
    try:
        yield
    except OSError as error:
        if error.errno in DISK_IS_FULL:
            for path in litter:
                path.unlink(missing_ok=True)
            msg = (
                f"no space left in {folder} ({error.strerror}): free some and run again, "
                "or set CHATMOD_HOME to a folder with room; nothing half-written was kept"
            )
        else:
            msg = f"{folder} cannot be used as a cache ({error}): make it a folder that this user may write"
        raise SourceError(msg) from error


def _read_json(path: Path) -> dict[str, object]:
    try:
        found = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
