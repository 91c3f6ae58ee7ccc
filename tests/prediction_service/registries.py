"""Registries for tests: a real MLflow server, and a stand-in for faults that no real one will have."""

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qs, urlsplit

from tests.prediction_service.serving import free_port


class MLflow:
    """`mlflow server` on SQLite and files, on loopback."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Self:
        options = ("--backend-store-uri", "sqlite:///mlflow.db", "--artifacts-destination", "./artifacts")
        with (self.folder / "log").open("w") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable,
                    "-m",
                    "mlflow",
                    "server",
                    *options,
                    "--port",
                    str(self.port),
                    "--workers",
                    "1",
                ],
                cwd=self.folder,
                stdout=log,
                stderr=log,
                env={
                    "PATH": os.defpath,
                    "HOME": str(self.folder),
                    "GIT_PYTHON_REFRESH": "quiet",
                    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
                    "MLFLOW_DISABLE_TELEMETRY": "true",
                },
                start_new_session=True,
            )
        give_up = time.monotonic() + 90
        while not self._answers():
            assert time.monotonic() < give_up, (self.folder / "log").read_text()
            assert self.process.poll() is None, (self.folder / "log").read_text()
            time.sleep(0.2)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.process.terminate()
        self.process.wait(30)

    def _answers(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self.url}/health", timeout=5) as answer:  # noqa: S310 - loopback
                return bool(answer.status == 200)
        except OSError:
            return False

    def register(self, bundle: Path, digest: str | None) -> str:
        """Log a bundle as DESIGN.md says, register it, and return its version."""
        import mlflow
        from mlflow.models import Model

        class Flavor:
            @staticmethod
            def save_model(path: str, mlflow_model: Model, bundle: Path) -> None:
                shutil.copytree(bundle, path, dirs_exist_ok=True)
                mlflow_model.add_flavor("python_function", loader_module="modeling.bundle")
                mlflow_model.save(str(Path(path, "MLmodel")))

        mlflow.set_tracking_uri(self.url)
        client = mlflow.MlflowClient(self.url, self.url)
        with mlflow.start_run() as run:
            logged = Model.log(None, Flavor, name="bundle", bundle=bundle)
        if not client.search_registered_models():
            client.create_registered_model("chat-moderation")
        made = client.create_model_version(
            "chat-moderation",
            logged.model_uri,
            run.info.run_id,
            tags={"bundle_digest": digest} if digest else {},
            model_id=logged.model_id,
        )
        return str(made.version)


class StandIn(ThreadingHTTPServer):
    """Answers as MLflow does for version 1, except for what ``script`` says about a file's next requests.

    ``script[name]`` is a list; each request of that name takes its first entry: a status to answer with,
    "cut" (half of what is left, then hang up), "slow", or bytes to answer instead.
    """

    daemon_threads = True

    def __init__(self, bundle: Path, digest: str | None, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Handler)
        self.url = f"http://127.0.0.1:{self.server_address[1]}"
        self.files = {path.name: path.read_bytes() for path in bundle.iterdir()}
        self.digest = digest
        self.script: dict[str, list[Any]] = {}
        self.asked: list[tuple[str, str | None, str | None]] = []

    def __enter__(self) -> Self:
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: StandIn

    def do_GET(self) -> None:
        asked = urlsplit(self.path)
        query = {key: values[0] for key, values in parse_qs(asked.query).items()}
        name = query.get("path", "version")
        self.server.asked.append((name, self.headers.get("Range"), self.headers.get("Authorization")))
        steps = self.server.script.get(name, [])
        step = steps.pop(0) if steps else None
        if isinstance(step, int):
            text = b"Invalid Host header - possible DNS rebinding attack detected" if step == 403 else b"no"
            self._answer(step, text)
        elif isinstance(step, bytes):
            self._answer(200, step)
        elif query.get("version") != "1":
            self._answer(404, json.dumps({"error_code": "RESOURCE_DOES_NOT_EXIST"}).encode())
        elif name == "version":
            tags = [{"key": "bundle_digest", "value": self.server.digest}] if self.server.digest else []
            self._answer(200, json.dumps({"model_version": {"version": "1", "tags": tags}}).encode())
        else:
            if step == "slow":
                time.sleep(0.3)
            self._file(self.server.files[name], cut=step == "cut")

    def _file(self, data: bytes, *, cut: bool) -> None:
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").rstrip("-"))
        part = data[start:]
        self.send_response(206 if start else 200)
        self.send_header("Content-Length", str(len(part)))
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        self.end_headers()
        self.wfile.write(part[: len(part) // 2] if cut else part)
        self.close_connection = self.close_connection or cut

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None: ...
