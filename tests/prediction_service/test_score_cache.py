"""The cache of scores on a real bundle: the same bytes with it and without, bounded, safe among threads."""

import json
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modeling import bundle as bundles
from modeling.text import is_empty
from prediction_service.app import create_app
from prediction_service.metrics import Metrics
from prediction_service.score_cache import ScoreCache, Scores
from prediction_service.service import Moderator
from prediction_service.settings import Settings
from tests.prediction_service.loaders import loaded_from

SEAL = b"s" * 32
TEXTS = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60) | st.sampled_from(
    ["you idiot clown", "you  idiot\u00a0clown", "thanks. EDIT: you idiot clown", "thanks.", "&lt;b&gt;"]
)
BATCHES = st.lists(TEXTS.filter(lambda text: not is_empty(text)), min_size=1, max_size=8)


def client(bundle_dir: Path, cache: ScoreCache | None) -> FlaskClient:
    loader = loaded_from(bundle_dir, cache=cache)
    return create_app(Settings(), loader, Metrics()).test_client()


@pytest.fixture(scope="module")
def both(bundle_dir: Path) -> tuple[FlaskClient, FlaskClient]:
    return client(bundle_dir, None), client(bundle_dir, ScoreCache(5))


def answer(client: FlaskClient, texts: list[str]) -> bytes:
    """A decision's id is its own, cache or not: it is taken out."""
    records = [{"body": text, "message_id": place} for place, text in enumerate(texts)]
    said = client.post("/predict", json={"Records": records})
    assert 200 == said.status_code
    body: bytes = said.data
    for one in json.loads(body)["predictions"]:
        body = body.replace(one["prediction"]["id"].encode(), b"")
    return body


@settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(batches=st.lists(BATCHES, min_size=1, max_size=4))
def test_answers_are_the_same_bytes_with_the_cache_and_without(
    both: tuple[FlaskClient, FlaskClient], batches: list[list[str]]
) -> None:
    without, cached = both
    for texts in [*batches, *batches, batches[0] * 2]:
        assert answer(without, texts) == answer(cached, texts)


def test_a_decision_has_an_id_of_its_own_though_its_scores_were_kept(bundle_dir: Path) -> None:
    judge = Moderator(bundles.load(bundle_dir), "7", cache=ScoreCache(10))
    decisions = [*judge.moderate(["same", "same"]), *judge.moderate(["same"])]
    assert 3 == len({decision.id for decision in decisions})
    assert 1 == len({tuple(decision.scores.items()) for decision in decisions})


class Counting:
    """Scores by length, with what was asked written down."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def __call__(self, texts: Sequence[str]) -> list[Scores]:
        self.calls.append(list(texts))
        return [{"LENGTH": float(len(text))} for text in texts]


def test_only_what_is_not_kept_is_scored_in_one_call_and_each_text_once() -> None:
    cache, score = ScoreCache(10), Counting()
    cache.through(SEAL, ["a", "bb"], score)
    scores = cache.through(SEAL, ["ccc", "a", "ccc", "dddd", "bb"], score)
    assert [["a", "bb"], ["ccc", "dddd"]] == score.calls
    assert [3.0, 1.0, 3.0, 4.0, 2.0] == [one["LENGTH"] for one in scores]


def test_a_batch_that_is_kept_whole_is_not_scored() -> None:
    cache, score = ScoreCache(10), Counting()
    for _ in range(2):
        cache.through(SEAL, ["a"], score)
    assert [["a"]] == score.calls


def test_texts_that_a_model_sees_alike_share_an_entry_and_an_edit_does_not_hide() -> None:
    cache, score = ScoreCache(10), Counting()
    cache.through(SEAL, ["so &amp; so", "so  & so", "so & so. EDIT: more", "so & so."], score)
    assert [["so  & so", "so & so. EDIT: more", "so & so."]] == score.calls


def test_another_model_or_policy_finds_nothing_of_the_last_one() -> None:
    cache, score = ScoreCache(10), Counting()
    for seal in (SEAL, b"t" * 32):
        cache.through(seal, ["a"], score)
    assert [["a"], ["a"]] == score.calls


def test_what_was_asked_for_longest_ago_goes_first() -> None:
    cache, score = ScoreCache(2), Counting()
    for text in ("a", "b", "a", "c", "a", "b"):
        cache.through(SEAL, [text], score)
    assert [["a"], ["b"], ["c"], ["b"]] == score.calls
    assert 2 == len(cache)


def test_a_batch_larger_than_the_cache_is_answered_whole() -> None:
    cache = ScoreCache(2)
    texts = ["a" * length for length in range(1, 20)]
    assert list(range(1, 20)) == [one["LENGTH"] for one in cache.through(SEAL, texts, Counting())]
    assert 2 == len(cache)


def test_hits_and_misses_are_counted(bundle_dir: Path) -> None:
    metrics = Metrics()
    judge = Moderator(bundles.load(bundle_dir), "7", cache=ScoreCache(10, metrics.cached))
    judge.moderate(["a", "b", "a"])
    judge.moderate(["b", "a"])
    lines = metrics.page().decode().splitlines()
    assert {"score_cache_hits_total 3.0", "score_cache_misses_total 2.0"} <= set(lines)


def test_threads_that_share_it_get_their_own_scores_and_it_stays_bounded() -> None:
    cache, wrong = ScoreCache(7), list[Any]()

    def ask(offset: int) -> None:
        for turn in range(300):
            texts = ["a" * (1 + (offset + turn + place) % 23) for place in range(5)]
            found = [one["LENGTH"] for one in cache.through(SEAL, texts, Counting())]
            if found != [float(len(text)) for text in texts]:
                wrong.append((texts, found))

    threads = [threading.Thread(target=ask, args=(5 * number,)) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [] == wrong
    assert 7 == len(cache)
