"""A typed client of the prediction service's native operations. Knows the wire's shapes; no Flask, no model.

Judging is safe to repeat, and labels carry a key under which they count once, so that a service that is
loading, crowded or being restarted is asked again.
"""

import re
import uuid
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from types import TracebackType
from typing import Final, Self, TypeVar

import httpx
from pydantic import ValidationError

from prediction_service.patience import PASSING, Asker, check_address, retry_after
from prediction_service.wire import (
    Analysis,
    AnalyzeRequest,
    FieldError,
    ModerateRequest,
    ModerateResponse,
    Prediction,
    PredictRequest,
    PredictResponse,
    Problem,
    Readiness,
    Record,
    Verdict,
    Wire,
)

LABELS: Final = "/v1alpha1/comments:suggestscore"
# which of the service's dialects answers there
DIALECTS: Final = {
    "/predict": "records",
    "/analyze": "analyze",
    "/moderate": "moderate",
    LABELS: "perspective",
}
PLACE: Final = re.compile(r"Records\[(\d+)\]")
HALF: Final = re.compile("[\ud800-\udfff]")
WRONG_KEY: Final = "API_KEY_INVALID"
UNAUTHORIZED: Final = frozenset({HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN})
Shape = TypeVar("Shape", bound=Wire)
Text = TypeVar("Text", str, str | int | None)


class ClientError(Exception):
    """Base of all that this client raises by itself."""


class UnavailableError(ClientError):
    """No answer that can be used: the service was not reached, too slow, not ready, or not understood."""


class RefusedError(ClientError):
    """The service refuses this request; repeating it would not help."""

    def __init__(
        self, message: str, status: int, problem: Problem | None = None, retry_after: float | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self.problem = problem
        self.retry_after = retry_after

    @property
    def errors(self) -> list[FieldError]:
        """What is wrong, field by field, with the remedy; empty where the service did not say."""
        return self.problem.errors if self.problem else []


class UnauthorizedError(RefusedError):
    """The service wants a key, or another one."""


class RateLimitedError(RefusedError):
    """Too many requests: ``retry_after`` says in how many seconds to come again, where the service does."""


class Client:
    """A client of one service; any number of threads may use it, and ``with`` closes it."""

    def __init__(
        self,
        base_url: str,
        api_key: str | None = None,
        *,
        timeout: float | httpx.Timeout = 10.0,
        retries: int = 5,
        deadline_s: float = 30.0,
        batch: int = 1_000,
        trust_env: bool = True,
    ) -> None:
        """A client that has not connected yet.

        ``timeout`` (seconds) is for each step of a try (to connect, to send, to read a piece of the answer),
        ``deadline_s`` for a request with all its tries and the waits between them; ``batch`` is how many
        messages one request holds; ``trust_env`` lets the environment name a proxy.

        Raises:
            ValueError: the address is none, or one of the numbers leaves nothing to do.

        """
        check_address(base_url)
        if batch < 1:
            raise ValueError(f"batch={batch!r}: give 1 or more messages a request")
        self._url = base_url.rstrip("/")
        self._batch = batch
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        self._http = httpx.Client(base_url=self._url, headers=headers, trust_env=trust_env)
        self._asker = Asker(self._http, httpx.Timeout(timeout), retries, deadline_s)

    def __enter__(self) -> Self:
        """This client."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, messages: Iterable[str | Record]) -> list[Verdict]:
        """One verdict a message, in their order.

        Raises:
            RefusedError: a message cannot be judged; its ``errors`` name each by its place among all.
            UnavailableError: the service gave no verdicts.

        """
        return [one.prediction for one in self.predictions(messages)]

    def predictions(self, messages: Iterable[str | Record]) -> list[Prediction]:
        """As ``predict``, with the model's version beside each verdict."""
        records = [
            Record(body=_whole(one), message_id=place) if isinstance(one, str) else one
            for place, one in enumerate(messages)
        ]
        found: list[Prediction] = []
        for start in range(0, len(records), self._batch):
            found += self._batch_of(records[start : start + self._batch], start)
        return found

    def analyze(self, text: str, *, explain: bool = False) -> Analysis:
        """The decision on one text, and what made its score where ``explain`` asks for it."""
        return self._post("/analyze", AnalyzeRequest(text=_whole(text), explain=explain), Analysis)

    def moderate(
        self, message: str, user_id: str | int | None = None, channel_id: str | int | None = None
    ) -> ModerateResponse:
        """The decision on one message, with the names that come with it."""
        names = {"user_id": _whole(user_id), "channel_id": _whole(channel_id)}
        asked = ModerateRequest(message=_whole(message), **names)
        return self._post("/moderate", asked, ModerateResponse)

    def label(
        self,
        text: str,
        *,
        removed: bool,
        message_id: str = "",
        community: str = "",
        attribute: str = "LIKELY_TO_REJECT",
        idempotency_key: str | None = None,
    ) -> None:
        """Give back what a moderator decided; it is on the service's disk when this returns.

        ``message_id`` is the caller's own name for the message, under which a later verdict replaces this
        one. The key makes repeats one label; each call has its own unless one is given.

        Raises:
            RefusedError: the label cannot be taken.
            UnavailableError: the service did not say that it is kept; give it again with the same key.

        """
        named = {"clientToken": _whole(message_id), "communityId": _whole(community)}
        asked = {
            "comment": {"text": _whole(text)},
            "attributeScores": {_whole(attribute): {"summaryScore": {"value": float(removed)}}},
            **{field: value for field, value in named.items() if value},
        }
        key = idempotency_key or uuid.uuid4().hex
        with self._reached():
            answer = self._asker.ask("POST", LABELS, asked, {"Idempotency-Key": key})
        if answer.status_code != HTTPStatus.OK:
            raise self._failure(answer, LABELS)

    def ready(self, timeout: float | None = None) -> Readiness:
        """What the service says about itself, ready or not; asked once, in ``timeout`` seconds altogether.

        Raises:
            UnavailableError: it cannot be reached, or what answers is not understood.
            RefusedError: what is at this address has no such question.

        """
        with self._reached():
            answer = self._asker.look("/readyz", timeout)
        if answer.status_code not in (HTTPStatus.OK, HTTPStatus.SERVICE_UNAVAILABLE):
            raise self._failure(answer, "/readyz")
        return self._read(answer, Readiness)

    def _batch_of(self, records: Sequence[Record], start: int) -> list[Prediction]:
        try:
            found = self._post("/predict", PredictRequest(Records=list(records)), PredictResponse).predictions
        except RefusedError as refusal:
            raise _moved(refusal, start) from refusal
        if [one.prediction.message_id for one in found] != [one.message_id for one in records]:
            raise self._unavailable("gave an answer about other messages")
        return found

    def _post(self, path: str, asked: Wire, shape: type[Shape]) -> Shape:
        with self._reached():
            answer = self._asker.ask("POST", path, asked.model_dump(mode="json"))
        if answer.status_code != HTTPStatus.OK:
            raise self._failure(answer, path)
        return self._read(answer, shape)

    def _read(self, answer: httpx.Response, shape: type[Shape]) -> Shape:
        try:
            return shape.model_validate_json(answer.content)
        except ValidationError as error:
            raise self._unavailable(f"answered {answer.status_code}, which is not understood") from error

    def _failure(self, answer: httpx.Response, path: str) -> ClientError:
        problem, status = _problem(answer), answer.status_code
        said = problem.detail if problem else _google_message(answer)
        detail = f" ({said})" if said else ""
        message = f"the prediction service at {self._url} answered {status}{detail}"
        if status == HTTPStatus.NOT_FOUND and path in DIALECTS:
            message += f": check the address, and that CHATMOD_API_DIALECTS there has {DIALECTS[path]}"
        if status in UNAUTHORIZED or _is_wrong_key(answer):
            return UnauthorizedError(message, status, problem)
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            return RateLimitedError(message, status, problem, retry_after(answer))
        if answer.is_client_error and status not in PASSING:
            return RefusedError(message, status, problem)
        return UnavailableError(message)

    @contextmanager
    def _reached(self) -> Iterator[None]:
        try:
            yield
        except httpx.TimeoutException as error:
            raise self._unavailable("did not answer in time") from error
        except httpx.HTTPError as error:
            raise self._unavailable(f"cannot be reached ({str(error) or type(error).__name__})") from error

    def _unavailable(self, what: str) -> UnavailableError:
        return UnavailableError(f"the prediction service at {self._url} {what}")


def _whole(text: Text) -> Text:
    """The same text, where half an emoji has become U+FFFD, as which the service would judge it."""
    if not isinstance(text, str) or not HALF.search(text):
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def _problem(answer: httpx.Response) -> Problem | None:
    try:
        return Problem.model_validate_json(answer.content)
    except ValidationError:
        return None


def _google_message(answer: httpx.Response) -> str:
    """What is wrong, as the operation that takes labels says it: its errors are Google's."""
    try:
        return str(answer.json()["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return ""


def _is_wrong_key(answer: httpx.Response) -> bool:
    """Whether Google's error, whose status is that of any wrong request, is about the key."""
    try:
        details = answer.json()["error"]["details"]
        return any(WRONG_KEY in (one.get("reason"), one.get("errorType")) for one in details)
    except (ValueError, KeyError, TypeError, AttributeError):
        return False


def _moved(refusal: RefusedError, start: int) -> RefusedError:
    """A batch's refusal with the places that its messages have among all."""
    if start == 0 or refusal.problem is None:
        return refusal
    errors = [
        one.model_copy(
            update={"field": PLACE.sub(lambda at: f"Records[{int(at[1]) + start}]", one.field, count=1)}
        )
        for one in refusal.errors
    ]
    problem = refusal.problem.model_copy(update={"errors": errors})
    return type(refusal)(str(refusal), refusal.status, problem, refusal.retry_after)
