"""The local stack: pipeline, then API, chat and MLflow's page as child processes until somebody stops it.

Knows commands and addresses of the parts, and imports none of them.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import IO, Final, Self

from workflow.exceptions import StackError
from workflow.fingerprint import ROOT
from workflow.health import HOST, look
from workflow.settings import Settings, child_environ

EVERYWHERE: Final = ("0.0.0.0", "::", "localhost")  # noqa: S104  recognised, not listened on
STOP_S: Final = 20.0
LEFT_S: Final = 2.0
START_S: Final = 120.0
POLL_S: Final = 0.1
LOG_TAIL: Final = 12
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)

Say = Callable[[str], None]


@dataclass(frozen=True)
class Part:
    """One child process.

    Attributes:
        name: also of its log file.
        command: what is started.
        environ: values that the operator has not set.
        health: address that answers 200 once it is up; empty for one that ends by itself.
        page: address for people.
        folder: where it is started; None: here, so that relative paths mean what the operator meant.

    """

    name: str
    command: Sequence[str]
    environ: Mapping[str, str] = field(default_factory=dict)
    health: str = ""
    page: str = ""
    folder: Path | None = None


@dataclass
class _Running:
    part: Part
    process: "subprocess.Popen[bytes]"
    log: Path | None


class Stack:
    """Starts parts, each in a session of its own, and leaves none behind."""

    def __init__(self, logs: Path, say: Say) -> None:
        self._logs, self._say = logs, say
        self._running: list[_Running] = []
        self.stopping = Event()

    def __enter__(self) -> Self:
        """Take over the signals that end the stack."""
        for number in SIGNALS:
            signal.signal(number, lambda *_: self.stopping.set())
        return self

    def __exit__(self, *_: object) -> None:
        """Stop everything, the last started first."""
        for running in reversed(self._running):
            # The leader alone: gunicorn's master has to tell its workers itself, or requests are lost.
            running.process.terminate()
        deadline = time.monotonic() + STOP_S
        for running in reversed(self._running):
            try:
                running.process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                self._say(f"{running.part.name} did not stop within {STOP_S:.0f} s and was ended")
            _end_group(running.process)
            running.process.wait()

    def start(self, part: Part, *, quiet: bool = True) -> None:
        """Start a part; its output goes to its log, or to this terminal."""
        log = self._logs / f"{part.name}.log" if quiet else None
        output: IO[bytes] | None = None
        try:
            if log:
                log.parent.mkdir(parents=True, exist_ok=True)
                output = log.open("wb")
            process = subprocess.Popen(  # noqa: S603  our own commands
                part.command,
                env=child_environ(part.environ),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT if log else None,
                cwd=part.folder,
                start_new_session=True,
            )
        except OSError as error:
            raise StackError(f"{part.name}: {error.filename}: {error.strerror}: cannot be started") from error
        finally:
            if output:
                output.close()
        self._running.append(_Running(part, process, log))

    def finish(self, name: str) -> int | None:
        """Wait for a part that ends by itself; its exit code, or None if somebody stops the stack."""
        process = next(running.process for running in self._running if running.part.name == name)
        while not self.stopping.wait(POLL_S):
            if (code := process.poll()) is not None:
                return code
            self._check(except_for=name)
        return None

    def wait_until_up(self) -> bool:
        """Wait until every part answers; False if somebody stops the stack.

        Raises:
            StackError: a part died, has given up, or did not answer in time.

        """
        started = time.monotonic()
        waiting = [running.part for running in self._running if running.part.health]
        troubles: dict[str, str] = {}
        while waiting and not self.stopping.wait(POLL_S):
            self._check()
            for part in [part for part in waiting if self._is_up(part, troubles)]:
                waiting.remove(part)
                self._say(f"{part.name} is up after {time.monotonic() - started:.1f} s: {part.page}")
            if waiting and time.monotonic() - started > START_S:
                late = waiting[0]
                reason = f" ({troubles[late.name]})" if late.name in troubles else ""
                patience = f"within {START_S:.0f} s{reason}{self._tail(late.name)}"
                raise StackError(f"{late.name} did not answer {late.health} {patience}")
        return not self.stopping.is_set()

    def _is_up(self, part: Part, troubles: dict[str, str]) -> bool:
        """Whether a part answers; a trouble that may pass is said when it is new."""
        health = look(part.health)
        if health.is_lasting:
            raise StackError(f"{part.name} has given up: {health.trouble}; its log is {self._log(part.name)}")
        if health.trouble and health.trouble != troubles.get(part.name):
            troubles[part.name] = health.trouble
            self._say(f"{part.name} is not ready and tries again: {health.trouble}")
        return health.is_up

    def wait(self) -> None:
        """Wait until somebody stops the stack.

        Raises:
            StackError: a part died.

        """
        while not self.stopping.wait(POLL_S):
            self._check()

    def _check(self, except_for: str = "") -> None:
        for running in self._running:
            if running.part.name == except_for or not running.part.health:
                continue
            if (code := running.process.poll()) is not None:
                name = running.part.name
                raise StackError(f"{name} ended with {code}{self._tail(name)}")

    def _log(self, name: str) -> Path | None:
        return next(running.log for running in self._running if running.part.name == name)

    def _tail(self, name: str) -> str:
        log = self._log(name)
        lines = log.read_text(errors="replace").splitlines()[-LOG_TAIL:] if log else []
        return "\n  ".join([f"; the end of {log}:", *lines])


def _end_group(process: "subprocess.Popen[bytes]") -> None:
    """End what a stopped leader has left of its session, asking first."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        until = time.monotonic() + LEFT_S
        while time.monotonic() < until:
            process.poll()
            try:
                os.killpg(process.pid, number)
            except ProcessLookupError:
                return
            time.sleep(POLL_S)


def check_port(setting: str, port: int, host: str = HOST) -> None:
    """Refuse a port that is taken.

    Raises:
        StackError: names the setting and what to do.

    """
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise StackError(
                f"{setting}={port}: {error.strerror}: stop what listens on {host}:{port}, or set another port"
            ) from error


def python(*arguments: str) -> list[str]:
    """A command of this environment's Python."""
    return [sys.executable, *arguments]


def api(settings: Settings, model: Mapping[str, str]) -> Part:
    """The prediction service under gunicorn."""
    address = api_address(settings)
    configuration = str(ROOT / "prediction_service" / "gunicorn.conf.py")
    command = python("-m", "gunicorn", "-c", configuration, "prediction_service.app:wsgi()")
    environ = {
        "CHATMOD_API_PORT": str(settings.api_port),
        "CHATMOD_API_LABELS": settings.labels_address,
        **model,
    }
    return Part("api", command, environ, f"{address}/readyz", f"{address}/docs")


def chat(settings: Settings) -> Part:
    """The chat under Streamlit."""
    address = f"http://{HOST}:{settings.ui_port}"
    environ = {
        "CHATMOD_UI_PORT": str(settings.ui_port),
        "CHATMOD_UI_API_URL": api_address(settings),
        "CHATMOD_UI_ROOM_URL": f"sqlite:///{settings.home.resolve() / 'chat.db'}",
        "CHATMOD_UI_MLFLOW_URL": tracking_page(settings),
    }
    # Streamlit looks for the theme where it is started.
    return Part("chat", python("-m", "frontend"), environ, f"{address}/_stcore/health", address, ROOT)


def mlflow(settings: Settings) -> Part:
    """MLflow's page over SQLite and files."""
    address = f"http://{HOST}:{settings.mlflow_port}"
    flags = {
        "backend-store-uri": settings.tracking,
        "artifacts-destination": str(settings.artifacts),
        "host": HOST,
        "port": str(settings.mlflow_port),
        "workers": "1",
    }
    # Low priority: nobody waits for its page, and it takes ten times as long to start as the rest.
    command = [
        "nice",
        "-n",
        "10",
        *python("-m", "mlflow", "server"),
        *(f"--{k}={v}" for k, v in flags.items()),
    ]
    environ = {"MLFLOW_DISABLE_TELEMETRY": "true", "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false"}
    return Part("mlflow", command, environ, f"{address}/health", address)


def api_address(settings: Settings) -> str:
    """Where this machine reaches the prediction service."""
    host = HOST if settings.api_host in EVERYWHERE else settings.api_host
    return f"http://{host}:{settings.api_port}"


def check_settings(package: str, environ: Mapping[str, str]) -> None:
    """Have a part read its settings now, rather than after the pipeline.

    Raises:
        StackError: the part refuses them; says why.

    """
    code = (
        f"import sys\nfrom {package} import settings\nfrom {package}.exceptions import SettingsError\n"
        "try: settings.load()\nexcept SettingsError as error: sys.exit(str(error))"
    )
    done = subprocess.run(  # noqa: S603
        python("-c", code),
        cwd=ROOT,
        env=child_environ(environ),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise StackError(done.stderr.strip())


def tracking_page(settings: Settings) -> str:
    """The address of MLflow's page: the server that is set, else our own."""
    return settings.tracking_uri or f"http://{HOST}:{settings.mlflow_port}"
