"""Google's batch: each part is answered as if it had come alone, and none is a way past key or limit."""

import json
from collections.abc import Iterator
from email.parser import BytesParser
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st

from modeling.policy import ATTRIBUTE
from prediction_service.app import create_app
from prediction_service.dialects import batch
from prediction_service.metrics import Metrics
from prediction_service.problems import Refusal
from prediction_service.settings import Settings
from tests.prediction_service.guarded import Issued, add
from tests.prediction_service.loaders import loaded_from

ANALYZE = "/v1alpha1/comments:analyze"
KIND = "multipart/mixed; boundary=fence"


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    with create_app(Settings(), loaded_from(bundle_dir), Metrics()).test_client() as client:
        yield client


def asking(text: str = "hi", path: str = ANALYZE, head: str = "", first: str = "") -> str:
    body = json.dumps({"comment": {"text": text}, "requestedAttributes": {ATTRIBUTE: {}}})
    line = first or f"POST {path} HTTP/1.1"
    return f"{line}\r\nContent-Type: application/json\r\n{head}\r\n{body}"


def form(*parts: str, end: str = "\r\n") -> bytes:
    whole = "".join(
        f"--fence\r\nContent-Type: application/http\r\nContent-ID: <base + {number}>\r\n\r\n{part}\r\n"
        for number, part in enumerate(parts)
    )
    return f"{whole}--fence--\r\n".replace("\r\n", end).encode()


def answers(answer: Any) -> list[tuple[str, int, Any]]:
    """Name, status and JSON of each part."""
    assert 200 == answer.status_code, answer.text
    head = f"Content-Type: {answer.content_type}\r\n\r\n".encode()
    found = []
    for part in BytesParser().parsebytes(head + answer.data).get_payload():
        assert "application/http" == part.get_content_type()  # type: ignore[union-attr]
        top, _, document = part.get_payload(decode=True).partition(b"\r\n\r\n")  # type: ignore[union-attr]
        status = int(top.split()[1])
        found.append((str(part["Content-ID"]), status, json.loads(document)))  # type: ignore[index]
    return found


def send(client: FlaskClient, content: bytes, kind: str = KIND, **more: Any) -> Any:
    return client.post("/batch", data=content, content_type=kind, **more)


@pytest.mark.parametrize("end", ["\r\n", "\n"])
def test_each_part_is_answered_as_if_it_had_come_alone(client: FlaskClient, end: str) -> None:
    texts = ["hi", "you idiot", "\U0001f600 Gr\u00fc\u00dfe"]
    alone = [
        client.post(ANALYZE, data=asking(text).partition("\r\n\r\n")[2], content_type="application/json").json
        for text in texts
    ]
    found = answers(send(client, form(*map(asking, texts), end=end)))
    assert [(f"<response-base + {number}>", 200, one) for number, one in enumerate(alone)] == found


def test_a_wrong_part_is_refused_as_google_does_and_the_others_are_answered(client: FlaskClient) -> None:
    wrong = [
        asking(""),
        asking(path="/v1alpha1/nowhere"),
        asking(path="/predict"),
        asking(path="/batch"),
        asking(first="hello"),
        asking(first="POST http://[ HTTP/1.1"),
        "",
    ]
    found = answers(send(client, form(asking(), *wrong, asking())))
    assert [200, 400, 404, 404, 404, 400, 400, 400, 200] == [status for _, status, _ in found]
    assert all(document["error"]["code"] == status for _, status, document in found[1:-1])


@pytest.mark.parametrize(
    ("content", "kind", "word"),
    [
        (form(asking()), "application/json", "multipart/mixed with a boundary"),
        (form(asking()), "multipart/mixed", "multipart/mixed with a boundary"),
        (form(asking()), "multipart/form-data; boundary=fence", "multipart/mixed with a boundary"),
        (form(), KIND, "has no requests: send 1 to 1000"),
        (b"", KIND, "has no requests"),
        (form(asking()), "multipart/mixed; boundary=other", "has no requests"),
        (form(*["x"] * 1_001), KIND, "has over 1000 requests"),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(
    client: FlaskClient, content: bytes, kind: str, word: str
) -> None:
    answer = send(client, content, kind)
    assert 400 == answer.status_code
    assert word in answer.json["error"]["message"]


def test_a_thousand_parts_are_answered(client: FlaskClient) -> None:
    assert [200] * 1_000 == [status for _, status, _ in answers(send(client, form(*[asking()] * 1_000)))]


@pytest.fixture
def guarded(bundle_dir: Path, tmp_path: Path) -> Iterator[tuple[FlaskClient, Issued, Issued]]:
    file = tmp_path / "keys.json"
    ours, other = add(file, "perspective", limit="3/hour"), add(file, "records")
    app = create_app(Settings(keys=file), loaded_from(bundle_dir), Metrics())
    with app.test_client() as client:
        yield client, ours, other


def test_each_part_needs_a_key_that_is_valid_and_counts(guarded: tuple[FlaskClient, Issued, Issued]) -> None:
    client, ours, other = guarded
    keyed = asking(path=f"{ANALYZE}?key={ours.secret}")
    parts = [
        asking(),
        asking(path=f"{ANALYZE}?key=wrong"),
        asking(path=f"{ANALYZE}?key={other.secret}"),
        keyed,
    ]
    assert [403, 400, 403, 200] == [status for _, status, _ in answers(send(client, form(*parts)))]
    headed = asking(head=f"X-Goog-Api-Key: {ours.secret}\r\n")
    found = answers(send(client, form(headed, keyed, keyed)))
    assert [200, 200, 429] == [status for _, status, _ in found], "three an hour, however they come"


def test_a_key_in_the_batchs_own_head_is_lent_to_parts_without_one(
    guarded: tuple[FlaskClient, Issued, Issued],
) -> None:
    client, ours, _ = guarded
    headers = {"Authorization": f"Bearer {ours.secret}"}
    parts = (asking(), asking(path=f"{ANALYZE}?key=wrong"))
    found = answers(send(client, form(*parts), headers=headers))
    assert [200, 400] == [status for _, status, _ in found]
    assert "API_KEY_INVALID" in json.dumps(found[1]), "and not two keys that differ"


def test_parts_count_by_the_address_that_the_batch_came_from(bundle_dir: Path) -> None:
    app = create_app(Settings(rate_limit="2/hour"), loaded_from(bundle_dir), Metrics())
    with app.test_client() as client:
        found = answers(send(client, form(asking(), asking(), asking())))
    assert [200, 200, 429] == [status for _, status, _ in found]


def test_a_parts_head_cannot_pretend_to_be_the_connections(client: FlaskClient) -> None:
    heads = "Host: evil\r\nOrigin: https://evil\r\nTransfer-Encoding: chunked\r\nContent-Length: 7\r\n"
    assert [200] == [status for _, status, _ in answers(send(client, form(asking(head=heads))))]


def test_what_stands_around_the_parts_is_none(client: FlaskClient) -> None:
    content = b"before\r\n" + form(asking()) + b"after\r\n--fence\r\n\r\nPOST /x\r\n--fence--\r\n"
    assert [200] == [status for _, status, _ in answers(send(client, content))]


def test_a_page_of_another_origin_writes_no_label_through_a_batch(client: FlaskClient) -> None:
    verdict = {"comment": {"text": "a"}, "attributeScores": {ATTRIBUTE: {"summaryScore": {"value": 1}}}}
    line = "POST /v1alpha1/comments:suggestscore HTTP/1.1\r\nContent-Type: application/json"
    for own in ("", "Origin: http://localhost\r\n"):
        part = f"{line}\r\n{own}\r\n{json.dumps(verdict)}"
        [(_, status, document)] = answers(
            send(client, form(part), headers={"Origin": "https://evil.example"})
        )
        assert 403 == status
        assert "name the page's origin" in json.dumps(document)


def test_an_answers_name_cannot_begin_a_header_of_its_own(client: FlaskClient) -> None:
    content = form(asking()).replace(b"<base + 0>", b"<base\r\n\t+ 0\r\n X: y>")
    [(name, status, _)] = answers(send(client, content))
    assert ("<response-base + 0 X: y>", 200) == (name, status)


@given(st.binary(max_size=60), st.text(st.sampled_from("-fence\r\n \x00\u00e9"), max_size=30))
def test_whatever_comes_is_parted_or_refused(noise: bytes, fences: str) -> None:
    content = noise + fences.encode() + form("a") + noise
    try:
        found = len(batch.split(content, KIND))
    except Refusal as refusal:
        found = 1 if "requests" in refusal.detail else 0
    assert 1 <= found <= batch.MOST
