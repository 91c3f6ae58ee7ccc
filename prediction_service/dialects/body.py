"""A request's body as one of our shapes: read whole, mended where clients cut emoji, or refused."""

import json
import re
import sys
import zlib
from codecs import BOM_UTF8
from functools import cache
from http import HTTPStatus
from typing import Any, Final, Never, TypeVar

import numpy as np
from flask import current_app, request
from pydantic import BaseModel, ValidationError
from pydantic_core import SchemaValidator
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from prediction_service.lane import FAILED
from prediction_service.problems import Refusal, from_validation, shown
from prediction_service.settings import PREFIX
from prediction_service.wire import FieldError

# in a body of no more commas every wrong value is looked for, of which the first twenty are told
MOST_NAMED: Final = 10_000
QUOTE, COMMA = b'",'
PIECE: Final = 65_536
HALF: Final = re.compile(rb"\\u[dD][89a-fA-F]")
LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
PLAIN_LENGTH: Final = re.compile("[0-9]{1,18}")
WINDOWS: Final = {"gzip": 16 + zlib.MAX_WBITS, "deflate": zlib.MAX_WBITS}
Shape = TypeVar("Shape", bound=BaseModel)


def read(shape: type[Shape], example: str, *, plain: bool = False) -> Shape:
    """The body of the request at hand, as that shape; ``plain`` as below.

    Raises:
        Refusal: it is said to be something else than JSON, is none, or has another shape.

    """
    return parse(shape, stated_json(plain=plain), example, current_app.config["MOST_VALUES"])


def stated_json(*, plain: bool = False) -> bytes:
    """The body of a request that says it is JSON; ``plain`` where clients send JSON without saying so.

    Raises:
        Refusal: it is said to be something else.

    """
    if not (request.is_json or (plain and request.mimetype in ("", "text/plain"))):
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {request.content_type!r}: send application/json",
            headers={"Accept": "application/json"},
        )
    return whole()


def whole() -> bytes:
    """The body of the request at hand, unpacked where it is compressed.

    Raises:
        Refusal: it is compressed otherwise than with gzip or deflate, cannot be read so, or is too large.

    """
    if FAILED in request.environ:
        raise request.environ.pop(FAILED)  # which holds the request, and would be held by it
    body, encoding = _received(), request.environ.get("HTTP_CONTENT_ENCODING", "").strip().lower()
    if encoding in ("", "identity"):
        return body
    return decompressed(body, encoding, request.max_content_length or sys.maxsize - 1)


def decompressed(body: bytes, encoding: str, limit: int) -> bytes:
    """What a compressed body holds; never are more of it made than ``limit`` bytes and one.

    Raises:
        Refusal: another encoding than gzip or deflate, no such data, not all of it, or too much.

    """
    if encoding not in WINDOWS:
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Encoding is {shown(encoding)}: send {' or '.join(WINDOWS)}, or a plain body",
            headers={"Accept-Encoding": ", ".join(WINDOWS)},
        )
    reader = zlib.decompressobj(WINDOWS[encoding])
    remedy = f"send one whole {encoding} stream, or the plain body without Content-Encoding"
    try:
        plain = reader.decompress(body, limit + 1)
    except zlib.error as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body is no {encoding} data: {remedy}") from error
    if len(plain) > limit:
        remedy = f"send at most {limit} bytes, or raise {PREFIX}MAX_BODY_BYTES"
        raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"the body is too large once unpacked: {remedy}")
    if not reader.eof:
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the body's {encoding} data is cut off: {remedy}")
    if reader.unused_data:
        # a second stream could be one of a million empty ones
        raise Refusal(HTTPStatus.BAD_REQUEST, f"something follows the body's {encoding} data: {remedy}")
    return plain


def _received() -> bytes:
    length, limit = request.environ.get("CONTENT_LENGTH", ""), request.max_content_length or sys.maxsize
    chunked = "HTTP_TRANSFER_ENCODING" in request.environ
    if PLAIN_LENGTH.fullmatch(length) and int(length) <= limit and not chunked:
        return _exactly(int(length))
    body = request.get_data(cache=False)
    # Werkzeug cuts a body without a length off at the limit, and says nothing
    if request.content_length is None and len(body) >= limit and _some(1):
        raise RequestEntityTooLarge
    return body


def _exactly(length: int) -> bytes:
    """What nearly every client sends, without the three streams that Werkzeug would wrap it in."""
    body = _some(length)
    if len(body) < length:
        raise ClientDisconnected
    return body


def _some(most: int) -> bytes:
    try:
        body: bytes = request.environ["wsgi.input"].read(most)
    except (OSError, ValueError) as error:
        raise ClientDisconnected from error
    return body


def parse(shape: type[Shape], body: bytes, example: str, most_values: int) -> Shape:
    """The request in a body of so many values; ``example`` is shown to whoever sends no JSON.

    Raises:
        Refusal: it is no JSON, has another shape, or more values than the service has memory for.

    """
    _check_count(body, most_values)
    try:
        return _validated(shape, body)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        if first["type"] != "json_invalid":
            raise from_validation(error) from error
        said = f"the body cannot be read ({first['msg']}): send JSON such as {example}"
    if not (HALF.search(body) or body.startswith(BOM_UTF8)):
        raise Refusal(HTTPStatus.BAD_REQUEST, said)  # it costs memory to look for more
    try:
        return _validated(shape, _mended(body))
    except ValidationError as error:
        raise from_validation(error) from error
    except (ValueError, RecursionError) as error:
        raise Refusal(HTTPStatus.BAD_REQUEST, said) from error


def _check_count(body: bytes, most: int) -> None:
    """Refuse a body of many tiny values: once read, each is twenty times as large as on the wire."""
    if body.count(b",") <= most or values(body) <= most:
        return
    remedy = f"send fewer values in one request, or raise {PREFIX}MAX_RECORDS"
    error = FieldError(field="body", value=f"over {most} values", remedy=remedy)
    detail = f"the body holds over {most} values: {remedy}"
    raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail, errors=[error])


def values(body: bytes) -> int:
    """How many commas a JSON document has outside its strings, in memory for little more than the body.

    After escapes are taken away, a place is in a string when an odd number of quotes is before it.
    """
    plain = body.replace(rb"\\", b"").replace(rb"\"", b"")
    found, within = 0, False
    for start in range(0, len(plain), PIECE):
        piece = np.frombuffer(plain[start : start + PIECE], dtype=np.uint8)
        inside = np.logical_xor.accumulate(piece == QUOTE) ^ within
        found += int(np.count_nonzero((piece == COMMA) & ~inside))
        within = bool(inside[-1])
    return found


def _validated(shape: type[Shape], body: bytes) -> Shape:
    try:
        asked: Shape = _impatient(shape).validate_json(body)
    except ValidationError:
        if body.count(b",") > MOST_NAMED:
            raise
        return shape.model_validate_json(body)  # which names all that is wrong
    return asked


@cache
def _impatient(shape: type[BaseModel]) -> SchemaValidator:
    """A shape's validator that ends with the first wrong item of a list or an object.

    pydantic's own collects every error: a megabyte of them takes seconds and hundreds of megabytes.
    """
    # not prebuilt: pydantic would put the patient validators of the models in it back in
    return SchemaValidator(_failing_fast(shape.__pydantic_core_schema__), _use_prebuilt=False)


def _failing_fast(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_failing_fast(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {key: _failing_fast(value) for key, value in schema.items()}
    return inner | {"fail_fast": True} if schema.get("type") in ("list", "dict") else inner


def _mended(body: bytes) -> bytes:
    """The same JSON where half an emoji, as clients that cut texts send it, has become U+FFFD."""
    # decoded here: json would guess at UTF-16 and UTF-32, and let encoded surrogates through
    given = json.loads(body.decode("utf-8-sig"), parse_constant=_no_number)
    text = json.dumps(given, ensure_ascii=False)
    return LONE_SURROGATE.sub("\ufffd", text).encode()


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")
