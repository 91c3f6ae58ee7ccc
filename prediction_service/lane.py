"""The short way for a request that nothing is wrong with: body in, answer out. Knows no Flask and no dialect.

Routing, contexts, request and response objects cost Flask nearly what judging a message costs us. What is
not plainly in order goes Flask's way: either untouched, or with what went wrong under ``FAILED``.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from werkzeug.exceptions import ClientDisconnected

from prediction_service.accounting import ENDPOINT

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

FAILED: Final = "chatmod.failed"
JSON: Final = frozenset(
    {"application/json", "application/json; charset=utf-8", "application/json;charset=utf-8"}
)
HOST: Final = re.compile(r"[A-Za-z0-9.-]{1,255}(:[0-9]{1,5})?")
LENGTH: Final = re.compile(r"[0-9]{1,15}")

Reply = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Lane:
    """Answers by path; bodies of at most so many bytes; headers that each answer carries."""

    answers: Mapping[str, Reply]
    most_bytes: int
    headers: tuple[tuple[str, str], ...] = ()

    def before(self, inner: "WSGIApplication") -> "WSGIApplication":
        """The application with this lane beside it."""

        def serve(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
            short = self.take(environ, start)
            return inner(environ, start) if short is None else short

        return serve

    def take(self, environ: "WSGIEnvironment", start: "StartResponse") -> list[bytes] | None:
        """The answer's body, begun with ``start``; None for a request that is to go Flask's way."""
        answer = self.answers.get(environ["PATH_INFO"])
        if answer is None or not self._is_plain(environ):
            return None
        try:
            document = answer(_body(environ))
        except Exception as error:  # noqa: BLE001 - Flask's handlers tell it, as they tell every other
            environ[FAILED] = error
            return None
        environ[ENDPOINT] = environ["PATH_INFO"]
        size = ("Content-Length", str(len(document)))
        start("200 OK", [("Content-Type", "application/json"), size, *self.headers])
        return [document]

    def _is_plain(self, environ: "WSGIEnvironment") -> bool:
        length = environ.get("CONTENT_LENGTH", "")
        return bool(
            environ["REQUEST_METHOD"] == "POST"
            and environ.get("CONTENT_TYPE") in JSON
            and LENGTH.fullmatch(length)
            and int(length) <= self.most_bytes
            and "HTTP_TRANSFER_ENCODING" not in environ
            and "HTTP_CONTENT_ENCODING" not in environ
            and HOST.fullmatch(environ.get("HTTP_HOST", ""))
        )


def _body(environ: "WSGIEnvironment") -> bytes:
    length = int(environ["CONTENT_LENGTH"])
    try:
        body: bytes = environ["wsgi.input"].read(length)
    except (OSError, ValueError) as error:
        raise ClientDisconnected from error
    if len(body) < length:
        raise ClientDisconnected
    return body
