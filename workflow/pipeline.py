"""The DAG as data: which step makes which directory from which. Edges follow from names; knows no runner."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from workflow import auditing, evaluating, gating, steps


@dataclass(frozen=True)
class Step:
    """One step.

    Attributes:
        name: what a person types.
        run: takes the directories ``inputs + outputs``, ``say`` and the scalars by name.
        inputs: directories that other steps made.
        outputs: directories that this step makes.
        scalars: names of the values that it takes, see `workflow.local.scalars`.
        always: whether it runs even if nothing it is told has changed, because the world may have.

    """

    name: str
    run: Callable[..., None]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    scalars: tuple[str, ...]
    always: bool = False


PIPELINE: Final = (
    Step(
        "download",
        steps.download,
        (),
        ("raw",),
        ("data", "dataset", "cache", "kaggle_timeout_s"),
        always=True,
    ),
    Step(
        "preprocess",
        steps.preprocess,
        ("raw",),
        ("comments",),
        ("text_column", "label_column", "max_text_chars", "cleaned"),
    ),
    Step(
        "audit",
        auditing.audit,
        ("raw", "comments"),
        ("audit",),
        ("text_column", "label_column", "max_text_chars", "limits", "failed_audits"),
    ),
    Step("train", steps.train, ("comments", "audit"), ("candidate",), ("recipe",)),
    Step(
        "evaluate",
        evaluating.evaluate,
        ("comments", "audit", "candidate"),
        ("evaluation", "bundle"),
        ("recipe", "code", "touches", "report_texts"),
    ),
    Step(
        "register",
        steps.register,
        ("comments", "evaluation", "bundle"),
        ("registered",),
        ("tracking", "experiment", "artifacts"),
    ),
    Step(
        "gate",
        gating.gate,
        ("comments", "evaluation", "bundle", "registered"),
        ("verdict",),
        ("tracking", "rules", "who", "at", "asked"),
    ),
)


def step_named(name: str) -> Step:
    """The step of that name.

    Raises:
        KeyError: there is none.

    """
    return {step.name: step for step in PIPELINE}[name]
