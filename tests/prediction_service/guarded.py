"""Keys for tests, made by the command that people type, and a Redis of our own."""

import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from tests.prediction_service.serving import ROOT, free_port


@dataclass(frozen=True)
class Issued:
    """A key as its owner has it."""

    secret: str

    @property
    def id(self) -> str:
        return self.secret.split("_")[1]

    @property
    def bearer(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.secret}", "Content-Type": "application/json"}


def command(file: Path | None, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "prediction_service", "keys", *arguments],
        env={"CHATMOD_API_KEYS": str(file or "")},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def add(file: Path, *scopes: str, name: str = "someone", **options: str) -> Issued:
    more = [part for key, value in options.items() for part in (f"--{key}", value)]
    done = command(file, "add", "--name", name, "--scope", *(scopes or ("*",)), *more)
    assert 0 == done.returncode, done.stderr
    return Issued(done.stdout.strip())


class Redis:
    """redis-server on a free port, with a password; killed and started again at will."""

    password = "redis-word-92f1"

    def __init__(self) -> None:
        self.port = free_port()
        self.folder = Path(tempfile.mkdtemp(prefix="chatmod-redis-"))
        self.url = f"redis://:{self.password}@127.0.0.1:{self.port}/0"

    def start(self) -> None:
        self.process = subprocess.Popen(
            [
                *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1", "--save", ""),
                *("--requirepass", self.password, "--dir", str(self.folder)),
            ],
            stdout=subprocess.DEVNULL,
            env={"PATH": os.defpath},
        )
        give_up = time.monotonic() + 10
        while not self.answers():
            assert time.monotonic() < give_up
            time.sleep(0.02)

    def cli(self, *words: str) -> str:
        done = subprocess.run(
            ["redis-cli", "-p", str(self.port), "--no-auth-warning", "-a", self.password, *words],
            capture_output=True,
            text=True,
            check=False,
        )
        return done.stdout.strip()

    def answers(self) -> bool:
        return self.cli("ping") == "PONG"

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()
        shutil.rmtree(self.folder)
