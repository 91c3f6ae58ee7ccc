"""gate.toml is read whole or refused by table, key, value and remedy."""

from typing import Any

import pytest

from modeling.exceptions import GateError
from modeling.gate import rules_from
from tests.evidence import tables


def test_the_reviewed_file_is_read() -> None:
    found = rules_from(tables())
    assert (0.01, 2_000, 0.95) == (
        found.primary_margin,
        found.bootstrap_resamples,
        found.bootstrap_confidence,
    )
    assert tables() == found.tables


@pytest.mark.parametrize(
    ("table", "key", "value", "message"),
    [
        ("primary", "margins", 0.1, r"\[primary\] margins=0.1 is no rule: use margin$"),
        ("primary", "xyz", 1, r"\[primary\] xyz=1 is no rule: use one of metric, margin, chance"),
        ("primary", "margin", "0.1", r"\[primary\] margin='0.1': give a number from 0.0001 to 0.1"),
        ("primary", "margin", -0.01, r"\[primary\] margin=-0.01: give a number from"),
        ("primary", "margin", float("nan"), r"\[primary\] margin=nan: give a number from"),
        ("primary", "margin", True, r"\[primary\] margin=True: give a number from"),
        ("primary", "metric", "accuracy", r"\[primary\] metric='accuracy': give one of roc_auc"),
        ("test", "rows", 100.5, r"\[test\] rows=100.5: give a whole number from 50 to"),
        ("test", "rows", 10, r"\[test\] rows=10: give a whole number from 50 to"),
        ("bootstrap", "resamples", 1_999, r"\[bootstrap\] resamples=1999: give a whole number from 2000 to"),
        ("bootstrap", "confidence", 0.995, r"resamples=2000 leave 5.0 beyond .* give at least 4000$"),
        ("bootstrap", "confidence", 1.0, r"\[bootstrap\] confidence=1.0: give a number from 0.8 to 0.999"),
        ("image", "has", "numpy", r"\[image\] has='numpy': give a list of distributions"),
        ("image", "has", ["numpy", 3], r"\[image\] has=.* give a list of distributions"),
        ("image", "has", ["numpy==2"], r"\[image\] has=.* give a list of distributions"),
        ("counterfactual", "flip_rate", 1.1, r"flip_rate=1.1: give a number from 0 to 1"),
    ],
)
def test_a_rule_that_cannot_be_used_is_refused(table: str, key: str, value: Any, message: str) -> None:
    given = tables()
    given[table][key] = value
    with pytest.raises(GateError, match=rf"^gate.toml: .*{message}"):
        rules_from(given)


def test_a_missing_rule_is_named_with_what_to_add() -> None:
    given = tables()
    del given["slices"]["worse"]
    with pytest.raises(
        GateError, match=r"\[slices\] worse is missing: add worse = a number from 0.001 to 0.5"
    ):
        rules_from(given)


def test_a_missing_unknown_or_flat_table_is_named() -> None:
    given = tables()
    cost = given.pop("cost")
    with pytest.raises(GateError, match=r"table cost is missing: add \[cost\]"):
        rules_from(given)
    with pytest.raises(GateError, match=r"table costs=.* is no rule: use cost$"):
        rules_from({**given, "costs": cost})
    with pytest.raises(GateError, match=r"cost=50: make it a table, \[cost\]"):
        rules_from({**given, "cost": 50})


def test_a_narrower_interval_is_taken_with_as_many_resamples_as_it_needs() -> None:
    given = tables()
    given["bootstrap"] |= {"confidence": 0.995, "resamples": 4_000}
    assert 0.995 == rules_from(given).bootstrap_confidence
