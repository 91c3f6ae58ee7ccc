"""Client libraries that nobody here wrote, against a real gunicorn: only their base URL is changed."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
