"""The command `verify`: a version made anew from its passport, compared with what was registered."""

import argparse
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modeling.bundle import PASSPORT, digest_of
from workflow import fingerprint
from workflow.exceptions import StepError
from workflow.gate_command import version as version_number
from workflow.rebuild import rebuild
from workflow.settings import Settings
from workflow.steps import read_json
from workflow.tracking.names import DIGEST_TAG

EXITS: Final = "exit code: 0 the same, 3 it differs, 2 it cannot be made anew here"
SAME, DIFFERS = 0, 3
SHOWN: Final = 12
WIDEST: Final = 40
Say = Callable[[str], None]


@dataclass(frozen=True)
class Line:
    """One figure of both."""

    name: str
    registered: float | None
    rebuilt: float | None
    tolerance: float

    @property
    def agrees(self) -> bool:
        """Whether they are the same, or as near as this kind of model comes."""
        if self.registered is None or self.rebuilt is None:
            return self.registered is self.rebuilt
        return abs(self.registered - self.rebuilt) <= self.tolerance


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    words = "train a version again from its passport, and compare"
    verify = commands.add_parser("verify", help=words, epilog=EXITS)
    verify.add_argument("version", type=version_number, help="its number")


def run(chosen: argparse.Namespace, settings: Settings, say: Say) -> int:
    """Make a version anew and compare: 0 the same, 3 not.

    Raises:
        WorkflowError, ModelingError: it cannot be made anew here: other data, other test rows, no MLflow.

    """
    from workflow.tracking.registry import Registry

    registry = Registry(settings.tracking, "verify")
    version = registry.version(chosen.version)
    with tempfile.TemporaryDirectory(prefix="chatmod-verify-") as place:
        theirs = registry.bundle(version.number, Path(place) / "registered")
        digest, passport = digest_of(theirs), read_json(theirs / PASSPORT)
        if digest != version.tags.get(DIGEST_TAG):
            raise StepError(
                f"version {version.number}: its files have the digest {digest[:SHOWN]}…, which is not its "
                "tag's: they were altered, `.venv/bin/python -m workflow status` says more"
            )
        for line in _code(passport):
            say(line)
        ours = rebuild(passport, settings, Path(place) / "home", say)
        rebuilt, made = digest_of(ours), read_json(ours / PASSPORT)
    lines = list(compared(passport, made))
    say(_rows(passport))
    for text in (
        *_table(lines),
        "",
        f"bundle  {digest[:SHOWN]}  {rebuilt[:SHOWN]}  {_word(digest == rebuilt)}",
    ):
        say(text)
    same = digest == rebuilt or (tolerance_of(passport) is not None and all(line.agrees for line in lines))
    for text in () if digest == rebuilt else (f"differs: {name}" for name in differences(passport, made)):
        say(text)
    say("this was one more evaluation on these test rows, and is counted; nothing was registered")
    say(f"version {version.number}: {_verdict(same=same, exact=digest == rebuilt, passport=passport)}")
    return SAME if same else DIFFERS


def tolerance_of(passport: Mapping[str, Any]) -> float | None:
    """How far a figure may be off for this kind of model; None: not at all."""
    stated = passport["fit"].get("verify", {}).get("tolerance")
    return float(stated) if isinstance(stated, int | float) else None


def compared(registered: Mapping[str, Any], rebuilt: Mapping[str, Any]) -> Iterator[Line]:
    """Every metric with its interval's ends, of both passports."""
    tolerance = tolerance_of(registered) or 0.0
    theirs, ours = registered["metrics"], rebuilt["metrics"]
    for name in sorted({*theirs, *ours}):
        for end in ("value", "low", "high"):
            title = name if end == "value" else f"{name} {end}"
            yield Line(title, theirs.get(name, {}).get(end), ours.get(name, {}).get(end), tolerance)


def differences(registered: Any, rebuilt: Any, name: str = "") -> list[str]:
    """Which entries of two passports differ, with both values."""
    if isinstance(registered, Mapping) and isinstance(rebuilt, Mapping):
        keys = sorted({*registered, *rebuilt} - {"seal"})
        inner = (
            differences(registered.get(key), rebuilt.get(key), f"{name}.{key}".strip(".")) for key in keys
        )
        return [line for lines in inner for line in lines]
    if registered == rebuilt:
        return []
    return [f"{name} {_short(registered)} here {_short(rebuilt)}"]


def _code(passport: Mapping[str, Any]) -> list[str]:
    stated, here = passport["code"], {"commit": fingerprint.commit(), "digest": fingerprint.of_code()}
    if stated["digest"] == here["digest"]:
        return [f"code: that of the version (commit {stated['commit'][:SHOWN]})"]
    words = (
        f"code: this checkout (commit {here['commit'][:SHOWN]}) is not the version's "
        f"(commit {stated['commit'][:SHOWN]}): a difference may come from there"
    )
    return [words]


def _rows(passport: Mapping[str, Any]) -> str:
    data, split = passport["data"], passport["split"]
    label = ", the project's sample: no figure says anything about quality" if data["is_sample"] else ""
    return f"{data['name']}{label}; test part, {split['test']['rows']:,} rows, split {split['id']}"


def _table(lines: list[Line]) -> list[str]:
    rows = [("metric", "registered", "rebuilt", "")]
    rows += [
        (line.name, _figure(line.registered), _figure(line.rebuilt), _word(line.agrees)) for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return [
        "  ".join(text.ljust(width) for text, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def _figure(value: float | None) -> str:
    return "-" if value is None else f"{value:.6f}"


def _word(agrees: bool) -> str:  # noqa: FBT001
    return "same" if agrees else "DIFFERS"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= WIDEST else f"{text[: WIDEST - 1]}…"


def _verdict(*, same: bool, exact: bool, passport: Mapping[str, Any]) -> str:
    if exact:
        return "the same bundle to the byte"
    if same:
        return f"the same figures within {tolerance_of(passport):g}, which is what its kind states"
    return "NOT the same: what was registered does not follow from its passport here"
