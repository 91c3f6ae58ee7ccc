"""Client libraries that nobody here wrote, with keys that are right, wrong, out of scope, or used up."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
import tritonclient.http as tritonclient
from azure.ai.contentsafety import ContentSafetyClient
from azure.ai.contentsafety.models import AnalyzeTextOptions
from azure.core.credentials import AzureKeyCredential
from azure.core.exceptions import ClientAuthenticationError, HttpResponseError
from googleapiclient import discovery
from googleapiclient.errors import HttpError
from tritonclient.utils import InferenceServerException

from prediction_service.client import Client, RateLimitedError, UnauthorizedError
from tests.prediction_service.guarded import Issued, add
from tests.prediction_service.serving import Server
from tests.prediction_service.test_client_libraries import discovery_url


@pytest.fixture(scope="module")
def guarded(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Server, Path]]:
    folder = tmp_path_factory.mktemp("guarded-clients")
    add(folder / "keys.json")
    with Server(
        folder / "log",
        bundle=bundle_dir,
        workers=1,
        keys=folder / "keys.json",
        attributes="Hate=LIKELY_TO_REJECT",
    ) as server:
        yield server, folder / "keys.json"


def known_by(server: Server, key: Issued) -> Issued:
    give_up = time.monotonic() + 5
    while server.ask("GET", "/predict", None, key.bearer)[0] == 401:
        assert time.monotonic() < give_up
        time.sleep(0.1)
    return key


def google_with(server: Server, secret: str) -> Any:
    service = discovery.build(
        "commentanalyzer",
        "v1alpha1",
        developerKey=secret,
        discoveryServiceUrl=discovery_url(server),
        static_discovery=False,
    )
    asked = {"comment": {"text": "hi"}, "requestedAttributes": {"LIKELY_TO_REJECT": {}}}
    return service.comments().analyze(body=asked)


def test_googles_client_is_let_in_with_its_key_and_told_of_a_wrong_one(guarded: tuple[Server, Path]) -> None:
    server, file = guarded
    one = known_by(server, add(file, "perspective"))
    assert "attributeScores" in google_with(server, one.secret).execute()
    with pytest.raises(HttpError) as raised:
        google_with(server, "any").execute()
    assert (400, "API_KEY_INVALID") == (raised.value.status_code, raised.value.error_details[0]["reason"])
    other = known_by(server, add(file, "records", "openai"))
    with pytest.raises(HttpError) as raised:
        google_with(server, other.secret).execute()
    assert 403 == raised.value.status_code


def test_googles_client_is_told_of_its_limit(guarded: tuple[Server, Path]) -> None:
    server, file = guarded
    one = add(file, limit="2/day")
    time.sleep(1.1)
    google_with(server, one.secret).execute()
    google_with(server, one.secret).execute()
    with pytest.raises(HttpError) as raised:
        google_with(server, one.secret).execute()
    assert (429, "RATE_LIMIT_EXCEEDED") == (raised.value.status_code, raised.value.error_details[0]["reason"])


def test_openais_client_raises_its_own_error_for_each_refusal(guarded: tuple[Server, Path]) -> None:
    server, file = guarded
    limited, labels = add(file, "openai", limit="1/day"), add(file, "labels")
    time.sleep(1.1)

    def ask(secret: str) -> Any:
        address = f"http://127.0.0.1:{server.port}/v1"
        with openai.OpenAI(base_url=address, api_key=secret, max_retries=0) as client:
            return client.moderations.create(input="hi")

    assert 1 == len(ask(limited.secret).results)
    with pytest.raises(openai.RateLimitError) as raised:
        ask(limited.secret)
    assert ("rate_limit_exceeded", "requests") == (raised.value.code, raised.value.type)
    assert int(raised.value.response.headers["retry-after"]) > 0
    with pytest.raises(openai.AuthenticationError) as refused:
        ask("sk-any")
    assert "invalid_api_key" == refused.value.code
    with pytest.raises(openai.PermissionDeniedError):
        ask(labels.secret)


def test_azures_client_raises_its_own_error_for_each_refusal(guarded: tuple[Server, Path]) -> None:
    server, file = guarded
    limited, labels = add(file, "azure", limit="1/day"), add(file, "labels")
    time.sleep(1.1)

    def ask(secret: str) -> Any:
        address, key = f"http://127.0.0.1:{server.port}", AzureKeyCredential(secret)
        with ContentSafetyClient(address, key, retry_total=0) as client:
            return client.analyze_text(AnalyzeTextOptions(text="hi"))

    assert 1 == len(ask(limited.secret).categories_analysis)
    for secret, status, known in (
        (limited.secret, 429, HttpResponseError),
        ("any", 401, ClientAuthenticationError),
        (labels.secret, 403, HttpResponseError),
    ):
        with pytest.raises(known) as raised:
            ask(secret)
        assert (status, str(status)) == (raised.value.status_code, raised.value.error.code)


def test_tritons_client_sends_a_key_and_reads_the_refusal(guarded: tuple[Server, Path]) -> None:
    server, file = guarded
    one = known_by(server, add(file, "kserve"))
    texts = tritonclient.InferInput("text", [1], "BYTES")
    texts.set_data_from_numpy(np.array(["hi"], dtype=object))
    with tritonclient.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
        assert client.is_server_ready()
        assert client.infer("chat-moderation", [texts], headers={"X-API-Key": one.secret})
        with pytest.raises(InferenceServerException, match="there is no API key in this request"):
            client.infer("chat-moderation", [texts])


def test_our_own_client_tells_a_wrong_key_and_a_limit_by_their_kinds(guarded: tuple[Server, Path]) -> None:
    server, file = guarded
    one = known_by(server, add(file, "records"))
    limited = add(file, "records", limit="1/day")
    time.sleep(1.1)
    address = f"http://127.0.0.1:{server.port}"
    with Client(address, one.secret) as client:
        assert 1 == len(client.predict(["hi"]))
    for key in (None, "any"):
        with Client(address, key) as client, pytest.raises(UnauthorizedError):
            client.predict(["hi"])
    with Client(address, limited.secret, retries=0) as client:
        client.predict(["hi"])
        with pytest.raises(RateLimitedError) as raised:
            client.predict(["hi"])
    assert raised.value.retry_after is not None
    assert 0 < raised.value.retry_after <= 86_400
