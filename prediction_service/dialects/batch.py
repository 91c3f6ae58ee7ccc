"""Google's batch: several requests of the dialect in one body, each answered as if it had come alone.

The form is that of googleapiclient's ``BatchHttpRequest`` (in its source, ``googleapiclient/http.py``):
``multipart/mixed`` of ``application/http`` parts, told apart by ``Content-ID``. Each part passes the
gate with its own key, or with the one of the batch's own head, and is counted like any other request.
Knows no model.
"""

import contextvars
import io
import re
import secrets
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from email.parser import BytesHeaderParser
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote_to_bytes, urlsplit

from flask import Blueprint, Response, current_app, request

from prediction_service.dialects import body
from prediction_service.dialects.dialect import Answer, Content, Described
from prediction_service.dialects.google import GoogleError, refuse
from prediction_service.guard import KEY_VARIABLES
from prediction_service.problems import Refusal

if TYPE_CHECKING:
    from wsgiref.types import WSGIEnvironment

PATH: Final = "/batch"
VERSIONS: Final = "/v1alpha1/"
# as many as Google takes, and its client sends
MOST: Final = 1_000
LONGEST_ID: Final = 1_000
LINE: Final = re.compile(rb"([A-Z]{1,20}) (\S{1,4000})(?: HTTP/1\.[01])?")
BLANK: Final = re.compile(rb"\r?\n\r?\n")
FOLD: Final = re.compile(r"\s*[\r\n]+\s*")
# what a part has from the connection that the batch came on
SHARED: Final = (
    *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "REMOTE_ADDR", "HTTP_HOST", "HTTP_ORIGIN"),
    *("wsgi.version", "wsgi.url_scheme", "wsgi.errors"),
    *("wsgi.multithread", "wsgi.multiprocess", "wsgi.run_once"),
)
CREDENTIALS: Final = ("HTTP_AUTHORIZATION", *KEY_VARIABLES)
# of one connection, or of the batch's own body; and an origin is the browser's to tell
NOT_TAKEN: Final = frozenset(
    {
        "HTTP_HOST",
        "HTTP_ORIGIN",
        "HTTP_CONNECTION",
        "HTTP_TRANSFER_ENCODING",
        "HTTP_CONTENT_LENGTH",
        "HTTP_EXPECT",
    }
)


@dataclass(frozen=True)
class Part:
    """One request of a batch: by what name its answer is known, and its bytes from the first line on."""

    name: str
    content: bytes


def add_route(routes: Blueprint) -> None:
    """The route of the batch."""

    @routes.post(PATH)
    def batch() -> Response:
        parts = split(body.whole(), request.content_type or "")
        boundary = f"batch_{secrets.token_hex(16)}"
        lines = [b"".join(_answered(one, boundary, request.environ)) for one in parts]
        content = b"".join(lines) + f"--{boundary}--\r\n".encode()
        return Response(content, content_type=f"multipart/mixed; boundary={boundary}")


def split(content: bytes, content_type: str) -> list[Part]:
    """The parts of a batch, in their order.

    Raises:
        Refusal: it has none, too many, or is no such body.

    """
    head = BytesHeaderParser().parsebytes(b"Content-Type: " + content_type.encode("latin-1", "replace"))
    boundary = head.get_boundary()
    if head.get_content_type() != "multipart/mixed" or not boundary:
        detail = (
            "a batch is multipart/mixed with a boundary: send it as googleapiclient's BatchHttpRequest does"
        )
        raise Refusal(HTTPStatus.BAD_REQUEST, detail)
    dashes = rb"(?:\A|\r?\n)--" + re.escape(boundary.encode("latin-1", "replace"))
    # what stands before the first fence, and after the last, is no part (RFC 2046, section 5.1.1)
    inside = re.split(dashes + rb"--[ \t]*(?=\r?\n|\Z)", content, maxsplit=1)[0]
    pieces = re.split(dashes + rb"[ \t]*(?=\r?\n|\Z)", inside, maxsplit=MOST + 1)[1:]
    found = [piece for piece in pieces if piece.strip()]
    if not 1 <= len(found) <= MOST:
        number = f"over {MOST}" if found else "no"
        raise Refusal(HTTPStatus.BAD_REQUEST, f"the batch has {number} requests: send 1 to {MOST}")
    return [_part(piece) for piece in found]


def _part(piece: bytes) -> Part:
    head, inner = _halves(piece.removeprefix(b"\r").removeprefix(b"\n"))
    name = FOLD.sub(" ", str(BytesHeaderParser().parsebytes(head).get("Content-ID", ""))).strip()
    return Part(name[:LONGEST_ID], inner)


def _halves(content: bytes) -> tuple[bytes, bytes]:
    """What is before the first empty line, and what is after it."""
    found = BLANK.search(content)
    return (content[: found.start()], content[found.end() :]) if found else (content, b"")


def _answered(part: Part, boundary: str, outer: "WSGIEnvironment") -> Iterator[bytes]:
    """One part of the answer."""
    status, headers, document = _ask(part, outer)
    name = part.name.encode("ascii", "replace").decode()
    told = f"<response-{name.removeprefix('<')}" if name else ""
    yield f"--{boundary}\r\nContent-Type: application/http\r\n".encode()
    if told:
        yield f"Content-ID: {told}\r\n".encode()
    yield f"\r\nHTTP/1.1 {status}\r\n".encode()
    yield "".join(f"{header}: {value}\r\n" for header, value in headers).encode("latin-1", "replace")
    yield b"\r\n" + document + b"\r\n"


def _ask(part: Part, outer: "WSGIEnvironment") -> tuple[str, Iterable[tuple[str, str]], bytes]:
    """Put one request to the whole application, as if it had come alone."""
    environ = _environ(part.content, outer)
    if isinstance(environ, Refusal):
        refused, shape = refuse(environ)
        document = shape.model_dump_json(by_alias=True, exclude_unset=True).encode()
        length = ("Content-Length", str(len(document)))
        kind = ("Content-Type", "application/json")
        return f"{refused.value} {refused.phrase}", (kind, length), document
    told: list[tuple[str, list[tuple[str, str]]]] = []

    def start(status: str, headers: list[tuple[str, str]], *_: Any) -> Callable[[bytes], object]:
        told.append((status, headers))
        return lambda _data: None

    # in a context of its own: this request's facts for the log, and Flask's, stay as they are
    pieces = contextvars.copy_context().run(lambda: b"".join(current_app.wsgi_app(environ, start)))
    status, headers = told[-1]
    return status, headers, pieces


def _environ(content: bytes, outer: Mapping[str, Any]) -> "WSGIEnvironment | Refusal":
    top, data = _halves(content)
    first, _, rest = top.partition(b"\n")
    line = LINE.fullmatch(first.strip())
    if not line:
        detail = (
            "this part is no HTTP request: begin with a line such as POST /v1alpha1/comments:analyze HTTP/1.1"
        )
        return Refusal(HTTPStatus.BAD_REQUEST, detail)
    try:
        target = urlsplit(line[2].decode("ascii"))
    except ValueError:
        return Refusal(HTTPStatus.BAD_REQUEST, "the address of this part cannot be read: send a path")
    path = unquote_to_bytes(target.path).decode("latin-1")
    if not path.startswith(VERSIONS):
        return Refusal(
            HTTPStatus.NOT_FOUND, f"a batch asks for paths under {VERSIONS}: send others on their own"
        )
    given = {
        f"HTTP_{name.upper().replace('-', '_')}": FOLD.sub(" ", str(value))
        for name, value in BytesHeaderParser().parsebytes(rest).items()
    }
    kind = given.pop("HTTP_CONTENT_TYPE", "")
    own = {name: value for name, value in given.items() if name not in NOT_TAKEN}
    lent = {} if any(name in own for name in CREDENTIALS) or "key=" in target.query else CREDENTIALS
    return {
        **{name: outer[name] for name in (*SHARED, *lent) if name in outer},
        **own,
        "REQUEST_METHOD": line[1].decode(),
        "SCRIPT_NAME": outer.get("SCRIPT_NAME", ""),
        "PATH_INFO": path,
        "QUERY_STRING": target.query,
        "CONTENT_TYPE": kind,
        "CONTENT_LENGTH": str(len(data)),
        "wsgi.input": io.BytesIO(data),
    }


BATCH: Final = Described(
    method="post",
    path=PATH,
    name="batchPerspective",
    access="open",
    listed=False,  # OpenAPI 3.1 cannot say that a part is a request
    summary="Perspective: several requests in one, as Google's clients batch them",
    description="Each part is a request with its own key, counted and answered as if it had come alone.",
    requests=(Content({"type": "string"}, "multipart/mixed"),),
    answers={
        "200": Answer(
            "An answer for each part, in their order.", (Content({"type": "string"}, "multipart/mixed"),)
        )
    },
    refusal=GoogleError,
    refusal_type="application/json",
    refusals={
        "400": f"No multipart/mixed, no part, or over {MOST:,}.",
        "408": "The rest of the body did not come.",
        "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
    },
)
