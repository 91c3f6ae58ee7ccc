"""What is known about each registered version, read from the registry's files. Knows no HTTP and no page."""

from dataclasses import dataclass
from typing import Final, Protocol

from pydantic import TypeAdapter

from frontend import evidence
from frontend.evidence import Audit, Cost, Kind, Metrics, Passport, Policy, Verdict, read
from frontend.exceptions import EvidenceError
from frontend.registry import Version

EVALUATION: Final = "evaluation"
GATE: Final = "gate"


class Store(Protocol):
    """Whoever holds the files; `registry.Registry`, or a cache in front of it."""

    def versions(self) -> list[Version]:
        """The newest versions, newest first."""

    def names(self, run_id: str, folder: str) -> frozenset[str]:
        """The names of the files that a run keeps in a folder."""

    def artifact(self, run_id: str, path: str) -> bytes | None:
        """A file that a run keeps; None where there is none."""

    def file(self, version: int, path: str) -> bytes | None:
        """A file of a version's bundle; None where there is none."""


@dataclass(frozen=True)
class Row:
    """One version beside others; ``trouble`` says why something of it cannot be shown."""

    version: Version
    passport: Passport | None
    cost: Cost | None
    trouble: str = ""


@dataclass(frozen=True)
class Receipt:
    """One decision of the gate: what it says of itself, and the whole of it as Markdown and JSON."""

    id: str
    verdict: Verdict
    markdown: str
    json: bytes


class Experiments:
    """Versions and their evidence."""

    def __init__(self, store: Store) -> None:
        """Evidence out of this store."""
        self._store = store

    def versions(self) -> list[Version]:
        """The newest versions, newest first.

        Raises:
            RegistryUnavailableError: MLflow does not tell.

        """
        return self._store.versions()

    def row(self, version: Version) -> Row:
        """What stands in the table of versions; a file that cannot be read does not hide the others.

        Raises:
            RegistryUnavailableError: MLflow does not tell.

        """
        troubles: list[str] = []
        passport = cost = None
        try:
            passport = self.passport(version)
        except EvidenceError as error:
            troubles.append(str(error))
        try:
            cost = self.evaluation(version, "cost.json", evidence.COST)
        except EvidenceError as error:
            troubles.append(str(error))
        if passport is None and not troubles:
            troubles.append(f"{version.title} has no passport.json in its bundle: train and register anew")
        return Row(version, passport, cost, "; ".join(troubles))

    def passport(self, version: Version) -> Passport | None:
        """Where a version came from.

        Raises:
            RegistryUnavailableError: MLflow does not give it.
            EvidenceError: it is not what the pipeline writes.

        """
        return self._of_bundle(version, "passport.json", evidence.PASSPORT)

    def policy(self, version: Version) -> Policy | None:
        """What a version's scores lead to.

        Raises:
            RegistryUnavailableError: MLflow does not give it.
            EvidenceError: it is not what the pipeline writes.

        """
        return self._of_bundle(version, "policy.json", evidence.POLICY)

    def metrics(self, version: Version) -> Metrics | None:
        """What was measured on the test part.

        Raises:
            RegistryUnavailableError: MLflow does not give it.
            EvidenceError: it is not what the pipeline writes.

        """
        return self.evaluation(version, "metrics.json", evidence.METRICS)

    def evaluation(self, version: Version, name: str, shape: TypeAdapter[Kind]) -> Kind | None:
        """A file of a version's evaluation; None where its pipeline did not write one.

        Raises:
            RegistryUnavailableError: MLflow does not give it.
            EvidenceError: it is not what the pipeline writes.

        """
        return self._kept(version, EVALUATION, name, shape)

    def audit(self, version: Version) -> Audit | None:
        """The leak audit with its reasons, or as the passport states it; None where none was run.

        Raises:
            RegistryUnavailableError: MLflow does not give it.
            EvidenceError: it is not what the pipeline writes.

        """
        whole = self._kept(version, f"{EVALUATION}/audit", "audit.json", evidence.AUDIT)
        passport = None if whole else self.passport(version)
        stated = whole or (passport.leak_audit if passport else None)
        return stated if stated and stated.groups else None

    def receipts(self, version: Version) -> list[Receipt]:
        """What the gate said of a version, the latest first.

        Raises:
            RegistryUnavailableError: MLflow does not give them.
            EvidenceError: one is not what the gate writes.

        """
        names = self._store.names(version.run_id, GATE)
        found = [
            self._receipt(version, name.removesuffix(".json"))
            for name in names
            if name.endswith(".json") and name.removesuffix(".json") + ".md" in names
        ]
        return sorted(found, key=lambda one: (one.verdict.at, one.id), reverse=True)

    def _kept(self, version: Version, folder: str, name: str, shape: TypeAdapter[Kind]) -> Kind | None:
        # Some stores answer for a missing file as for a fault of theirs: so their list is asked first.
        if name not in self._store.names(version.run_id, folder):
            return None
        content = self._store.artifact(version.run_id, f"{folder}/{name}")
        return None if content is None else read(shape, content, f"{folder}/{name} of {version.title}")

    def _receipt(self, version: Version, number: str) -> Receipt:
        content = self._store.artifact(version.run_id, f"{GATE}/{number}.json") or b""
        verdict = read(evidence.VERDICT, content, f"{GATE}/{number}.json of {version.title}")
        markdown = self._store.artifact(version.run_id, f"{GATE}/{number}.md") or b""
        return Receipt(number, verdict, markdown.decode(errors="replace"), content)

    def _of_bundle(self, version: Version, name: str, shape: TypeAdapter[Kind]) -> Kind | None:
        content = self._store.file(version.number, name)
        return None if content is None else read(shape, content, f"{name} of {version.title}")


def thresholds(policy: Policy | None) -> dict[str, float]:
    """The score from which each action fires, of those that can; the first attribute's."""
    actions = next(iter(policy.attributes.values()), {}) if policy else {}
    return {action: one.value for action, one in actions.items() if one.value is not None}


def about(version: Version, passport: Passport | None, part: str = "test", rows: int | None = None) -> str:
    """Which model, data, part and number of rows a figure is of; the sample is called one."""
    if passport is None:
        return f"{version.title}; its passport cannot be read, so its data are unknown."
    size = getattr(passport.split, part)
    counted = f"n = {size.rows if rows is None else rows:,}"
    removed = f", {size.removed:,} removed" if rows in {None, size.rows} else ""
    said = (
        f"{version.title} · {passport.data.name} ({passport.data.source}) · {part} part, {counted}{removed}"
    )
    return f"{said} · SAMPLE: says nothing about quality" if passport.data.is_sample else said
