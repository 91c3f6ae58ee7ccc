"""The gate's rules on scores: who ranks better, who is better calibrated, and on which slices. Pure."""

from collections.abc import Iterable, Mapping
from typing import Final

import numpy as np

from modeling.evaluate import BINS, expected_calibration_error
from modeling.evidence import Mask, Rows
from modeling.gate_rules import Rules
from modeling.hashing import Floats
from modeling.paired import (
    BLOCK,
    Interval,
    Sampled,
    Statistic,
    area,
    calibration_error,
    interval,
    mean,
    resample,
    simultaneous,
)
from modeling.receipt import RuleResult, RuleVerdict, number

CHANCE_DRAWS: Final = 400
ALL: Final = "all"
FREE: Final = "artefact_free"
BETTER: Final = "better"
LOWER_BRIER: Final = "lower_brier"
LOWER_ECE: Final = "lower_ece"
# Two ways to be better; one is enough.
PROOFS: Final = ((BETTER,), (LOWER_BRIER, LOWER_ECE))
TITLES: Final[Mapping[str, str]] = {
    "no_worse": "ROC-AUC not worse",
    BETTER: "better by rank: ROC-AUC higher",
    LOWER_BRIER: "better calibrated: Brier score lower",
    LOWER_ECE: "better calibrated: calibration error lower",
    FREE: "ROC-AUC without artefact rows not worse",
    "above_chance": "ROC-AUC above chance",
    "above_chance_artefact_free": "ROC-AUC without artefact rows above chance",
    "ece": "calibration error within its budget",
}
COMPARISONS: Final = ("no_worse", BETTER, LOWER_BRIER, LOWER_ECE, FREE)


def on_scores(rows: Rows, rules: Rules) -> list[RuleResult]:
    """Every rule on scores, also those that do not apply."""
    small = {name: _too_small(rows, chosen, rules) for name, chosen in rows.slices.items()}
    judged = {name: chosen for name, chosen in rows.slices.items() if not small[name]}
    if rows.champion is None:
        none = "there is no champion to compare with"
        idle = [*(_idle(name, none) for name in COMPARISONS), *(_idle(name, none) for name in _slices(rows))]
        return [*idle, *_above_chance(rows, judged, small, rules), _ece(rows, rules)]
    differences = _differences(rows, rows.champion, judged, rules)
    measure = "the champion is the measure"
    return [
        _no_worse(differences[ALL], rules),
        *_better(differences, rules),
        _artefact_free(differences, small, rules),
        *_each_slice(differences, rows, small, rules),
        *(_idle(name, measure) for name in ("above_chance", "above_chance_artefact_free")),
        _ece(rows, rules),
    ]


def _slices(rows: Rows) -> list[str]:
    return [name for name in rows.slices if name != FREE]


def _too_small(rows: Rows, chosen: Mask, rules: Rules) -> str:
    size, removed = int(chosen.sum()), int(rows.labels[chosen].sum())
    if size < rules.slices_rows:
        return f"{size:,} rows, judged from {rules.slices_rows:,} on"
    if min(removed, size - removed) < rules.slices_each_label:
        return f"{removed:,} of {size:,} rows removed, judged from {rules.slices_each_label} of each label on"
    return ""


def _areas(scores: Floats, rows: Rows, judged: Mapping[str, Mask]) -> dict[str, Statistic]:
    some = {name: area(scores, rows.labels, chosen) for name, chosen in judged.items()}
    return {ALL: area(scores, rows.labels), **some}


def _differences(
    rows: Rows, champion: Floats, judged: Mapping[str, Mask], rules: Rules
) -> dict[str, Sampled]:
    statistics: dict[str, Statistic] = {}
    for model, scores in (("candidate", rows.candidate), ("champion", champion)):
        figures = {
            **_areas(scores, rows, judged),
            LOWER_BRIER: mean((scores - rows.labels) ** 2, rows.labels),
            LOWER_ECE: calibration_error(scores, rows.labels),
        }
        statistics |= {f"{model} {name}": figure for name, figure in figures.items()}
    drawn = resample(rows.labels, statistics, rules.bootstrap_resamples, rules.bootstrap_seed)
    return {name: drawn[f"candidate {name}"] - drawn[f"champion {name}"] for name in figures}


def _no_worse(difference: Sampled, rules: Rules) -> RuleResult:
    found, margin = interval(difference, rules.bootstrap_confidence), rules.primary_margin
    return _result("no_worse", found, -margin, *_not_inferior(found, margin))


def _not_inferior(found: Interval, margin: float) -> tuple[RuleVerdict, str]:
    if found.low > -margin:
        return "passed", f"the interval lies above -{margin:g}"
    if found.high < 0:
        return "violated", "worse: the interval lies below 0"
    return "unproven", f"these rows cannot rule out that it is worse by {margin:g}"


def _better(differences: Mapping[str, Sampled], rules: Rules) -> Iterable[RuleResult]:
    for name, side in ((BETTER, "above"), (LOWER_BRIER, "below"), (LOWER_ECE, "below")):
        found = interval(differences[ALL if name == BETTER else name], rules.bootstrap_confidence)
        if found.low > 0 if side == "above" else found.high < 0:
            yield _result(name, found, 0.0, "passed", f"the interval lies {side} 0")
        else:
            yield _result(name, found, 0.0, "unproven", f"the interval does not lie {side} 0")


def _artefact_free(differences: Mapping[str, Sampled], small: Mapping[str, str], rules: Rules) -> RuleResult:
    if FREE not in small:
        return _result(FREE, None, None, "unproven", f"no slice {FREE}: run step evaluate again")
    if small[FREE]:
        return _idle(FREE, small[FREE])
    found, whole = (interval(differences[name], rules.bootstrap_confidence) for name in (FREE, ALL))
    margin, keeps = rules.artefact_free_margin, rules.artefact_free_keeps
    verdict, reason = _not_inferior(found, margin)
    if verdict == "passed" and whole.low > 0 and found.value < keeps * whole.value:
        verdict, reason = "unproven", f"of the gain of {whole.value:.4f} less than {keeps:g} remains here"
    return _result(FREE, found, -margin, verdict, reason)


def _each_slice(
    differences: Mapping[str, Sampled], rows: Rows, small: Mapping[str, str], rules: Rules
) -> Iterable[RuleResult]:
    judged = {name: differences[name] for name in _slices(rows) if not small[name]}
    together = simultaneous(judged, rules.bootstrap_confidence)
    for name in _slices(rows):
        if name not in judged:
            yield _idle(name, small[name])
            continue
        found, worse = together[name], -rules.slices_worse
        verdict: RuleVerdict = "violated" if found.value < worse and found.high < 0 else "passed"
        reason = "worse" if verdict == "violated" else "not worse"
        if verdict == "passed" and found.value < worse:
            reason = "not worse than chance allows"
        yield _result(name, found, worse, verdict, f"{reason}, on {int(rows.slices[name].sum()):,} rows")


def _above_chance(
    rows: Rows, judged: Mapping[str, Mask], small: Mapping[str, str], rules: Rules
) -> Iterable[RuleResult]:
    areas = _areas(rows.candidate, rows, {name: judged[name] for name in judged if name == FREE})
    drawn = resample(rows.labels, areas, rules.bootstrap_resamples, rules.bootstrap_seed)
    for name, over in (("above_chance", ALL), ("above_chance_artefact_free", FREE)):
        if over not in drawn:
            yield _idle(name, small.get(over, f"no slice {over}"))
            continue
        found = interval(drawn[over], rules.bootstrap_confidence)
        verdict: RuleVerdict = "passed" if found.low > rules.primary_chance else "violated"
        side = "lies above" if verdict == "passed" else "does not lie above"
        told = f"the interval {side} {rules.primary_chance:g}"
        yield _result(name, found, rules.primary_chance, verdict, told, share=None)


def _ece(rows: Rows, rules: Rules) -> RuleResult:
    value = expected_calibration_error(rows.candidate, rows.labels)
    chance = _ece_by_chance(rows.candidate, rules)
    limit = rules.calibration_ece
    verdict: RuleVerdict = "violated" if value > max(limit, chance) else "passed"
    percent = f"{rules.bootstrap_confidence:.1%}".replace(".0%", "%")
    reason = f"{percent} of perfectly calibrated scores stay below {chance:.4f} on as many rows"
    return RuleResult("ece", TITLES["ece"], value, None, None, limit, verdict, reason)


def _ece_by_chance(scores: Floats, rules: Rules) -> float:
    """What most perfectly calibrated scores stay below (consistency resampling: Bröcker and Smith 2007)."""
    random = np.random.default_rng(rules.bootstrap_seed)
    ranked = np.sort(scores)
    starts = [rows[0] for rows in np.array_split(np.arange(len(ranked)), BINS)]
    expected, drawn = np.add.reduceat(ranked, starts), np.empty(CHANCE_DRAWS)
    block = max(1, BLOCK // len(ranked))
    for first in range(0, CHANCE_DRAWS, block):
        size = min(block, CHANCE_DRAWS - first)
        labels = random.random((size, len(ranked))) < ranked
        gaps = np.add.reduceat(labels, starts, axis=1, dtype=np.int64) - expected
        drawn[first : first + size] = np.abs(gaps).sum(axis=1) / len(ranked)
    return float(np.quantile(drawn, rules.bootstrap_confidence))


def _title(name: str) -> str:
    return TITLES.get(name, f"slice {name}: ROC-AUC not worse")


def _idle(name: str, reason: str) -> RuleResult:
    return _result(name, None, None, "not applicable", reason)


def _result(
    name: str,
    found: Interval | None,
    limit: float | None,
    verdict: RuleVerdict,
    reason: str,
    share: float | None = 0.0,
) -> RuleResult:
    label = name if name in TITLES else f"slice_{name}"
    if found is None:
        return RuleResult(label, _title(name), None, None, None, limit, verdict, reason)
    numbers = (number(found.value), number(found.low), number(found.high))
    part = None if share is None else number(found.share)
    return RuleResult(label, _title(name), *numbers, limit, verdict, reason, part)
