"""The gate's rules on what a model is, whatever it scores: cost, audit, needs, what it learned from. Pure."""

import math
import re
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Final

from modeling.evidence import Evidence
from modeling.gate_rules import Rules
from modeling.receipt import RuleResult, RuleVerdict

AGAIN: Final = "run step evaluate again"


def on_facts(
    candidate: Evidence, champion: Evidence | None, rules: Rules, data: Mapping[str, Any]
) -> list[RuleResult]:
    """Every rule that needs no score, also those that do not apply."""
    return [
        _budget("cpu_ms", "CPU milliseconds a message", candidate.cpu_ms, rules.cost_cpu_ms),
        _budget(
            "bundle_bytes", "bytes of the bundle", candidate.bundle_bytes or None, rules.cost_bundle_bytes
        ),
        _audit(candidate),
        *_counterfactual(candidate, rules),
        _image(candidate, rules),
        _sample(candidate, champion),
        _learned(candidate, champion),
        _touches(data, rules),
    ]


def _budget(name: str, title: str, value: Any, limit: float) -> RuleResult:
    known = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not known:
        return RuleResult(name, title, None, None, None, limit, "unproven", f"was not measured: {AGAIN}")
    verdict: RuleVerdict = "passed" if value <= limit else "violated"
    reason = f"{'within' if verdict == 'passed' else 'over'} the budget"
    return RuleResult(name, title, value, None, None, limit, verdict, reason)


def _counterfactual(candidate: Evidence, rules: Rules) -> Iterable[RuleResult]:
    change, flips = rules.counterfactual_largest_change, rules.counterfactual_flip_rate
    for name, what, key, limit in (
        ("counterfactual_change", "largest change of a score", "largest_change", change),
        ("counterfactual_flips", "share of actions changed", "flip_rate", flips),
    ):
        value = candidate.counterfactual.get(key)
        found = _budget(name, f"identity terms swapped: {what}", value, limit)
        if candidate.is_sample:
            found = replace(found, verdict="not applicable", reason="the sample says nothing about quality")
        yield found


def _audit(candidate: Evidence) -> RuleResult:
    status = str(candidate.leak_audit.get("status", "not run"))
    verdict: RuleVerdict = "passed" if status == "passed" else "violated"
    reason = (
        "artefacts alone cannot predict the label"
        if verdict == "passed"
        else "run step audit, and mend what it names"
    )
    return RuleResult("leak_audit", "leak audit", status, None, None, "passed", verdict, reason)


def _image(candidate: Evidence, rules: Rules) -> RuleResult:
    has = {_plain(name) for name in rules.image_has}
    lacking = [name for name in candidate.requires if _plain(name) not in has]
    verdict: RuleVerdict = "violated" if lacking else "passed"
    reason = (
        f"the image lacks {', '.join(lacking)}: add it there and to [image] has"
        if lacking
        else "the image has it all"
    )
    value, limit = ", ".join(candidate.requires) or "nothing more", ", ".join(rules.image_has)
    return RuleResult("image", "what serving requires", value, None, None, limit, verdict, reason)


def _plain(name: str) -> str:
    """A distribution's name as PEP 503 compares it."""
    return re.sub(r"[-_.]+", "-", name).lower()


def _sample(candidate: Evidence, champion: Evidence | None) -> RuleResult:
    value = "sample" if candidate.is_sample else "real data"
    verdict: RuleVerdict = "passed"
    if champion is None:
        reason = "there is no champion"
    elif candidate.is_sample and not champion.is_sample:
        verdict, reason = (
            "violated",
            f"{champion.name} learned from real data: the sample says nothing about quality",
        )
    elif champion.is_sample and not candidate.is_sample:
        reason = f"{champion.name} learned from the sample, which is no measure: judged as without a champion"
    else:
        reason = "both learned from the same kind"
    return RuleResult("sample", "what it learned from", value, None, None, None, verdict, reason)


def _learned(candidate: Evidence, champion: Evidence | None) -> RuleResult:
    unknown = [one.name for one in (candidate, champion) if one is not None and not one.learned]
    verdict: RuleVerdict = "not applicable" if unknown else "passed"
    reason = f"not known for {' and '.join(unknown)}" if unknown else "no test row among them"
    value = len(candidate.learned) or None
    return RuleResult("learned", "rows that it learned from", value, None, None, 0, verdict, reason)


def _touches(data: Mapping[str, Any], rules: Rules) -> RuleResult:
    value, limit, title = data.get("test_touches"), rules.test_touches, "evaluations on these test rows"
    if not isinstance(value, int) or isinstance(value, bool):
        return RuleResult(
            "touches", title, None, None, None, limit, "not applicable", "their number is not known"
        )
    verdict: RuleVerdict = "passed" if value <= limit else "unproven"
    reason = "so far"
    if verdict == "unproven":
        reason = (
            "what was chosen by looking at the same rows so often is not proven by them: take new test rows"
        )
    return RuleResult("touches", title, value, None, None, limit, verdict, reason)
