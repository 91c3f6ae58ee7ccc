"""A real gunicorn of ours for tests, and clients that notice every request that is not answered."""

import http.client
import json
import signal
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import psutil

ROOT = Path(__file__).parents[2]
CONF = ROOT / "prediction_service" / "gunicorn.conf.py"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def records(count: int, text: str = "the error of the sample was measured") -> bytes:
    rows = [{"body": f"{text} {number} times", "message_id": number} for number in range(count)]
    return json.dumps({"Records": rows}).encode()


def request_bytes(body: bytes) -> bytes:
    head = (
        "POST /predict HTTP/1.1",
        "Host: t",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    return "\r\n".join((*head, "", "")).encode() + body


class Server:
    """gunicorn as `make serve` starts it, on a free port, stopped with SIGTERM at the end.

    ``python`` is the command of another interpreter than this one, ``environment`` what is set besides.
    """

    def __init__(
        self,
        log: Path,
        *,
        wait: bool = True,
        app: str = "prediction_service.app:wsgi()",
        python: Sequence[str] = (sys.executable,),
        environment: Mapping[str, str] | None = None,
        **options: object,
    ) -> None:
        self.port = free_port()
        self.log = log
        self.labels = f"sqlite:///{log}.labels.db"
        self._wait = wait
        self._app = app
        self._python = python
        self._environment = {
            "CHATMOD_API_PORT": str(self.port),
            "CHATMOD_API_LABELS": self.labels,
        } | {f"CHATMOD_API_{name.upper()}": str(value) for name, value in options.items()}
        self._environment |= environment or {}

    def __enter__(self) -> Self:
        with self.log.open("w") as log:
            self.process = subprocess.Popen(
                [*self._python, "-m", "gunicorn", "-c", CONF, self._app],
                env=self._environment,
                cwd=ROOT,
                stdout=log,
                stderr=log,
            )
        if self._wait:
            self.wait_until_ready()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            for child in self.children():
                child.resume()
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(45)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise

    def children(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children()

    def connect(self, timeout: float = 20.0) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout)

    def ask(
        self, method: str, path: str, body: bytes | None = None, headers: dict[str, str] | None = None
    ) -> tuple[int, dict[str, str], bytes]:
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            client.request(method, path, body, headers or {"Content-Type": "application/json"})
            answer = client.getresponse()
            return answer.status, dict(answer.getheaders()), answer.read()
        finally:
            client.close()

    def status_of(self, path: str) -> int | None:
        try:
            return self.ask("GET", path)[0]
        except OSError:
            return None

    def wait_until_ready(self, within_s: float = 30.0) -> None:
        """Each worker loads for itself: ready means that answers of all have been 200 for a while."""
        give_up = time.monotonic() + within_s
        in_a_row = 0
        while in_a_row < 8:
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < give_up, self.log.read_text()
            in_a_row = in_a_row + 1 if self.status_of("/readyz") == 200 else 0
            time.sleep(0.02)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@dataclass
class Load:
    """Clients in threads, each with one request at a time; outcomes by name, failures with their time."""

    server: Server
    body: bytes = field(default_factory=lambda: records(1))
    outcomes: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[float, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def start(self, fresh: int, kept: int) -> None:
        for number in range(fresh + kept):
            thread = threading.Thread(target=self._run, kwargs={"keep": number >= fresh}, daemon=True)
            thread.start()
            self._threads.append(thread)

    def finish(self, within_s: float) -> None:
        """Ask the clients to end; a client that hangs is an outcome of its own."""
        self._stop.set()
        give_up = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))
        self.outcomes["hung"] += sum(thread.is_alive() for thread in self._threads)

    def wait_until_refused(self, within_s: float) -> None:
        give_up = time.monotonic() + within_s
        for thread in self._threads:
            thread.join(max(0.0, give_up - time.monotonic()))
        self.outcomes["hung"] += sum(thread.is_alive() for thread in self._threads)

    def _run(self, *, keep: bool) -> None:
        wire = request_bytes(self.body)
        client: socket.socket | None = None
        while not self._stop.is_set():
            try:
                client = client or self.server.connect()
            except ConnectionRefusedError:
                self._note("refused")
                return
            outcome, kept = exchange(client, wire)
            self._note(outcome)
            if not (keep and kept):
                client.close()
                client = None
        if client:
            client.close()

    def _note(self, outcome: str) -> None:
        with self._lock:
            self.outcomes[outcome] += 1
            if outcome not in ("answered", "refused"):
                self.failures.append((time.monotonic(), outcome))


def exchange(client: socket.socket, wire: bytes) -> tuple[str, bool]:
    """Send one request; how it ended, and whether the connection may be used again."""
    try:
        client.sendall(wire)
        answer = http.client.HTTPResponse(client, method="POST")
        answer.begin()
        answer.read()
    except TimeoutError:
        return "timed out", False
    except (OSError, http.client.HTTPException) as error:
        return f"dropped: {type(error).__name__}", False
    return "answered" if answer.status == 200 else f"status {answer.status}", not answer.will_close
