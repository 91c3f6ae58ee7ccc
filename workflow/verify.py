"""The command `verify`: train a version again from its passport, and compare digest and figures."""

import argparse
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

from workflow import fingerprint
from workflow.exceptions import StepError
from workflow.gate_command import version
from workflow.recipe import Recipe
from workflow.settings import Settings
from workflow.steps import read_json
from workflow.tracking.names import DIGEST_TAG

EXITS: Final = "exit code: 0 the same (or within its stated tolerance), 3 it differs, 2 error"
STEPS: Final = ("download", "preprocess", "audit", "train", "evaluate")
DIFFERS: Final = 3
DIGITS: Final = 12
Say = Callable[[str], None]


def register(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command to a parser."""
    words = "train a version again from its passport, and compare"
    verify = commands.add_parser("verify", help=words, epilog=EXITS)
    verify.add_argument("version", type=version, help="its number")


def run(chosen: argparse.Namespace, settings: Settings, say: Say) -> int:
    """Run the pipeline up to the bundle in a place of its own; 0 if the same comes out, else 3.

    The registry stays as it is. The test rows are evaluated on once more, which is counted.

    Raises:
        WorkflowError, ModelingError: the version, its data or a candidate's needs are not at hand.

    """
    from modeling.bundle import digest_of
    from workflow.local import run_step
    from workflow.pipeline import step_named
    from workflow.tracking.registry import Registry

    registry = Registry(settings.tracking, f"verify {chosen.version}")
    found = registry.version(chosen.version)
    with tempfile.TemporaryDirectory(prefix="chatmod-verify-") as place:
        theirs = registry.bundle(found.number, Path(place) / "theirs")
        digest, passport = digest_of(theirs), read_json(theirs / "passport.json")
        if digest != found.tags.get(DIGEST_TAG):
            raise StepError(
                f"version {found.number}: its files have the digest {digest[:DIGITS]}, and it was registered "
                f"with {found.tags.get(DIGEST_TAG, '')[:DIGITS] or 'none'}: they were altered; see `status`"
            )
        told, work = _told(passport, settings, say), Path(place) / "work"
        for number, name in enumerate(STEPS, start=1):
            say(f"[{number}/{len(STEPS)}] {name}")
            run_step(step_named(name), work, settings, lambda line: say(f"      {line}"), **told)
            if name == "download":
                _check_data(passport["data"], read_json(work / "raw" / "source.json"))
        again = read_json(work / "bundle" / "passport.json")
        return _compared(passport, again, (digest, digest_of(work / "bundle")), say)


def _told(passport: Mapping[str, Any], settings: Settings, say: Say) -> dict[str, Any]:
    """What the steps are told, as the passport has it."""
    try:
        recipe = Recipe(
            passport["candidate"],
            passport["family"],
            passport["parameters"],
            passport["targets"],
            **passport["evaluation"],
            clean=passport["leak_audit"].get("cleaned", True),
        )
        told = {**passport["reading"], "recipe": recipe, "cleaned": recipe.clean}
        source, code = passport["data"]["source"], passport["code"]
    except (KeyError, TypeError) as error:
        raise StepError(
            f"passport.json: does not say {error}: the version was made before passports told how to make it "
            "again; train and register it anew"
        ) from error
    data = settings.data if source == "file" else source
    if not data:
        name, sha256 = passport["data"]["name"], passport["data"]["sha256"][:DIGITS]
        raise StepError(
            f"CHATMOD_DATA='': the version learned from {name} (sha256 {sha256}…): name that file"
        )
    if code["digest"] != fingerprint.of_code():
        say(
            f"the code here ({fingerprint.commit()[:DIGITS]}) is not the version's "
            f"({code['commit'][:DIGITS]}): what differs may come from that; git checkout shows"
        )
        code = {"commit": fingerprint.commit(), "digest": fingerprint.of_code()}
    return {**told, "data": data, "code": code, "report_texts": False}


def _check_data(stated: Mapping[str, Any], found: Mapping[str, Any]) -> None:
    if stated["sha256"] != found["sha256"]:
        raise StepError(
            f"CHATMOD_DATA: {found['name']} has the sha256 {found['sha256'][:DIGITS]}…, and the version "
            f"learned from {stated['name']} with {stated['sha256'][:DIGITS]}…: name that file"
        )


def _compared(stated: Mapping[str, Any], again: Mapping[str, Any], digests: tuple[str, str], say: Say) -> int:
    if digests[0] == digests[1]:
        say(f"the same bundle: sha256:{digests[0][:DIGITS]}")
        return 0
    say(f"registered sha256:{digests[0][:DIGITS]}, trained again sha256:{digests[1][:DIGITS]}")
    files = [name for name, sha256 in stated["files"].items() if again["files"].get(name) != sha256]
    facts = [
        name for name in sorted({*stated, *again} - {"files", "seal"}) if stated.get(name) != again.get(name)
    ]
    say(f"files that differ: {', '.join(files) or 'none'}; in the passport: {', '.join(facts) or 'nothing'}")
    say(f"{'metric':28} registered     again  difference")
    farthest = 0.0
    for name in sorted({*stated["metrics"], *again["metrics"]}):
        before, after = (each["metrics"].get(name, {}).get("value") for each in (stated, again))
        if before is None or after is None:
            farthest = float("inf")
            say(f"{name:28} {_figure(before)} {_figure(after)}")
            continue
        farthest = max(farthest, abs(after - before))
        say(f"{name:28} {_figure(before)} {_figure(after)} {after - before:+11.6f}")
    tolerance = stated["fit"].get("verify", {}).get("tolerance")
    if tolerance is not None and farthest <= tolerance:
        say(f"the same within {tolerance}, the tolerance that its passport states")
        return 0
    stands = "states no tolerance" if tolerance is None else f"states a tolerance of {tolerance}"
    say(f"it differs: its passport {stands}")
    return DIFFERS


def _figure(value: float | None) -> str:
    return f"{'-':>10}" if value is None else f"{value:10.6f}"
