"""The gate on models that were really fitted: on a third of the rows, on all of them, on rows alike."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modeling.candidates.hashed_linear import HashedLinearClassifier
from modeling.data import read_comments
from modeling.exceptions import GateError
from modeling.gate import Evidence
from modeling.hashing import Floats, sigmoid
from modeling.split import fold_of, frozen_key, part_of
from modeling.train import calibrate
from tests.evidence import pair, receipt

Rows = tuple[list[str], Any]


def fitted(rows: Rows, test: Sequence[str]) -> Floats:
    """Calibrated scores of the test texts by the fast candidate; one fold calibrates."""
    texts, labels = rows
    held = np.array([fold_of(frozen_key(text)) == 0 for text in texts])
    counts = HashedLinearClassifier().prepare(texts)
    raw = (
        HashedLinearClassifier()
        .fit(counts.select(~held), labels[~held])
        .decision_function(counts.select(held))
    )
    slope, offset = calibrate(raw, labels[held])
    final = HashedLinearClassifier().fit(counts, labels)
    return sigmoid(slope * final.decision_function(list(test)) + offset)


def some(rows: Rows, share: float, seed: int = 0) -> Rows:
    chosen = np.random.default_rng(seed).random(len(rows[0])) < share
    return [text for text, is_in in zip(rows[0], chosen, strict=True) if is_in], rows[1][chosen]


def evidence(test: Rows, learned: Rows, name: str) -> Evidence:
    texts, labels = test
    return replace(
        pair(rows=200)[0],
        name=name,
        digest=name,
        keys=tuple(frozen_key(text) for text in texts),
        labels=labels,
        scores=fitted(learned, texts),
        learned=frozenset(map(frozen_key, learned[0])),
        slices={"artefact_free": np.ones(len(texts), dtype=bool)},
    )


def made_of_words(count: int) -> Rows:
    """Texts of which every word says a little of the label, so that more rows teach more words."""
    random = np.random.default_rng(3)
    words = np.array(["".join(random.choice(list("aeioulnrstkmpd"), 6)) for _ in range(1_200)])
    weights = random.normal(0, 0.8, len(words))
    drawn = random.integers(0, len(words), (count, 12))
    labels = (random.random(count) < sigmoid(weights[drawn].sum(axis=1) - 1)).astype(np.int64)
    return [" ".join(row) for row in words[drawn]], labels


def parted(rows: Rows) -> tuple[Rows, Rows]:
    learning = np.array([part_of(frozen_key(text)) == "learning" for text in rows[0]])
    texts = np.array(rows[0], dtype=object)
    return (list(texts[learning]), rows[1][learning]), (list(texts[~learning]), rows[1][~learning])


@pytest.fixture(scope="module")
def generated() -> tuple[Rows, Rows]:
    return parted(made_of_words(4_000))


@pytest.fixture(scope="module")
def real(real_data: Path) -> tuple[Rows, Rows]:
    used = read_comments([real_data]).used
    return parted((list(used["text"]), used["label"].to_numpy()))


@pytest.fixture(params=["generated", "real"])
def parts(request: pytest.FixtureRequest) -> tuple[Rows, Rows]:
    found: tuple[Rows, Rows] = request.getfixturevalue(request.param)
    return found


def test_a_model_of_thirty_percent_of_the_rows_does_not_replace_the_one_of_all(
    parts: tuple[Rows, Rows],
) -> None:
    learning, test = parts
    whole, part = (evidence(test, some(learning, share), f"of {share}") for share in (1.0, 0.3))
    down = receipt(part, whole)
    assert "refuse" == down.verdict
    assert "no_worse" in {one.name for one in down.rules if one.verdict == "violated"}
    up = receipt(whole, part)
    assert "promote" == up.verdict
    assert "No rule is violated, and it is better by rank" in up.reason


def test_models_of_two_draws_of_the_same_rows_replace_neither_the_other(parts: tuple[Rows, Rows]) -> None:
    learning, test = parts
    one, other = (evidence(test, some(learning, 0.8, seed), f"draw {seed}") for seed in (1, 2))
    assert "inconclusive" == receipt(one, other).verdict
    assert "inconclusive" == receipt(other, one).verdict


def test_a_model_that_learned_from_test_rows_is_told_by_key(generated: tuple[Rows, Rows]) -> None:
    learning, test = generated
    leaked = learning[0] + test[0][:2], np.concatenate((learning[1], test[1][:2]))
    keys = [frozen_key(text)[:16] for text in test[0][:2]]
    with pytest.raises(GateError, match=rf"learned from 2 of the \d+ test rows \({keys[0]}, {keys[1]}\)"):
        receipt(evidence(test, leaked, "leaked"), None)
