"""NVIDIA's client of KServe V2 against a real gunicorn: only its address is changed."""

import json
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

from tests.conftest import Messages
from tests.prediction_service.serving import Server

MODEL = "chat-moderation"
ODD = ["größer 😀", "nul \0 inside", "零", "one\r\ntwo", "\ufffd"]


@pytest.fixture(scope="module")
def server(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("triton") / "api.log"
    options = {"attributes": "TOXICITY=LIKELY_TO_REJECT", "max_body_bytes": 1_000_000}
    with Server(log, bundle=bundle_dir, workers=1, **options) as server:
        yield server


@pytest.fixture
def client(server: Server) -> Iterator[Any]:
    with triton.InferenceServerClient(f"127.0.0.1:{server.port}", concurrency=8) as client:
        yield client


def tensor(texts: list[str], *, binary: bool = True) -> Any:
    given = triton.InferInput("text", [len(texts)], "BYTES")
    return given.set_data_from_numpy(np.array(texts, dtype=np.object_), binary_data=binary)


def predicted(server: Server, texts: list[str]) -> list[tuple[float, str, str]]:
    body = {"Records": [{"body": text, "message_id": at} for at, text in enumerate(texts)]}
    status, _, answer = server.ask("POST", "/predict", json.dumps(body).encode())
    assert 200 == status, answer
    verdicts = [one["prediction"] for one in json.loads(answer)["predictions"]]
    return [(float(np.float32(one["moderate_message"])), one["action"], one["rule"]) for one in verdicts]


def told(result: Any) -> list[tuple[float, str, str]]:
    columns = [result.as_numpy(name).tolist() for name in ("score", "label", "rule")]
    return [(score, as_text(label), as_text(rule)) for score, label, rule in zip(*columns, strict=True)]


def as_text(element: str | bytes) -> str:
    return element.decode() if isinstance(element, bytes) else element


def test_it_finds_the_server_and_the_model_ready(client: Any, server: Server) -> None:
    version = json.loads(server.ask("GET", "/readyz")[2])["model"]["version"]
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(MODEL)
    assert client.is_model_ready(MODEL, version)
    assert not client.is_model_ready(MODEL, "99")
    assert not client.is_model_ready("another")


def test_it_reads_what_server_and_model_say_of_themselves(client: Any) -> None:
    assert "binary_tensor_data" in client.get_server_metadata()["extensions"]
    model, config = client.get_model_metadata(MODEL), client.get_model_config(MODEL)
    outputs = {one["name"]: one["datatype"] for one in model["outputs"]}
    assert {"score": "FP32", "label": "BYTES", "rule": "BYTES", "TOXICITY": "FP32"} == outputs
    assert list(outputs) == [one["name"] for one in config["output"]]
    [given] = model["inputs"]
    assert ("text", "BYTES", [-1]) == (given["name"], given["datatype"], given["shape"])


@pytest.mark.parametrize("binary_in", [True, False])
@pytest.mark.parametrize("binary_out", [True, False, None])
def test_bytes_and_json_are_answered_alike(
    client: Any, server: Server, messages: Messages, *, binary_in: bool, binary_out: bool | None
) -> None:
    texts = [messages.civil, messages.flagged, messages.removed, *ODD]
    names = ["rule", "score", "label"]
    outputs = (
        None
        if binary_out is None
        else [triton.InferRequestedOutput(one, binary_data=binary_out) for one in names]
    )
    result = client.infer(MODEL, [tensor(texts, binary=binary_in)], outputs=outputs, request_id="mine 😀")
    assert predicted(server, texts) == told(result)
    assert ["allow", "flag", "remove"] == [label for _, label, _ in told(result)[:3]]
    assert "mine 😀" == result.get_response()["id"]
    if outputs:
        assert names == [one["name"] for one in result.get_response()["outputs"]]


@pytest.mark.parametrize("count", [1, 500])
def test_one_message_and_many_agree_with_predict(
    client: Any, server: Server, sample_rows: list[tuple[str, int]], count: int
) -> None:
    texts = [text for text, _ in sample_rows[:count]]
    assert predicted(server, texts) == told(client.infer(MODEL, [tensor(texts)]))


def test_an_attribute_is_an_output_of_its_own(client: Any, messages: Messages) -> None:
    result = client.infer(MODEL, [tensor([messages.removed])])
    assert result.as_numpy("score").tolist() == result.as_numpy("TOXICITY").tolist()


@pytest.mark.parametrize("algorithm", ["gzip", "deflate"])
def test_a_compressed_request_is_read(
    client: Any, server: Server, messages: Messages, algorithm: str
) -> None:
    texts = [messages.civil, messages.removed] * 50
    result = client.infer(
        MODEL,
        [tensor(texts)],
        request_compression_algorithm=algorithm,
        response_compression_algorithm=algorithm,
    )
    assert predicted(server, texts) == told(result)


def test_a_compressed_request_that_unpacks_to_too_much_is_refused(client: Any) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.infer(MODEL, [tensor(["a" * 2_000_000])], request_compression_algorithm="gzip")
    assert "413" == raised.value.status()
    assert "too large once unpacked: send at most 1000000 bytes" in raised.value.message()


def test_a_refusal_is_the_exception_that_it_knows(client: Any) -> None:
    with pytest.raises(InferenceServerException) as raised:
        client.infer(MODEL, [tensor(["hi", " "])])
    assert ("400", "inputs[0].data[1] is empty: leave empty texts out of the batch") == (
        raised.value.status(),
        raised.value.message(),
    )
    with pytest.raises(InferenceServerException, match="there is no model"):
        client.infer("another", [tensor(["hi"])])


def test_requests_in_flight_together_get_their_own_answers(
    client: Any, server: Server, sample_rows: list[tuple[str, int]]
) -> None:
    batches = [[text for text, _ in sample_rows[at : at + 3]] for at in range(24)]
    sent = [
        client.async_infer(MODEL, [tensor(batch)], request_id=str(at)) for at, batch in enumerate(batches)
    ]
    for at, (batch, one) in enumerate(zip(batches, sent, strict=True)):
        result = one.get_result()
        assert str(at) == result.get_response()["id"]
        assert predicted(server, batch) == told(result)


def test_eight_threads_with_a_client_each_are_served(
    server: Server, sample_rows: list[tuple[str, int]]
) -> None:
    answers: dict[int, Any] = {}

    def ask(number: int) -> None:
        with triton.InferenceServerClient(f"127.0.0.1:{server.port}") as client:
            for _ in range(5):
                answers[number] = told(client.infer(MODEL, [tensor([sample_rows[number][0]])]))

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {number: predicted(server, [sample_rows[number][0]]) for number in range(8)} == answers
