"""KServe V2's dialect: what its specification shows, Triton's binary tensors, and what is refused."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from flask.testing import FlaskClient
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE, decide
from prediction_service.app import create_app
from prediction_service.dialects import tensors
from prediction_service.loader import Loaded, Loader
from prediction_service.metrics import Metrics
from prediction_service.service import Moderator
from prediction_service.settings import Settings
from tests.conftest import Messages
from tests.prediction_service.loaders import loaded_from, not_begun, settled

MODEL = "/v2/models/chat-moderation"
PATH = f"{MODEL}/infer"
HEADER = "Inference-Header-Content-Length"
TEXTS = st.text(st.characters(exclude_categories=["Cs"]))


def client_of(bundle_dir: Path, **mapping: str) -> FlaskClient:
    loader = loaded_from(bundle_dir, attributes=mapping)
    options = Settings(attributes=mapping, max_body_bytes=200_000, max_records=5, max_text_chars=1_000)
    return create_app(options, loader, Metrics()).test_client()


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    with client_of(bundle_dir) as client:
        yield client


@pytest.fixture(scope="module")
def version(bundle_dir: Path) -> str:
    return f"sha256:{bundles.load(bundle_dir).digest[:12]}"


@pytest.fixture
def waiting(tmp_path: Path) -> FlaskClient:
    loader = not_begun()
    return create_app(Settings(), loader, Metrics()).test_client()


def tensor(data: Any, shape: list[int], **others: Any) -> dict[str, Any]:
    return {"name": "text", "shape": shape, "datatype": "BYTES", "data": data} | others


def asked(*texts: str, **others: Any) -> dict[str, Any]:
    return {"inputs": [tensor(list(texts), [len(texts)])]} | others


def packed(*elements: bytes, shape: list[int] | None = None, **others: Any) -> tuple[bytes, dict[str, str]]:
    """A request with a binary tensor: its body and its headers."""
    raw = b"".join(len(one).to_bytes(4, "little") + one for one in elements)
    parameters = {"binary_data_size": len(raw)}
    given = {"name": "text", "shape": shape or [len(elements)], "datatype": "BYTES", "parameters": parameters}
    head = json.dumps({"inputs": [given | others]}).encode()
    return head + raw, {HEADER: str(len(head))}


def column(answer: Any, name: str) -> list[Any]:
    [data] = [one["data"] for one in answer.json["outputs"] if one["name"] == name]
    return list(data)


def refused(answer: Any, status: int, *words: str) -> None:
    assert (answer.status_code, answer.content_type) == (status, "application/json"), answer.text
    assert {"error"} == set(answer.json)
    for word in words:
        assert word in answer.json["error"]


def test_the_documented_request_is_answered_in_the_documented_shape(
    client: FlaskClient, version: str, messages: Messages, bundle_dir: Path
) -> None:
    body = {
        "id": "42",
        "inputs": [tensor([messages.civil, messages.removed], [2])],
        "outputs": [{"name": "score"}, {"name": "label"}],
        "parameters": {"policy": "default"},
    }
    answer = client.post(f"{MODEL}/versions/{version}/infer", json=body)
    scores = bundles.load(bundle_dir).score([messages.civil, messages.removed])[ATTRIBUTE]
    assert {
        "model_name": "chat-moderation",
        "model_version": version,
        "id": "42",
        "outputs": [
            {
                "name": "score",
                "shape": [2],
                "datatype": "FP32",
                "data": [pytest.approx(float(one), rel=1e-7) for one in scores],
            },
            {"name": "label", "shape": [2], "datatype": "BYTES", "data": ["allow", "remove"]},
        ],
    } == answer.json
    assert np.float32(scores).tolist() == np.float32(answer.json["outputs"][0]["data"]).tolist()


def test_a_registered_version_is_a_segment_of_the_path(bundle_dir: Path) -> None:
    loader = settled(Loader(lambda: Loaded(bundles.load(bundle_dir), "7", "registry"), retry=False))
    client = create_app(Settings(), loader, Metrics()).test_client()
    body = {
        "id": "42",
        "inputs": [tensor(["hi there", "you idiot"], [2])],
        "outputs": [{"name": "score"}],
        "parameters": {"policy": "default"},
    }
    answer = client.post(f"{MODEL}/versions/7/infer", json=body)
    assert ("7", "42") == (answer.json["model_version"], answer.json["id"])
    assert ["7"] == client.get(f"{MODEL}/versions/7").json["versions"]
    refused(client.get(f"{MODEL}/versions/8"), 404, 'no version "8" here: ask for 7, or for none')


def test_only_the_outputs_that_are_asked_for_come_in_that_order(client: FlaskClient) -> None:
    for names in (["score"], ["rule", "score"], ["label", "rule", "score"]):
        answer = client.post(PATH, json=asked("hi", outputs=[{"name": one} for one in names]))
        assert names == [one["name"] for one in answer.json["outputs"]]


@pytest.mark.parametrize("outputs", [{}, {"outputs": None}, {"outputs": []}])
def test_without_a_choice_all_outputs_come_and_no_id(client: FlaskClient, outputs: dict[str, Any]) -> None:
    answer = client.post(PATH, json=asked("hi", **outputs))
    assert ["score", "label", "rule"] == [one["name"] for one in answer.json["outputs"]]
    assert "id" not in answer.json


def test_the_label_and_the_rule_are_those_of_the_policy_on_the_unrounded_score(
    client: FlaskClient, messages: Messages, bundle_dir: Path
) -> None:
    texts = [messages.civil, messages.flagged, messages.removed]
    bundle = bundles.load(bundle_dir)
    decided = [decide({ATTRIBUTE: one}, bundle.policy) for one in bundle.score(texts)[ATTRIBUTE].tolist()]
    answer = client.post(PATH, json=asked(*texts))
    assert decided == list(zip(column(answer, "label"), column(answer, "rule"), strict=True))


def test_attributes_are_outputs_by_their_names_and_ours_cannot_be_renamed(bundle_dir: Path) -> None:
    client = client_of(bundle_dir, TOXICITY=ATTRIBUTE, label=ATTRIBUTE)
    answer = client.post(PATH, json=asked("you idiot"))
    assert ["score", "label", "rule", "TOXICITY"] == [one["name"] for one in answer.json["outputs"]]
    assert column(answer, "score") == column(answer, "TOXICITY")
    assert column(answer, "label")[0] in ("allow", "flag", "remove")
    assert "TOXICITY=LIKELY_TO_REJECT" in answer.headers["X-Chatmod-Attributes"]
    kinds = {one["name"]: one["datatype"] for one in client.get(MODEL).json["outputs"]}
    assert {"score": "FP32", "label": "BYTES", "rule": "BYTES", "TOXICITY": "FP32"} == kinds


def test_an_attribute_is_what_every_dialect_tells_under_its_name(
    bundle_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Moderator, "value", lambda _judge, _decision, name: {"TOXICITY": 0.25}[name])
    answer = client_of(bundle_dir, TOXICITY=ATTRIBUTE).post(PATH, json=asked("you idiot"))
    assert [0.25] == column(answer, "TOXICITY") != column(answer, "score")


@pytest.mark.parametrize(
    ("data", "shape"),
    [
        (["a", "b"], [2]),
        (["a", "b"], [2, 1]),
        (["a", "b"], [1, 2]),
        ([["a"], ["b"]], [2, 1]),
        ([["a", "b"]], [1, 2]),
        ([["a", "b"]], [2]),
    ],
)
def test_flat_and_nested_texts_are_one_row(client: FlaskClient, data: list[Any], shape: list[int]) -> None:
    answer = client.post(PATH, json={"inputs": [tensor(data, shape)]})
    assert [[2], [2], [2]] == [one["shape"] for one in answer.json["outputs"]]
    assert column(client.post(PATH, json=asked("a", "b")), "score") == column(answer, "score")


@pytest.mark.parametrize("shape", [[2], [2, 1], [1, 2]])
def test_binary_texts_are_judged_as_those_in_json_are(client: FlaskClient, shape: list[int]) -> None:
    texts = ["größer 😀 \0 idiot", "零"]
    body, headers = packed(*(one.encode() for one in texts), shape=shape)
    assert client.post(PATH, json=asked(*texts)).json == client.post(PATH, data=body, headers=headers).json


def test_binary_outputs_follow_the_json_in_the_order_of_the_outputs(client: FlaskClient) -> None:
    texts = ["Thank you!", "you absolute idiot"]
    plain = client.post(PATH, json=asked(*texts))
    outputs = [
        {"name": "label", "parameters": {"binary_data": True}},
        {"name": "rule", "parameters": {"binary_data": False}},
        {"name": "score"},
    ]
    parameters = {"binary_data_output": True}
    answer = client.post(PATH, json=asked(*texts, outputs=outputs, parameters=parameters))
    assert (200, "application/octet-stream") == (answer.status_code, answer.content_type)
    length = int(answer.headers[HEADER])
    label, rule, score = json.loads(answer.data[:length])["outputs"]
    size = label["parameters"]["binary_data_size"]
    raw = answer.data[length:]
    assert (None, None) == (label.get("data"), score.get("data"))
    assert column(plain, "label") == tensors.from_bytes(raw[:size], 2)
    assert column(plain, "rule") == rule["data"]
    assert column(plain, "score") == [
        pytest.approx(one, rel=1e-6) for one in np.frombuffer(raw[size:], "<f4").tolist()
    ]
    assert 8 == score["parameters"]["binary_data_size"] == len(raw) - size


def test_a_raw_body_is_one_text_and_is_answered_in_bytes(client: FlaskClient) -> None:
    answer = client.post(PATH, data="you idiot 😀".encode(), headers={HEADER: "0"})
    length = int(answer.headers[HEADER])
    told = json.loads(answer.data[:length])["outputs"]
    size = told[0]["parameters"]["binary_data_size"]
    [score] = np.frombuffer(answer.data[length : length + size], "<f4")
    assert [np.float32(one) for one in column(client.post(PATH, json=asked("you idiot 😀")), "score")] == [
        score
    ]
    refused(client.post(PATH, data=b"\xff", headers={HEADER: "0"}), 400, "inputs[0].data[0] is no UTF-8")
    refused(client.post(PATH, data=b" ", headers={HEADER: "0"}), 400, "inputs[0].data[0] is empty")
    refused(client.post(PATH, data=b"", headers={HEADER: "0"}), 400, "cannot be read")


@pytest.mark.parametrize(
    "kind",
    ["application/json", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain", None],
)
def test_the_content_types_of_tritons_clients_and_of_curl_are_read(
    client: FlaskClient, kind: str | None
) -> None:
    body = json.dumps(asked("hi")).encode()
    assert 200 == client.post(PATH, data=body, content_type=kind).status_code
    binary, headers = packed(b"hi")
    assert 200 == client.post(PATH, data=binary, headers=headers, content_type=kind).status_code


def test_the_server_tells_what_it_is(client: FlaskClient) -> None:
    for path in ("/v2", "/v2/"):
        answer = client.get(path).json
        assert {"name", "version", "extensions"} == set(answer)
        assert ["binary_tensor_data", "model_configuration", "parameters"] == answer["extensions"]


def test_health_says_live_and_ready(client: FlaskClient, version: str) -> None:
    assert {"live": True} == client.get("/v2/health/live").json
    assert {"live": True, "ready": True} == client.get("/v2/health/ready").json
    for path in (f"{MODEL}/ready", f"{MODEL}/versions/{version}/ready"):
        assert {"name": "chat-moderation", "ready": True} == client.get(path).json


def test_before_a_bundle_is_ready_it_lives_and_judges_nothing(waiting: FlaskClient) -> None:
    assert {"live": True} == waiting.get("/v2/health/live").json
    answer = waiting.get("/v2/health/ready")
    assert (503, {"live": True, "ready": False}) == (answer.status_code, answer.json)
    assert "1" == answer.headers["Retry-After"]
    assert 200 == waiting.get("/v2").status_code
    gets = [
        waiting.get(f"{MODEL}{rest}")
        for rest in ("", "/ready", "/config", "/versions/7", "/versions/7/ready")
    ]
    for answer in (*gets, waiting.post(PATH, json=asked("hi"))):
        refused(answer, 503, "the bundle is being loaded")
        assert "1" == answer.headers["Retry-After"]


def test_the_model_tells_what_it_takes_and_gives(client: FlaskClient, version: str) -> None:
    expected = {
        "name": "chat-moderation",
        "versions": [version],
        "platform": "chatmod_hashed-linear",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "score", "datatype": "FP32", "shape": [-1]},
            {"name": "label", "datatype": "BYTES", "shape": [-1]},
            {"name": "rule", "datatype": "BYTES", "shape": [-1]},
        ],
    }
    quoted = version.replace(":", "%3A")
    for path in (MODEL, f"{MODEL}/versions/{version}", f"{MODEL}/versions/{quoted}"):
        assert expected == client.get(path).json


def test_the_model_tells_it_in_tritons_words_too(client: FlaskClient, version: str) -> None:
    for path in (f"{MODEL}/config", f"{MODEL}/versions/{version}/config"):
        config = client.get(path).json
        assert [{"name": "text", "data_type": "TYPE_STRING", "dims": [-1]}] == config["input"]
        assert ["TYPE_FP32", "TYPE_STRING", "TYPE_STRING"] == [one["data_type"] for one in config["output"]]
        assert 0 == config["max_batch_size"]


def test_the_models_name_is_the_settings(bundle_dir: Path) -> None:
    loader = loaded_from(bundle_dir)
    client = create_app(Settings(model_name="spam-1"), loader, Metrics()).test_client()
    assert "spam-1" == client.post("/v2/models/spam-1/infer", json=asked("hi")).json["model_name"]
    refused(client.post(PATH, json=asked("hi")), 404, 'no model "chat-moderation": ask for spam-1')


def test_another_model_or_version_is_not_found_and_the_right_one_is_named(
    client: FlaskClient, version: str
) -> None:
    for rest in ("", "/ready", "/config"):
        refused(client.get(f"/v2/models/m{rest}"), 404, 'no model "m": ask for chat-moderation')
        refused(client.get(f"{MODEL}/versions/7{rest}"), 404, f'no version "7" here: ask for {version}')
    refused(
        client.post(f"{MODEL}/versions/7/infer", json=asked("hi")), 404, f"ask for {version}, or for none"
    )
    refused(client.post("/v2/models/m/versions/7/infer", json=asked("hi")), 404, 'there is no model "m"')


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ({}, "inputs is missing: add it"),
        ([], "give an object"),
        ({"inputs": []}, "inputs is a list of 0: send one, named text"),
        ({"inputs": [tensor(["a"], [1])] * 2}, "inputs is a list of 2: send one, named text"),
        ({"inputs": [tensor(["a"], [1], name="txt")]}, 'inputs[0].name is "txt": name it text'),
        ({"inputs": [tensor([1.0], [1], datatype="FP32")]}, 'inputs[0].datatype is "FP32": texts are BYTES'),
        ({"inputs": [{"name": "text", "datatype": "BYTES", "data": []}]}, "inputs[0].shape is missing"),
        ({"inputs": [tensor(["a"], [-1])]}, "inputs[0].shape[0] is -1"),
        ({"inputs": [tensor(["a"], [2**80])]}, "inputs[0].shape[0] is 12089258"),
        ({"inputs": [tensor(["a"], "1")]}, "inputs[0].shape is"),  # type: ignore[arg-type]
        ({"inputs": [tensor(["a"], [True])]}, "inputs[0].shape[0] is true"),
        ({"inputs": [tensor(["a"], [])]}, "inputs[0].shape is []: give [n], [n, 1] or [1, n]"),
        ({"inputs": [tensor(["a"] * 4, [2, 2])]}, "inputs[0].shape is [2, 2]: give [n]"),
        ({"inputs": [tensor(["a"], [1, 1, 1])]}, "inputs[0].shape is [1, 1, 1]: give [n]"),
        ({"inputs": [tensor(["a"], [1] * 1_000)]}, "inputs[0].shape is [1, 1, 1, 1, 1, 1, 1, 1]: give [n]"),
        ({"inputs": [tensor([], [0])]}, "inputs[0].shape is [0]: send 1 to 5 texts in one request"),
        ({"inputs": [tensor(["a"], [6])]}, "inputs[0].shape is [6]: send 1 to 5 texts in one request"),
        ({"inputs": [tensor(["a"], [2])]}, "inputs[0].data is a list of 1: give the 2 that the shape says"),
        ({"inputs": [tensor(["a"] * 3, [2])]}, "inputs[0].data is a list of 3: give the 2"),
        ({"inputs": [tensor(None, [1])]}, "inputs[0].data is null: give a list of strings"),
        ({"inputs": [tensor("a", [1])]}, 'inputs[0].data is "a": give a list of strings'),
        ({"inputs": [tensor(["a", 7], [2])]}, "inputs[0].data[1] is 7: give a string"),
        ({"inputs": [tensor([[["a"]]], [1])]}, "inputs[0].data[0] is a list of 1: give a string"),
        ({"inputs": [tensor(["a", " \u200b"], [2])]}, "inputs[0].data[1] is empty: leave empty texts out"),
        ({"inputs": [tensor(["a" * 1_001], [1])]}, "inputs[0].data[0] is 1001 characters: send at most 1000"),
        (asked("a", id=42), "id is 42: give a string"),
        (asked("a", outputs=[{"name": "logits"}]), 'outputs[0].name is "logits": ask for score, label, rule'),
        (asked("a", outputs=[{"name": "score"}] * 2), 'outputs[1].name is "score": name each output once'),
        (asked("a", outputs=[{}]), "outputs[0].name is missing"),
        (
            asked("a", outputs=[{"name": "score", "parameters": {"classification": 2}}]),
            "outputs[0].parameters.classification is 2: leave it out: not served here",
        ),
        (
            asked("a", outputs=[{"name": "score", "parameters": {"shared_memory_region": "r"}}]),
            'outputs[0].parameters.shared_memory_region is "r": leave it out',
        ),
        (
            {"inputs": [tensor(None, [1], parameters={"shared_memory_region": "r"})]},
            'inputs[0].parameters.shared_memory_region is "r": leave it out',
        ),
        (
            asked("a", outputs=[{"name": "score", "parameters": {"binary_data": 1}}]),
            "outputs[0].parameters.binary_data is 1: give true or false",
        ),
        (asked("a", parameters={"binary_data_output": "yes"}), 'parameters.binary_data_output is "yes"'),
        (
            {"inputs": [tensor(["a"], [1], parameters={"binary_data_size": 5})]},
            "inputs[0].data is a list of 1: leave it out where binary_data_size is given",
        ),
        (
            {"inputs": [tensor(None, [1], parameters={"binary_data_size": 5})]},
            f"{HEADER} is missing: say how many bytes of the body are JSON",
        ),
    ],
)
def test_a_request_that_cannot_be_served_says_which_field_is_wrong(
    client: FlaskClient, body: Any, message: str
) -> None:
    refused(client.post(PATH, json=body), 400, message)


def element(text: bytes, length: int | None = None) -> bytes:
    return (len(text) if length is None else length).to_bytes(4, "little") + text


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (b"", "binary_data_size is 0, which ends before element 0: the shape says 2 elements"),
        (element(b"a"), "binary_data_size is 5, which ends before element 1"),
        (element(b"a") + b"\1\0\0", "binary_data_size is 8, which ends before element 1"),
        (element(b"a") + element(b"b", 2), "data[1] is cut off: it says 2 bytes and 1 are left"),
        (element(b"a", 2**32 - 1), "data[0] is cut off: it says 4294967295 bytes and 1 are left"),
        (element(b"a") * 3, "binary_data_size is 15, of which 2 elements take 10"),
        (element(b"a") + element(b"b") + b"\0", "binary_data_size is 11, of which 2 elements take 10"),
        (element(b"a") + element(b"o\xff"), "data[1] is no UTF-8: byte 1 is 0xff: encode texts as UTF-8"),
        (element(b"a") + element(b"\xed\xa0\xbd"), "data[1] is no UTF-8: byte 0 is 0xed"),
        (element(b"a") + element(b""), "data[1] is empty"),
        (element(b"a") + element(b"b" * 1_001), "data[1] is 1001 characters"),
    ],
)
def test_bytes_that_do_not_fit_are_refused(client: FlaskClient, raw: bytes, message: str) -> None:
    given = {"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [given]}).encode()
    refused(client.post(PATH, data=head + raw, headers={HEADER: str(len(head))}), 400, message)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        *((size, "give the number of bytes of the tensor") for size in (-1, 5.0, "6", True, [6])),
        *((size, "6 bytes follow the JSON: give their number") for size in (0, 5, 7, 2**70)),
        (None, "missing: 6 bytes follow the JSON: say so, or send none"),
    ],
)
def test_a_size_that_is_not_that_of_the_bytes_is_refused(
    client: FlaskClient, size: Any, message: str
) -> None:
    body, headers = packed(b"hi", parameters={"binary_data_size": size})
    answer = client.post(PATH, data=body, headers=headers)
    refused(answer, 400, "inputs[0].parameters.binary_data_size is", message)


@pytest.mark.parametrize("length", ["-1", "one", "1.5", "", "+7", "٣", "99999", "9" * 400])
def test_a_length_of_the_json_that_cannot_be_is_refused(client: FlaskClient, length: str) -> None:
    body, _ = packed(b"hi")
    headers = {HEADER: length.encode().decode("latin-1")}
    refused(client.post(PATH, data=body, headers=headers), 400, HEADER)


def test_a_length_beyond_the_body_is_refused(client: FlaskClient) -> None:
    body = json.dumps(asked("hi")).encode()
    assert 200 == client.post(PATH, data=body, headers={HEADER: str(len(body))}).status_code
    answer = client.post(PATH, data=body, headers={HEADER: str(len(body) + 1)})
    refused(answer, 400, f"is {len(body) + 1}: the body has {len(body)} bytes")


@pytest.mark.parametrize("off", [-3, 3])
def test_a_length_that_cuts_elsewhere_is_refused(client: FlaskClient, off: int) -> None:
    body, headers = packed(b"hi")
    headers = {HEADER: str(int(headers[HEADER]) + off)}
    refused(client.post(PATH, data=body, headers=headers), 400, "cannot be read")


def test_bytes_after_a_tensor_in_json_are_refused(client: FlaskClient) -> None:
    head = json.dumps(asked("hi")).encode()
    headers = {HEADER: str(len(head))}
    assert 200 == client.post(PATH, data=head, headers=headers).status_code
    refused(client.post(PATH, data=head + b"more", headers=headers), 400, "4 bytes follow the JSON")


@pytest.mark.parametrize("body", [b"", b"{", b"hi", b"[" * 50_000, b'{"inputs": "\xff"}', b"\x1f\x8b\x08"])
def test_what_is_no_json_is_refused(client: FlaskClient, body: bytes) -> None:
    refused(client.post(PATH, data=body, content_type="application/json"), 400, "cannot be read")


def test_other_wrong_turns_get_the_protocols_error_too(client: FlaskClient) -> None:
    answer = client.post(PATH, data="a", content_type="text/html")
    refused(answer, 415, 'Content-Type is "text/html": send application/json')
    assert "application/json, application/octet-stream" == answer.headers["Accept"]
    refused(client.get(PATH), 405, "use POST")
    refused(client.get(f"{MODEL}/stats"), 404, "there is nothing at this path")
    refused(client.post("/v2/repository/index"), 404, "there is nothing at this path")
    refused(client.post(PATH, json=asked("a" * 200_001)), 413, "MAX_BODY_BYTES")


def test_an_error_of_ours_gets_the_protocols_error(
    client: FlaskClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("prediction_service.dialects.kserve.texts_of", None)
    with capture_logs():
        refused(client.post(PATH, json=asked("a")), 500, "report it with this request id")


@pytest.mark.parametrize("text", [r"nul \u0000", r"half \ud83d", "\U0001f600"])
def test_odd_characters_are_judged(client: FlaskClient, text: str) -> None:
    given = f'{{"name": "text", "datatype": "BYTES", "shape": [1], "data": ["{text}"]}}'
    body = f'{{"id": "{text}", "inputs": [{given}]}}'.encode()
    assert 200 == client.post(PATH, data=body, content_type="application/json").status_code


def test_a_request_is_scored_in_one_call_and_counted(bundle_dir: Path) -> None:
    client = client_of(bundle_dir)
    client.post(PATH, json=asked("a", "b", "c"))
    figures = client.get("/metrics").text.splitlines()
    counted = [line for line in figures if line.startswith("messages_processed_total")]
    assert 3 == sum(float(line.rsplit(" ", 1)[1]) for line in counted)
    assert 'endpoint="/v2/models/<model>/infer"' in client.get("/metrics").text


def test_probes_are_logged_for_debugging_alone(client: FlaskClient) -> None:
    with capture_logs() as lines:
        client.get("/v2/health/live")
        client.get("/v2/health/ready")
        client.get(MODEL)
    assert ["debug", "debug", "info"] == [line["log_level"] for line in lines]


def test_no_text_is_logged(client: FlaskClient) -> None:
    with capture_logs() as lines:
        client.post(PATH, json=asked("very private"))
    assert lines
    assert "private" not in json.dumps(lines)


@given(st.lists(TEXTS))
def test_any_texts_survive_the_way_to_bytes_and_back(texts: list[str]) -> None:
    assert texts == tensors.from_bytes(tensors.to_bytes(texts), len(texts))


@settings(deadline=None, max_examples=300)
@given(data=st.data())
def test_a_spoilt_request_is_answered_or_refused_and_never_breaks_the_service(
    client: FlaskClient, data: st.DataObject
) -> None:
    texts = data.draw(st.lists(TEXTS, max_size=6))
    whole, headers = packed(*(text.encode() for text in texts))
    body = bytearray(whole)
    for _ in range(data.draw(st.integers(0, 4))):
        at = data.draw(st.integers(0, len(body)))
        body[at : at + data.draw(st.integers(0, 5))] = data.draw(st.binary(max_size=5))
    length = data.draw(st.sampled_from([headers[HEADER], "0", "-1", "x", str(len(body) + 1), None]))
    given = {} if length is None else {HEADER: length}
    answer = client.post(PATH, data=bytes(body), headers=given, content_type="application/octet-stream")
    assert answer.status_code in (200, 400), answer.text
    if answer.status_code == 400:
        assert {"error"} == set(answer.json)
