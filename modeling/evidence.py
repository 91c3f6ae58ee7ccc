"""What a model is judged by: its scores of the frozen test rows and what it costs. Checked, never mended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from modeling.exceptions import GateError
from modeling.gate_rules import FILE, Rules
from modeling.hashing import Floats

Labels = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
SHOWN: Final = 3


@dataclass(frozen=True, eq=False)
class Evidence:
    """One model on the test rows.

    Attributes:
        name: as people call it, e.g. "version 3".
        digest: of its bundle.
        keys: of the test rows (`modeling.split.frozen_key`), in one order for both models.
        labels: 0 kept, 1 removed, shape (n,).
        scores: calibrated probabilities, shape (n,).
        learned: keys of the rows that it learned from; empty where that is not known.
        slices: rows of each slice, shape (n,); "artefact_free" has a rule of its own.
        cpu_ms: of one message; None where it was not measured.
        bundle_bytes: size of the bundle; 0 where it was not measured.
        requires: distributions that serving it takes.
        leak_audit: what the audit said, with its ``status``.
        counterfactual: ``largest_change`` and ``flip_rate`` of the identity-term test.
        is_sample: it learned from this project's sample.
        policy: what the receipt says of its thresholds.

    """

    name: str
    digest: str
    keys: tuple[str, ...]
    labels: Labels
    scores: Floats
    learned: frozenset[str] = frozenset()
    slices: Mapping[str, Mask] = field(default_factory=dict)
    cpu_ms: float | None = None
    bundle_bytes: int = 0
    requires: tuple[str, ...] = ()
    leak_audit: Mapping[str, Any] = field(default_factory=dict)
    counterfactual: Mapping[str, Any] = field(default_factory=dict)
    is_sample: bool = False
    policy: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Unreadable:
    """A champion whose bundle cannot be read, and why."""

    name: str
    reason: str


@dataclass(frozen=True, eq=False)
class Rows:
    """The test rows in the order of their keys, so that the order they came in changes nothing."""

    labels: Labels
    candidate: Floats
    champion: Floats | None
    slices: Mapping[str, Mask]

    @property
    def removed(self) -> int:
        """How many rows moderators removed."""
        return int(self.labels.sum())


def rows_of(candidate: Evidence, champion: Evidence | Unreadable | None, rules: Rules) -> Rows:
    """The rows of both models, if they can be compared.

    Raises:
        GateError: a score is no probability, rows of the two differ, are too few, of one label, or a model
            learned from some of them; or the champion cannot be read.

    """
    if isinstance(champion, Unreadable):
        raise GateError(
            f"the champion, {champion.name}, cannot be read ({champion.reason}): mend or replace its bundle, "
            "nothing takes its place until it can be compared with"
        )
    _check(candidate)
    _check_counts(candidate, rules)
    if champion is not None:
        _check(champion)
        _check_same(candidate, champion)
    order = np.argsort(np.array(candidate.keys), kind="stable")
    return Rows(
        labels=np.asarray(candidate.labels)[order].astype(np.int64),
        candidate=np.asarray(candidate.scores, dtype=np.float64)[order],
        champion=None if champion is None else np.asarray(champion.scores, dtype=np.float64)[order],
        slices={name: np.asarray(rows)[order] for name, rows in sorted(candidate.slices.items())},
    )


def _check(one: Evidence) -> None:
    labels, scores, size = np.asarray(one.labels), np.asarray(one.scores), len(one.keys)
    if labels.shape != (size,) or scores.shape != (size,):
        raise GateError(
            f"{one.name}: {size} keys, labels of shape {labels.shape} and scores of shape {scores.shape}: "
            "give one label and one score a row, run step evaluate again"
        )
    if len(set(one.keys)) < size:
        raise GateError(f"{one.name}: {size - len(set(one.keys))} keys are repeated: give each test row once")
    wrong = np.flatnonzero(~np.isin(labels, (0, 1)))
    if wrong.size:
        raise GateError(f"{one.name}: label {labels[wrong[0]]} of {_named(one, wrong)}: give 0 or 1")
    _check_scores(one, scores)
    for name, rows in one.slices.items():
        mask = np.asarray(rows)
        if mask.shape != (size,) or mask.dtype != np.bool_:
            raise GateError(
                f"{one.name}: slice {name} is {mask.dtype} of shape {mask.shape}: "
                f"give {size} times true or false"
            )
    known = [key for key in one.keys if key in one.learned]
    if known:
        raise GateError(
            f"{one.name} learned from {len(known)} of the {size} test rows ({_listed(known)}): no figure on "
            "these rows can be believed, train it again on the learning part alone"
        )


def _check_scores(one: Evidence, scores: Floats) -> None:
    if not np.issubdtype(scores.dtype, np.number):
        raise GateError(f"{one.name}: scores of type {scores.dtype}: give numbers from 0 to 1")
    wrong = np.flatnonzero(~((scores >= 0) & (scores <= 1)))
    if wrong.size:
        raise GateError(
            f"{one.name}: {wrong.size} scores are no probabilities (first {float(scores[wrong[0]])!r}, of "
            f"{_named(one, wrong)}): give numbers from 0 to 1, train the model again"
        )


def _check_counts(one: Evidence, rules: Rules) -> None:
    size, removed = len(one.keys), int(np.sum(one.labels))
    for count, least, what, key in (
        (size, rules.test_rows, "test rows", "rows"),
        (removed, rules.test_each_label, f"removed rows among {size} test rows", "each_label"),
        (size - removed, rules.test_each_label, f"kept rows among {size} test rows", "each_label"),
    ):
        if count < least:
            raise GateError(
                f"{count} {what}: two models cannot be told apart on fewer than {least} "
                f"({FILE}: [test] {key}), bring more comments of both labels"
            )


def _check_same(candidate: Evidence, champion: Evidence) -> None:
    if candidate.keys != champion.keys:
        mine, others = set(candidate.keys), set(champion.keys)
        only = sorted(mine - others), sorted(others - mine)
        raise GateError(
            f"{candidate.name} was scored on {len(mine)} test rows, {champion.name} on {len(others)}; "
            f"{len(only[0])} only the first ({_listed(only[0])}), {len(only[1])} only the second "
            f"({_listed(only[1])}): score both on the same rows in the same order"
        )
    wrong = np.flatnonzero(np.asarray(candidate.labels) != np.asarray(champion.labels))
    if wrong.size:
        raise GateError(
            f"{wrong.size} labels differ between {candidate.name} and {champion.name} "
            f"(first {_named(candidate, wrong)}): score both on the same rows"
        )


def _named(one: Evidence, rows: npt.NDArray[np.intp]) -> str:
    return f"row {rows[0] + 1}, key {one.keys[rows[0]][:16]}"


def _listed(keys: list[str]) -> str:
    if not keys:
        return "none"
    return ", ".join(key[:16] for key in keys[:SHOWN]) + (", …" if len(keys) > SHOWN else "")
