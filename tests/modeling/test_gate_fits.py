"""The gate on models that were really fitted: on 30 % of the rows, on all of them, and mixed by a coin."""

from collections import Counter
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


@pytest.fixture(scope="module", params=["generated", "real"])
def models(request: pytest.FixtureRequest) -> tuple[Evidence, Evidence]:
    """Fitted on all learning rows, and on 30 % of them."""
    learning, test = request.getfixturevalue(request.param)
    return evidence(test, learning, "of all"), evidence(test, some(learning, 0.3), "of 30 %")


def test_a_model_of_thirty_percent_of_the_rows_does_not_replace_the_one_of_all(
    models: tuple[Evidence, Evidence],
) -> None:
    whole, part = models
    down = receipt(part, whole)
    assert "refuse" == down.verdict
    assert "no_worse" in {one.name for one in down.rules if one.verdict == "violated"}
    up = receipt(whole, part)
    assert "promote" == up.verdict
    assert "No rule is violated, and it is better by rank" in up.reason


def exchanged(one: Evidence, other: Evidence, seed: int) -> tuple[Evidence, Evidence]:
    """Each row's scores change hands or do not, by a coin: both are then of the same quality."""
    coin = np.random.default_rng(seed).random(len(one.keys)) < 0.5
    return (
        replace(one, scores=np.where(coin, other.scores, one.scores)),
        replace(other, scores=np.where(coin, one.scores, other.scores)),
    )


def test_models_of_the_same_quality_replace_each_other_in_at_most_one_of_twenty_cases(
    models: tuple[Evidence, Evidence],
) -> None:
    verdicts = Counter(receipt(*exchanged(*models, seed)).verdict for seed in range(60))
    assert verdicts["promote"] <= 3
    assert verdicts["inconclusive"] >= 50


def test_a_model_that_learned_from_test_rows_is_told_by_key(generated: tuple[Rows, Rows]) -> None:
    learning, test = generated
    leaked = learning[0] + test[0][:2], np.concatenate((learning[1], test[1][:2]))
    keys = [frozen_key(text)[:16] for text in test[0][:2]]
    with pytest.raises(GateError, match=rf"learned from 2 of the \d+ test rows \({keys[0]}, {keys[1]}\)"):
        receipt(evidence(test, leaked, "leaked"), None)
