"""A stand-in for Kaggle on loopback: an API that redirects to files, ranges, and faults to order."""

import base64
import gzip
import hashlib
import io
import json
import socket
import threading
import time
import zipfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from workflow.kaggle_source import FILES

PORT = 7777  # fixed in kagglesdk for KAGGLE_API_ENVIRONMENT=TEST
API = "/api/v1/datasets.DatasetApiService/DownloadDataset"
PATIENCE_S = 60.0
TRAIN, TEST = FILES["reddit"]
CONTENT = {
    TRAIN: b'"","X","BODY","REMOVED"\r\n' + b'"1",1,"Is this peer reviewed?",0\r\n' * 9000,
    TEST: b'"","X","BODY","REMOVED"\r\n' + b'"2",2,"lol",1\r\n' * 50,
}
HALF = len(CONTENT[TRAIN]) // 2

Get = Callable[[], tuple[Path, ...]]


@dataclass(frozen=True)
class Seen:
    """A request as it came in."""

    method: str
    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Refuse:
    """The API answers with an error, in Kaggle's JSON."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Cut:
    """The file's body ends after so many bytes: the line breaks, or (``silent``) stays open and mute."""

    after: int
    silent: bool = False


@dataclass(frozen=True)
class Page:
    """A web page instead of the file, as a login wall sends it."""


@dataclass
class Shelf:
    """What the stand-in holds, what it is told to do next, and what it was asked."""

    files: dict[str, bytes] = field(default_factory=dict)
    ranges: bool = True
    validator: bool = True
    hashes: bool = True
    compressed: bool = False
    misaligned: bool = False
    next_edition: dict[str, bytes] = field(default_factory=dict)  # put up once a whole file was asked for
    refusals: deque[Refuse] = field(default_factory=deque)
    faults: deque[Cut | Page] = field(default_factory=deque)
    always: Refuse | Cut | None = None
    seen: list[Seen] = field(default_factory=list)
    closing: threading.Event = field(default_factory=threading.Event)

    def asked(self, method: str) -> list[Seen]:
        return [request for request in self.seen if request.method == method]

    def next_refusal(self) -> Refuse | None:
        if self.refusals:
            return self.refusals.popleft()
        return self.always if isinstance(self.always, Refuse) else None

    def next_fault(self) -> Cut | Page | None:
        if self.faults:
            return self.faults.popleft()
        return self.always if isinstance(self.always, Cut) else None


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "Server"

    def do_POST(self) -> None:
        body = self._note()
        name = json.loads(body)["fileName"]
        refusal = self.server.shelf.next_refusal()
        if refusal is None and (self.path != API or name not in self.server.shelf.files):
            refusal = Refuse(404)
        if refusal is not None:
            message = json.dumps({"code": refusal.status, "message": "said no"}).encode()
            self._head(refusal.status, {"Content-Type": "application/json", **refusal.headers}, len(message))
            self.wfile.write(message)
            return
        self._head(302, {"Location": f"http://localhost:{PORT}/files/{name}?signature=x"}, 0)

    def do_GET(self) -> None:
        self._note()
        shelf, fault = self.server.shelf, self.server.shelf.next_fault()
        if isinstance(fault, Page):
            self._head(200, {"Content-Type": "text/html; charset=utf-8"}, 6)
            self.wfile.write(b"<html>")
            return
        content = shelf.files[self.path.split("/")[-1].split("?")[0]]
        start = self._start(content)
        if "Range" not in self.headers:
            shelf.files.update(shelf.next_edition)
        headers = self._describe(content)
        if shelf.compressed:
            content = gzip.compress(content)
        if start:
            headers["Content-Range"] = f"bytes {start}-{len(content) - 1}/{len(content)}"
        self._head(206 if start else 200, headers, len(content) - start)
        end = len(content) if fault is None else min(len(content), start + fault.after)
        self.wfile.write(content[start:end])
        self.wfile.flush()
        if fault is not None:
            self.close_connection = True
            if fault.silent:
                shelf.closing.wait(30)

    def _start(self, content: bytes) -> int:
        asked = self.headers.get("Range")
        if not asked or not self.server.shelf.ranges:
            return 0
        if self.headers.get("If-Range", etag(content)) != etag(content):
            return 0
        return int(asked.removeprefix("bytes=").removesuffix("-")) + self.server.shelf.misaligned

    def _describe(self, content: bytes) -> dict[str, str]:
        shelf = self.server.shelf
        headers = {"Content-Type": "text/csv"}
        if shelf.ranges:
            headers["Accept-Ranges"] = "bytes"
        if shelf.validator:
            headers["ETag"] = etag(content)
        if shelf.compressed:
            headers["Content-Encoding"] = "gzip"
        if shelf.hashes:
            headers["x-goog-hash"] = f"crc32c=AAAAAA==, md5={base64_md5(content)}"
        return headers

    def _note(self) -> bytes:
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.shelf.seen.append(Seen(self.command, self.path, dict(self.headers), body))
        return body

    def _head(self, status: int, headers: dict[str, str], length: int) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def log_message(self, *args: object) -> None:
        """Tests look at ``Shelf.seen`` instead."""


class Server(ThreadingHTTPServer):
    daemon_threads = True
    shelf: Shelf

    def handle_error(self, *args: object) -> None:
        """A client that hangs up is part of these tests."""


def etag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()[:16]}"'


def base64_md5(content: bytes) -> str:
    return base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()


@contextmanager
def standing_in(shelf: Shelf) -> Iterator[Shelf]:
    """Serve a shelf on Kaggle's test port."""
    server = Server(("127.0.0.1", PORT), Handler)
    server.shelf = shelf
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield shelf
    finally:
        shelf.closing.set()
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def newcomer(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[None]:
    """Someone without credentials whose Kaggle client asks the test port, which is ours alone meanwhile."""
    for name in ("KAGGLE_API_TOKEN", "KAGGLE_KERNEL_RUN_TYPE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "TEST")
    monkeypatch.setenv("NO_PROXY", "localhost")
    monkeypatch.setenv("HOME", str(home))
    with socket.socket(socket.AF_UNIX) as claim:
        _claim_port(claim)
        yield


def _claim_port(claim: socket.socket) -> None:
    # The port is the same for every test session on a machine: a name in the kernel lets them take turns.
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            claim.bind(f"\0chat-moderation-tests-{PORT}")
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)
        else:
            return


def kept(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def whole(*names: str) -> set[str]:
    return {entry for name in names for entry in (name, f"{name}.json")}


def zipped(members: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()


def wait_for(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
