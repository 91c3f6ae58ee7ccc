"""The real service with a bundle of another kind than the default: it scores without knowing which it is."""

import json
import time
from pathlib import Path
from typing import Any

import pytest

from modeling import bundle as bundles
from modeling.candidates.tfidf import TfidfClassifier
from modeling.policy import ATTRIBUTE, decide
from tests.bundles import trained
from tests.corpus import make_rows
from tests.linked import linked
from tests.prediction_service.serving import Server

TEXTS = [text for text, _ in make_rows(60, seed=5)] + ["naïve ☃ 🙂", "x" * 5_000, "Fine. EDIT: you moron"]


@pytest.fixture(scope="module")
def tfidf(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("bundles") / "tfidf", make_rows(600), TfidfClassifier())


@pytest.fixture(scope="module")
def slim(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The Python of the service's own environment."""
    return [str(linked(tmp_path_factory.mktemp("environments") / "serving", "api.lock"))]


def asked(server: Server, path: str, body: Any) -> tuple[int, Any]:
    status, _, content = server.ask("POST", path, json.dumps(body).encode())
    return status, json.loads(content)


def test_every_message_has_the_score_and_decision_of_the_bundle(tfidf: Path, tmp_path: Path) -> None:
    loaded = bundles.load(tfidf)
    expected = loaded.score(TEXTS)[ATTRIBUTE]
    with Server(tmp_path / "log", bundle=tfidf, workers=1) as server:
        status, answer = asked(server, "/invocations", {"inputs": TEXTS})
        assert 200 == status
        explained = asked(server, "/analyze", {"text": TEXTS[0], "explain": True})
    assert len(TEXTS) == len(answer["predictions"])
    for row, score in zip(answer["predictions"], expected, strict=True):
        assert abs(score - row["score"]) < 1e-9
        action, rule = decide({ATTRIBUTE: float(score)}, loaded.policy)
        assert (action, rule) == (row["action"], row["rule"])
    assert 422 == explained[0]
    assert "leave it out: models of the kind tfidf-linear cannot be explained" in json.dumps(explained[1])


def test_an_environment_without_scikit_learn_refuses_it_and_says_what_to_do(
    tfidf: Path, slim: list[str], tmp_path: Path
) -> None:
    with Server(tmp_path / "log", wait=False, python=slim, bundle=tfidf, workers=1) as server:
        detail = refusal(server)
        assert 503 == asked(server, "/predict", {"Records": [{"body": "hi", "message_id": 1}]})[0]
    assert "kind='tfidf-linear' requires scikit-learn, scipy, which is not installed here" in detail
    assert "pip install scikit-learn scipy, or serve a bundle that does without" in detail


def test_the_same_environment_serves_the_default(bundle_dir: Path, slim: list[str], tmp_path: Path) -> None:
    with Server(tmp_path / "log", python=slim, bundle=bundle_dir, workers=1) as server:
        status, answer = asked(server, "/invocations", {"inputs": TEXTS})
    expected = bundles.load(bundle_dir).score(TEXTS)[ATTRIBUTE].tolist()
    assert (200, expected) == (status, [row["score"] for row in answer["predictions"]])


def refusal(server: Server, within_s: float = 30.0) -> str:
    """Why the service is not ready, once it has given up."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        try:
            status, _, content = server.ask("GET", "/readyz")
        except OSError:
            status = 0
        if status == 503 and b"requires" in content:
            return str(json.loads(content))
        assert server.process.poll() is None, server.log.read_text()
        time.sleep(0.1)
    raise AssertionError(server.log.read_text())
