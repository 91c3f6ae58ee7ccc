"""Each request's id, figures and log line, around an application. Knows no Flask: its hooks cost too much."""

import contextlib
import os
import re
import time
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Final

import structlog

from prediction_service import logs, outside
from prediction_service.metrics import Metrics
from prediction_service.problems import Refusal

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

# a request that is answered before Flask has its route under this name
ENDPOINT: Final = "chatmod.endpoint"
UNMATCHED: Final = "unmatched"
SLASHES: Final = re.compile("/{2,}")
REQUEST_ID: Final = re.compile(r"[A-Za-z0-9._:/+=-]{1,128}")
ID_BYTES: Final = 16
CHUNK_BYTES: Final = 65_536
DISCARDED_BYTES: Final = 67_108_864
PROBES: Final = frozenset({"/healthz", "/readyz", "/metrics", "/v2/health/live", "/v2/health/ready"})


class Accounted:
    """An application whose every answer is counted, told in the log, and carries its request's id.

    ``route`` tells the route of a request that Flask answered. What else every answer is to carry,
    whatever its route, belongs to ``start``.
    """

    def __init__(self, inner: "WSGIApplication", metrics: Metrics, route: Callable[[], str]) -> None:
        self._inner = inner
        self._answered = metrics.answered
        self._route = route
        self._log = structlog.get_logger(__name__).bind()  # or each line would bind it anew

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        """The answer to one request."""
        started = time.perf_counter()
        offered = environ.get("HTTP_X_REQUEST_ID")
        request_id = offered if offered and REQUEST_ID.fullmatch(offered) else os.urandom(ID_BYTES).hex()
        logs.begin(request_id)
        if "//" in environ["PATH_INFO"]:
            # clients join addresses so; and who looks at a path must not see another than who answers it
            environ["PATH_INFO"] = SLASHES.sub("/", environ["PATH_INFO"])

        def start(told: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
            status = int(told[:3])
            if HTTPStatus.BAD_REQUEST <= status != HTTPStatus.REQUEST_TIMEOUT:
                _discard_body(environ)
            headers.append(("X-Request-ID", request_id))
            headers += outside.security(headers)
            self._account(environ, status, time.perf_counter() - started)
            return start_response(told, headers, *error)

        try:
            return self._inner(environ, start)
        finally:
            logs.end()

    def _account(self, environ: "WSGIEnvironment", status: int, seconds: float) -> None:
        method, endpoint = environ["REQUEST_METHOD"], environ.get(ENDPOINT) or self._route()
        self._answered(method, endpoint, status, seconds)
        write = self._log.debug if endpoint in PROBES else self._log.info
        write(
            "request",
            method=method,
            endpoint=endpoint,
            status=status,
            duration_ms=round(seconds * 1000, 3),
        )


def _discard_body(environ: "WSGIEnvironment") -> None:
    """Read what a refused client is still sending, or it sees a broken connection and not the refusal."""
    body, discarded = environ["wsgi.input"], 0
    with contextlib.suppress(OSError, Refusal):
        while discarded < DISCARDED_BYTES and (chunk := body.read(CHUNK_BYTES)):
            discarded += len(chunk)
