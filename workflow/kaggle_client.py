"""One file asked of Kaggle through its own client, bounded in time, failing with words. Knows no disk.

Kaggle's client is `kagglesdk`, on which the package `kaggle` stands. `kaggle` itself is not imported: its
import authenticates over the network without a time limit, prints and makes a folder in the home directory,
its `authenticate()` ends the process without credentials, and its `KaggleApi` always asks production.
"""

import base64
import binascii
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from threading import Thread
from typing import Any, Final, TypeVar

import requests
from kagglesdk.datasets.services.dataset_api_service import DatasetApiClient
from kagglesdk.datasets.types.dataset_api_service import ApiDownloadDatasetRequest
from kagglesdk.kaggle_http_client import KaggleHttpClient
from requests.adapters import HTTPAdapter

from workflow.cached_file import Remote
from workflow.exceptions import KaggleError

T = TypeVar("T")
CHUNK: Final = 1 << 14  # small: what of a chunk had arrived when the line broke is lost
PAGE: Final = "https://www.kaggle.com/datasets"
OK: Final = 200
PARTIAL: Final = 206
REFUSED: Final = (401, 403)
MISSING: Final = 404
SLOW_DOWN: Final = 429
SERVER_FAULT: Final = 500


class AgainError(KaggleError):
    """A failure that may pass: ``wait_s`` is what the server asked for, ``reached`` whether it answered."""

    def __init__(self, message: str, *, wait_s: float | None = None, reached: bool = True) -> None:
        super().__init__(message)
        self.wait_s = wait_s
        self.reached = reached


@dataclass(frozen=True)
class Wanted:
    """A file of a data set: ``ref`` is owner/data-set as in Kaggle's addresses."""

    ref: str
    name: str

    def __str__(self) -> str:
        """As messages name it."""
        return f"{self.ref}/{self.name}"


@dataclass(frozen=True)
class Delivery:
    """A file on its way: the answer's head is here, its body follows behind ``offset`` bytes."""

    wanted: Wanted
    remote: Remote
    offset: int
    response: requests.Response
    client: "_Client"

    def chunks(self) -> Iterator[bytes]:
        """The body, piece by piece.

        Raises:
            AgainError: the line broke, or was silent for longer than the time limit.

        """
        try:
            yield from self.response.iter_content(CHUNK)
        except requests.RequestException as error:
            msg = f"the line broke while {self.wanted.name} arrived ({_reason(error)})"
            raise AgainError(msg) from error

    def resumed(self, offset: int, limit_s: float) -> "Delivery":
        """The same file from ``offset`` on, where the server can; else from its start.

        Raises:
            KaggleError: the server refuses, or does not answer in time.

        """
        if self.response.headers.get("Accept-Ranges") != "bytes" or self.remote.validator is None:
            return self
        self.response.close()
        extra = {"Range": f"bytes={offset}-", "If-Range": self.remote.validator}
        response = _within(limit_s, lambda: self.client.again(self.response, extra), self.wanted)
        if response.status_code == PARTIAL:
            if response.headers.get("Content-Range") != f"bytes {offset}-{self._last}/{self.remote.size}":
                msg = f"Kaggle continued {self.wanted.name} elsewhere than asked"
                raise AgainError(msg)
            return Delivery(self.wanted, self.remote, offset, response, self.client)
        return _delivery(self.wanted, response, self.client)

    def close(self) -> None:
        """Hang up."""
        self.response.close()
        self.client.hang_up()

    @property
    def _last(self) -> int:
        return (self.remote.size or 0) - 1


def ask(wanted: Wanted, *, timeout_s: float, limit_s: float) -> Delivery:
    """Ask for a file, with the credentials that Kaggle's client finds, or without any.

    Args:
        wanted: the file.
        timeout_s: longest silence on an open line.
        limit_s: wall-clock limit until the answer's head is here, name resolution included.

    Raises:
        KaggleError: refused, missing, or not understood.
        AgainError: not reached, told to slow down, or a fault on Kaggle's side.

    """

    def work() -> tuple[requests.Response, _Client]:
        client = _Client(timeout_s)
        request = ApiDownloadDatasetRequest()
        request.owner_slug, request.dataset_slug = wanted.ref.split("/")
        request.file_name = wanted.name
        return DatasetApiClient(client).download_dataset(request), client

    return _delivery(wanted, *_within(limit_s, work, wanted))


class _Bounded(HTTPAdapter):
    """Gives every request of a session a time limit, which Kaggle's client leaves out."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        super().__init__()

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        kwargs["timeout"] = self._timeout_s
        return super().send(request, *args, **kwargs)


class _Client(KaggleHttpClient):  # type: ignore[misc]
    """Kaggle's HTTP client, bounded, and able to send its last request again with other headers."""

    def __init__(self, timeout_s: float) -> None:
        super().__init__()
        self._timeout_s = timeout_s

    def again(self, response: requests.Response, headers: dict[str, str]) -> requests.Response:
        request = response.request.copy()
        request.headers.update(headers)
        settings = self._session.merge_environment_settings(request.url, {}, True, None, None)  # noqa: FBT003
        sent: requests.Response = self._session.send(request, **settings)
        sent.raise_for_status()
        return sent

    def hang_up(self) -> None:
        self._session.close()

    def _init_session(self) -> None:
        opened = self._session is not None
        super()._init_session()
        if opened:
            return
        # Lengths and ranges are counted in bytes of the file, not of a compressed form of it.
        self._session.headers["Accept-Encoding"] = "identity"
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, _Bounded(self._timeout_s))


def _within(limit_s: float, work: Callable[[], T], wanted: Wanted) -> T:
    # Nothing can interrupt the resolver: a thread that waits for it stays behind, and ends with the process.
    answer: Future[T] = Future()

    def run() -> None:
        try:
            answer.set_result(work())
        except BaseException as error:  # noqa: BLE001 - handed to the one who asked
            answer.set_exception(error)

    Thread(target=run, name="kaggle", daemon=True).start()
    try:
        return answer.result(timeout=max(limit_s, 0))
    except TimeoutError as error:
        msg = f"Kaggle could not be reached: no answer within {limit_s:.1f} s (CHATMOD_KAGGLE_TIMEOUT_S)"
        raise AgainError(msg, reached=False) from error
    except requests.RequestException as error:
        raise _worded(error, wanted) from error
    except (Exception, SystemExit) as error:
        msg = f"Kaggle's client failed on {wanted} ({type(error).__name__}: {error})"
        raise KaggleError(msg) from error


def _worded(error: requests.RequestException, wanted: Wanted) -> KaggleError:
    if isinstance(error, requests.ConnectionError | requests.Timeout):
        return AgainError(f"Kaggle could not be reached: {_reason(error)}", reached=False)
    status = error.response.status_code if error.response is not None else 0
    if status in REFUSED:
        return KaggleError(_refused(wanted, str(status)))
    if status == MISSING:
        return KaggleError(f"Kaggle has no {wanted} (404): compare the names with {PAGE}/{wanted.ref}")
    if status == SLOW_DOWN:
        return AgainError(f"Kaggle asks to slow down (429 for {wanted})", wait_s=_retry_after(error))
    if status >= SERVER_FAULT:
        return AgainError(f"Kaggle has a fault ({status} for {wanted})", wait_s=_retry_after(error))
    return KaggleError(f"Kaggle's answer for {wanted} is not understood ({error})")


def _refused(wanted: Wanted, why: str) -> str:
    return (
        f"Kaggle refused {wanted} ({why}): put a valid token from kaggle.com/settings/api into "
        "KAGGLE_API_TOKEN, ~/.kaggle/access_token or ~/.kaggle/kaggle.json, "
        f"and accept the data set's terms at {PAGE}/{wanted.ref}"
    )


def _reason(error: Exception) -> str:
    """The innermost words of a chain of wrapped errors, without the connection's repr before them."""
    inner: object = error
    while isinstance(inner, Exception):
        inner = getattr(inner, "reason", None) or (inner.args[0] if inner.args else type(inner).__name__)
    return str(inner).rsplit("): ", 1)[-1]


def _retry_after(error: requests.RequestException) -> float | None:
    asked = error.response.headers.get("Retry-After", "") if error.response is not None else ""
    if asked.isdigit():
        return float(asked)
    try:
        return max(0.0, (parsedate_to_datetime(asked) - datetime.now(UTC)).total_seconds())
    except (ValueError, TypeError):
        return None


def _delivery(wanted: Wanted, response: requests.Response, client: _Client) -> Delivery:
    head = response.headers
    kind = head.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind in {"text/html", "application/json"}:
        response.close()
        raise KaggleError(_refused(wanted, f"it sent {kind} instead of the file"))
    length = head.get("Content-Length", "")
    if response.status_code != OK or not (length.isdigit() or head.get("Transfer-Encoding") == "chunked"):
        response.close()
        msg = f"Kaggle sent {wanted} with status {response.status_code} and no length: a cut would go unseen"
        raise AgainError(msg)
    # Length and checksum are those of the compressed form, where a server insists on one.
    plain = head.get("Content-Encoding", "identity") == "identity"
    remote = Remote(
        validator=head.get("ETag") or head.get("Last-Modified"),
        size=int(length) if length.isdigit() and plain else None,
        md5=_md5(head.get("x-goog-hash", "")) if plain else None,
    )
    return Delivery(wanted, remote, 0, response, client)


def _md5(hashes: str) -> str | None:
    for entry in hashes.split(","):
        name, _, value = entry.strip().partition("=")
        if name == "md5":
            try:
                return base64.b64decode(value, validate=True).hex()
            except binascii.Error:
                return None
    return None
