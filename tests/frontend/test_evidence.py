"""The shapes of a version's files: what is read of them, and what a file that is another says."""

import json
from typing import Any

import pytest
from pydantic import TypeAdapter

from frontend import evidence
from frontend.exceptions import EvidenceError
from tests.frontend.registries import evaluation, passport, policy, receipt

SHAPES: dict[str, TypeAdapter[Any]] = {
    "metrics.json": evidence.METRICS,
    "curves.json": evidence.CURVES,
    "reliability.json": evidence.RELIABILITY,
    "slices.json": evidence.SLICES,
    "counterfactual.json": evidence.COUNTERFACTUAL,
    "evasion.json": evidence.EVASION,
    "errors.json": evidence.MISTAKES,
    "cost.json": evidence.COST,
}


def read(shape: TypeAdapter[Any], content: object) -> Any:
    return evidence.read(shape, json.dumps(content).encode(), "a file of version 3")


@pytest.mark.parametrize("name", SHAPES)
def test_every_file_of_an_evaluation_is_read(name: str) -> None:
    assert {name} <= set(evaluation())
    assert read(SHAPES[name], evaluation()[name])


def test_passport_policy_and_receipt_are_read() -> None:
    found = read(evidence.PASSPORT, passport() | {"of_later": 1})
    assert ("hashed_linear", 1111, 359) == (found.candidate, found.split.test.rows, found.split.test.removed)
    assert ["passed", "allowed"] == [group.verdict for group in found.leak_audit.groups]
    assert 0.6 == read(evidence.POLICY, policy()).attributes["LIKELY_TO_REJECT"]["flag"].value
    forced = receipt(forced={"reason": "r", "by": "a", "second": "b"})
    assert "b" == read(evidence.VERDICT, forced).forced.second


def test_a_passport_of_before_the_audit_is_read() -> None:
    old = {key: value for key, value in passport().items() if key not in {"family", "ece_by_chance"}}
    found = read(evidence.PASSPORT, old | {"leak_audit": {"status": "not run"}})
    assert ("not run", ()) == (found.leak_audit.status, found.leak_audit.groups)


@pytest.mark.parametrize(
    ("content", "place"),
    [
        (b"", "the whole file: "),
        (b"\xff", "the whole file: "),
        (b"{", "the whole file: "),
        (b"[]", "the whole file: "),
        (b'{"thresholds": [], "roc": [[0, 2]], "pr": []}', "roc.0.1: "),
        (b'{"thresholds": [{"threshold": NaN}], "roc": [], "pr": []}', "thresholds.0.threshold: "),
        (b'{"thresholds": [], "roc": []}', "pr: Field required"),
    ],
)
def test_a_file_that_is_another_is_told_with_the_place(content: bytes, place: str) -> None:
    with pytest.raises(EvidenceError) as caught:
        evidence.read(evidence.CURVES, content, "evaluation/curves.json of version 3")
    said = str(caught.value)
    assert said.startswith(f"evaluation/curves.json of version 3 is not what the pipeline writes ({place}")
    assert said.endswith("): train and register anew")
