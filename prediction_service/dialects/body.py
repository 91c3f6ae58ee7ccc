"""A request's body as one of our shapes: read whole, mended where clients cut emoji, or refused."""

import json
import re
import sys
from http import HTTPStatus
from typing import Final, Never, TypeVar

from flask import request
from pydantic import BaseModel, ValidationError
from werkzeug.exceptions import ClientDisconnected, RequestEntityTooLarge

from prediction_service.problems import Refusal, from_validation

LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
PLAIN_LENGTH: Final = re.compile("[0-9]{1,18}")
Shape = TypeVar("Shape", bound=BaseModel)


def read(shape: type[Shape], example: str, *, plain: bool = False) -> Shape:
    """The body of the request at hand; ``plain`` where clients send JSON without saying so.

    Raises:
        Refusal: it is said to be something else than JSON, is none, or has another shape.

    """
    said = request.environ.get("CONTENT_TYPE") == "application/json" or request.is_json
    if not (said or (plain and request.mimetype in ("", "text/plain"))):
        raise Refusal(
            HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
            f"Content-Type is {request.content_type!r}: send application/json",
            headers={"Accept": "application/json"},
        )
    return parse(shape, _whole(), example)


def _whole() -> bytes:
    length, limit = request.environ.get("CONTENT_LENGTH", ""), request.max_content_length or sys.maxsize
    chunked = "HTTP_TRANSFER_ENCODING" in request.environ
    if PLAIN_LENGTH.fullmatch(length) and int(length) <= limit and not chunked:
        return _exactly(int(length))
    body = request.get_data(cache=False)
    if request.content_length is None and len(body) >= limit:
        # Werkzeug cuts a body without a length off at the limit, and says nothing
        raise RequestEntityTooLarge
    return body


def _exactly(length: int) -> bytes:
    """What nearly every client sends, without the three streams that Werkzeug would wrap it in."""
    try:
        body: bytes = request.environ["wsgi.input"].read(length)
    except (OSError, ValueError) as error:
        raise ClientDisconnected from error
    return body


def parse(shape: type[Shape], body: bytes, example: str) -> Shape:
    """The request in a body; ``example`` is shown to whoever sends no JSON.

    Raises:
        Refusal: it is no JSON, or has another shape.

    """
    try:
        return shape.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
            raise from_validation(error) from error
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
    try:
        return shape.model_validate_json(_mended(body))
    except ValidationError as error:
        raise from_validation(error) from error
    except (ValueError, RecursionError) as error:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, f"the body cannot be read ({reason}): send JSON such as {example}"
        ) from error


def _mended(body: bytes) -> bytes:
    """The same JSON where half an emoji, as clients that cut texts send it, has become U+FFFD."""
    text = json.dumps(json.loads(body, parse_constant=_no_number), ensure_ascii=False)
    return LONE_SURROGATE.sub("\ufffd", text).encode()


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")
