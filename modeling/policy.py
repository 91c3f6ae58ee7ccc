"""What a score leads to, and how its thresholds are fitted. Knows no text, no model and no file."""

import hashlib
import json
import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from functools import cached_property
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

from modeling.exceptions import PolicyError

Action = Literal["allow", "flag", "remove"]
ATTRIBUTE: Final = "LIKELY_TO_REJECT"
SEVERITY: Final[tuple[Action, ...]] = ("remove", "flag")
DEFAULT_RULE: Final = "default"
MIN_SUPPORT: Final = 50
# A message that is likelier kept than removed is not acted upon, however easily a target is reached.
LOWEST_VALUE: Final = 0.5
WILSON_SLACK: Final = 0.05
Z_95: Final = 1.959963984540054


@dataclass(frozen=True)
class Threshold:
    """One action of one attribute: the score from which it fires, or why it is off.

    ``support`` is the number of out-of-fold rows at or over the threshold, ``precision`` the share
    of them that moderators had removed, ``recall`` the share of all removed rows among them.
    """

    action: Action
    target: float
    value: float | None
    support: int = 0
    precision: float | None = None
    wilson_lower: float | None = None
    recall: float | None = None
    reason: str = ""

    @property
    def reachable(self) -> bool:
        """Whether this action can fire at all."""
        return self.value is not None


@dataclass(frozen=True)
class Policy:
    """Thresholds by attribute and action; what is promoted together with the weights."""

    attributes: Mapping[str, Mapping[Action, Threshold]]

    @property
    def version(self) -> str:
        """First 12 hexadecimal digits of the sha256 of the policy's JSON."""
        return hashlib.sha256(self.to_json().encode()).hexdigest()[:12]

    @cached_property
    def rules(self) -> tuple[tuple[Action, Mapping[str, tuple[float, str]]], ...]:
        """What can fire, most severe first: by attribute its threshold and how the rule is told."""
        return tuple(
            (
                action,
                {
                    attribute: (value, f"{attribute}>={value:.4f}")
                    for attribute, actions in self.attributes.items()
                    if action in actions and (value := actions[action].value) is not None
                },
            )
            for action in SEVERITY
        )

    def to_json(self) -> str:
        """The policy as canonical JSON: the same policy gives the same bytes."""
        plain = {
            attribute: {action: asdict(threshold) for action, threshold in actions.items()}
            for attribute, actions in self.attributes.items()
        }
        return json.dumps({"attributes": plain}, indent=2, sort_keys=True) + "\n"


@dataclass(frozen=True)
class Decision:
    """What the service answers about one message."""

    id: str
    action: Action
    rule: str
    scores: Mapping[str, float]
    model_version: str
    policy_version: str


def decide(scores: Mapping[str, float], policy: Policy) -> tuple[Action, str]:
    """The most severe action whose threshold a score reaches, and the rule that fired.

    Raises:
        PolicyError: a score is not a number in 0..1.

    """
    for attribute, score in scores.items():
        if not 0.0 <= score <= 1.0:
            msg = f"score {attribute}={score!r} is not a probability: give a number from 0 to 1"
            raise PolicyError(msg)
    for action, rules in policy.rules:
        for attribute, score in scores.items():
            rule = rules.get(attribute)
            if rule is not None and score >= rule[0]:
                return action, rule[1]
    return "allow", DEFAULT_RULE


def wilson_lower(successes: int, trials: int, z: float = Z_95) -> float:
    """Lower end of Wilson's score interval for a proportion (Wilson 1927, JASA 22:209)."""
    if trials == 0:
        return 0.0
    share = successes / trials
    centre = share + z * z / (2 * trials)
    spread = z * math.sqrt(share * (1 - share) / trials + z * z / (4 * trials * trials))
    return (centre - spread) / (1 + z * z / trials)


def fit_thresholds(
    scores: npt.NDArray[np.float64],
    labels: npt.NDArray[np.int_],
    targets: Mapping[Action, float],
) -> dict[Action, Threshold]:
    """The lowest threshold for each action that keeps its precision target, or why there is none.

    A threshold counts with at least 50 rows at or over it, a precision that reaches the target, a
    Wilson lower bound of at least the target less 0.05, and a score of at least 0.5.

    Args:
        scores: out-of-fold probabilities, shape (n,).
        labels: 1 where moderators removed the row, shape (n,).
        targets: precision to reach, by action.

    Raises:
        PolicyError: shapes differ, a target is outside 0..1, or ``remove`` asks for less than ``flag``.

    """
    _check_targets(targets)
    if scores.shape != labels.shape or scores.ndim != 1:
        msg = f"scores {scores.shape} and labels {labels.shape} differ: give two vectors of one length"
        raise PolicyError(msg)
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order]
    hits = np.cumsum(labels[order])
    last_of_tie = np.append(ranked[1:] != ranked[:-1], True) if ranked.size else np.array([], dtype=bool)
    ends = np.flatnonzero(last_of_tie)
    return {action: _lowest(action, target, ranked, hits, ends) for action, target in targets.items()}


def _check_targets(targets: Mapping[Action, float]) -> None:
    for action, target in targets.items():
        if action not in SEVERITY or not 0.0 < target < 1.0:
            msg = f"target {action}={target!r}: name flag or remove and a precision between 0 and 1"
            raise PolicyError(msg)
    if targets.get("remove", 1.0) < targets.get("flag", 0.0):
        msg = f"target remove={targets['remove']} is below flag={targets['flag']}: raise it"
        raise PolicyError(msg)


def _lowest(
    action: Action,
    target: float,
    ranked: npt.NDArray[np.float64],
    hits: npt.NDArray[np.int_],
    ends: npt.NDArray[np.intp],
) -> Threshold:
    positives = int(hits[-1]) if hits.size else 0
    best: Threshold | None = None
    for end in ends[(ends + 1 >= MIN_SUPPORT) & (ranked[ends] >= LOWEST_VALUE)]:
        rows, found = int(end) + 1, int(hits[end])
        lower = wilson_lower(found, rows)
        if found / rows >= target and lower >= target - WILSON_SLACK:
            best = Threshold(action, target, float(ranked[end]), rows, found / rows, lower, found / positives)
    if best is not None:
        return best
    reason = (
        f"no threshold reaches a precision of {target:.2f} with at least {MIN_SUPPORT} rows over it "
        f"and a Wilson lower bound of {target - WILSON_SLACK:.2f}"
    )
    return Threshold(action, target, None, reason=reason)


def policy_from_json(text: str) -> Policy:
    """Read what `Policy.to_json` wrote.

    Raises:
        PolicyError: the text is not such a policy.

    """
    try:
        plain: dict[str, Any] = json.loads(text)
        attributes = {
            attribute: {action: Threshold(**fields) for action, fields in actions.items()}
            for attribute, actions in plain["attributes"].items()
        }
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"policy.json cannot be read ({error}): take it from the bundle as it was written"
        raise PolicyError(msg) from error
    return Policy(attributes)
