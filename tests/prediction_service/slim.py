"""An interpreter that finds what a lock names, and nothing else that is installed here."""

import sys
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

ROOT: Final = Path(__file__).parents[2]


def interpreter(lock: Path, place: Path) -> tuple[str, ...]:
    """The command that starts it; ``place`` gets links to the distributions of the lock.

    ``-S`` leaves this environment's own packages out.
    """
    place.mkdir()
    for requirement in _required(lock):
        try:
            files = distribution(requirement.name).files or []
        except PackageNotFoundError as error:
            raise AssertionError(f"{lock.name}: {requirement} is not installed here") from error
        for top in {file.parts[0] for file in files} - {"..", "__pycache__"}:
            link = place / top
            if not link.exists():
                link.symlink_to(Path(str(distribution(requirement.name).locate_file(top))))
    return ("env", f"PYTHONPATH={place}", sys.executable, "-S")


def _required(lock: Path) -> list[Requirement]:
    lines = (line.removesuffix("\\").strip() for line in lock.read_text(encoding="utf-8").splitlines())
    found = [Requirement(line) for line in lines if line and line[0].isalnum()]
    return [one for one in found if one.marker is None or one.marker.evaluate()]
