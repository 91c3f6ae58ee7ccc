"""Client libraries that nobody here wrote, against a real gunicorn: only their base URL is changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE
from tests.conftest import Messages
from tests.prediction_service.serving import Server

MAPPING = "TOXICITY=LIKELY_TO_REJECT,harassment=LIKELY_TO_REJECT"


@pytest.fixture(scope="module")
def server(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("clients") / "api.log"
    with Server(log, bundle=bundle_dir, workers=1, attributes=MAPPING) as server:
        yield server


def discovery_url(server: Server) -> str:
    return f"http://127.0.0.1:{server.port}/$discovery/rest?version=v1alpha1"


def by_url(server: Server) -> Any:
    return discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey="K",
        discoveryServiceUrl=discovery_url(server),
        static_discovery=False,
    )


def by_document(server: Server) -> Any:
    _, _, document = server.ask("GET", "/$discovery/rest?version=v1alpha1")
    return discovery.build_from_document(json.loads(document), developerKey="K")


@pytest.mark.parametrize("build", [by_url, by_document])
def test_googles_client_scores_a_comment(
    server: Server, build: Any, messages: Messages, bundle_dir: Path
) -> None:
    request = {
        "comment": {"text": messages.removed},
        "requestedAttributes": {"TOXICITY": {}},
        "languages": ["en"],
        "clientToken": "t",
    }
    answer = build(server).comments().analyze(body=request).execute()
    [score] = bundles.load(bundle_dir).score([messages.removed])[ATTRIBUTE].tolist()
    assert {"value": score, "type": "PROBABILITY"} == answer["attributeScores"]["TOXICITY"]["summaryScore"]
    assert "t" == answer["clientToken"]


def test_googles_client_gets_spans_that_cut_its_text(server: Server) -> None:
    text = "You idiot \U0001f600! Sorry, I like your name."
    request = {
        "comment": {"text": text},
        "requestedAttributes": {"TOXICITY": {}},
        "spanAnnotations": True,
    }
    answer = by_url(server).comments().analyze(body=request).execute()
    units = text.encode("utf-16-le")
    spans = answer["attributeScores"]["TOXICITY"]["spanScores"]
    pieces = [units[2 * one["begin"] : 2 * one["end"]].decode("utf-16-le") for one in spans]
    assert ["You idiot \U0001f600!", "Sorry, I like your name."] == pieces


def test_googles_client_raises_the_error_that_it_knows(server: Server) -> None:
    request = {"comment": {"text": ""}, "requestedAttributes": {"TOXICITY": {}}}
    with pytest.raises(HttpError) as raised:
        by_url(server).comments().analyze(body=request).execute()
    assert (400, "Comment must be non-empty.") == (raised.value.status_code, raised.value.reason)
    [detail] = raised.value.error_details
    assert "COMMENT_EMPTY" == detail["errorType"]


@pytest.fixture
def openai_client(server: Server) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=f"http://127.0.0.1:{server.port}/v1", api_key="K", max_retries=0) as client:
        yield client


def test_openais_client_reads_every_category(
    openai_client: openai.OpenAI, messages: Messages, bundle_dir: Path
) -> None:
    answer = openai_client.moderations.create(
        model="text-moderation-stable", input=[messages.civil, messages.removed]
    )
    [score] = bundles.load(bundle_dir).score([messages.removed])[ATTRIBUTE].tolist()
    civil, removed = answer.results
    assert (False, True) == (civil.flagged, removed.flagged)
    assert (True, False) == (removed.categories.harassment, removed.categories.self_harm_intent)
    assert (score, 0.0) == (removed.category_scores.harassment, removed.category_scores.violence_graphic)
    assert ["text"] == removed.category_applied_input_types.harassment
    assert answer.id.startswith("modr-")
    assert "text-moderation-stable" == answer.model


def test_openais_client_sends_parts(openai_client: openai.OpenAI, messages: Messages) -> None:
    answer = openai_client.moderations.create(input=[{"type": "text", "text": messages.removed}])
    assert [True] == [one.flagged for one in answer.results]


def test_openais_client_raises_the_error_that_it_knows(openai_client: openai.OpenAI) -> None:
    image = {"type": "image_url", "image_url": {"url": "https://example.test/a.png"}}
    with pytest.raises(openai.BadRequestError) as raised:
        openai_client.moderations.create(input=[image])  # type: ignore[list-item]
    assert ("input[0].type", "invalid_value") == (raised.value.param, raised.value.code)
    assert "text alone" in raised.value.message
