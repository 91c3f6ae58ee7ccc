"""The command line as a process of its own, in an environment that holds nothing but what a test says."""

import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import matplotlib as mpl

from workflow.settings import Settings

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Home:
    """A home after a run, and what the run said."""

    settings: Settings
    said: str


@dataclass(frozen=True)
class Ran:
    """How a command ended."""

    returncode: int
    stdout: str
    stderr: str

    @property
    def errors(self) -> str:
        """What it said on stderr without the lines in which MLflow greets a new database."""
        kept = [line for line in self.stderr.splitlines() if " INFO mlflow." not in line]
        return "\n".join(kept)


def environment(**variables: object) -> dict[str, str]:
    """What a child needs to run at all, and what the test says."""
    needed = {
        "PATH": os.defpath,
        "HOME": tempfile.gettempdir(),
        "MPLCONFIGDIR": mpl.get_cachedir(),  # else each child looks for the fonts of this machine
        "MLFLOW_DISABLE_TELEMETRY": "true",
    }
    return needed | {name: str(value) for name, value in variables.items()}


def start(*arguments: str, cwd: Path = ROOT, log: Path, **variables: object) -> "subprocess.Popen[str]":
    """Begin `python -m workflow`; both outputs go to the log."""
    with log.open("w") as output:
        return subprocess.Popen(
            [sys.executable, "-m", "workflow", *arguments],
            cwd=cwd,
            env=environment(**variables),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            text=True,
        )


def workflow(*arguments: str, cwd: Path = ROOT, within_s: float = 200, **variables: object) -> Ran:
    """Run `python -m workflow` to its end."""
    done = subprocess.run(
        [sys.executable, "-m", "workflow", *arguments],
        cwd=cwd,
        env=environment(**variables),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
    )
    return Ran(done.returncode, done.stdout, done.stderr)


def wait_for_text(log: Path, text: str, process: "subprocess.Popen[str]", within_s: float = 200) -> None:
    """Wait until a running process has written this."""
    deadline = time.monotonic() + within_s
    while text not in log.read_text():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
