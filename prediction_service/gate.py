"""The way in, around every route: whose path it is, and whether key, limit and browser may pass. No Flask."""

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import parse_qs

from prediction_service import logs, outside
from prediction_service.accounting import ENDPOINT, UNMATCHED
from prediction_service.dialects.dialect import Described, Dialect, tell
from prediction_service.guard import ADMITTED, KEY_ID, Asked, Guard
from prediction_service.problems import Refusal

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment

PARAMETER: Final = re.compile(r"\\\{[^{}]+\\\}")
# Google's clients alone send a key in the address
IN_QUERY: Final = frozenset({"perspective"})

Headers = Sequence[tuple[str, str]]


@dataclass(frozen=True)
class Place:
    """A path of a dialect, and its operations by method; none where nothing is."""

    dialect: Dialect
    rule: str = UNMATCHED
    operations: Mapping[str, Described] = field(default_factory=dict)


class Places:
    """Whose a path is, by the dialects' own descriptions; what those leave out is guarded all the same."""

    def __init__(self, dialects: Iterable[Dialect]) -> None:
        self._dialects = tuple(dialects)
        known: dict[str, Place] = {}
        for dialect in self._dialects:
            for one in dialect.operations:
                before = known[one.path].operations if one.path in known else {}
                known[one.path] = Place(dialect, one.path, {**before, one.method.upper(): one})
        self._exact = {path: place for path, place in known.items() if "{" not in path}
        self._patterns = [
            (re.compile(PARAMETER.sub("[^/]+", re.escape(path))), place)
            for path, place in known.items()
            if "{" in path
        ]

    def find(self, path: str) -> Place | None:
        """The place of a path; None where no dialect owns it."""
        known = self._exact.get(path) or self._exact.get(path.rstrip("/"))  # as a route may take both
        if known:
            return known
        owner = next((dialect for dialect in self._dialects if dialect.owns(path)), None)
        if owner is None:
            return None
        fits = (place for pattern, place in self._patterns if pattern.fullmatch(path))
        return next(fits, Place(owner))


@dataclass(frozen=True)
class Gate:
    """Stands before an application; without a guard everybody passes, without origins no page does."""

    dialects: Sequence[Dialect]
    guard: Guard | None = None
    origins: Collection[str] = ()

    def before(self, inner: "WSGIApplication") -> "WSGIApplication":
        """The application behind this gate."""
        if self.guard is None and not self.origins:
            return inner
        places = Places(self.dialects)

        def serve(environ: "WSGIEnvironment", start: "StartResponse") -> Iterable[bytes]:
            place = places.find(environ["PATH_INFO"])
            try:
                if self.origins:
                    start = _adding(start, outside.allowed(environ.get("HTTP_ORIGIN"), self.origins))
                    if place and self._is_preflight(environ):
                        return _preflight(environ, start, place)
                if self.guard and place:
                    start = _adding(start, _admitted(self.guard, environ, place))
                    environ[ADMITTED] = True
            except Refusal as refusal:
                return self._refuse(environ, start, place, refusal)
            return inner(environ, start)

        return serve

    def _is_preflight(self, environ: "WSGIEnvironment") -> bool:
        asks = environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ
        return asks and bool(outside.allowed(environ.get("HTTP_ORIGIN"), self.origins))

    def _refuse(
        self, environ: "WSGIEnvironment", start: "StartResponse", place: Place | None, refusal: Refusal
    ) -> list[bytes]:
        environ[ENDPOINT] = place.rule if place else UNMATCHED
        status, document, headers = tell(self.dialects, refusal, environ["PATH_INFO"], logs.request_id())
        body = document.encode()
        start(f"{status.value} {status.phrase}", [*headers.items(), ("Content-Length", str(len(body)))])
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]


def _admitted(guard: Guard, environ: "WSGIEnvironment", place: Place) -> Headers:
    method = environ["REQUEST_METHOD"]
    operation = place.operations.get("GET" if method == "HEAD" else method)
    access = operation.access if operation else "key"
    if access == "open":
        return ()
    query = environ.get("QUERY_STRING", "")
    in_query = parse_qs(query).get("key", []) if place.dialect.name in IN_QUERY and "key=" in query else []
    asked = Asked(place.dialect.name if access == "key" else access, environ, place.dialect.carrier, in_query)
    key = guard.identify(asked)
    if key:
        logs.bind(key_id=key.id)
        environ[KEY_ID] = key.id
    return guard.admit(asked, key)


def _preflight(environ: "WSGIEnvironment", start: "StartResponse", place: Place) -> list[bytes]:
    environ[ENDPOINT] = place.rule
    wanted = environ.get("HTTP_ACCESS_CONTROL_REQUEST_HEADERS", "")
    start("204 No Content", outside.preflight(place.operations, wanted))
    return []


def _adding(start: "StartResponse", more: Headers) -> "StartResponse":
    if not more:
        return start

    def begin(status: str, headers: list[tuple[str, str]], *error: Any) -> Callable[[bytes], object]:
        return start(status, [*headers, *more], *error)

    return begin
