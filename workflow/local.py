"""The local runner: steps in this process, each output directory whole or absent, unchanged steps skipped."""

import fcntl
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from workflow import fingerprint
from workflow.exceptions import StepError
from workflow.gating import Asked
from workflow.leak_limits import read as read_limits
from workflow.pipeline import PIPELINE, Step
from workflow.recipe import read as read_recipe
from workflow.recipe import read_rules
from workflow.settings import Settings

Say = Callable[[str], None]
STATE = ".state"
# Where the commit, looks at the test rows and a failed audit are noted, and who asked the gate for what when:
# none of it changes a result. What the gate said when it was asked stands until there is a new candidate.
RECORDED = frozenset({"code", "touches", "failed_audits", "who", "at", "asked"})


def scalars(settings: Settings) -> dict[str, Any]:
    """Every value that a step may ask for, by name."""
    recipe = read_recipe(settings.config, settings.candidates, settings.candidate)
    return {
        "data": settings.data,
        "dataset": settings.dataset,
        "cache": settings.home / "cache",
        "kaggle_timeout_s": settings.kaggle_timeout_s,
        "text_column": settings.text_column,
        "label_column": settings.label_column,
        "max_text_chars": settings.max_text_chars,
        "recipe": recipe,
        "cleaned": recipe.clean,
        "limits": read_limits(settings.leakage),
        "failed_audits": settings.home / "audit-failed",
        "touches": settings.home / "test_touches.csv",
        "report_texts": settings.report_texts,
        "code": {"commit": fingerprint.commit(), "digest": fingerprint.of_code()},
        "tracking": settings.tracking,
        "experiment": settings.experiment,
        "artifacts": settings.artifacts,
        "rules": read_rules(settings.gate),
        "who": settings.judge,
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "asked": Asked(),
    }


def run_pipeline(settings: Settings, say: Say, before: Callable[[Step], None] = lambda _: None) -> bool:
    """Run every step that is not up to date; whether anything but the download ran.

    Args:
        settings: of the workflow; ``fresh`` runs every step.
        say: told what happens, a line at a time.
        before: called before a step runs, with the step.

    Raises:
        WorkflowError, ModelingError: a step cannot do its work; earlier outputs stay as they are.

    """
    values, worked = scalars(settings), False
    with _only_run(settings.workdir):
        for number, step in enumerate(PIPELINE, start=1):
            title = f"[{number}/{len(PIPELINE)}] {step.name}"
            current = is_current(step, settings.workdir, values) and not _is_lost(step, settings)
            if current and not settings.fresh and not step.always:
                say(f"{title}: unchanged")
                continue
            before(step)
            say(title)
            started = time.monotonic()
            _work(step, settings.workdir, values, lambda line: say(f"      {line}"))
            say(f"      done in {time.monotonic() - started:.1f} s")
            worked = worked or not step.always
    return worked


def run_step(step: Step, workdir: Path, settings: Settings, say: Say, **told: Any) -> None:
    """Run one step, up to date or not; ``told`` takes the place of settings.

    Raises:
        WorkflowError, ModelingError: an input is missing, or the step cannot do its work.

    """
    with _only_run(workdir):
        _work(step, workdir, scalars(settings) | told, say)


def is_current(step: Step, workdir: Path, values: dict[str, Any]) -> bool:
    """Whether the outputs are those that this step, told the same, made; altered ones are not."""
    try:
        state = json.loads((workdir / STATE / f"{step.name}.json").read_text(encoding="utf-8"))
        outputs = {name: fingerprint.of_directory(workdir / name) for name in step.outputs}
        return bool(state == {"told": _told(step, workdir, values), "outputs": outputs})
    except (OSError, ValueError, StepError):
        return False


def _is_lost(step: Step, settings: Settings) -> bool:
    """Whether our own MLflow has lost what was registered: somebody has deleted its files."""
    if step.name != "register" or settings.tracking_uri:
        return False
    return not (settings.database.exists() and settings.artifacts.exists())


def _work(step: Step, workdir: Path, values: dict[str, Any], say: Say) -> None:
    try:
        told = _told(step, workdir, values)
        with _unfinished(step, workdir) as unfinished:
            made = [unfinished / name for name in step.outputs]
            for directory in made:
                directory.mkdir()
            inputs = [workdir / name for name in step.inputs]
            step.run(*inputs, *made, say=say, **{name: values[name] for name in step.scalars})
            outputs = {directory.name: fingerprint.of_directory(directory) for directory in made}
            draft = unfinished / "state.json"
            draft.write_text(json.dumps({"told": told, "outputs": outputs}), encoding="utf-8")
            (workdir / STATE).mkdir(exist_ok=True)
            # Everything is written: what follows needs no room.
            state = workdir / STATE / f"{step.name}.json"
            state.unlink(missing_ok=True)
            for directory in made:
                _replace(directory, workdir / directory.name, unfinished)
            draft.rename(state)
    except OSError as error:
        raise StepError(
            f"step {step.name}: {error.filename2 or error.filename or workdir}: {error.strerror or error}: "
            "make room or give access, and run it again; nothing was replaced"
        ) from error


@contextmanager
def _unfinished(step: Step, workdir: Path) -> Iterator[Path]:
    """A directory for what a step writes; one that a killed run left is removed first."""
    prefix = f".{step.name}-"
    for left in workdir.glob(f"{prefix}*"):
        shutil.rmtree(left, ignore_errors=True)
    unfinished = Path(tempfile.mkdtemp(prefix=prefix, dir=workdir))
    try:
        yield unfinished
    finally:
        shutil.rmtree(unfinished, ignore_errors=True)


def _told(step: Step, workdir: Path, values: dict[str, Any]) -> str:
    missing = [name for name in step.inputs if not (workdir / name).is_dir()]
    if missing:
        maker = next(maker.name for maker in PIPELINE if missing[0] in maker.outputs)
        raise StepError(f"step {step.name}: {missing[0]!r} is not in {workdir}: run step {maker!r} first")
    inputs = {name: fingerprint.of_directory(workdir / name) for name in step.inputs}
    if "recipe" in step.scalars:
        inputs |= fingerprint.of_named_directories(values["recipe"].parameters)
    relevant = {name: values[name] for name in step.scalars if name not in RECORDED}
    return fingerprint.of_step(step.name, relevant, inputs)


def _replace(new: Path, old: Path, attic: Path) -> None:
    if old.exists():
        old.rename(attic / f"old-{old.name}")
    new.rename(old)


@contextmanager
def _only_run(workdir: Path) -> Iterator[None]:
    try:
        workdir.mkdir(parents=True, exist_ok=True)
        lock = (workdir / ".lock").open("w")
    except OSError as error:
        raise StepError(f"{workdir}: {error.strerror}: name another place in CHATMOD_HOME") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StepError(
                f"{workdir}: another run is at work there: wait for it, or set CHATMOD_HOME to another place"
            ) from error
        yield
