"""Fixtures for all tests: a small corpus and a real bundle trained on it."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from modeling import bundle
from modeling.policy import ATTRIBUTE, decide
from tests.bundles import trained
from tests.corpus import make_rows
from tests.postgres import Postgres
from tests.settings import TEST


@dataclass(frozen=True)
class Messages:
    """One message for each action, by the test bundle's own scores."""

    civil: str
    flagged: str
    removed: str


@pytest.fixture(scope="session")
def messages(bundle_dir: Path, sample_rows: list[tuple[str, int]]) -> Messages:
    """The lowest, the middle of the flagged and the highest of the corpus."""
    loaded = bundle.load(bundle_dir)
    texts = [text for text, _ in sample_rows]
    scores = loaded.score(texts)[ATTRIBUTE]
    ranked = [texts[row] for row in np.argsort(scores)]
    actions = {
        text: decide({ATTRIBUTE: float(score)}, loaded.policy)[0]
        for text, score in zip(texts, scores, strict=True)
    }
    flagged = [text for text in ranked if actions[text] == "flag"]
    assert (actions[ranked[0]], actions[ranked[-1]]) == ("allow", "remove")
    return Messages(ranked[0], flagged[len(flagged) // 2], ranked[-1])


@pytest.fixture(scope="session")
def postgres() -> Iterator[Postgres]:
    cluster = Postgres()
    cluster.start()
    yield cluster
    cluster.remove()


@pytest.fixture(scope="session")
def real_data() -> Path:
    """The real r/science file."""
    if TEST.data is None:
        reason = "CHATMOD_TEST_DATA='' names no file: set it to reddit_test.csv of the r/science data"
        (pytest.fail if TEST.ci else pytest.skip)(reason)
    return TEST.data


@pytest.fixture(scope="session")
def sample_rows() -> list[tuple[str, int]]:
    return make_rows(800)


@pytest.fixture(scope="session")
def bundle_dir(sample_rows: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle, trained through the library on the generated corpus."""
    return trained(tmp_path_factory.mktemp("bundles") / "bundle", sample_rows)


@pytest.fixture(scope="session")
def encoder_dir(sample_rows: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny encoder that has learned nothing, with a tokenizer trained on the corpus."""
    from tests.tiny_encoder import make

    return make(tmp_path_factory.mktemp("encoders") / "tiny", [text for text, _ in sample_rows])


@pytest.fixture(scope="session")
def transformer_dir(
    encoder_dir: Path, sample_rows: list[tuple[str, int]], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A real bundle of the tiny encoder, fine-tuned through the library."""
    from tests.tiny_encoder import candidate

    return trained(tmp_path_factory.mktemp("bundles") / "transformer", sample_rows, candidate(encoder_dir))
