"""`/analyze` with explain: spans that cut the text, sums that give the score, and a bundle that cannot."""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling import bundle as bundles
from modeling.hashing import SLOTS, Weights
from modeling.policy import ATTRIBUTE
from modeling.scorer import load, to_bytes
from modeling.style import FEATURES
from prediction_service.app import create_app
from prediction_service.explanation import explained
from prediction_service.loader import Loaded, Loader
from prediction_service.metrics import Metrics
from prediction_service.sentences import sentences
from prediction_service.settings import Settings
from tests.conftest import Messages
from tests.prediction_service.loaders import loaded_from, settled

TEXTS = [
    "you absolute idiot, delete your account",
    "Thank you! \U0001f600 That answers it.\r\n\r\nMore soon\u2026 e\u0301t\u00e9? Yes.",
    "a &amp;amp; b <U+1F600> id\u200biot. Half \ufffd\x00 of it",
    "It works. EDIT: you idiot.",
    "漢字。かな\uff01 了解",
    "\u0130 am. \U0001f469\u200d\U0001f680",
]
PIECES = ["no. ", "\x1c", "\U0001f600", "漢。", " a", "&#46; ", "\n", "? B"]


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    mapping = {"TOXICITY": ATTRIBUTE}
    loader = loaded_from(bundle_dir, attributes=mapping)
    with create_app(Settings(attributes=mapping), loader, Metrics()).test_client() as client:
        yield client


@pytest.fixture(scope="module")
def loaded(bundle_dir: Path) -> bundles.Bundle:
    return bundles.load(bundle_dir)


def cut(text: str, span: dict[str, Any]) -> str:
    return text.encode("utf-16-le")[2 * span["begin"] : 2 * span["end"]].decode("utf-16-le")


@pytest.mark.parametrize("text", TEXTS)
def test_tokens_and_sentences_add_up_to_the_logit_of_the_score(client: FlaskClient, text: str) -> None:
    answer = client.post("/analyze", json={"text": text, "explain": True}).json
    found = answer["explanation"]
    assert ATTRIBUTE == found["attribute"]
    for parts in (found["tokens"], found["sentences"]):
        total = math.fsum([found["intercept"], *(one["contribution"] for one in [*parts, *found["style"]])])
        assert math.isclose(found["logit"], total, rel_tol=0, abs_tol=1e-9)
    assert math.isclose(answer["scores"][ATTRIBUTE], 1 / (1 + math.exp(-found["logit"])), rel_tol=1e-12)


@pytest.mark.parametrize("text", TEXTS)
def test_spans_cut_the_text_that_was_sent(client: FlaskClient, text: str) -> None:
    found = client.post("/analyze", json={"text": text, "explain": True}).json["explanation"]
    assert [one["text"] for one in found["tokens"]] == [cut(text, one) for one in found["tokens"]]
    assert [one.text for one in sentences(text)] == [cut(text, one) for one in found["sentences"]]


@pytest.mark.parametrize("text", TEXTS)
def test_a_sentence_has_the_contributions_of_its_tokens(client: FlaskClient, text: str) -> None:
    found = client.post("/analyze", json={"text": text, "explain": True}).json["explanation"]
    for one in found["sentences"]:
        inside = [
            token["contribution"]
            for token in found["tokens"]
            if one["begin"] <= token["begin"] and token["end"] <= one["end"]
        ]
        assert math.isclose(one["contribution"], math.fsum(inside), rel_tol=0, abs_tol=1e-12)


@settings(deadline=None)  # the first text waits for the mapped weights
@given(st.lists(st.sampled_from(PIECES), max_size=9).map("".join).map("Why? {}".format))
def test_whatever_the_sentences_their_contributions_add_up(loaded: bundles.Bundle, text: str) -> None:
    found = explained(loaded, text)
    assert found is not None
    total = math.fsum([found.intercept, *(one.contribution for one in [*found.sentences, *found.style])])
    assert math.isclose(found.logit, total, rel_tol=0, abs_tol=1e-9)


def test_words_that_moderators_remove_contribute_most(client: FlaskClient, messages: Messages) -> None:
    def highest(text: str) -> float:
        found = client.post("/analyze", json={"text": text, "explain": True}).json["explanation"]
        return max(one["contribution"] for one in found["tokens"])

    assert highest(messages.removed) > highest(messages.civil)


def test_it_is_told_only_where_it_is_asked_for(client: FlaskClient) -> None:
    for body in ({"text": "hi"}, {"text": "hi", "explain": False}):
        assert "explanation" not in client.post("/analyze", json=body).json


@pytest.mark.parametrize("value", ["yes", 1, None, []])
def test_another_type_is_refused(client: FlaskClient, value: Any) -> None:
    answer = client.post("/analyze", json={"text": "hi", "explain": value})
    assert 422 == answer.status_code
    assert ["explain"] == [one["field"] for one in answer.json["errors"]]


def test_style_is_told_by_feature_name(client: FlaskClient) -> None:
    told = client.post("/analyze", json={"text": "IDIOT!!!", "explain": True}).json["explanation"]["style"]
    assert {"capitals", "exclamations", "length"} <= {one["name"] for one in told if one["contribution"]}
    assert list(FEATURES) == [one["name"] for one in told]


def test_a_model_without_style_tells_none(loaded: bundles.Bundle, tmp_path: Path) -> None:
    (tmp_path / bundles.WEIGHTS).write_bytes(to_bytes(Weights(np.zeros((SLOTS, 2), np.float32), 0.5)))
    found = explained(replace(loaded, scorer=load(tmp_path, {})), "Why not?")
    assert found is not None
    assert [] == found.style
    assert 0.5 == found.logit


class Mute:
    """A model of a kind that cannot explain itself."""

    def score(self, texts: Sequence[str]) -> dict[str, Any]:
        return {ATTRIBUTE: np.full(len(texts), 0.25)}


def test_a_kind_of_model_that_cannot_explain_itself_is_named(loaded: bundles.Bundle) -> None:
    mute = replace(loaded, kind="oracle", scorer=Mute())
    loader = settled(Loader(lambda: Loaded(mute, "7", "disk"), retry=False))
    client = create_app(Settings(), loader, Metrics()).test_client()
    assert 200 == client.post("/analyze", json={"text": "hi"}).status_code
    answer = client.post("/analyze", json={"text": "hi", "explain": True})
    assert 422 == answer.status_code
    remedy = "leave it out: models of the kind oracle cannot be explained"
    assert [{"field": "explain", "value": "true", "remedy": remedy}] == answer.json["errors"]
    assert 'messages_processed_total{action="allow"} 1.0' in client.get("/metrics").text


def test_the_log_has_no_word_of_it(client: FlaskClient, capsys: pytest.CaptureFixture[str]) -> None:
    client.post("/analyze", json={"text": "unmistakable zebra", "explain": True})
    assert "zebra" not in "".join(capsys.readouterr())
    assert json.dumps("zebra") not in client.get("/metrics").text
