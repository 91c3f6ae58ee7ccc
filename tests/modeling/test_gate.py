"""Who replaces the champion, who does not, and what the gate refuses to judge."""

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.exceptions import GateError
from modeling.gate import EXIT_CODES, Entry, Evidence, Unreadable, best, judge
from tests.evidence import AT, DATA, pair, receipt, rule, rules

FEW = {"test_rows": 50, "slices_rows": 50, "slices_each_label": 10}


def test_a_better_candidate_is_promoted() -> None:
    found = receipt(*pair(candidate=1.5))
    assert "promote" == found.verdict
    assert "passed" == rule(found, "better").verdict
    assert 0 == found.exit_code


def test_the_same_scores_are_inconclusive_and_keep_the_champion() -> None:
    candidate, champion = pair()
    found = receipt(candidate, replace(champion, scores=candidate.scores))
    assert "inconclusive" == found.verdict
    assert 4 == found.exit_code
    better = rule(found, "better")
    assert (0.0, 0.0, 0.0, 1.0) == (better.value, better.low, better.high, better.share)


@pytest.mark.parametrize("seed", range(4))
def test_another_draw_of_the_same_quality_is_inconclusive(seed: int) -> None:
    candidate, champion = pair(seed=seed)
    found = receipt(candidate, champion)
    assert "inconclusive" == found.verdict
    assert rule(found, "better").low < 0 < rule(found, "better").high
    assert "On 1,400 rows nothing shows that it is better. It differs in ROC-AUC by " in found.reason


def test_not_shown_to_be_no_worse_is_inconclusive_though_not_worse_either() -> None:
    candidate, champion = pair(candidate=1.15, champion=1.2, rows=300)
    found = rule(receipt(candidate, champion), "no_worse")
    assert "unproven" == found.verdict
    assert found.low <= -0.01 < found.value + 0.05
    assert "these rows cannot rule out that it is worse by 0.01" == found.reason


def test_a_worse_candidate_is_refused() -> None:
    found = receipt(*pair(candidate=1.2, champion=1.5))
    assert "refuse" == found.verdict
    assert 3 == found.exit_code
    assert "violated" == rule(found, "no_worse").verdict
    assert found.reason.startswith("Violated: ROC-AUC not worse: -0.0")


def test_surely_worse_is_refused_also_where_it_is_worse_by_less_than_the_margin() -> None:
    found = receipt(*pair(rows=3_000, candidate=1.15, alike=1.0))
    no_worse = rule(found, "no_worse")
    assert no_worse.low < -0.01 < no_worse.high < 0
    assert "violated" == no_worse.verdict
    assert "refuse" == found.verdict


def test_the_champions_own_bundle_is_named_as_such() -> None:
    candidate, _ = pair()
    found = receipt(candidate, replace(candidate, name="version 2"))
    assert found.reason.startswith("version 3 is the champion's own bundle. On 1,400 rows nothing shows")


def test_better_calibration_alone_promotes_when_the_order_stays() -> None:
    candidate, champion = pair(alike=1.0)
    odds = np.log(candidate.scores / (1 - candidate.scores))
    too_sure = 1 / (1 + np.exp(-(2.0 * odds + 0.8)))
    found = receipt(candidate, replace(champion, scores=too_sure))
    assert "promote" == found.verdict
    assert ("unproven", "passed", "passed") == tuple(
        rule(found, name).verdict for name in ("better", "lower_brier", "lower_ece")
    )


def test_no_champion_yet_asks_for_more_than_chance_and_every_budget() -> None:
    candidate, _ = pair()
    found = receipt(candidate, None)
    assert "promote" == found.verdict
    assert found.champion is None
    assert "passed" == rule(found, "above_chance").verdict
    assert "not applicable" == rule(found, "better").verdict
    noise = replace(candidate, scores=np.random.default_rng(1).uniform(0.25, 0.4, len(candidate.keys)))
    assert "above_chance" in {one.name for one in receipt(noise, None).rules if one.verdict == "violated"}
    assert "refuse" == receipt(replace(candidate, cpu_ms=51.0), None).verdict


def test_a_first_candidate_that_may_be_above_chance_by_chance_is_refused() -> None:
    found = rule(receipt(pair(rows=300, candidate=0.12, seed=2)[0], None), "above_chance")
    assert found.low < 0.5 < found.value
    assert "violated" == found.verdict


def worse_on(name: str, one: Evidence, by: float) -> Evidence:
    """Scores of one slice that are mixed with noise; calibrated still, as it is the base rate's."""
    chosen, noise = one.slices[name], np.random.default_rng(5)
    scores = one.scores.copy()
    shuffled = noise.permutation(scores[chosen])
    scores[chosen] = (1 - by) * scores[chosen] + by * shuffled
    return replace(one, scores=scores)


def test_a_worse_slice_refuses_a_better_average() -> None:
    candidate, champion = pair(rows=5_000, candidate=2.0)
    found = receipt(candidate, champion)
    assert "promote" == found.verdict
    spoiled = receipt(worse_on("questions", candidate, 0.6), champion)
    assert "refuse" == spoiled.verdict
    assert "passed" == rule(spoiled, "better").verdict
    assert ["slice_questions"] == [one.name for one in spoiled.rules if one.verdict == "violated"]
    assert "slice questions: ROC-AUC not worse" in spoiled.reason


def test_a_slice_that_is_worse_by_chance_refuses_nothing() -> None:
    candidate, champion = pair(alike=0.5)
    few = np.random.default_rng(29).permutation(1_400) < 250
    found = rule(receipt(replace(candidate, slices={"few": few}), champion), "slice_few")
    assert found.value < -0.03 < 0 < found.high
    assert "passed" == found.verdict
    assert "not worse than chance allows, on 250 rows" == found.reason


def test_a_slice_that_is_worse_by_less_than_the_limit_refuses_nothing() -> None:
    candidate, champion = pair(rows=20_000, candidate=1.16, alike=1.0)
    found = rule(receipt(candidate, champion), "slice_questions")
    assert -0.03 < found.value < found.high < 0
    assert "passed" == found.verdict


def test_many_slices_are_judged_by_wider_intervals() -> None:
    candidate, champion = pair()
    alone = rule(receipt(candidate, champion), "slice_questions")
    random = np.random.default_rng(0)
    others = {f"random_{number}": random.random(1_400) < 0.4 for number in range(8)}
    among = rule(
        receipt(replace(candidate, slices={**candidate.slices, **others}), champion), "slice_questions"
    )
    assert alone.value == among.value
    assert among.high - among.low > 1.2 * (alone.high - alone.low)


def test_small_slices_are_shown_and_not_judged() -> None:
    found = rule(receipt(*pair(candidate=1.5)), "slice_profanity")
    assert "not applicable" == found.verdict
    assert "rows, judged from 200 on" in found.reason


def test_a_gain_that_artefacts_alone_give_is_not_enough() -> None:
    candidate, champion = pair(rows=5_000, alike=1.0)
    clear = candidate.slices["artefact"] & (candidate.labels == 1)
    found = receipt(replace(candidate, scores=np.where(clear, 0.99, candidate.scores)), champion)
    assert "passed" == rule(found, "better").verdict
    assert "unproven" == rule(found, "artefact_free").verdict
    assert "inconclusive" == found.verdict
    assert "less than 0.5 remains here" in found.reason


@pytest.mark.parametrize(
    ("change", "name", "reason"),
    [
        ({"cpu_ms": 50.1}, "cpu_ms", "over the budget"),
        ({"bundle_bytes": 200_000_001}, "bundle_bytes", "over the budget"),
        ({"leak_audit": {"status": "failed"}}, "leak_audit", "run step audit"),
        ({"leak_audit": {}}, "leak_audit", "run step audit"),
        ({"counterfactual": {"largest_change": 0.9, "flip_rate": 0.0}}, "counterfactual_change", "over"),
        ({"counterfactual": {"largest_change": 0.1, "flip_rate": 0.9}}, "counterfactual_flips", "over"),
        ({"requires": ("numpy", "torch")}, "image", "the image lacks torch"),
        ({"is_sample": True}, "sample", "version 2 learned from real data"),
    ],
)
def test_each_budget_refuses_a_better_candidate(change: dict[str, Any], name: str, reason: str) -> None:
    candidate, champion = pair(candidate=1.5)
    found = receipt(replace(candidate, **change), champion)
    assert "refuse" == found.verdict
    assert [name] == [one.name for one in found.rules if one.verdict == "violated"]
    assert reason in rule(found, name).reason


@pytest.mark.parametrize(
    ("change", "name"),
    [
        ({"cpu_ms": None}, "cpu_ms"),
        ({"cpu_ms": math.nan}, "cpu_ms"),
        ({"bundle_bytes": 0}, "bundle_bytes"),
        ({"counterfactual": {}}, "counterfactual_flips"),
        ({"slices": {}}, "artefact_free"),
    ],
)
def test_what_was_not_measured_is_not_promoted(change: dict[str, Any], name: str) -> None:
    candidate, champion = pair(candidate=1.5)
    found = receipt(replace(candidate, **change), champion)
    assert "inconclusive" == found.verdict
    assert "unproven" == rule(found, name).verdict
    assert "step evaluate" in rule(found, name).reason


def test_a_calibration_error_over_its_budget_refuses() -> None:
    candidate, champion = pair(candidate=1.5)
    found = receipt(replace(candidate, scores=candidate.scores**3), champion)
    assert "violated" == rule(found, "ece").verdict
    assert "refuse" == found.verdict


def test_a_calibration_error_that_chance_explains_is_within_the_budget() -> None:
    candidate, champion = pair(rows=200)
    found = rule(receipt(candidate, champion, rules(calibration_ece=0.01)), "ece")
    assert found.value > 0.01
    assert "passed" == found.verdict


def test_names_of_distributions_are_compared_as_installers_do() -> None:
    candidate, champion = pair(candidate=1.5)
    needs = replace(candidate, requires=("ONNX_Runtime",))
    assert "passed" == rule(receipt(needs, champion, rules(image_has=("onnx-runtime",))), "image").verdict


def test_a_model_of_real_data_is_not_measured_by_one_of_the_sample() -> None:
    candidate, champion = pair(candidate=1.2, champion=1.5)
    found = receipt(candidate, replace(champion, is_sample=True))
    assert "promote" == found.verdict
    assert "version 2" == (found.champion or {})["name"]
    assert "judged as without a champion" in rule(found, "sample").reason
    both = receipt(replace(candidate, is_sample=True), replace(champion, is_sample=True))
    assert "refuse" == both.verdict


def test_swaps_of_identity_terms_are_shown_and_not_judged_where_the_sample_taught() -> None:
    candidate, _ = pair()
    unfair = replace(candidate, counterfactual={"largest_change": 0.9, "flip_rate": 0.9}, is_sample=True)
    found = receipt(unfair, None)
    assert "promote" == found.verdict
    for name in ("counterfactual_change", "counterfactual_flips"):
        assert (0.9, "not applicable") == (rule(found, name).value, rule(found, name).verdict)
    assert "refuse" == receipt(replace(unfair, is_sample=False), None).verdict


def test_rows_that_were_looked_at_too_often_prove_nothing_more() -> None:
    found = receipt(*pair(candidate=1.5), test_touches=101)
    assert "inconclusive" == found.verdict
    assert "take new test rows" in found.reason
    assert "not applicable" == rule(receipt(*pair(), test_touches=None), "touches").verdict


def test_rows_of_learning_that_are_not_known_are_said_to_be_unknown() -> None:
    candidate, champion = pair()
    found = receipt(candidate, replace(champion, learned=frozenset()))
    assert "not known for version 2" == rule(found, "learned").reason
    assert "unknown" == (found.champion or {})["learned_rows"]


def test_every_rule_stands_in_every_receipt() -> None:
    candidate, champion = pair()
    with_one, without = receipt(candidate, champion), receipt(candidate, None)
    assert [one.name for one in with_one.rules] == [one.name for one in without.rules]


def mended(one: Evidence, row: int, score: float) -> Evidence:
    scores = one.scores.copy()
    scores[row] = score
    return replace(one, scores=scores)


BAD: dict[str, tuple[Any, Any, str]] = {
    "a score that is no number": (
        lambda one: mended(one, 7, math.nan),
        None,
        r"version 3: 1 scores are no probabilities \(first nan, of row 8, key ",
    ),
    "a score above 1": (lambda one: mended(one, 0, 1.5), None, r"first 1.5, of row 1"),
    "scores of another type": (
        lambda one: replace(one, scores=one.scores.astype(str)),
        None,
        "scores of type <U",
    ),
    "scores of another length": (
        lambda one: replace(one, scores=one.scores[1:]),
        None,
        r"1400 keys, labels of shape \(1400,\) and scores of shape \(1399,\): .*run step evaluate again",
    ),
    "labels of another length": (lambda one: replace(one, labels=one.labels[1:]), None, r"shape \(1399,\)"),
    "a label that is neither": (
        lambda one: replace(one, labels=one.labels + 1),
        None,
        "label 2 of row [0-9]+, key [0-9a-f]{16}: give 0 or 1",
    ),
    "a repeated key": (
        lambda one: replace(one, keys=(one.keys[1], *one.keys[1:])),
        None,
        "1 keys are repeated",
    ),
    "a slice of another length": (
        lambda one: replace(one, slices={"links": np.ones(3, dtype=bool)}),
        None,
        r"slice links is bool of shape \(3,\): give 1400 times true or false",
    ),
    "one class": (
        lambda one: replace(one, labels=np.zeros_like(one.labels)),
        lambda one: replace(one, labels=np.zeros_like(one.labels)),
        r"0 removed rows among 1400 test rows: .* fewer than 20 \(gate.toml: \[test\] each_label\), bring",
    ),
    "rows that the candidate learned from": (
        lambda one: replace(one, learned=frozenset({*one.keys[:5], "f" * 64})),
        None,
        r"version 3 learned from 5 of the 1400 test rows \([0-9a-f]{16}, [0-9a-f]{16}, [0-9a-f]{16}, …\): ",
    ),
    "rows that the champion learned from": (
        None,
        lambda one: replace(one, learned=frozenset({one.keys[9]})),
        r"version 2 learned from 1 of the 1400 test rows",
    ),
    "other rows": (
        None,
        lambda one: replace(one, keys=("e" * 64, *one.keys[1:])),
        r"1 only the first \([0-9a-f]{16}\), 1 only the second \(eeeeeeeeeeeeeeee\): score both on the same",
    ),
    "another order": (None, lambda one: replace(one, keys=one.keys[::-1]), "same rows in the same order"),
    "other labels": (
        None,
        lambda one: replace(one, labels=np.concatenate((1 - one.labels[:1], one.labels[1:]))),
        "1 labels differ between version 3 and version 2 .first row 1, key ",
    ),
    "a champion that cannot be read": (
        None,
        lambda one: Unreadable(one.name, "weights.safetensors was altered"),
        r"the champion, version 2, cannot be read \(weights.safetensors was altered\): mend or replace",
    ),
}


@pytest.mark.parametrize("name", BAD)
def test_what_cannot_be_judged_is_an_error(name: str) -> None:
    of_candidate, of_champion, message = BAD[name]
    candidate, champion = pair(candidate=1.5)
    with pytest.raises(GateError, match=message):
        receipt(
            of_candidate(candidate) if of_candidate else candidate,
            of_champion(champion) if of_champion else champion,
        )


def test_twenty_rows_are_refused_with_the_number_that_is_needed() -> None:
    with pytest.raises(
        GateError, match=r"20 test rows: .* fewer than 100 \(gate.toml: \[test\] rows\), bring"
    ):
        receipt(*pair(rows=20))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"who": " "}, "who=' ': a receipt names who asked for it"),
        ({"at": "yesterday"}, "at='yesterday': give an ISO time"),
        ({"data": {"name": "x", "part": "test"}}, "data sha256=None: a receipt names its data"),
        ({"data": {**DATA, "note": math.nan}}, "data cannot be written as JSON"),
    ],
)
def test_a_receipt_without_names_is_not_written(change: dict[str, Any], message: str) -> None:
    candidate, champion = pair(rows=200)
    told = {"who": "Ada", "at": AT, "data": DATA, **change}
    with pytest.raises(GateError, match=message):
        judge(candidate, champion, rules(), **told)


def test_exit_codes_are_those_of_the_contract() -> None:
    assert {"promote": 0, "refuse": 3, "inconclusive": 4} == EXIT_CODES


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_candidate_and_champion_exchanged_turn_every_difference_round(seed: int) -> None:
    candidate, champion = pair(rows=300, candidate=1.4, seed=seed)
    there, back = (receipt(*both, rules(**FEW)) for both in ((candidate, champion), (champion, candidate)))
    compared = 0
    for one, other in zip(there.rules, back.rules, strict=True):
        if one.low is not None:
            compared += 1
            assert pytest.approx((-other.value, -other.high, -other.low), abs=1e-12) == (
                one.value,
                one.low,
                one.high,
            )
    assert compared >= 5


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000))
def test_the_order_of_the_rows_changes_nothing(seed: int) -> None:
    candidate, champion = pair(rows=300, seed=seed)
    order = np.random.default_rng(seed + 1).permutation(300)

    def mixed(one: Evidence) -> Evidence:
        return replace(
            one,
            keys=tuple(one.keys[row] for row in order),
            labels=one.labels[order],
            scores=one.scores[order],
            slices={name: rows[order] for name, rows in one.slices.items()},
        )

    chosen = rules(**FEW)
    assert receipt(candidate, champion, chosen) == receipt(mixed(candidate), mixed(champion), chosen)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), power=st.floats(0.3, 3.0))
def test_scores_of_the_same_order_have_the_same_area(seed: int, power: float) -> None:
    candidate, champion = pair(rows=300, seed=seed)
    bent = replace(candidate, scores=candidate.scores**power)
    there, bent_there = (receipt(one, champion, rules(**FEW)) for one in (candidate, bent))
    for name in ("no_worse", "better", "artefact_free", "slice_questions"):
        assert rule(there, name) == rule(bent_there, name)


def test_the_best_is_told_by_metric_then_latency_then_size() -> None:
    slow = Entry("version 1", 0.8304, 29.0, 10)
    quick = Entry("version 2", 0.8296, 0.3, 30)
    small = Entry("version 3", 0.83, 0.3, 20)
    assert small == best([slow, quick, small])
    assert quick == best([quick, slow])
    assert slow == best([replace(quick, cpu_ms=None), slow])
    ahead = Entry("version 4", 0.832, None, 10**9)
    assert ahead == best([small, ahead, quick])
    assert "a" == best([replace(small, name="b"), replace(small, name="a")]).name


@pytest.mark.parametrize(
    ("entries", "message"),
    [([], "no version to choose from"), ([Entry("version 1", math.nan, 1.0, 1)], "version 1: metric=nan")],
)
def test_nothing_is_best_of_nothing(entries: list[Entry], message: str) -> None:
    with pytest.raises(GateError, match=message):
        best(entries)
