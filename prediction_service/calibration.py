"""Maps from our scores to a client's old ones, and the file they travel in. Knows no HTTP and no fitting."""

import hashlib
import json
import math
import os
import re
import tempfile
from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, NoReturn

from prediction_service.exceptions import CalibrationError
from prediction_service.settings import PREFIX

VERSION: Final = 1
DIGEST: Final = re.compile(r"[0-9a-f]{64}")
Knot = tuple[float, float]


@dataclass(frozen=True)
class Link:
    """A rising line through knots, from (0, 0) to (1, 1): our score of one head to the old score."""

    head: str
    knots: Sequence[Knot]

    @cached_property
    def _ours(self) -> list[float]:
        return [ours for ours, _ in self.knots]

    @cached_property
    def _old(self) -> list[float]:
        return [old for _, old in self.knots]

    def __call__(self, score: float) -> float:
        """What the client's old scale calls this score."""
        return _between(self._ours, self._old, score)

    def inverse(self, old: float) -> float:
        """Our score for an old one: a client's threshold, seen from our side."""
        return _between(self._old, self._ours, old)


@dataclass(frozen=True)
class Calibration:
    """The links of one file by attribute, what they were fitted on, and for which bundle."""

    links: Mapping[str, Link]
    bundle: str
    rows: int
    texts: int
    sha256: str

    def to_json(self) -> bytes:
        """The file's bytes: the same fit gives the same ones."""
        plain = {
            "version": VERSION,
            "bundle": self.bundle,
            "fitted_on": {"rows": self.rows, "texts": self.texts, "sha256": self.sha256},
            "attributes": {
                name: {"head": link.head, "knots": [list(knot) for knot in link.knots]}
                for name, link in self.links.items()
            },
        }
        return (json.dumps(plain, sort_keys=True) + "\n").replace("], [", "],\n[").encode()

    @cached_property
    def digest(self) -> str:
        """The sha256 of the file."""
        return hashlib.sha256(self.to_json()).hexdigest()

    def links_for(self, attributes: Mapping[str, str], bundle: str) -> Mapping[str, Link]:
        """The links, once it is certain that they belong to the bundle and the names that are served.

        Raises:
            CalibrationError: they do not.

        """
        if bundle != self.bundle:
            raise CalibrationError(
                f"{PREFIX}CALIBRATION was fitted for the bundle {self.bundle[:12]}; this is {bundle[:12]}, "
                "whose scores mean something else: run calibrate again for this bundle, or unset it"
            )
        for name, link in self.links.items():
            if attributes.get(name) != link.head or name == link.head:
                raise CalibrationError(
                    f"{PREFIX}CALIBRATION maps {name!r} from the head {link.head!r}, which is not how this "
                    f"service answers: set {PREFIX}ATTRIBUTES={name}={link.head}, or run calibrate again"
                )
        return self.links


def read(path: Path) -> Calibration:
    """Read what `write` wrote.

    Raises:
        CalibrationError: it cannot be read, or is no such file.

    """
    try:
        content = path.read_bytes()
        plain = json.loads(content)
    except (OSError, ValueError, RecursionError) as error:
        _refuse(path, f"cannot be read ({error})")
    if not isinstance(plain, dict) or plain.get("version") != VERSION:
        stated = plain.get("version") if isinstance(plain, dict) else None
        _refuse(path, f"has version={stated!r}, and this service reads {VERSION}")
    try:
        fitted = plain["fitted_on"]
        links = {str(name): _link(path, name, entry) for name, entry in plain["attributes"].items()}
        found = Calibration(links, plain["bundle"], fitted["rows"], fitted["texts"], fitted["sha256"])
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        _refuse(path, f"has another shape ({type(error).__name__}: {error})")
    if not links:
        _refuse(path, "has no attributes")
    counts = (found.rows, found.texts)
    digests = (found.bundle, found.sha256)
    if not all(type(one) is int for one in counts) or not all(DIGEST.fullmatch(str(one)) for one in digests):
        _refuse(path, f"has rows, texts={counts} and digests={digests}, which calibrate does not write")
    if found.to_json() != content:
        _refuse(path, "is not as calibrate wrote it")
    return found


def _link(path: Path, name: str, entry: Mapping[str, Any]) -> Link:
    knots = [(ours, old) for ours, old in entry["knots"]]
    for knot in knots:
        if not all(isinstance(end, float) and math.isfinite(end) and 0 <= end <= 1 for end in knot):
            _refuse(path, f"has the knot {knot} of {name}, which is not two numbers from 0 to 1")
    for before, after in pairwise(knots):
        if not (before[0] < after[0] and before[1] < after[1]):
            _refuse(path, f"has the knots {before} and {after} of {name}, which do not rise")
    if len(knots) < 2 or knots[0] != (0, 0) or knots[-1] != (1, 1):  # noqa: PLR2004 - two ends
        _refuse(path, f"has knots of {name} that do not lead from (0, 0) to (1, 1)")
    return Link(str(entry["head"]), tuple(knots))


def _refuse(path: Path, what: str) -> NoReturn:
    raise CalibrationError(f"{PREFIX}CALIBRATION={str(path)!r} {what}: run calibrate again, or unset it")


def write(path: Path, calibration: Calibration) -> None:
    """Write the file whole, or leave what was there.

    Raises:
        CalibrationError: it cannot be written.

    """
    put(path, calibration.to_json())


def put(path: Path, content: bytes) -> None:
    """Give a file its name only once its content is on the disk.

    Raises:
        CalibrationError: it cannot be written.

    """
    draft: Path | None = None
    try:
        with tempfile.NamedTemporaryFile(prefix=f".{path.name}-", dir=path.parent, delete=False) as file:
            draft = Path(file.name)
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.chmod(0o644)
        draft.replace(path)
    except OSError as error:
        if draft is not None:
            draft.unlink(missing_ok=True)
        raise CalibrationError(
            f"{path}: cannot be written ({error.strerror or error}): name a file that can"
        ) from error


def _between(starts: list[float], ends: list[float], value: float) -> float:
    place = bisect_right(starts, value)
    if place == 0:
        return ends[0]
    if place == len(starts):
        return ends[-1]
    low, high = starts[place - 1], starts[place]
    share = (value - low) / (high - low)
    # rounding must not carry a score past the next knot's
    return min(ends[place - 1] + (ends[place] - ends[place - 1]) * share, ends[place])
