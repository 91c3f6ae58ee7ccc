"""A compressed body is read by every dialect, and never unpacked beyond the limit."""

import gzip
import json
import tracemalloc
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from flask.testing import FlaskClient

from modeling.policy import ATTRIBUTE
from prediction_service.app import create_app
from prediction_service.dialects import body
from prediction_service.dialects.dialect import Described
from prediction_service.dialects.every import DIALECTS
from prediction_service.metrics import Metrics
from prediction_service.problems import Refusal
from prediction_service.settings import Settings
from tests.prediction_service.loaders import loaded_from
from tests.prediction_service.operations import address

LIMIT = 100_000
READERS = pytest.mark.parametrize(
    "operation",
    [one for dialect in DIALECTS.values() for one in dialect.operations if one.request],
    ids=lambda operation: operation.path,
)
ENCODINGS: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}


@pytest.fixture(scope="module")
def client(bundle_dir: Path) -> Iterator[FlaskClient]:
    loader = loaded_from(bundle_dir, attributes={"Hate": ATTRIBUTE})
    with create_app(Settings(max_body_bytes=LIMIT), loader, Metrics()).test_client() as client:
        yield client


def send(client: FlaskClient, operation: Described, data: bytes, encoding: str) -> Any:
    headers = {"Content-Encoding": encoding}
    return client.post(
        address(operation, client), data=data, headers=headers, content_type="application/json"
    )


@READERS
@pytest.mark.parametrize("encoding", ["gzip", "deflate", "identity", "GZIP"])
def test_every_dialect_reads_a_compressed_body(
    client: FlaskClient, operation: Described, encoding: str
) -> None:
    compress = ENCODINGS.get(encoding.lower(), bytes)
    answer = send(client, operation, compress(json.dumps(operation.example).encode()), encoding)
    assert 200 == answer.status_code, answer.text


@READERS
def test_every_dialect_refuses_what_it_cannot_unpack(client: FlaskClient, operation: Described) -> None:
    good = gzip.compress(json.dumps(operation.example).encode())
    bomb = gzip.compress(b" " * (LIMIT + 1))
    for data, encoding, status, word in (
        (good, "br", 415, 'Content-Encoding is \\"br\\": send gzip or deflate'),
        (good, "gzip, gzip", 415, "send gzip or deflate"),
        (good, "deflate", 400, "no deflate data"),
        (good[:-9], "gzip", 400, "cut off"),
        (b"", "gzip", 400, "cut off"),
        (good + good, "gzip", 400, "something follows"),
        (bomb, "gzip", 413, "at most 100000 bytes, or raise CHATMOD_API_MAX_BODY_BYTES"),
    ):
        answer = send(client, operation, data, encoding)
        assert status == answer.status_code, answer.text
        assert word in answer.text
        assert (status == 415) == (answer.headers.get("Accept-Encoding") == "gzip, deflate")


def test_a_body_as_large_as_the_limit_is_read() -> None:
    for encoding, compress in ENCODINGS.items():
        assert b"a" * LIMIT == body.decompressed(compress(b"a" * LIMIT), encoding, LIMIT)
        with pytest.raises(Refusal, match="too large once unpacked"):
            body.decompressed(compress(b"a" * (LIMIT + 1)), encoding, LIMIT)


def test_a_bomb_takes_no_more_memory_than_the_limit() -> None:
    packer = zlib.compressobj()
    bomb = b"".join(packer.compress(b"\0" * 1_000_000) for _ in range(300)) + packer.flush()
    assert len(bomb) < 3 * LIMIT
    tracemalloc.start()
    with pytest.raises(Refusal, match="too large once unpacked"):
        body.decompressed(bomb, "deflate", LIMIT)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 10 * LIMIT
