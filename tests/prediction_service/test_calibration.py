"""Links and their file: laws that hold for whatever scores there are, and every file that is refused."""

import hashlib
import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling.policy import ATTRIBUTE
from prediction_service.agreement import decisions, spearman, spearman_interval
from prediction_service.calibration import Calibration, Link, read, write
from prediction_service.exceptions import CalibrationError
from prediction_service.linking import ALL_KNOTS, fit, held_out, through

FINE = st.floats(0, 1)
COARSE = st.integers(0, 100).map(lambda percent: percent / 100)
TINY = st.integers(0, 50).map(lambda number: number * 5e-324)
SCORES = st.one_of(FINE, COARSE, TINY)
LAW = settings(deadline=None)


@st.composite
def pairs(draw: st.DrawFn) -> tuple[Any, Any]:
    """Ours and old of as many comments, with ties, ends and neighbours that floats can hardly tell apart."""
    size = draw(st.integers(12, 60))
    ours = draw(st.lists(SCORES, min_size=size, max_size=size).filter(lambda some: len(set(some)) >= 10))
    old = draw(st.lists(SCORES, min_size=size, max_size=size).filter(lambda some: len(set(some)) >= 10))
    return np.array(ours), np.array(old)


@LAW
@given(pairs())
def test_a_link_rises_strictly_from_0_to_1(scores: tuple[Any, Any]) -> None:
    link = fit(ATTRIBUTE, *scores)
    assert ((0.0, 0.0), (1.0, 1.0)) == (link.knots[0], link.knots[-1])
    assert all(one[0] < other[0] and one[1] < other[1] for one, other in pairwise(link.knots))


@LAW
@given(pairs(), st.lists(FINE, min_size=2, max_size=20))
def test_no_two_comments_change_their_order_and_none_leaves_the_scale(
    scores: tuple[Any, Any], others: list[float]
) -> None:
    link = fit(ATTRIBUTE, *scores)
    asked = sorted([*others, *scores[0].tolist(), 0.0, 1.0])
    answered = [link(score) for score in asked]
    assert (0.0, 1.0) == (answered[0], answered[-1])
    assert all(one <= other for one, other in pairwise(answered))


@LAW
@given(st.lists(FINE, min_size=10, max_size=200, unique=True), st.randoms(use_true_random=False))
def test_as_many_fitted_comments_reach_every_threshold_as_before(old: list[float], random: Any) -> None:
    """Distinct scores inside the scale, further apart than the hair that separates equal ones."""
    before = np.round(np.array(old) * 0.998 + 0.001, 4)
    ours = np.array([random.uniform(0.001, 0.999) for _ in old])
    if np.unique(before).size < 10 or np.unique(ours).size < before.size:
        return
    after = through(fit(ATTRIBUTE, ours, before), ours)
    for threshold in [*before.tolist(), *np.linspace(0.00005, 0.99995, 100).tolist()]:
        assert np.sum(before >= threshold) == np.sum(after >= threshold)


def test_comments_of_one_old_score_stay_at_it_or_a_hair_above() -> None:
    """Whole per cents, as many clients keep them."""
    random = np.random.default_rng(0)
    old, ours = np.round(random.random(500) ** 3, 2), random.random(500)
    after = through(fit(ATTRIBUTE, ours, old), ours)
    for percent in range(1, 100):
        assert np.sum(old >= percent / 100) == np.sum(after >= percent / 100)
    assert np.all(np.sort(after) - np.sort(old) < 1e-6)


@pytest.mark.parametrize("rounded", [8, 2])
def test_many_comments_get_a_short_link_that_keeps_the_shares(rounded: int) -> None:
    random = np.random.default_rng(1)
    old, ours = np.round(random.beta(0.5, 5, 40_000), rounded), random.beta(2, 3, 40_000)
    link = fit(ATTRIBUTE, ours, old)
    after = through(link, ours)
    assert len(link.knots) <= 2 * ALL_KNOTS
    for threshold in (0.05, 0.5, 0.7, 0.8, 0.9):
        assert abs(int(np.sum(old >= threshold)) - int(np.sum(after >= threshold))) <= 20


def test_comments_that_we_score_alike_go_to_the_middle_of_their_old_scores() -> None:
    ours = np.array([0.1, 0.2, 0.3, 0.4, 0.5, 0.5, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95])
    old = np.linspace(0.05, 0.6, 12)
    assert old[5] == fit(ATTRIBUTE, ours, old)(0.5)


def test_the_order_of_the_rows_does_not_matter() -> None:
    random = np.random.default_rng(2)
    old, ours = random.random(300), random.random(300)
    shuffled = random.permutation(300)
    assert fit(ATTRIBUTE, ours, old) == fit(ATTRIBUTE, ours[shuffled], old[shuffled])


def test_a_threshold_is_found_on_our_side() -> None:
    random = np.random.default_rng(3)
    link = fit(ATTRIBUTE, random.random(300), random.random(300) ** 2)
    for old in (0.0, 0.1, 0.5, 0.8, 1.0):
        assert link(link.inverse(old)) == pytest.approx(old, abs=1e-12)


@pytest.mark.parametrize(
    ("ours", "old", "whose"),
    [
        (np.linspace(0, 1, 300), np.array([0.0, 1.0] * 150), "the old scores take 2"),
        (np.full(300, 0.5), np.linspace(0, 1, 300), "the scores of LIKELY_TO_REJECT take 1"),
    ],
)
def test_scores_that_hardly_differ_are_refused(ours: Any, old: Any, whose: str) -> None:
    with pytest.raises(CalibrationError, match=whose + r" different values: give scores \(not decisions\)"):
        fit(ATTRIBUTE, ours, old)


def test_a_held_out_comment_is_mapped_by_a_link_that_has_not_seen_it_or_its_repeats() -> None:
    """One text has old scores that nothing else has: a link that saw them would give them back."""
    random = np.random.default_rng(4)
    texts = [f"text {number}" for number in range(200)] + ["odd"] * 20
    ours = np.append(random.random(200) * 0.5, np.linspace(0.90, 0.95, 20))
    old = np.append(random.random(200) * 0.4, np.linspace(0.80, 0.85, 20))
    assert 0.80 <= fit(ATTRIBUTE, ours, old)(0.92) <= 0.85
    assert held_out(ATTRIBUTE, ours, old, texts)[210] > 0.85


@LAW
@given(pairs())
def test_rank_agreement_is_that_of_scipy(scores: tuple[Any, Any]) -> None:
    from scipy.stats import spearmanr

    assert spearman(*scores) == pytest.approx(float(spearmanr(*scores).statistic), abs=1e-9)


def test_agreement_of_what_does_not_vary_is_none() -> None:
    assert spearman(np.ones(20), np.linspace(0, 1, 20)) == 0.0


def test_the_interval_of_a_rank_agreement_covers_it_and_shrinks() -> None:
    few, many = spearman_interval(0.4, 50), spearman_interval(0.4, 5000)
    assert few[0] < many[0] < 0.4 < many[1] < few[1]
    assert (1.0, 1.0) == spearman_interval(1.0, 50)


def test_decisions_before_and_after_are_counted_both_ways() -> None:
    old, new = np.array([0.9, 0.8, 0.8, 0.1, 0.1, 0.2]), np.array([0.9, 0.8, 0.7, 0.8, 0.9, 0.1])
    found = decisions(old, new, 0.8)
    assert (2, 1, 2, 1) == (found.both, found.old_only, found.new_only, found.neither)
    assert (3, 4) == (found.before, found.after)
    assert (3, 6, 0.5) == (found.same.count, found.same.rows, found.same.value)
    low, high = found.same.interval
    assert (low, high) == pytest.approx((0.1876, 0.8124), abs=1e-4)


LINK = Link(ATTRIBUTE, ((0.0, 0.0), (0.25, 0.5), (0.75, 0.625), (1.0, 1.0)))
CALIBRATION = Calibration({"TOXICITY": LINK}, "b" * 64, 300, 290, "c" * 64)


def test_a_link_is_straight_between_its_knots() -> None:
    assert [0.0, 0.25, 0.5, 0.5625, 0.8125, 1.0] == [LINK(one) for one in (0, 0.125, 0.25, 0.5, 0.875, 1)]


def test_rounding_carries_no_score_past_the_next_knot() -> None:
    """Two neighbouring floats whose distances from the knot before them round to the same."""
    unit = 2.0**-53
    link = Link(ATTRIBUTE, ((0.0, 0.0), (1.5 * unit, 1.5 * unit), (0.75 + 2 * unit, 0.75 + unit), (1.0, 1.0)))
    assert link(0.75 + unit) <= link(0.75 + 2 * unit)


@settings(LAW, max_examples=25)
@given(pairs())
def test_a_file_gives_back_what_was_fitted_and_has_its_digest(scores: tuple[Any, Any]) -> None:
    made = Calibration({"TOXICITY": fit(ATTRIBUTE, *scores)}, "b" * 64, 12, 12, "c" * 64)
    again = Calibration({"TOXICITY": fit(ATTRIBUTE, *scores)}, "b" * 64, 12, 12, "c" * 64)
    assert made.to_json() == again.to_json()
    assert made.digest == hashlib.sha256(made.to_json()).hexdigest()


def test_what_is_written_is_read(tmp_path: Path) -> None:
    path = tmp_path / "map.json"
    write(path, CALIBRATION)
    found = read(path)
    assert CALIBRATION == found
    assert CALIBRATION.to_json() == path.read_bytes()
    assert ("b" * 64, 300, 290, "c" * 64) == (found.bundle, found.rows, found.texts, found.sha256)
    assert LINK(0.4) == found.links["TOXICITY"](0.4)
    assert ["map.json"] == [one.name for one in tmp_path.iterdir()]


def test_a_file_that_cannot_be_written_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "taken").mkdir()
    with pytest.raises(CalibrationError, match="taken: cannot be written"):
        write(tmp_path / "taken", CALIBRATION)
    assert ["taken"] == [one.name for one in tmp_path.iterdir()]


def knots(*some: Any) -> dict[str, Any]:
    return {"attributes": {"TOXICITY": {"head": ATTRIBUTE, "knots": [[0.0, 0.0], *some, [1.0, 1.0]]}}}


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"version": 2}, "has version=2, and this service reads 1"),
        ({"version": None}, "has version=None"),
        ({"bundle": "b"}, "which calibrate does not write"),
        ({"bundle": None}, "which calibrate does not write"),
        ({"fitted_on": {"rows": 1.5, "texts": 1, "sha256": "c" * 64}}, "which calibrate does not write"),
        ({"fitted_on": {"rows": 1, "texts": 1, "sha256": "C" * 64}}, "which calibrate does not write"),
        ({"fitted_on": {}}, "has another shape"),
        ({"attributes": {}}, "has no attributes"),
        ({"attributes": []}, "has another shape"),
        ({"attributes": {"TOXICITY": {"head": ATTRIBUTE}}}, "has another shape"),
        ({"attributes": {"TOXICITY": {"head": ATTRIBUTE, "knots": []}}}, r"do not lead from \(0, 0\)"),
        ({"attributes": {"TOXICITY": {"head": ATTRIBUTE, "knots": [[0.0, 0.0]]}}}, "do not lead from"),
        ({"attributes": {"TOXICITY": {"head": ATTRIBUTE, "knots": [[0.1, 0.0], [1.0, 1.0]]}}}, "do not lead"),
        ({"attributes": {"TOXICITY": {"head": ATTRIBUTE, "knots": [[0.0, 0.0], [1.0, 0.9]]}}}, "do not lead"),
        (knots([0.5, 0.5], [0.5, 0.6]), r"\(0.5, 0.5\) and \(0.5, 0.6\) of TOXICITY, which do not rise"),
        (knots([0.5, 0.5], [0.6, 0.5]), "do not rise"),
        (knots([0.5, 0.5], [0.6, 0.4]), "do not rise"),
        (knots([0.5, 1.5]), "which is not two numbers from 0 to 1"),
        (knots([-0.5, 0.5]), "which is not two numbers from 0 to 1"),
        (knots([float("nan"), 0.5]), "which is not two numbers from 0 to 1"),
        (knots([0.5, float("inf")]), "which is not two numbers from 0 to 1"),
        (knots([0.5, "0.5"]), "which is not two numbers from 0 to 1"),
        (knots([0.5, True]), "which is not two numbers from 0 to 1"),
        (knots([0.5]), "has another shape"),
        ({"more": 1}, "is not as calibrate wrote it"),
    ],
)
def test_a_file_that_was_altered_is_refused_with_setting_value_and_remedy(
    tmp_path: Path, change: dict[str, Any], why: str
) -> None:
    path = tmp_path / "map.json"
    path.write_text(json.dumps(json.loads(CALIBRATION.to_json()) | change))
    with pytest.raises(CalibrationError, match=why) as refusal:
        read(path)
    assert str(refusal.value).startswith(f"CHATMOD_API_CALIBRATION={str(path)!r} ")
    assert str(refusal.value).endswith(": run calibrate again, or unset it")


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"1", b"\xff", b"[" * 100_000])
def test_what_is_no_such_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "map.json"
    path.write_bytes(content)
    with pytest.raises(CalibrationError, match="run calibrate again, or unset it"):
        read(path)


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CalibrationError, match=r"nothing.json' cannot be read .*No such file"):
        read(tmp_path / "nothing.json")


def test_links_serve_the_bundle_and_the_names_that_they_were_fitted_for() -> None:
    attributes = {ATTRIBUTE: ATTRIBUTE, "TOXICITY": ATTRIBUTE}
    assert {"TOXICITY": LINK} == CALIBRATION.links_for(attributes, "b" * 64)


@pytest.mark.parametrize(
    ("attributes", "bundle", "remedy"),
    [
        ({"TOXICITY": ATTRIBUTE}, "d" * 64, "run calibrate again for this bundle, or unset it"),
        ({"TOXICITY": "OTHER"}, "b" * 64, "set CHATMOD_API_ATTRIBUTES=TOXICITY=LIKELY_TO_REJECT"),
        ({ATTRIBUTE: ATTRIBUTE}, "b" * 64, "set CHATMOD_API_ATTRIBUTES=TOXICITY=LIKELY_TO_REJECT"),
    ],
)
def test_links_of_another_bundle_or_name_are_refused(
    attributes: dict[str, str], bundle: str, remedy: str
) -> None:
    with pytest.raises(CalibrationError, match=remedy):
        CALIBRATION.links_for(attributes, bundle)


def test_a_heads_own_score_is_never_mapped() -> None:
    made = Calibration({ATTRIBUTE: LINK}, "b" * 64, 300, 290, "c" * 64)
    with pytest.raises(CalibrationError, match="not how this service answers"):
        made.links_for({ATTRIBUTE: ATTRIBUTE}, "b" * 64)
