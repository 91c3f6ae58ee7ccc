"""An environment of exactly what lock files name, linked from the one that runs the tests."""

import re
import sys
import venv
from importlib.metadata import distribution
from pathlib import Path

from packaging.markers import Marker

ROOT = Path(__file__).parents[1]
PINNED = re.compile(
    r"^(?P<name>[a-z0-9._-]+)==(?P<version>[^ ;\\]+)(?: ; (?P<marker>[^\\]+?))? \\$", re.MULTILINE
)


def linked(place: Path, *locks: str) -> Path:
    """The Python of a new environment with the pinned distributions of the locks, and nothing else."""
    venv.create(place, symlinks=True)
    packages = place / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
    for lock in locks:
        for found in PINNED.finditer((ROOT / "requirements" / lock).read_text()):
            if found["marker"] is None or Marker(found["marker"]).evaluate():
                _link(packages, found["name"], found["version"])
    (packages / "project.pth").write_text(f"{ROOT}\n")
    return place / "bin" / "python"


def _link(packages: Path, name: str, version: str) -> None:
    known = distribution(name)
    assert version == known.version, (
        f"{name} is {known.version} here and {version} in its lock: make .venv/.ready"
    )
    for top in {file.parts[0] for file in known.files or ()} - {"..", "__pycache__"}:
        link = packages / top
        if not link.exists():
            link.symlink_to(known.locate_file(top))
