"""Candidate against champion on the same frozen test rows: a pure function to a receipt. No clock, no I/O.

`judge` is the only way to a verdict: ``promote`` (nothing is violated and it is shown to be better),
``refuse`` (a rule is violated) or ``inconclusive`` (neither: the champion stays).
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final

from modeling.evidence import Evidence, Rows, Unreadable, rows_of
from modeling.exceptions import GateError
from modeling.gate_facts import on_facts
from modeling.gate_rules import Rules, rules_from
from modeling.gate_scores import PROOFS, on_scores
from modeling.receipt import EXIT_CODES, Receipt, RuleResult, Verdict, force, receipt_from_json
from modeling.receipt_page import between, shown

__all__ = [
    "EXIT_CODES",
    "Entry",
    "Evidence",
    "Receipt",
    "RuleResult",
    "Rules",
    "Unreadable",
    "best",
    "force",
    "judge",
    "receipt_from_json",
    "rules_from",
]
DATA: Final = ("name", "sha256", "part")
MEASURES: Final = ("ROC-AUC", "Brier score", "calibration error")  # of PROOFS
# Figures are told with three decimals; what is the same there is a tie.
DECIMALS: Final = 3


def judge(
    candidate: Evidence,
    champion: Evidence | Unreadable | None,
    rules: Rules,
    *,
    who: str,
    at: str,
    data: Mapping[str, Any],
) -> Receipt:
    """The verdict on a candidate, with every rule.

    Args:
        candidate: to be judged.
        champion: what it would replace; None where there is none yet, `Unreadable` where it cannot be read.
        rules: limits, from `rules_from`.
        who: asks.
        at: ISO time.
        data: ``name``, ``sha256`` and ``part`` of the rows, and what else the receipt should say of them;
            ``test_touches`` (how often they were evaluated on) has a rule.

    Raises:
        GateError: nothing can be judged: see `modeling.evidence.rows_of`; or who, at or data are not told.

    """
    _check_told(who, at, data)
    rows = rows_of(candidate, champion, rules)
    rival = champion if isinstance(champion, Evidence) else None
    if rival is not None and rival.is_sample and not candidate.is_sample:
        rows = replace(rows, champion=None)
    results = (*on_scores(rows, rules), *on_facts(candidate, rival, rules, data))
    verdict, reason = _verdict(results, rows)
    if rival is not None and rival.digest == candidate.digest:
        reason = f"{candidate.name} is the champion's own bundle. {reason}"
    return Receipt(
        verdict=verdict,
        reason=reason,
        rules=results,
        candidate=_facts(candidate),
        champion=None if rival is None else _facts(rival),
        data={**data, "rows": len(rows.labels), "removed": rows.removed},
        limits=rules.tables,
        who=who,
        at=at,
    )


def _verdict(results: Sequence[RuleResult], rows: Rows) -> tuple[Verdict, str]:
    violated = [one for one in results if one.verdict == "violated"]
    if violated:
        return "refuse", f"Violated: {_listed(violated)}."
    found = {one.name: one for one in results}
    proved = [names for names in PROOFS if all(found[name].verdict == "passed" for name in names)]
    ways = [name for names in PROOFS for name in names]
    if rows.champion is not None and not proved:
        told = ", ".join(
            f"{what} by {shown(one.value)} {between(one.low, one.high)}"
            for what, one in zip(MEASURES, (found[name] for name in ways), strict=True)
        )
        size = f"{len(rows.labels):,} rows"
        return "inconclusive", f"On {size} nothing shows that it is better. It differs in {told}."
    unproven = [one for one in results if one.verdict == "unproven" and one.name not in ways]
    if unproven:
        return "inconclusive", f"No rule is violated, but not shown: {_listed(unproven)}."
    if rows.champion is None:
        told = _listed([found["above_chance"]])
        return "promote", f"There is no champion to compare with, and every budget is kept: {told}."
    told = _listed([found[name] for name in proved[0]])
    return "promote", f"No rule is violated, and it is {told}."


def _listed(results: Sequence[RuleResult]) -> str:
    return "; ".join(one.sentence for one in results)


def _facts(one: Evidence) -> dict[str, Any]:
    return {
        "name": one.name,
        "digest": one.digest,
        "is_sample": one.is_sample,
        "learned_rows": len(one.learned) or "unknown",
        "requires": list(one.requires),
        "cpu_ms": one.cpu_ms if one.cpu_ms is not None and math.isfinite(one.cpu_ms) else None,
        "bundle_bytes": one.bundle_bytes,
        "policy": dict(one.policy),
    }


def _check_told(who: str, at: str, data: Mapping[str, Any]) -> None:
    if not who.strip():
        raise GateError(f"who={who!r}: a receipt names who asked for it, give a name")
    try:
        datetime.fromisoformat(at)
    except ValueError as error:
        raise GateError(f"at={at!r}: give an ISO time, as in 2026-11-21T10:00:00+00:00") from error
    for name in DATA:
        if not isinstance(data.get(name), str) or not data[name].strip():
            raise GateError(
                f"data {name}={data.get(name)!r}: a receipt names its data, give {', '.join(DATA)}"
            )
    try:
        json.dumps(dict(data), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise GateError(f"data cannot be written as JSON ({error}): give texts and numbers") from error


@dataclass(frozen=True)
class Entry:
    """A version among others: its declared metric (larger is better), and what it costs."""

    name: str
    metric: float
    cpu_ms: float | None
    bundle_bytes: int


def best(entries: Sequence[Entry]) -> Entry:
    """The best by metric to three decimals; ties go to the quicker, then the smaller, then by name.

    Raises:
        GateError: there is none, or a metric is no number.

    """
    if not entries:
        raise GateError("there is no version to choose from: register one")
    for one in entries:
        if not math.isfinite(one.metric):
            raise GateError(f"{one.name}: metric={one.metric!r} is no number: evaluate it again")

    def rank(one: Entry) -> tuple[float, float, int, str]:
        return (
            -round(one.metric, DECIMALS),
            math.inf if one.cpu_ms is None else one.cpu_ms,
            one.bundle_bytes,
            one.name,
        )

    return min(entries, key=rank)
