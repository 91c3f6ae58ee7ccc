"""The command `status`: versions, verdicts and aliases, and what of it disagrees. Changes nothing."""

import argparse
import hashlib
import json
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.agreement import Found, Served, disagreements
from workflow.exceptions import TrackingError
from workflow.settings import Settings
from workflow.tracking.names import (
    DIGEST_TAG,
    FORCED_TAG,
    JUDGED_TAG,
    RECEIPT_TAG,
    RECEIPTS,
    SAMPLE_TAG,
    SPLIT_TAG,
    VERDICT_TAG,
)

if TYPE_CHECKING:
    from workflow.tracking.registry import Registry, Version

EXITS: Final = "exit code: 0 all agrees, 1 something disagrees, 2 error"
METRICS: Final = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "ece": "ECE"}
COLUMNS: Final = {
    "version": "version",
    "aliases": "alias",
    "candidate": "candidate",
    "data": "data",
    "split": "split",
    **METRICS,
    "verdict": "verdict",
    "receipt": "receipt",
    "digest": "digest",
}
DIGITS: Final = 12
Say = Callable[[str], None]


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    words = "show versions, verdicts and aliases, and what disagrees"
    status = commands.add_parser("status", help=words, epilog=EXITS)
    status.add_argument("--json", action="store_true", help="for programs")


def run(chosen: argparse.Namespace, settings: Settings, say: Say) -> int:
    """Say how the registry is: 0, or 1 where something in it disagrees.

    Raises:
        TrackingError: MLflow cannot be reached.

    """
    from workflow.tracking.registry import Registry

    registry = Registry(settings.tracking, "status")
    with tempfile.TemporaryDirectory(prefix="chatmod-status-") as place:
        found = [_look(registry, version, Path(place)) for version in registry.versions()]
    problems = disagreements(found, _served(settings))
    rows = [_row(each.version) for each in found]
    if chosen.json:
        say(json.dumps({"versions": rows, "disagreements": problems}, indent=2, ensure_ascii=False))
        return 1 if problems else 0
    for line in _told(rows):
        say(line)
    for problem in problems or ["nothing disagrees"]:
        say(problem)
    return 1 if problems else 0


def _look(registry: "Registry", version: "Version", place: Path) -> Found:
    """What a version's files are: all where an alias points to it, else what its passport says."""
    from modeling.bundle import digest_of, stated_digest
    from modeling.exceptions import BundleError

    digest = trouble = ""
    folder = place / str(version.number)
    try:
        if version.aliases:
            digest = digest_of(registry.bundle(version.number, folder / "bundle"))
        else:
            digest = stated_digest(registry.passport(version.number, folder / "passport").parent)
    except (BundleError, TrackingError, OSError) as error:
        trouble = str(error)
    receipt = None
    if version.state and RECEIPT_TAG in version.tags:
        receipt = registry.file(version, f"{RECEIPTS}/{version.tags[RECEIPT_TAG]}.json", folder)
    sha256 = hashlib.sha256(receipt.read_bytes()).hexdigest() if receipt else ""
    return Found(version, digest, trouble, sha256)


def _served(settings: Settings) -> Served | None:
    """What the service on this machine serves, where it answers."""
    import httpx

    from workflow.stack import api_address

    address = f"{api_address(settings)}/readyz"
    try:
        model = httpx.get(address, timeout=1.0, trust_env=False).json()["model"]
        return Served(api_address(settings), str(model["version"]), str(model["digest"]))
    except (httpx.HTTPError, ValueError, KeyError, TypeError):
        return None


def _row(version: "Version") -> dict[str, Any]:
    tags, params = version.tags, version.params
    return {
        "version": version.number,
        "aliases": list(version.aliases),
        "candidate": params.get("candidate", ""),
        "data": params.get("data_name", ""),
        "is_sample": tags.get(SAMPLE_TAG) == "true",
        "split": tags.get(SPLIT_TAG, ""),
        "metrics": {name: _figure(version.metrics, name) for name in METRICS if name in version.metrics},
        "test_touches": version.metrics.get("test_touches"),
        "verdict": tags.get(VERDICT_TAG, ""),
        "receipt": tags.get(RECEIPT_TAG, ""),
        "judged_at": tags.get(JUDGED_TAG, ""),
        "digest": tags.get(DIGEST_TAG, ""),
        "forced": tags.get(FORCED_TAG, ""),
        "run": version.run_id,
        "run_state": version.state,
    }


def _figure(metrics: Mapping[str, float], name: str) -> dict[str, float | None]:
    ends = {"value": name, "low": f"{name}_low", "high": f"{name}_high"}
    return {end: metrics.get(key) for end, key in ends.items()}


def _told(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The table for people, and who forced what."""
    if not rows:
        return ["no version is registered yet: run make train"]
    cells = [list(COLUMNS.values()), *([_cell(row, name) for name in COLUMNS] for row in rows)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(COLUMNS))]
    lines = ["  ".join(text.ljust(width) for text, width in zip(line, widths, strict=True)) for line in cells]
    marks = [f"version {row['version']}: {row['forced']}" for row in rows if row["forced"]]
    return [*(line.rstrip() for line in lines), "", *marks]


def _cell(row: Mapping[str, Any], name: str) -> str:
    if name in METRICS:
        figure = row["metrics"].get(name)
        if figure is None:
            return "-"
        low, high = (f"{figure[end]:.3f}" if figure[end] is not None else "?" for end in ("low", "high"))
        return f"{figure['value']:.3f} [{low}, {high}]{' (sample)' if row['is_sample'] else ''}"
    if name == "digest":
        return str(row[name][:DIGITS])
    value = row[name]
    text = ", ".join(value) if isinstance(value, list) else str(value)
    if name == "verdict" and row["forced"]:
        text += " (forced)"
    return text or "-"
