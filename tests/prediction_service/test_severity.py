"""Azure's levels: 0 or 1 where the policy allows, and over every usual threshold where it acts."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.policy import Action, Policy, Threshold, decide
from prediction_service.severity import eight, four

HEAD = "Hate"
SCORES = st.floats(0, 1)


def policy_of(flag: float | None, remove: float | None) -> Policy:
    floors: dict[Action, float | None] = {"flag": flag, "remove": remove}
    return Policy({HEAD: {action: Threshold(action, 0.8, floor) for action, floor in floors.items()}})


POLICIES = st.builds(policy_of, st.none() | SCORES, st.none() | SCORES)


@pytest.mark.parametrize(
    ("score", "level"),
    [
        (0.0, 0),
        (0.29, 0),
        (0.3, 1),
        (0.59, 1),
        (0.6, 4),
        (0.69, 4),
        (0.7, 5),
        (0.79, 5),
        (0.8, 6),
        (0.89, 6),
        (0.9, 7),
        (1.0, 7),
    ],
)
def test_a_level_is_the_action_and_the_half_of_its_scores(score: float, level: int) -> None:
    assert level == eight(score, HEAD, policy_of(0.6, 0.8))
    assert level - level % 2 == four(score, HEAD, policy_of(0.6, 0.8))


@pytest.mark.parametrize(
    ("flag", "remove", "levels"),
    [
        (0.6, None, [0, 1, 4, 5]),
        (None, 0.6, [0, 1, 6, 7]),
        (None, None, [0, 0, 1, 1]),
    ],
)
def test_an_action_that_cannot_fire_has_no_level(
    flag: float | None, remove: float | None, levels: list[int]
) -> None:
    assert levels == [eight(score, HEAD, policy_of(flag, remove)) for score in (0.1, 0.4, 0.7, 0.9)]


def test_a_head_that_the_policy_does_not_know_is_never_acted_upon() -> None:
    assert [0, 1] == [eight(score, HEAD, Policy({})) for score in (0.1, 0.99)]


@given(SCORES, POLICIES)
def test_a_client_that_acts_from_2_or_from_4_on_acts_as_the_policy_does(score: float, policy: Policy) -> None:
    action, _ = decide({HEAD: score}, policy)
    for level in (four(score, HEAD, policy), eight(score, HEAD, policy)):
        assert (action != "allow") == (level >= 2) == (level >= 4)
        assert (action == "remove") == (level >= 6)
    assert four(score, HEAD, policy) in (0, 4, 6)


@given(st.lists(SCORES, min_size=2), POLICIES)
def test_a_higher_score_is_never_less_severe(scores: list[float], policy: Policy) -> None:
    levels = [eight(score, HEAD, policy) for score in sorted(scores)]
    assert all(low <= high for low, high in pairwise(levels))
