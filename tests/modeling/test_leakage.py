"""The leak audit as a function: what each group finds and leaves alone, and when a figure is a verdict."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling import leakage
from modeling.artefacts import GROUPS, Limit
from modeling.exceptions import DataError
from modeling.leakage import Seen, alone, audit
from tests.modeling.leaks import Plant, our_limits, planted

LIMITS = our_limits().groups
RAW_TOO = {name: replace(limit, before=0.51) for name, limit in LIMITS.items() if not limit.allow} | {
    name: limit for name, limit in LIMITS.items() if limit.allow
}
# what cleaning undoes, and what it must leave, because an author may have typed it
UNDONE: dict[str, list[Plant]] = {
    "entities": [
        lambda text, _: text.replace("and", "&amp;", 1),
        lambda text, _: text.replace("and", "&#39;", 1),
        lambda text, _: text.replace("and", "&gt;", 1),
    ],
    "encoding_residue": [
        lambda text, _: text.replace(" ", "\u00a0", 1),
        lambda text, _: text.replace("and", "a\u200bnd", 1),
        lambda text, _: text.replace("and", "a\u0092nd", 1),
    ],
    "newlines": [
        lambda text, _: text.replace(" ", "\n", 1),
        lambda text, _: text.replace(" ", "\r\n", 1),
        lambda text, _: text.replace(" ", "\n\n", 1),
    ],
    "edit": [
        lambda text, _: f"{text} EDIT: thanks",
        lambda text, _: f"{text} *Edited:* thanks",
    ],
}
LEFT: dict[str, list[Plant]] = {
    "encoding_residue": [
        lambda text, _: text.replace("and", "\ufffd", 1),
        lambda text, _: text.replace("error", "caf\u00c3\u00a9"),
    ],
    "non_ascii": [lambda text, _: text.replace("and", "\u00fcnd", 1)],
    "markup": [lambda text, _: text.replace("and", "<b>and</b>", 1), lambda text, _: f"{text} a<b"],
    "number_in_text": [lambda text, row: f"{row} {text}", lambda text, row: f"[#{row}] {text}"],
    "edit": [lambda text, _: text.replace("and", "edited", 1)],
}
EACH_UNDONE = [
    pytest.param(name, plant, id=f"{name} {n}") for name in UNDONE for n, plant in enumerate(UNDONE[name])
]
EACH_LEFT = [
    pytest.param(name, plant, id=f"{name} {n}") for name in LEFT for n, plant in enumerate(LEFT[name])
]


def failed(seen: Seen, limits: dict[str, Limit] | None = None) -> set[str]:
    return {each.group.name for each in audit(seen, limits or LIMITS) if each.failed}


def test_texts_without_a_trace_pass_and_tell_nothing() -> None:
    judged = audit(planted(), LIMITS)
    assert {"passed", "allowed"} == {each.verdict for each in judged}
    for each in judged:
        assert each.figures["after"].low < 0.53, each


@pytest.mark.parametrize(("name", "plant"), EACH_UNDONE)
def test_a_trace_that_cleaning_undoes_fails_its_group_alone_and_only_before(name: str, plant: Plant) -> None:
    seen = planted(plant)
    assert set() == failed(seen)
    assert {name} == failed(seen, RAW_TOO)
    assert {name} == failed(replace(seen, after=seen.before))


@pytest.mark.parametrize(("name", "plant"), EACH_LEFT)
def test_a_trace_that_cleaning_leaves_fails_its_group_alone(name: str, plant: Plant) -> None:
    assert {name} == failed(planted(plant))


@pytest.mark.parametrize(
    ("name", "plant"),
    [
        ("length", lambda text, _: text[: len(text) // 2]),
        ("markdown", lambda text, _: text.replace("and", "*and*")),
        ("markdown", lambda text, _: f"> so\n\n{text}"),
        ("style", lambda text, _: text.upper()),
        ("style", lambda text, _: text.replace(".", "!!!")),
    ],
)
def test_what_people_do_is_found_too_and_stopped_only_where_nobody_allows_it(name: str, plant: Plant) -> None:
    seen = planted(plant)
    [judged] = [each for each in audit(seen, LIMITS) if each.group.name == name]
    assert ("allowed", LIMITS[name].allow) == (judged.verdict, judged.reason)
    assert judged.figures["after"].low > 0.6
    assert name in failed(seen, LIMITS | {name: Limit(after=0.55)})


@pytest.mark.parametrize("let_in", [True, False])
def test_a_row_number_fails_where_a_model_sees_it(let_in: bool) -> None:  # noqa: FBT001
    seen = planted()
    kept_first = np.argsort(np.argsort(seen.labels, kind="stable")).astype(float)
    columns = {"before": {"row": kept_first}, "after": {"row": kept_first} if let_in else {}}
    judged = {each.group.name: each for each in audit(replace(seen, columns={"row_number": columns}), LIMITS)}
    assert ("failed" if let_in else "passed") == judged["row_number"].verdict
    assert judged["row_number"].figures["before"].low > 0.98
    assert (("row",) if let_in else ()) == judged["row_number"].features["after"]


def test_a_row_number_of_several_sorted_files_in_a_row_fails_too() -> None:
    seen = planted()
    files = np.arange(len(seen.labels)) % 4
    place = np.argsort(np.lexsort((seen.labels * (1 - 2 * (files % 2)), files))).astype(float)
    columns = {"before": {}, "after": {"row": place}}
    assert {"row_number"} == failed(replace(seen, columns={"row_number": columns}))


def test_a_rare_trace_is_certain_with_many_rows_and_undecided_with_few() -> None:
    plant: Plant = lambda text, _: text.replace("and", "\u00fcnd", 1)  # noqa: E731
    verdicts = {}
    for rows in (150, 6000):
        judged = audit(planted(plant, rows=rows, share=0.06), LIMITS)
        [verdicts[rows]] = [(each.verdict, each.reason) for each in judged if each.group.name == "non_ascii"]
    assert "failed" == verdicts[6000][0]
    assert "undecided" == verdicts[150][0]
    assert "rows" in verdicts[150][1]


def test_a_wide_interval_is_not_taken_for_a_pass() -> None:
    verdict, reason = leakage._verdict(leakage.Metric(0.5, 0.5, 0.58), 0.51)
    assert ("undecided", "too few rows to judge: the interval reaches to 0.580") == (verdict, reason)


def test_a_limit_before_cleaning_is_judged_beside_a_reason_to_allow() -> None:
    seen = planted(lambda text, _: text[: len(text) // 2])
    [judged] = [
        each
        for each in audit(seen, LIMITS | {"length": Limit(before=0.6, allow="people are short")})
        if each.group.name == "length"
    ]
    assert ("failed", "before") == (judged.verdict, judged.stage)


@settings(max_examples=3, deadline=None)
@given(st.randoms(use_true_random=False))
def test_the_order_of_rows_changes_nothing_but_the_row_number(random: "st.random.Random") -> None:
    seen = planted(lambda text, _: text.replace("and", "&amp;", 1), rows=300)
    order = list(range(300))
    random.shuffle(order)
    shuffled = Seen(
        [seen.keys[row] for row in order],
        seen.labels[order],
        seen.folds[order],
        [seen.before[row] for row in order],
        [seen.after[row] for row in order],
    )
    assert audit(seen, LIMITS) == audit(shuffled, LIMITS)


def test_of_many_rows_those_with_the_smallest_keys_are_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    seen = planted()
    monkeypatch.setattr(leakage, "MOST_ROWS", 400)
    some = np.argsort(np.array(seen.keys))[:400]
    few = Seen(
        [seen.keys[row] for row in some],
        seen.labels[some],
        seen.folds[some],
        [seen.before[row] for row in some],
        [seen.after[row] for row in some],
    )
    assert audit(seen, LIMITS) == audit(few, LIMITS)


def test_features_that_never_vary_tell_nothing() -> None:
    labels, folds = np.array([0, 1] * 10), np.repeat(np.arange(5), 4)
    assert leakage.NOTHING == alone(np.ones((20, 3)), labels, folds, "linear")
    assert leakage.NOTHING == alone(np.ones((20, 0)), labels, folds, "tree")


@pytest.mark.parametrize("model", ["linear", "tree"])
def test_numbers_drawn_by_chance_are_seldom_taken_for_a_leak(model: str) -> None:
    random, failures = np.random.default_rng(3), 0
    for _ in range(20):
        numbers, folds = random.permutation(400).astype(float), random.integers(0, 5, 400)
        labels = (random.random(400) < 1 / 3).astype(int)
        failures += alone(numbers[:, None], labels, folds, model).low > 0.51
    assert failures <= 2


def test_folds_with_more_removals_than_others_hide_no_trace() -> None:
    random = np.random.default_rng(0)
    folds = np.repeat(np.arange(5), 400)
    labels = (random.random(2000) < (folds + 1) / 7).astype(int)
    trace = (labels == 1) & (random.random(2000) < 0.2)
    assert abs(alone(trace[:, None].astype(float), labels, folds, "linear").value - 0.6) < 0.03


def test_the_interval_holds_the_figure_and_narrows_with_rows() -> None:
    widths = []
    for rows in (300, 3000):
        random = np.random.default_rng(rows)
        labels, folds = (random.random(rows) < 0.3).astype(int), random.integers(0, 5, rows)
        figure = alone((labels + random.normal(0, 1, rows))[:, None], labels, folds, "linear")
        assert figure.low < figure.value < figure.high
        assert abs(figure.value - 0.76) < 0.05  # of two normals one apart: Phi(1 / sqrt 2)
        widths.append(figure.high - figure.low)
    assert widths[1] < widths[0] / 2


def test_a_fold_without_one_label_is_refused_as_training_refuses_it() -> None:
    seen = planted(rows=30)
    with pytest.raises(DataError, match=r"label 1: no row in fold 0 of the learning part \(30 rows\)"):
        audit(replace(seen, labels=np.where(seen.folds == 0, 0, 1)), LIMITS)


def test_every_group_has_as_many_features_as_names() -> None:
    for group in GROUPS:
        assert (2, len(group.features)) == group.matrix(["", "A <b>text</b>.\n&gt; \u00fc EDIT: 12"]).shape
