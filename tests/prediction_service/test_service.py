"""The moderator on a real bundle: one call for a batch, decisions by the bundle's policy."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE, decide
from prediction_service.exceptions import ServiceError
from prediction_service.service import Moderator, self_test


class CountingScorer:
    """The real scorer, with its calls written down; ``shift`` makes a batch differ from one text alone."""

    def __init__(self, inner: Any, shift: float = 0.0) -> None:
        self.inner, self.shift = inner, shift
        self.calls: list[int] = []

    def score(self, texts: Sequence[str]) -> dict[str, Any]:
        self.calls.append(len(texts))
        scores = self.inner.score(texts)[ATTRIBUTE]
        return {ATTRIBUTE: np.clip(scores + self.shift * len(texts), 0, 1)}


@pytest.fixture
def bundle(bundle_dir: Path) -> bundles.Bundle:
    return bundles.load(bundle_dir)


def test_a_batch_is_scored_in_one_call(bundle: bundles.Bundle) -> None:
    scorer = CountingScorer(bundle.scorer)
    decisions = Moderator(replace(bundle, scorer=scorer), "7").moderate(["a", "b", "c"])
    assert (len(decisions), scorer.calls) == (3, [3])


def test_no_text_gives_no_decision(bundle: bundles.Bundle) -> None:
    assert Moderator(bundle, "7").moderate([]) == []


def test_decisions_keep_the_order_and_follow_the_policy(bundle: bundles.Bundle) -> None:
    texts = [
        "you idiot clown, number 3, go away with your dose",
        "does figure 3 show the dose before the signal?",
    ]
    scores = bundle.score(texts)[ATTRIBUTE].tolist()
    decisions = Moderator(bundle, "7").moderate(texts)
    assert [decision.scores[ATTRIBUTE] for decision in decisions] == scores
    assert [(one.action, one.rule) for one in decisions] == [
        decide({ATTRIBUTE: score}, bundle.policy) for score in scores
    ]
    assert [decision.action for decision in decisions] == ["remove", "allow"]


def test_a_decision_names_its_model_and_policy_and_has_an_id_of_its_own(bundle: bundles.Bundle) -> None:
    first, second = Moderator(bundle, "7").moderate(["same", "same"])
    assert (first.model_version, first.policy_version) == ("7", bundle.policy.version)
    assert first.id != second.id
    assert len(first.id) == 32


def test_the_time_of_each_scoring_call_is_told(bundle: bundles.Bundle) -> None:
    seconds: list[float] = []
    Moderator(bundle, "7", seconds.append).moderate(["a", "b"])
    assert len(seconds) == 1
    assert seconds[0] > 0


def test_a_real_bundle_passes_the_self_test(bundle: bundles.Bundle) -> None:
    self_test(Moderator(bundle, "7"))


def test_a_bundle_that_scores_otherwise_in_a_batch_fails_the_self_test(bundle: bundles.Bundle) -> None:
    odd = replace(bundle, scorer=CountingScorer(bundle.scorer, shift=1e-3))
    with pytest.raises(ServiceError, match=r"self-test LIKELY_TO_REJECT=.* in a batch .*train it again"):
        self_test(Moderator(odd, "7"))
