"""How severe a score is, in Azure's eight levels, by what the policy does about it. Pure."""

from collections.abc import Mapping
from typing import Final

from modeling.policy import Action, Policy, decide

LEVELS: Final[Mapping[Action, int]] = {"allow": 0, "flag": 4, "remove": 6}


def eight(score: float, head: str, policy: Policy) -> int:
    """0 or 1 where the policy allows, 4 or 5 where it flags, 6 or 7 where it removes; never 2 or 3.

    The odd one is the upper half of the scores that lead to the same action.
    """
    action, _ = decide({head: score}, policy)
    floors = {
        known: threshold.value
        for known, threshold in policy.attributes.get(head, {}).items()
        if threshold.value is not None
    }
    bottom = floors.get(action, 0.0)
    top = min((floor for known, floor in floors.items() if LEVELS[known] > LEVELS[action]), default=1.0)
    return LEVELS[action] + int(score >= (bottom + top) / 2)


def four(score: float, head: str, policy: Policy) -> int:
    """The same in Azure's four levels: 0, 4 or 6, and never 2."""
    level = eight(score, head, policy)
    return level - level % 2
