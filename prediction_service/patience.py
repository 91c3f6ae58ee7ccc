"""Asking over HTTP until an answer is final or the time is up. Knows no operation and no answer's shape."""

import random
import re
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import closing
from contextvars import copy_context
from http import HTTPStatus
from threading import Thread
from typing import Any, Final, TypeVar

import httpx

# what a service, or a proxy before it, says when it may do better soon
PASSING: Final = frozenset(
    {
        HTTPStatus.REQUEST_TIMEOUT,
        HTTPStatus.TOO_MANY_REQUESTS,
        HTTPStatus.BAD_GATEWAY,
        HTTPStatus.SERVICE_UNAVAILABLE,
        HTTPStatus.GATEWAY_TIMEOUT,
    }
)
FIRST_WAIT_S: Final = 0.1
LONGEST_WAIT_S: Final = 5.0
HIGHEST_PORT: Final = 65_535
EVER_S: Final = 1e6  # sockets can wait no longer than some weeks
BROKEN: Final = (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError)
CONNECTING: Final = "connection.connect"
ANSWERING: Final = "receive_response_headers.complete"
Result = TypeVar("Result")


class Asker:
    """Requests that are safe to repeat; any number of threads may ask."""

    def __init__(self, http: httpx.Client, timeout: httpx.Timeout, retries: int, deadline_s: float) -> None:
        """``timeout`` is for each step of a try, ``deadline_s`` for a request with all its tries and waits.

        Raises:
            ValueError: one of them leaves no time to ask.

        """
        if retries < 0:
            raise ValueError(f"retries={retries!r}: give 0 to ask once, or more")
        for name, value in (("deadline_s", deadline_s), *timeout.as_dict().items()):
            if value is not None and not value > 0:
                named = name if name == "deadline_s" else f"timeout ({name})"
                raise ValueError(f"{named}={value!r}: give seconds above 0")
        self._http = http
        self._timeout = timeout
        self._retries = retries
        self._deadline_s = min(deadline_s, EVER_S)

    def ask(
        self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str] | None = None
    ) -> httpx.Response:
        """The first answer that is final, or the last one that there was time for.

        Raises:
            httpx.HTTPError: the last try had no answer.

        """
        until, tried = time.monotonic() + self._deadline_s, 0
        while True:
            wait = _wait(tried)
            try:
                answer = self._try(method, path, body, headers, until)
            except httpx.HTTPError:
                if tried == self._retries or time.monotonic() + wait > until:
                    raise
            else:
                wait = max(wait, retry_after(answer) or 0.0)
                late = tried == self._retries or time.monotonic() + wait > until
                if answer.status_code not in PASSING or late:
                    return answer
            tried += 1
            time.sleep(wait)

    def look(self, path: str, timeout_s: float | None = None) -> httpx.Response:
        """What is there, asked once; all of it takes at most that long.

        Raises:
            httpx.HTTPError: there was no answer.

        """
        left_s = self._deadline_s if timeout_s is None else min(timeout_s, EVER_S)
        return self._try("GET", path, None, None, time.monotonic() + left_s)

    def _try(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None,
        headers: Mapping[str, str] | None,
        until: float,
    ) -> httpx.Response:
        def exchange() -> httpx.Response:
            steps: list[str] = []
            request = self._http.build_request(
                method,
                path,
                json=body,
                headers=headers,
                timeout=_within(self._timeout, until - time.monotonic()),
                extensions={"trace": lambda step, _: steps.append(step)},
            )
            try:
                return self._exchange(request, until)
            except BROKEN:
                # one kept from an earlier request may have been closed meanwhile: that is no failure yet
                fresh = any(step.startswith(CONNECTING) or step.endswith(ANSWERING) for step in steps)
                if fresh or time.monotonic() > until:
                    raise
            request.extensions["timeout"] = _within(self._timeout, until - time.monotonic()).as_dict()
            return self._exchange(request, until)

        return _by(until, exchange)

    def _exchange(self, request: httpx.Request, until: float) -> httpx.Response:
        pieces: list[bytes] = []
        with closing(self._http.send(request, stream=True)) as answer:
            for piece in answer.iter_raw():
                pieces.append(piece)
                if time.monotonic() > until:
                    raise httpx.ReadTimeout("the answer comes too slowly")
        return httpx.Response(answer.status_code, headers=answer.headers, content=b"".join(pieces))


def check_address(base_url: str) -> None:
    """Refuse what is no address of a service.

    Raises:
        ValueError: there is no scheme that we speak, no host, or no such port.

    """
    try:
        address = httpx.URL(base_url)
    except httpx.InvalidURL:
        address = httpx.URL("")
    known = address.scheme in ("http", "https") and address.host
    if not known or (address.port or 0) > HIGHEST_PORT:
        raise ValueError(f"base_url={base_url!r}: give the service's address, such as http://127.0.0.1:9696")


def retry_after(answer: httpx.Response) -> float | None:
    """In how many seconds to come again, where the answer says so."""
    said = answer.headers.get("Retry-After", "")
    return float(said) if re.fullmatch(r"[0-9]{1,9}", said) else None


def _by(until: float, call: Callable[[], Result]) -> Result:
    """What a call gives, if it ends by then.

    HTTPX limits each step alone (every address of a name, every piece of an answer), and finding a name not
    at all, so that only another thread can stop waiting; what it leaves behind ends with the next such step.
    """
    result: Future[Result] = Future()

    def work() -> None:
        try:
            result.set_result(call())
        except BaseException as error:  # noqa: BLE001 - told to whoever waits
            result.set_exception(error)

    Thread(target=copy_context().run, args=(work,), daemon=True).start()
    try:
        return result.result(max(0.0, until - time.monotonic()))
    except TimeoutError:
        raise httpx.ReadTimeout("the deadline has come") from None


def _within(timeout: httpx.Timeout, left_s: float) -> httpx.Timeout:
    """The same patience, and none beyond the deadline."""
    left = max(left_s, 0.001)
    return httpx.Timeout(
        **{name: left if value is None else min(value, left) for name, value in timeout.as_dict().items()}
    )


def _wait(tried: int) -> float:
    """Twice as long each time, and not the same for all clients of a service that comes back."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2.0 ** min(tried, 9)) * random.uniform(0.5, 1.0)  # noqa: S311 - no secret
