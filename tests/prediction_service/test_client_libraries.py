"""Client libraries that nobody here wrote, against a real gunicorn: only their base URL is changed."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from azure.ai.contentsafety import BlocklistClient, ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeTextOptions, AnalyzeTextOutputType, TextCategory
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from googleapiclient import discovery
from googleapiclient.errors import HttpError

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE
from tests.conftest import Messages
from tests.prediction_service.serving import Server

MAPPING = "TOXICITY=LIKELY_TO_REJECT,harassment=LIKELY_TO_REJECT,Hate=LIKELY_TO_REJECT"


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


def test_googles_client_sends_a_batch(server: Server, messages: Messages, bundle_dir: Path) -> None:
    texts = [messages.civil, messages.removed, "Gr\u00fc\u00dfe \U0001f600"]
    client, told = by_url(server), {}

    def take(name: str, answer: Any, error: Any) -> None:
        told[name] = answer or error

    together = client.new_batch_http_request(callback=take)
    for number, text in enumerate(texts):
        body = {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, "clientToken": text}
        together.add(client.comments().analyze(body=body), request_id=f"n {number}")
    together.add(client.comments().analyze(body={"comment": {"text": ""}}), request_id="wrong")
    together.execute()
    scores = bundles.load(bundle_dir).score(texts)[ATTRIBUTE].tolist()
    assert scores == [
        told[f"n {number}"]["attributeScores"]["TOXICITY"]["summaryScore"]["value"] for number in range(3)
    ]
    assert texts == [told[f"n {number}"]["clientToken"] for number in range(3)]
    assert isinstance(told["wrong"], HttpError)
    assert 400 == told["wrong"].resp.status


def test_googles_client_raises_the_error_that_it_knows(server: Server) -> None:
    request = {"comment": {"text": ""}, "requestedAttributes": {"TOXICITY": {}}}
    with pytest.raises(HttpError) as raised:
        by_url(server).comments().analyze(body=request).execute()
    assert (400, "Comment must be non-empty.") == (raised.value.status_code, raised.value.reason)
    [detail] = raised.value.error_details
    assert "COMMENT_EMPTY" == detail["errorType"]


def test_googles_client_suggests_a_score(server: Server) -> None:
    request = {
        "comment": {"text": "what a clown"},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1, "type": "PROBABILITY"}}},
        "clientToken": "comment:id",
        "languages": ["en"],
    }
    answer = by_url(server).comments().suggestscore(body=request).execute()
    expected = {"clientToken": "comment:id", "requestedLanguages": ["en"], "detectedLanguages": ["en"]}
    assert expected == answer
    with pytest.raises(HttpError) as raised:
        by_url(server).comments().suggestscore(body=request | {"attributeScores": {}}).execute()
    assert (400, "Missing attribute_scores") == (raised.value.status_code, raised.value.reason)


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


@pytest.fixture
def azure_client(server: Server) -> Iterator[ContentSafetyClient]:
    with ContentSafetyClient(f"http://127.0.0.1:{server.port}", AzureKeyCredential("K")) as client:
        yield client


def test_azures_client_acts_on_what_the_policy_acts_on(
    azure_client: ContentSafetyClient, messages: Messages
) -> None:
    texts = (messages.civil, messages.flagged, messages.removed)
    answers = [azure_client.analyze_text(AnalyzeTextOptions(text=text)) for text in texts]
    assert [[TextCategory.HATE]] * 3 == [[one.category for one in it.categories_analysis] for it in answers]
    assert [0, 4, 6] == [it.categories_analysis[0].severity for it in answers]
    assert [[]] * 3 == [it.blocklists_match for it in answers]


def test_azures_client_asks_for_eight_levels_of_one_category(
    azure_client: ContentSafetyClient, messages: Messages
) -> None:
    options = AnalyzeTextOptions(
        text=messages.removed,
        categories=[TextCategory.HATE],
        output_type=AnalyzeTextOutputType.EIGHT_SEVERITY_LEVELS,
    )
    [analysis] = azure_client.analyze_text(options).categories_analysis
    assert analysis.severity in (6, 7)


@pytest.mark.parametrize(
    "wrong", [{"categories": [TextCategory.SEXUAL]}, {"blocklist_names": ["b1"]}, {"output_type": "Ten"}]
)
def test_azures_client_raises_the_error_that_it_knows(
    azure_client: ContentSafetyClient, wrong: dict[str, Any]
) -> None:
    with pytest.raises(HttpResponseError) as raised:
        azure_client.analyze_text(AnalyzeTextOptions(text="hi", **wrong))
    assert 400 == raised.value.status_code
    assert raised.value.error is not None
    assert "InvalidRequestBody" == raised.value.error.code
    assert raised.value.error.target in ("categories", "blocklistNames", "outputType")


def test_azures_client_of_blocklists_finds_none(server: Server) -> None:
    client = BlocklistClient(f"http://127.0.0.1:{server.port}", AzureKeyCredential("K"))
    with client, pytest.raises(ResourceNotFoundError) as raised:
        client.get_text_blocklist("b1")
    assert raised.value.error is not None
    assert "ResourceNotFound" == raised.value.error.code


@pytest.fixture(scope="module")
def scoring_client(server: Server) -> Any:
    from mlflow.pyfunc.scoring_server.client import ScoringServerClient

    return ScoringServerClient("127.0.0.1", server.port)


def test_mlflows_client_finds_the_server_up(scoring_client: Any) -> None:
    scoring_client.ping()
    scoring_client.wait_server_ready(timeout=5)
    assert re.fullmatch(r"\d+\.\d+\.\d+", scoring_client.get_version())


def test_mlflows_client_scores_frames_lists_and_columns(
    scoring_client: Any, messages: Messages, bundle_dir: Path
) -> None:
    import numpy as np
    import pandas as pd

    texts = [messages.civil, messages.removed, ""]
    scores = bundles.load(bundle_dir).score(texts)[ATTRIBUTE].tolist()
    frame = pd.DataFrame({"id": [1, 2, 3], "text": texts})
    for data in (frame, frame.set_index("id"), texts, np.array(texts)):
        predictions = scoring_client.invoke(data, params={"unused": 1}).get_predictions()
        assert ["score", "action", "rule"] == list(predictions.columns)
        assert scores == predictions["score"].tolist()
        assert ["allow", "remove"] == predictions["action"].tolist()[:2]


def test_mlflows_client_shows_the_refusal(scoring_client: Any) -> None:
    import pandas as pd

    with pytest.raises(Exception, match=r"error code 400.*Model is missing inputs \['text'\]"):
        scoring_client.invoke(pd.DataFrame({"body": ["hi"]}))


def test_csv_that_pandas_writes_is_scored(server: Server, messages: Messages, bundle_dir: Path) -> None:
    import pandas as pd

    texts = [messages.removed, 'a "b", c', "two\nlines"]
    content = pd.DataFrame({"text": texts}).to_csv().encode()
    _, _, answer = server.ask("POST", "/invocations", content, {"Content-Type": "text/csv"})
    scores = bundles.load(bundle_dir).score(texts)[ATTRIBUTE].tolist()
    assert scores == [row["score"] for row in json.loads(answer)["predictions"]]
