"""A bundle made anew from its passport, elsewhere: the pipeline's own steps, and nothing is registered."""

import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from workflow import sources
from workflow.exceptions import StepError, WorkflowError
from workflow.local import run_step
from workflow.pipeline import PIPELINE
from workflow.recipe import Recipe
from workflow.settings import Settings
from workflow.steps import read_json, write_json

FACTS: Final = ("source", "name", "sha256", "files", "is_sample")
NEEDED: Final = ("reading", "evaluation", "leak_audit", "data", "parameters", "targets", "code")
AFTER: Final = ("register", "gate")
Say = Callable[[str], None]


def rebuild(passport: Mapping[str, Any], settings: Settings, place: Path, say: Say) -> Path:
    """Run the steps that a passport tells of, with its own parameters and data; the bundle's directory.

    Data, parameters, targets, seeds and columns come from the passport, and so does what it says of the
    code: whether this checkout is that code is a question of its own.

    Raises:
        StepError: the data are not at hand.
        WorkflowError, ModelingError: a step cannot do its work.

    """
    work = place / "work"
    work.mkdir(parents=True)
    told = _told(passport, settings)
    here = replace(settings, home=place)
    _bring(passport["data"], settings, work, here, say)
    for step in PIPELINE:
        if step.name == "download" or step.name in AFTER:
            continue
        say(step.name)
        run_step(step, work, here, lambda line: say(f"      {line}"), **told)
        if step.name == "preprocess":
            _check_split(passport, work)
    return work / "bundle"


def recipe_of(passport: Mapping[str, Any]) -> Recipe:
    """What `workflow.recipe.read` gave when the bundle was made."""
    evaluation = passport["evaluation"]
    return Recipe(
        passport["candidate"],
        passport["family"],
        passport["parameters"],
        passport["targets"],
        evaluation["resamples"],
        evaluation["seed"],
        passport["leak_audit"]["cleaned"],
    )


def _told(passport: Mapping[str, Any], settings: Settings) -> dict[str, Any]:
    lacking = [name for name in NEEDED if name not in passport]
    if lacking:
        raise StepError(
            f"the passport does not tell {lacking[0]!r}: the version is older than this command, and how it "
            "was made cannot be known from it"
        )
    recipe = recipe_of(passport)
    return {
        **passport["reading"],
        "recipe": recipe,
        "cleaned": recipe.clean,
        "code": passport["code"],
        # a look at the test rows is one, wherever it is had
        "touches": settings.home / "test_touches.csv",
    }


def _bring(data: Mapping[str, Any], settings: Settings, work: Path, here: Settings, say: Say) -> None:
    """Bring the very files, known by their sha256: those of the last run here, else those that are chosen."""
    kept = settings.workdir / "raw"
    if _is(kept, data):
        shutil.copytree(kept, work / "raw")
    else:
        _download(data, settings, work, here, say)
    write_json(work / "raw" / "source.json", {name: data[name] for name in FACTS})


def _download(data: Mapping[str, Any], settings: Settings, work: Path, here: Settings, say: Say) -> None:
    from workflow.pipeline import step_named

    own = data["source"] in {sources.KAGGLE, sources.SAMPLE}
    choice = settings.data or (data["source"] if own else "")
    if not choice:
        raise StepError(_absent(data, "nothing is chosen, and the last run here had others"))
    cache = settings.home / "cache"
    try:
        run_step(step_named("download"), work, here, say, data=choice, cache=cache)
    except WorkflowError as error:
        raise StepError(_absent(data, str(error))) from error
    found = read_json(work / "raw" / "source.json")["sha256"]
    if found != data["sha256"]:
        raise StepError(_absent(data, f"CHATMOD_DATA={choice!r} has the sha256 {found[:12]}…"))


def _is(raw: Path, data: Mapping[str, Any]) -> bool:
    files = tuple(sorted((raw / "files").glob("*")))
    return {path.name for path in files} == set(data["files"]) and sources.digest(files) == data["sha256"]


def _absent(data: Mapping[str, Any], why: str) -> str:
    return (
        f"the data of this version ({data['name']}, {data['source']}, sha256 {data['sha256'][:12]}…) are not "
        f"at hand: {why}: name them in CHATMOD_DATA"
    )


def _check_split(passport: Mapping[str, Any], work: Path) -> None:
    stated, found = passport["split"]["id"], read_json(work / "comments" / "manifest.json")["split"]["id"]
    if stated != found:
        raise StepError(
            f"split {stated}: the same data give the split {found} here, so these are other test rows: the "
            "way comments are read has changed, check out the version's commit and verify it there"
        )
