"""A server as a benchmark sees it: how to start and ask it, what it cost in CPU and memory. Knows no wrk."""

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import psutil

ROOT = Path(__file__).parents[2]
CONFIGURATION = ROOT / "prediction_service" / "gunicorn.conf.py"
OURS = "prediction_service.app:wsgi()"
EMPTY = "benchmarks.served.empty:app()"
START_S = 120
MIB = 2**20


def records(texts: Sequence[str]) -> str:
    """A body for /predict."""
    return json.dumps({"Records": [{"body": text, "message_id": place} for place, text in enumerate(texts)]})


def comment(texts: Sequence[str]) -> str:
    """A body for comments:analyze, which takes one text."""
    return json.dumps({"comment": {"text": texts[0]}, "requestedAttributes": {"LIKELY_TO_REJECT": {}}})


@dataclass(frozen=True)
class Contender:
    """One row of a table; ``command`` is given the port."""

    name: str
    command: Callable[[int], Sequence[str]]
    path: str = "/predict"
    body: Callable[[Sequence[str]], str] = records
    ready: str = "/readyz"
    environment: Mapping[str, str] = field(default_factory=dict)
    directory: Path = ROOT


@dataclass(frozen=True)
class Running:
    """A contender that answers."""

    contender: Contender
    port: int
    process: psutil.Process

    def _all(self) -> Iterator[psutil.Process]:
        yield self.process
        yield from self.process.children(recursive=True)

    def cpu_s(self) -> float:
        """CPU seconds of all its processes until now."""
        times = [one.cpu_times() for one in self._all()]
        return sum(one.user + one.system for one in times)

    def memory_mib(self) -> float:
        """Memory of all its processes; what they share counts once."""
        return sum(one.memory_full_info().pss for one in self._all()) / MIB


def ours(name: str, bundle: Path, *arguments: str, app: str = OURS, **options: object) -> Contender:
    """Our gunicorn with these CHATMOD_API_* settings, serving our application or another."""

    def command(port: int) -> list[str]:
        bind = ("--bind", f"127.0.0.1:{port}")
        return [sys.executable, "-m", "gunicorn", "-c", str(CONFIGURATION), *bind, *arguments, app]

    settings = {f"CHATMOD_API_{key.upper()}": str(value) for key, value in options.items()}
    return Contender(name, command, environment={"CHATMOD_API_BUNDLE": str(bundle), **settings})


@contextlib.contextmanager
def running(contender: Contender, logs: Path) -> Iterator[Running]:
    """The contender, once it is ready; its output lands under ``logs``."""
    port = _free_port()
    log = logs / f"{contender.name.replace(' ', '-').replace('/', '')}.log"
    kept = {key: value for key, value in os.environ.items() if not key.startswith("CHATMOD_")}  # noqa: TID251
    path = f"{Path(sys.executable).parent}{os.pathsep}{kept.get('PATH', os.defpath)}"
    with log.open("w") as output:
        process = subprocess.Popen(
            list(contender.command(port)),
            env={**kept, "PATH": path, "CHATMOD_API_PORT": str(port), **contender.environment},
            cwd=contender.directory,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        _wait_until_ready(contender, port, process, log)
        yield Running(contender, port, psutil.Process(process.pid))
    finally:
        _stop(process)


def _stop(process: "subprocess.Popen[bytes]") -> None:
    if process.poll() is not None:
        return
    left = [psutil.Process(process.pid), *psutil.Process(process.pid).children(recursive=True)]
    process.send_signal(signal.SIGTERM)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(15)
    for one in left:
        with contextlib.suppress(psutil.NoSuchProcess):
            one.kill()
    process.wait(15)


def _wait_until_ready(contender: Contender, port: int, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until, in_a_row = time.monotonic() + START_S, 0
    while in_a_row < 5:
        if process.poll() is not None or time.monotonic() > until:
            raise RuntimeError(f"{contender.name} did not become ready: {log.read_text()[-500:]}")
        in_a_row = in_a_row + 1 if _status(port, contender.ready) == http.client.OK else 0
        time.sleep(0.05)


def _status(port: int, path: str) -> int | None:
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request("GET", path)
        return client.getresponse().status
    except (OSError, http.client.HTTPException):
        return None
    finally:
        client.close()


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])
