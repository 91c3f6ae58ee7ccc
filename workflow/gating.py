"""The step `gate`: candidate against champion, the receipt kept, and only then aliases moved.

The only code that moves the aliases `champion` and `challenger`. Whatever ends it half-way, the same
command again finds the receipt that is kept and does the rest.
"""

import tempfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.exceptions import StepError, TrackingError
from workflow.steps import labelled, read_json, write_json
from workflow.tracking.names import (
    CHALLENGER,
    CHAMPION,
    DIGEST_TAG,
    FORCED_TAG,
    JUDGED_TAG,
    MANIFEST,
    PROMOTED_TAG,
    RECEIPT_SHA_TAG,
    RECEIPT_TAG,
    SPLIT_TAG,
    VERDICT_TAG,
)

if TYPE_CHECKING:
    from modeling.evidence import Evidence, Unreadable
    from modeling.gate_rules import Rules
    from modeling.receipt import Receipt
    from workflow.evidence import TestPart
    from workflow.tracking.registry import Registry, Version

PROMOTE: Final = "promote"
REFUSE: Final = "refuse"
Say = Callable[[str], None]


@dataclass(frozen=True)
class Asked:
    """What a person asks the gate for.

    Attributes:
        version: to be judged; None: the one that was registered last here.
        force: promote whatever the rules say, for this ``reason``, ``by`` one and a ``second`` person.

    """

    version: int | None = None
    force: bool = False
    reason: str = ""
    by: str = ""
    second: str = ""


@dataclass(frozen=True)
class _Case:
    """A version before the gate: what it is compared with, on which rows, by which rules, for whom."""

    registry: "Registry"
    candidate: "Version"
    champion: "Version | None"
    comments: Path
    bundle: Path
    rules: "Rules"
    data: Mapping[str, Any]
    who: str
    at: str
    place: Path


def gate(
    comments: Path,
    evaluation: Path,
    bundle: Path,
    registered: Path,
    verdict: Path,
    *,
    say: Say,
    tracking: str,
    rules: "Rules",
    who: str,
    at: str,
    asked: Asked,
) -> None:
    """Judge, keep the receipt, move the aliases: ``receipt.json``, ``receipt.md`` and ``verdict.json``.

    Raises:
        TrackingError: MLflow cannot be reached or refuses; the same command does the rest later.
        GateError: nothing can be judged: too few rows, a champion that cannot be read.
        StepError: the version was evaluated on other rows than those at hand.

    """
    from workflow.tracking.registry import Registry

    manifest = read_json(comments / "manifest.json")
    registry = Registry(tracking, "the gate")
    candidate = registry.version(asked.version or int(read_json(registered / "version.json")["version"]))
    before = registry.aliases().get(CHAMPION)
    with tempfile.TemporaryDirectory(prefix=".gate-", dir=verdict.parent) as place:
        case = _Case(
            registry,
            candidate,
            registry.version(before) if before is not None else None,
            comments,
            bundle,
            rules,
            _data(manifest, read_json(evaluation / "touches.json")),
            who,
            at,
            Path(place),
        )
        receipt = _receipt(case, asked)
    (verdict / "receipt.json").write_text(receipt.to_json(), encoding="utf-8")
    (verdict / "receipt.md").write_text(receipt.to_markdown(), encoding="utf-8")
    facts = _done(registry, candidate, receipt, rules)
    write_json(verdict / "verdict.json", facts)
    say = labelled(say, manifest)
    for line in (*plain_words(facts), *_short(receipt)):
        say(line)


def plain_words(facts: Mapping[str, Any]) -> list[str]:
    """What a ``verdict.json`` says, for people."""
    number, before = facts["candidate_version"], facts["champion_version_before"]
    receipt, forced = f"receipt {facts['receipt_id']}", facts["forced"]
    if facts["verdict"] == PROMOTE:
        place = "the first champion" if before is None else f"champion in place of version {before}"
        done = f"version {number} is {place}; {receipt}"
        if forced is None:
            return [f"promoted: {done}", facts["reason"]]
        return [
            f"promoted by force: {done}",
            _by(forced),
            f"against the verdict {forced['verdict']}: {facts['reason']}",
        ]
    stays = "there is no champion yet" if before is None else f"version {before} stays champion"
    word = {REFUSE: "refused"}.get(facts["verdict"], facts["verdict"])
    return [f"{word}: version {number} is not promoted, {stays}; {receipt}", facts["reason"]]


def _by(forced: Mapping[str, str]) -> str:
    return "forced by {by}, second {second}: {reason}".format(**forced)


def _short(receipt: "Receipt") -> Iterable[str]:
    """What stands against it, a line a rule."""
    return (
        f"{rule.title}: {rule.verdict}, {rule.reason}"
        for rule in receipt.rules
        if rule.verdict in {"violated", "unproven"}
    )


def _data(manifest: Mapping[str, Any], touches: Mapping[str, Any]) -> dict[str, Any]:
    data, split = manifest["data"], manifest["split"]
    return {
        "name": data["name"],
        "sha256": data["sha256"],
        "part": "test",
        "split": split["id"],
        "test_touches": touches["count"],
    }


def _receipt(case: _Case, asked: Asked) -> "Receipt":
    """The receipt that answers: the one that is kept where the same was asked before, else a new one."""
    from modeling.receipt import force

    if case.champion is not None and case.champion.number == case.candidate.number:
        return _of_champion(case)
    kept = [receipt for receipt in _kept(case) if _answers(receipt, case)]
    if not asked.force:
        found = next((one for one in kept if one.forced is None), None)
        return _told_now(found, case) if found else _judged(case)
    said = {name: " ".join(getattr(asked, name).split()) for name in ("reason", "by", "second")}
    for one in kept:
        if one.forced is not None and said.items() <= one.forced.items():
            return _told_now(one, case)
    judged = next((one for one in kept if one.forced is None), None) or _judged(case)
    return force(
        replace(judged, who=case.who, at=case.at), reason=asked.reason, by=asked.by, second=asked.second
    )


def _told_now(receipt: "Receipt", case: _Case) -> "Receipt":
    """A promotion by a receipt that has promoted this version before is told with its own time and name."""
    if case.candidate.tags.get(PROMOTED_TAG) == receipt.id:
        return replace(receipt, who=case.who, at=case.at)
    return receipt


def _of_champion(case: _Case) -> "Receipt":
    """By which receipt the champion became one: there is nothing to judge again."""
    stated = case.candidate.tags.get(RECEIPT_TAG)
    for receipt in _kept(case):
        if receipt.id == stated and receipt.verdict == PROMOTE:
            return receipt
    raise StepError(
        f"version {case.candidate.number}: has the alias {CHAMPION} without a receipt that promotes it: take "
        "the alias away in MLflow, whoever set it, and run the gate again"
    )


def _kept(case: _Case) -> list["Receipt"]:
    """Receipts of the candidate, newest first.

    One that the version names and that was altered is an error. Of those that it does not name, one may
    have been cut off while it was written: it does not count.
    """
    from modeling.exceptions import GateError
    from modeling.receipt import receipt_from_json

    receipts, named = [], case.candidate.tags.get(RECEIPT_TAG)
    for name, path in case.registry.receipts(case.candidate, case.place / "receipts").items():
        try:
            receipts.append(receipt_from_json(path.read_text(encoding="utf-8", errors="replace"), name))
        except GateError:
            if name == named:
                raise
    return sorted(receipts, key=lambda receipt: receipt.at, reverse=True)


def _answers(receipt: "Receipt", case: _Case) -> bool:
    """Whether a receipt is of the same models, rows and rules."""
    champion = receipt.champion["digest"] if receipt.champion else None
    return (
        receipt.candidate["digest"] == case.candidate.tags[DIGEST_TAG]
        and champion == (case.champion.tags[DIGEST_TAG] if case.champion else None)
        and receipt.data["split"] == case.data["split"]
        and receipt.data["sha256"] == case.data["sha256"]
        and receipt.limits == case.rules.tables
    )


def _judged(case: _Case) -> "Receipt":
    from modeling.bundle import digest_of
    from modeling.gate import judge
    from workflow.evidence import read_test_part

    split = case.candidate.tags.get(SPLIT_TAG)
    if split != case.data["split"]:
        raise StepError(
            f"version {case.candidate.number}: was evaluated on the test rows of split {split}, here are "
            f"those of {case.data['split']}: bring its comments (CHATMOD_DATA), run step preprocess, and try "
            "again"
        )
    stated = case.candidate.tags[DIGEST_TAG]
    here = case.bundle if digest_of(case.bundle) == stated else None
    part = read_test_part(case.comments)
    candidate = _evidence(case, case.candidate, part, here)
    champion = _champion(case, part)
    return judge(candidate, champion, case.rules, who=case.who, at=case.at, data=case.data)


def _champion(case: _Case, part: "TestPart") -> "Evidence | Unreadable | None":
    from modeling.evidence import Unreadable
    from modeling.exceptions import BundleError

    if case.champion is None:
        return None
    try:
        return _evidence(case, case.champion, part, None)
    except (BundleError, TrackingError, OSError, KeyError) as error:
        return Unreadable(f"version {case.champion.number}", str(error))


def _evidence(case: _Case, version: "Version", part: "TestPart", directory: Path | None) -> "Evidence":
    from modeling.exceptions import BundleError
    from workflow.evidence import evidence

    place = case.place / str(version.number)
    bundle = directory or case.registry.bundle(version.number, place / "bundle")
    manifest = case.registry.file(version, MANIFEST, place)
    made = evidence(f"version {version.number}", bundle, manifest, part, version.metrics)
    stated = version.tags.get(DIGEST_TAG)
    if made.digest != stated:
        raise BundleError(
            f"version {version.number}: its files have the digest {made.digest[:12]}…, its tag says "
            f"{str(stated)[:12]}…: register it anew"
        )
    return made


def _done(registry: "Registry", candidate: "Version", receipt: "Receipt", rules: "Rules") -> dict[str, Any]:
    """Keep the receipt, then the version's tags, then move the aliases; each may be done again."""
    registry.keep_receipt(candidate, receipt.id, {"json": receipt.to_json(), "md": receipt.to_markdown()})
    tags = {
        VERDICT_TAG: receipt.verdict,
        RECEIPT_TAG: receipt.id,
        RECEIPT_SHA_TAG: receipt.sha256,
        JUDGED_TAG: receipt.at,
    }
    if receipt.forced:
        tags[FORCED_TAG] = _by(receipt.forced)
    registry.tag(candidate.number, tags)
    if receipt.verdict == PROMOTE:
        registry.move(CHAMPION, candidate.number)
        registry.tag(candidate.number, {PROMOTED_TAG: receipt.id})
    versions = {version.number: version for version in registry.versions()}
    champion = registry.aliases().get(CHAMPION)
    challenger = _challenger(versions.values(), candidate.tags[SPLIT_TAG], champion, rules)
    registry.move(CHALLENGER, challenger)
    before = receipt.champion
    return {
        "verdict": receipt.verdict,
        "reason": receipt.reason,
        "receipt_id": receipt.id,
        "forced": dict(receipt.forced) if receipt.forced else None,
        "candidate_version": candidate.number,
        "champion_version_before": int(before["name"].removeprefix("version ")) if before else None,
        "champion_version_after": champion,
        "champion_digest_after": versions[champion].tags[DIGEST_TAG] if champion is not None else None,
        "challenger_version": challenger,
    }


def _challenger(
    versions: "Iterable[Version]", split: str, champion: int | None, rules: "Rules"
) -> int | None:
    """The best version on these test rows that was judged, not refused, and is not champion."""
    from modeling.gate import Entry, best

    found = {
        f"version {version.number}": version
        for version in versions
        if version.number != champion
        and version.tags.get(SPLIT_TAG) == split
        and version.tags.get(VERDICT_TAG) not in {None, REFUSE}
        and rules.primary_metric in version.metrics
    }
    if not found:
        return None
    entries = [
        Entry(
            name,
            version.metrics[rules.primary_metric],
            version.metrics.get("cpu_ms_p50"),
            int(version.metrics.get("bundle_bytes", 0)),
        )
        for name, version in found.items()
    ]
    return found[best(entries).name].number
