import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from modeling.exceptions import PolicyError
from modeling.policy import (
    ATTRIBUTE,
    LOWEST_VALUE,
    MIN_SUPPORT,
    Policy,
    Threshold,
    decide,
    fit_thresholds,
    policy_from_json,
    wilson_lower,
)

POLICY = Policy({ATTRIBUTE: {"flag": Threshold("flag", 0.7, 0.6), "remove": Threshold("remove", 0.9, 0.8)}})
FLAG_ONLY = Policy(
    {ATTRIBUTE: {"flag": Threshold("flag", 0.7, 0.6), "remove": Threshold("remove", 0.9, None, reason="off")}}
)
SCORED = st.lists(
    st.tuples(st.floats(0, 1).map(lambda score: round(score, 2)), st.integers(0, 1)), max_size=300
)


@pytest.mark.parametrize(
    ("score", "expected"),
    [
        (0.59, ("allow", "default")),
        (0.6, ("flag", "LIKELY_TO_REJECT>=0.6000")),
        (0.79, ("flag", "LIKELY_TO_REJECT>=0.6000")),
        (0.8, ("remove", "LIKELY_TO_REJECT>=0.8000")),
        (1.0, ("remove", "LIKELY_TO_REJECT>=0.8000")),
    ],
)
def test_the_most_severe_action_reached_fires_and_names_its_rule(
    score: float, expected: tuple[str, str]
) -> None:
    assert expected == decide({ATTRIBUTE: score}, POLICY)


def test_an_action_that_is_off_never_fires() -> None:
    assert decide({ATTRIBUTE: 1.0}, FLAG_ONLY) == ("flag", "LIKELY_TO_REJECT>=0.6000")


def test_a_score_without_a_threshold_allows() -> None:
    assert decide({"SPAM": 1.0}, POLICY) == ("allow", "default")


@pytest.mark.parametrize("score", [-0.1, 1.1, float("nan")])
def test_a_score_that_is_no_probability_is_refused(score: float) -> None:
    with pytest.raises(PolicyError, match=ATTRIBUTE):
        decide({ATTRIBUTE: score}, POLICY)


@given(st.floats(0, 1), st.floats(0, 1))
def test_a_higher_score_never_leads_to_a_milder_action(first: float, second: float) -> None:
    severity = {"allow": 0, "flag": 1, "remove": 2}
    low, high = sorted((first, second))
    assert severity[decide({ATTRIBUTE: low}, POLICY)[0]] <= severity[decide({ATTRIBUTE: high}, POLICY)[0]]


@given(SCORED)
def test_a_fitted_threshold_keeps_its_promises_and_is_the_lowest_that_does(
    scored: list[tuple[float, int]],
) -> None:
    scores = np.array([score for score, _ in scored], dtype=float)
    labels = np.array([label for _, label in scored], dtype=int)

    def keeps(value: float, target: float) -> bool:
        over = labels[scores >= value]
        found = int(over.sum())
        return (
            value >= LOWEST_VALUE
            and len(over) >= MIN_SUPPORT
            and found / len(over) >= target
            and wilson_lower(found, len(over)) >= target - 0.05
        )

    for threshold in fit_thresholds(scores, labels, {"flag": 0.6, "remove": 0.8}).values():
        good = [value for value in set(scores.tolist()) if keeps(value, threshold.target)]
        assert threshold.value == min(good, default=None)
        assert threshold.reachable is bool(good)
        assert bool(threshold.reason) is not bool(good)


def test_fitted_figures_describe_the_rows_over_the_threshold() -> None:
    scores = np.repeat([0.9, 0.7, 0.2], [60, 40, 100])
    labels = np.repeat([1, 0, 1, 0, 1, 0], [57, 3, 25, 15, 18, 82])
    fitted = fit_thresholds(scores, labels, {"flag": 0.78, "remove": 0.9})
    flag, remove = fitted["flag"], fitted["remove"]
    assert (flag.value, flag.support, flag.precision, flag.recall) == (0.7, 100, 0.82, 0.82)
    assert (remove.value, remove.support, remove.precision, remove.recall) == (0.9, 60, 0.95, 0.57)


def test_too_few_rows_leave_an_action_off_with_its_reason() -> None:
    fitted = fit_thresholds(np.full(49, 0.99), np.ones(49, dtype=int), {"remove": 0.9})
    assert not fitted["remove"].reachable
    assert "at least 50 rows" in fitted["remove"].reason


@pytest.mark.parametrize(
    "targets", [{"flag": 0.0}, {"flag": 1.0}, {"ban": 0.5}, {"allow": 0.5}, {"flag": 0.9, "remove": 0.7}]
)
def test_targets_that_make_no_sense_are_refused(targets: dict[str, float]) -> None:
    with pytest.raises(PolicyError, match="target"):
        fit_thresholds(np.array([0.5]), np.array([1]), targets)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("successes", "trials", "expected"), [(0, 0, 0.0), (0, 10, 0.0), (10, 10, 0.7225), (35, 50, 0.5625)]
)
def test_wilsons_bound_is_the_published_one(successes: int, trials: int, expected: float) -> None:
    assert expected == pytest.approx(wilson_lower(successes, trials), abs=5e-5)


def test_a_policy_survives_its_json_and_its_version_follows_its_content() -> None:
    again = policy_from_json(POLICY.to_json())
    assert (again, again.version) == (POLICY, POLICY.version)
    assert FLAG_ONLY.version != POLICY.version


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"attributes": {"A": {"flag": {"wrong": 1}}}}'])
def test_json_that_is_no_policy_is_refused(text: str) -> None:
    with pytest.raises(PolicyError, match=r"policy\.json"):
        policy_from_json(text)


@pytest.mark.parametrize(("rows", "reachable"), [(50, False), (1_000, True)])
def test_a_precision_that_few_rows_show_does_not_count(rows: int, reachable: bool) -> None:  # noqa: FBT001
    labels = np.repeat([1, 0], [rows * 7 // 10, rows * 3 // 10])
    assert reachable is fit_thresholds(np.full(rows, 0.8), labels, {"flag": 0.7})["flag"].reachable


def test_no_message_is_acted_upon_that_is_likelier_kept_than_removed() -> None:
    scores, labels = np.repeat([0.9, 0.3], [400, 160]), np.repeat([1, 0], [400, 160])
    assert 0.9 == fit_thresholds(scores, labels, {"flag": 0.7})["flag"].value
