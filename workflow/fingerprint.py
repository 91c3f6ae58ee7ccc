"""What a step's result depends on, as digests: directories, code, libraries, scalars."""

import hashlib
import json
import platform
import subprocess
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).parent.parent
# Code whose change may change a result; runners, commands and the stack do not.
CODE: Final = (
    "modeling/**/*.py",
    "workflow/audited.py",
    "workflow/auditing.py",
    "workflow/steps.py",
    "workflow/evaluating.py",
    "workflow/measuring.py",
    "workflow/report.py",
    "workflow/charts.py",
    "workflow/templates/report.*",
    "workflow/evidence.py",
    "workflow/gating.py",
    "workflow/pipeline.py",
    "workflow/tracking/*.py",
)
FOLDERS: Final = ("modeling", "workflow")
LIBRARIES: Final = ("numpy", "scipy", "scikit-learn", "pandas", "matplotlib", "mlflow")
UNKNOWN: Final = "unknown"


def of_directory(directory: Path) -> str:
    """The sha256 over the sorted relative names and contents of a directory's files."""
    total = hashlib.sha256()
    for path in sorted(entry for entry in directory.rglob("*") if entry.is_file()):
        with path.open("rb") as file:
            content = hashlib.file_digest(file, "sha256").hexdigest()
        total.update(f"{path.relative_to(directory).as_posix()}\0{content}\n".encode())
    return total.hexdigest()


def of_named_directories(parameters: Mapping[str, Any]) -> dict[str, str]:
    """The digests of directories that parameters name (a pre-trained model, say), by parameter."""
    named = {name: Path(value) for name, value in parameters.items() if isinstance(value, str)}
    return {f"parameter {name}": of_directory(path) for name, path in named.items() if path.is_dir()}


def of_step(name: str, scalars: Mapping[str, Any], inputs: Mapping[str, str]) -> str:
    """The sha256 of everything that a step is told, its code and the libraries' versions included."""
    told = {
        "step": name,
        "scalars": {key: repr(value) for key, value in scalars.items()},
        "inputs": dict(inputs),
        "code": of_code(),
        "python": platform.python_version(),
        "libraries": {library: version(library) for library in LIBRARIES},
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()


@cache
def of_code() -> str:
    """The sha256 over the code that makes results."""
    total = hashlib.sha256()
    for path in sorted(path for pattern in CODE for path in ROOT.glob(pattern)):
        total.update(f"{path.relative_to(ROOT).as_posix()}\0".encode() + path.read_bytes() + b"\0")
    return total.hexdigest()


def commit() -> str:
    """The commit that last changed the code that makes results.

    ``…-dirty`` where files of that code differ from it, ``unknown`` outside a Git checkout. Commits
    of other files do not count, or a new README would give the same model another passport.
    """
    found = _git("log", "-1", "--format=%H", "--", *FOLDERS)
    return f"{found}-dirty" if found and _git("status", "--porcelain", "--", *FOLDERS) else found or UNKNOWN


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(  # noqa: S603
            ["git", "-C", str(ROOT), *arguments],  # noqa: S607
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return done.stdout.strip()
