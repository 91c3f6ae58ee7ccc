"""Real servers for the chat's tests: a scripted prediction API, gunicorn and Streamlit."""

import json
import math
import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx

ROOT = Path(__file__).parents[2]
READY: dict[str, Any] = {
    "status": "ready",
    "detail": "",
    "model": {
        "name": "chat-moderation",
        "version": "7",
        "digest": "ab" * 32,
        "kind": "hashed-linear",
        "source": "registry",
    },
    "policy": {
        "version": "0123456789ab",
        "attributes": {
            "LIKELY_TO_REJECT": {
                "flag": {
                    "reachable": True,
                    "threshold": 0.6123,
                    "target": 0.7,
                    "precision": 0.712,
                    "recall": 0.3,
                    "reason": "",
                },
                "remove": {
                    "reachable": False,
                    "threshold": None,
                    "target": 0.9,
                    "precision": None,
                    "recall": None,
                    "reason": "no threshold reaches a precision of 0.90",
                },
            }
        },
    },
    "data": {"source": "file", "name": "removals.csv", "rows": 5600, "is_sample": False},
}


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for(answers: Callable[[], bool], what: str, seconds: float = 60) -> None:
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if answers():
            return
        time.sleep(0.05)
    raise AssertionError(f"{what} did not happen within {seconds} s")


def responds(url: str, status: int = 200) -> bool:
    try:
        return httpx.get(url, trust_env=False, timeout=2).status_code == status
    except httpx.HTTPError:
        return False


@dataclass
class Answer:
    """One scripted answer; ``cut`` closes the connection instead."""

    status: int = 200
    body: Any = None
    delay_s: float = 0
    cut: bool = False
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class StandIn:
    """A prediction API that marks by word: 'idiot' is flagged, 'crypto' removed; or answers by script."""

    url: str
    readiness: dict[str, Any] = field(default_factory=lambda: json.loads(json.dumps(READY)))
    script: list[Answer] = field(default_factory=list)
    asked: list[list[str]] = field(default_factory=list)
    keys: list[str | None] = field(default_factory=list)
    idempotency_keys: list[str | None] = field(default_factory=list)

    def answer(self, path: str, body: bytes) -> Answer:
        if self.script:
            return self.script.pop(0)
        if path == "/readyz":
            return Answer(200 if self.readiness["status"] == "ready" else 503, self.readiness)
        if path == "/analyze":
            return Answer(body=self.analysis(json.loads(body)["text"]))
        records = json.loads(body)["Records"]
        self.asked.append([record["body"] for record in records])
        return Answer(body={"predictions": [self.judge(record) for record in records]})

    @staticmethod
    def judge(record: dict[str, Any]) -> dict[str, Any]:
        action, score, rule = "allow", 0.07, "default"
        if "idiot" in record["body"]:
            action, score, rule = "flag", 0.83, "LIKELY_TO_REJECT>=0.6123"
        if "crypto" in record["body"]:
            action, score, rule = "remove", 0.97, "LIKELY_TO_REJECT>=0.9011"
        prediction = {
            "moderate_message": score,
            "message_id": record["message_id"],
            "action": action,
            "rule": rule,
            "id": "d" * 32,
            "policy_version": "0123456789ab",
        }
        return {"model": "chat-moderation-model", "version": "7", "prediction": prediction}

    @staticmethod
    def analysis(text: str) -> dict[str, Any]:
        """Every word speaks for removal, the last one against it."""
        words = [(found.start(), found.end()) for found in re.finditer(r"\S+", text)]
        parts = [0.5] * (len(words) - 1) + [-0.25]
        tokens = [
            {"begin": begin, "end": end, "text": text[begin:end], "contribution": part}
            for (begin, end), part in zip(words, parts, strict=True)
        ]
        logit = sum(parts) - 1
        score = 1 / (1 + math.exp(-logit))
        explanation = {
            "attribute": "LIKELY_TO_REJECT",
            "logit": logit,
            "intercept": -1.0,
            "tokens": tokens,
            "sentences": [{"begin": 0, "end": len(text), "contribution": sum(parts)}],
        }
        decided = {"id": "d" * 32, "action": "flag", "flagged": True, "rule": "LIKELY_TO_REJECT>=0.6123"}
        versions = {"model_version": "7", "policy_version": "0123456789ab"}
        return decided | versions | {"scores": {"LIKELY_TO_REJECT": score}, "explanation": explanation}


@contextmanager
def answering(answer: Callable[[BaseHTTPRequestHandler, bytes], Answer]) -> Iterator[str]:
    """A real HTTP server that says what `answer` says; its address."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *_: object) -> None:
            pass

        def do_GET(self) -> None:
            said = answer(self, self.rfile.read(int(self.headers.get("Content-Length", 0))))
            time.sleep(said.delay_s)
            if said.cut:
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            text = said.body if isinstance(said.body, bytes) else json.dumps(said.body).encode()
            self.send_response(said.status)
            for name, value in ({"Content-Length": str(len(text))} | said.headers).items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(text)

        do_POST = do_GET  # noqa: N815 - the base class's name

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def stand_in() -> Iterator[StandIn]:
    def answer(request: BaseHTTPRequestHandler, body: bytes) -> Answer:
        api.keys.append(request.headers.get("Authorization"))
        api.idempotency_keys.append(request.headers.get("Idempotency-Key"))
        return api.answer(request.path, body)

    api = StandIn("")
    with answering(answer) as api.url:
        yield api


class Process:
    """A server in a process of its own, which can be stopped and started again on its port."""

    def __init__(self, command: list[str], variables: dict[str, str], health: str, log: Path) -> None:
        self.command = ["env", *(f"{key}={value}" for key, value in variables.items()), *command]
        self.health = health
        self.log = log
        self.running: subprocess.Popen[bytes] | None = None

    def start(self, seconds: float = 60) -> None:
        with self.log.open("ab") as log:
            self.running = subprocess.Popen(self.command, cwd=ROOT, stdout=log, stderr=log)
        try:
            wait_for(lambda: responds(self.health), f"an answer of {self.health}", seconds)
        except AssertionError as error:
            self.stop()
            raise AssertionError(f"{error}\n{self.log.read_text()[-2000:]}") from error

    def stop(self) -> None:
        if self.running:
            self.running.terminate()
            try:
                self.running.wait(15)
            except subprocess.TimeoutExpired:
                self.running.kill()
                self.running.wait()
        self.running = None


@contextmanager
def gunicorn(bundle: Path, folder: Path) -> Iterator[tuple[str, Process]]:
    """The real prediction service on a bundle, ready."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = [sys.executable, "-m", "gunicorn", "-c", "prediction_service/gunicorn.conf.py"]
    variables = {"CHATMOD_API_BUNDLE": str(bundle), "CHATMOD_API_PORT": str(port), "CHATMOD_API_WORKERS": "1"}
    process = Process(
        [*command, "prediction_service.app:wsgi()"], variables, f"{url}/readyz", folder / "gunicorn.log"
    )
    process.start()
    try:
        yield url, process
    finally:
        process.stop()


@contextmanager
def streamlit(variables: dict[str, str], folder: Path) -> Iterator[tuple[str, Process]]:
    """The chat's own server, as `make run` starts it."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    command = f"-m streamlit run frontend/app.py --server.port {port} --server.address 127.0.0.1"
    quiet = "--server.headless true --browser.gatherUsageStats false --server.fileWatcherType none"
    process = Process(
        [sys.executable, *command.split(), *quiet.split()],
        variables,
        f"{url}/_stcore/health",
        folder / "streamlit.log",
    )
    process.start()
    try:
        yield url, process
    finally:
        process.stop()
