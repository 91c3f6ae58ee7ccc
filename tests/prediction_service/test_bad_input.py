"""Bad input of every kind in every dialect: the provider's own status and error, soon, in little memory."""

import gzip
import json
import time
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

from modeling.policy import ATTRIBUTE
from prediction_service.app import create_app
from prediction_service.dialects import body as bodies
from prediction_service.dialects.every import DIALECTS
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from tests.prediction_service.loaders import loaded_from

MEGABYTE = 1_000_000
SOON_S = 3.0
TEXT_S = 0.5


@dataclass(frozen=True)
class Spoken:
    """One dialect: where it takes a text, a request with a hole for it, and how it tells what is wrong.

    ``unprocessable`` is its status for JSON of another shape, ``blank`` for a text with nothing to see.
    """

    path: str
    before: bytes
    after: bytes
    unprocessable: int
    blank: int

    def body(self, token: bytes) -> bytes:
        return self.before + token + self.after


SPOKEN = {
    "records": Spoken("/predict", b'{"Records":[{"message_id":1,"body":', b"}]}", 422, 422),
    "perspective": Spoken(
        "/v1alpha1/comments:analyze",
        b'{"requestedAttributes":{"LIKELY_TO_REJECT":{}},"spanAnnotations":true,"comment":{"text":',
        b"}}",
        400,
        400,
    ),
    "openai": Spoken("/v1/moderations", b'{"input":', b"}", 400, 200),
    "analyze": Spoken("/analyze", b'{"text":', b"}", 422, 422),
    "analyze, explained": Spoken("/analyze", b'{"explain":true,"text":', b"}", 422, 422),
    "moderate": Spoken("/moderate", b'{"message":', b"}", 422, 422),
    "kserve": Spoken(
        "/v2/models/chat-moderation/infer",
        b'{"inputs":[{"name":"text","datatype":"BYTES","shape":[1],"data":[',
        b"]}]}",
        400,
        400,
    ),
    "azure": Spoken("/contentsafety/text:analyze?api-version=2024-09-01", b'{"text":', b"}", 400, 400),
    "mlflow": Spoken("/invocations", b'{"inputs":[', b"]}", 400, 200),
}
NAMES = [name for name in SPOKEN if name.partition(",")[0] in DIALECTS]
EVERY = pytest.mark.parametrize("name", NAMES)


def test_every_dialect_that_judges_texts_is_in_this_table() -> None:
    judging = {name for name, one in DIALECTS.items() if any(each.request for each in one.operations)}
    assert set() == judging - set(SPOKEN), "say in SPOKEN where the new dialect takes a text"


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    mapping = {"Hate": ATTRIBUTE}
    loader = loaded_from(bundle_dir, attributes=mapping)
    options = Settings(attributes=mapping, max_records=100_000)  # so that floods are not refused unread
    with create_app(options, loader, Metrics()).test_client() as client:
        yield client


def post(client: FlaskClient, name: str, body: bytes, **headers: str) -> Any:
    spoken = {"Content-Type": "application/json"} | {key.replace("_", "-"): headers[key] for key in headers}
    return client.post(SPOKEN[name].path, data=body, headers=spoken)


def refusal_shape(name: str) -> tuple[type[BaseModel], str]:
    path = SPOKEN[name].path.split("?")[0].replace("chat-moderation", "{model}")
    [one] = [each for each in DIALECTS[name.partition(",")[0]].operations if each.path == path]
    return one.refusal, one.refusal_type


def refused(answer: Any, name: str, status: int) -> None:
    """It is that status, in the dialect's own shape and no other, and says something."""
    shape, kind = refusal_shape(name)
    assert (status, kind) == (answer.status_code, answer.content_type), answer.text[:500]
    told = shape.model_validate_json(answer.data)
    assert set(answer.json) == set(told.model_dump(by_alias=True)), answer.text[:500]
    assert len(answer.data) < 10_000
    assert answer.headers["X-Request-ID"]


UNREADABLE: dict[str, Callable[[Spoken], bytes]] = {
    "nothing": lambda _: b"",
    "no JSON": lambda _: b"text=hi",
    "half of it": lambda one: one.body(b'"hi"')[:-1],
    "something after it": lambda one: one.body(b'"hi"') + b"}",
    "invalid UTF-8": lambda one: one.body(b'"\xff"'),
    "an encoded surrogate": lambda one: one.body(b'"\xed\xa0\x80"'),
    "UTF-16": lambda one: one.body(b'"hi"').decode().encode("utf-16"),
    "UTF-32 without a mark": lambda one: one.body(b'"hi"').decode().encode("utf-32-le"),
    "a raw control character": lambda one: one.body(b'"\x01"'),
    "5,000 digits": lambda one: one.body(b"9" * 5_000),
    "a megabyte of digits": lambda one: one.body(b"9" * MEGABYTE),
    "100,000 lists": lambda one: one.body(b"[" * 100_000 + b"]" * 100_000),
    "100,000 objects, open": lambda one: one.body(b'{"a":' * 100_000),
    "a comment": lambda one: one.body(b'"hi" /* there */'),
    "single quotes": lambda one: one.body(b"'hi'"),
    "a value in gzip that says nothing of it": lambda one: gzip.compress(one.body(b'"hi"')),
}
ANOTHER_SHAPE: dict[str, bytes] = {
    "NaN": b"NaN",
    "a number beyond all": b"1e999",
    "a number": b"7",
    "null": b"null",
    "true": b"true",
    "an object": b'{"a":1}',
    "a megabyte of one character": b'"' + b"a" * MEGABYTE + b'"',
    "a megabyte of white space": b'"' + b" " * MEGABYTE + b'"',
    "a megabyte of combining marks": b'"' + "\u0301".encode() * (MEGABYTE // 2) + b'"',
}


@EVERY
@pytest.mark.parametrize("bad", UNREADABLE)
def test_what_cannot_be_read_is_a_bad_request(client: FlaskClient, name: str, bad: str) -> None:
    refused(post(client, name, UNREADABLE[bad](SPOKEN[name])), name, 400)


@EVERY
@pytest.mark.parametrize("bad", ANOTHER_SHAPE)
def test_what_is_no_text_to_judge_is_refused_soon(client: FlaskClient, name: str, bad: str) -> None:
    started = time.process_time()
    refused(post(client, name, SPOKEN[name].body(ANOTHER_SHAPE[bad])), name, SPOKEN[name].unprocessable)
    assert time.process_time() - started < SOON_S


@EVERY
@pytest.mark.parametrize("item", [b"0", b"{}", b'""', b"null", b"[]"])
def test_a_flood_of_wrong_values_is_refused_soon(client: FlaskClient, name: str, item: bytes) -> None:
    flood = SPOKEN[name].body(b"[" + (item + b",") * 300_000 + item + b"]")
    started = time.process_time()
    refused(post(client, name, flood), name, SPOKEN[name].unprocessable)
    assert time.process_time() - started < SOON_S


@pytest.mark.parametrize(
    ("name", "before", "item", "after"),
    [
        ("records", b'{"Records":[', b"0", b"]}"),
        ("records", b'{"Records":[', b"{}", b"]}"),
        ("perspective", b'{"languages":[', b"0", b"]}"),
        (
            "perspective",
            b'{"languages":[',
            b'"!"',
            b'],"comment":{"text":"a"},"requestedAttributes":{"TOXICITY":{}}}',
        ),
        ("perspective", b'{"context":{"entries":[', b"0", b"]}}"),
        ("perspective", b'{"requestedAttributes":{', b'"a":0', b"}}"),
        ("openai", b'{"input":[', b"{}", b"]}"),
        ("kserve", b'{"inputs":[', b"0", b"]}"),
        ("azure", b'{"text":"a","categories":[', b"0", b"]}"),
        ("azure", b'{"text":"a","categories":[', b'"x"', b"]}"),
        ("mlflow", b'{"dataframe_records":[', b"0", b"]}"),
        ("mlflow", b'{"dataframe_split":{"columns":["text"],"data":[', b"0", b"]}}"),
    ],
)
def test_a_list_of_wrong_items_is_refused_soon_and_in_few_words(
    client: FlaskClient, name: str, before: bytes, item: bytes, after: bytes
) -> None:
    started = time.process_time()
    body = before + (item + b",") * 500_000 + item + after
    refused(post(client, name, body), name, SPOKEN[name].unprocessable)
    assert time.process_time() - started < SOON_S


@EVERY
def test_an_object_of_many_wrong_keys_is_refused_soon(client: FlaskClient, name: str) -> None:
    keys = b",".join(b'"%d":0' % number for number in range(200_000))
    for body in (b"{" + keys + b"}", SPOKEN[name].body(b"{" + keys + b"}")):
        started = time.process_time()
        assert post(client, name, body).status_code in (400, 422)
        assert time.process_time() - started < SOON_S


@EVERY
def test_more_values_than_there_is_memory_for_are_refused_unread(client: FlaskClient, name: str) -> None:
    for item in (b"0,", b'",",', b'"\\",",'):
        refused(post(client, name, SPOKEN[name].body(b"[" + item * 1_010_001 + b"0]")), name, 413)


def test_commas_in_texts_are_no_values(client: FlaskClient) -> None:
    text = json.dumps('a "quoted", comma, ' * 1_000)
    records = ",".join(f'{{"body":{text},"message_id":{number}}}' for number in range(600))
    assert (
        200
        == client.post(
            "/predict", data=f'{{"Records":[{records}]}}', content_type="application/json"
        ).status_code
    )


@given(
    value=st.recursive(
        st.none() | st.text(st.sampled_from('\\",a') | st.characters(codec="utf-8")),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(st.sampled_from('\\",a')), inner),
    ),
    ascii_only=st.booleans(),
    piece=st.integers(1, 40),
)
def test_values_are_the_commas_outside_strings(value: Any, *, ascii_only: bool, piece: int) -> None:
    def expected(one: Any) -> int:
        items = list(one.values()) if isinstance(one, dict) else one if isinstance(one, list) else []
        return max(0, len(items) - 1) + sum(map(expected, items))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bodies, "PIECE", piece)
        assert expected(value) == bodies.values(json.dumps(value, ensure_ascii=ascii_only).encode())


@pytest.mark.parametrize(
    "text",
    [b'"' + b'\\"' * 1_000_000, b'"a,' * 1_000_000, b'"' + b"\\" * 1_000_001, b"[" + b'"a",' * 1_000_000],
)
def test_values_are_counted_in_linear_time_and_little_memory(text: bytes) -> None:
    started = time.process_time()
    tracemalloc.start()
    bodies.values(text)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert time.process_time() - started < SOON_S
    assert peak < 3 * len(text)


@EVERY
@pytest.mark.parametrize(
    "text", ["", " ", "\u200b\u200b", "\ufeff", "\0", "\u2060\u00ad", "&nbsp;", "\u3000\u2028"]
)
def test_a_text_with_nothing_to_see(client: FlaskClient, name: str, text: str) -> None:
    status = 400 if text == "" and name == "openai" else SPOKEN[name].blank
    answer = post(client, name, SPOKEN[name].body(json.dumps(text).encode()))
    if status == 200:
        assert 200 == answer.status_code
    else:
        refused(answer, name, status)


@EVERY
@pytest.mark.parametrize("half", [rb"\ud83d", rb"\ude00", rb"\ude00\ud83d"])
def test_half_an_emoji_is_judged_as_a_replacement_character(
    client: FlaskClient, name: str, half: bytes
) -> None:
    def said(token: bytes) -> Any:
        answer = post(client, name, SPOKEN[name].body(b'"you idiot ' + token + b'"'))
        assert 200 == answer.status_code, answer.text
        return {key: value for key, value in answer.json.items() if key != "id"} | {"predictions": None}

    assert said(half) == said(rb"\ufffd" * (len(half) // 6))


@EVERY
def test_the_last_of_two_keys_counts(client: FlaskClient, name: str) -> None:
    spoken = SPOKEN[name]
    key = spoken.before[: spoken.before.rindex(b":")].rsplit(b'"', 2)[1]
    before, opened = spoken.before[: spoken.before.rindex(b'"' + key)], spoken.before[-1:] == b"["
    first = b'"' + key + (b'":["ignored"],' if opened else b'":"ignored",')
    answer = post(client, name, before + first + spoken.body(b'"hi"')[len(before) :])
    assert 200 == answer.status_code, answer.text
    twice = before + first.replace(b"ignored", b"hi") + spoken.body(b"7")[len(before) :]
    refused(post(client, name, twice), name, spoken.unprocessable)


ODD: dict[str, str] = {
    "combining marks": "a" + "\u0301" * 9_000,
    "zero-width joiners": "\U0001f468\u200d\U0001f469" * 1_500,
    "right to left": "\u202e\u2066abc" * 1_500,
    "entities": "&amp;" * 1_999 + "a",
    "escaped entities": "&amp;amp;" * 1_100,
    "open escapes": "<U+" * 3_300,
    "edits": "a" + " edit:" * 1_666,
    "brackets before an edit": "\n((((((edit))))))" * 550,
    "full stops": ". " * 5_000,
    "sentences": "Ab! " * 2_500,
    "lines": "\n*" * 5_000,
    "null characters": "a" + "\0" * 9_000,
    "what grows in lower case": "\u0130" * 5_000,
    "ligatures": "\ufdfa" * 3_000,
    "every plane": "".join(map(chr, range(0x10000, 0x110000, 0x221))),
}


@EVERY
@pytest.mark.parametrize("odd", ODD)
def test_a_text_made_to_be_slow_is_judged_in_no_time(client: FlaskClient, name: str, odd: str) -> None:
    body = SPOKEN[name].body(json.dumps(ODD[odd]).encode())
    started = time.process_time()
    assert 200 == post(client, name, body).status_code
    assert time.process_time() - started < TEXT_S


@EVERY
def test_a_body_over_the_limit_is_too_large(client: FlaskClient, name: str) -> None:
    refused(post(client, name, b" " * 33_554_433), name, 413)


@EVERY
@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_bomb_is_too_large_once_unpacked(client: FlaskClient, name: str, encoding: str) -> None:
    plain = SPOKEN[name].body(b'"' + b"a" * 34_000_000 + b'"')
    packed = gzip.compress(plain) if encoding == "gzip" else zlib.compress(plain)
    assert len(packed) < MEGABYTE
    refused(post(client, name, packed, Content_Encoding=encoding), name, 413)


@EVERY
@pytest.mark.parametrize("encoding", ["br", "zstd", "gzip, gzip", "\u00e9", "x" * 1_000])
def test_another_encoding_is_not_supported(client: FlaskClient, name: str, encoding: str) -> None:
    refused(post(client, name, SPOKEN[name].body(b'"hi"'), Content_Encoding=encoding), name, 415)


@EVERY
@pytest.mark.parametrize(
    "kind", ["image/png", "application/xml", "multipart/form-data; boundary=x", "a" * 8_000]
)
def test_another_type_is_not_supported(client: FlaskClient, name: str, kind: str) -> None:
    refused(post(client, name, SPOKEN[name].body(b'"hi"'), Content_Type=kind), name, 415)
