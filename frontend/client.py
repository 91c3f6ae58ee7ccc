"""The way to the prediction service, over HTTP. Knows no room and no page, and decides nothing."""

from collections.abc import Sequence
from typing import Final

import httpx
from pydantic import ValidationError

from frontend.exceptions import MessageRefusedError, ServiceUnavailableError
from frontend.messages import Decision
from prediction_service.wire import DataInfo, PredictRequest, PredictResponse, Problem, Readiness, Record

__all__ = ["Client", "DataInfo", "Readiness"]

# Refusals of the message; every other 4xx tells of a wrong address or of a crowd, and may pass.
REFUSALS: Final = frozenset({400, 413, 415, 422})
LOOK_TIMEOUT_S: Final = 2.0


class Client:
    """A client of one prediction service; any number of threads may use it."""

    def __init__(self, api_url: str, timeout_s: float) -> None:
        """A client that has not connected yet."""
        self._url = api_url
        # The service is a neighbour: a proxy meant for the outside world would not find it.
        self._look_timeout_s = min(timeout_s, LOOK_TIMEOUT_S)
        patience = httpx.Timeout(timeout_s, connect=self._look_timeout_s)
        self._http = httpx.Client(base_url=api_url, timeout=patience, trust_env=False)

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def predict(self, texts: Sequence[str]) -> list[Decision]:
        """One decision a text, in their order, from one request.

        Raises:
            MessageRefusedError: the service refuses one of the texts, for the reason it gives.
            ServiceUnavailableError: it gave no decisions, for whatever other reason.

        """
        records = [Record(body=text, message_id=number) for number, text in enumerate(texts)]
        request = PredictRequest(Records=records).model_dump(mode="json")
        answer = self._ask(self._http.build_request("POST", "/predict", json=request))
        if answer.status_code in REFUSALS:
            raise MessageRefusedError(_refusal(answer))
        if not answer.is_success:
            raise self._unavailable(f"answered {answer.status_code} {_detail(answer)}".rstrip())
        return self._decisions(answer, len(texts))

    def readiness(self) -> Readiness:
        """What the service says about its model, its policy and its data.

        Raises:
            ServiceUnavailableError: it is not there or not ready.

        """
        request = self._http.build_request("GET", "/readyz", timeout=self._look_timeout_s)
        answer = self._ask(request)
        try:
            readiness = Readiness.model_validate_json(answer.content)
        except ValidationError as error:
            raise self._unavailable(f"answered {answer.status_code}, which is no readiness") from error
        if readiness.status != "ready" or not answer.is_success:
            raise self._unavailable(f"is not ready: {readiness.status}. {readiness.detail}".rstrip())
        return readiness

    def _ask(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._http.send(request)
        except (httpx.RemoteProtocolError, httpx.ReadError, httpx.WriteError):
            # A connection kept from an earlier request was closed meanwhile; both questions bear repeating.
            return self._ask_once(request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _ask_once(self, request: httpx.Request) -> httpx.Response:
        try:
            return self._http.send(request)
        except httpx.HTTPError as error:
            raise self._unreachable(error) from error

    def _unreachable(self, error: httpx.HTTPError) -> ServiceUnavailableError:
        if isinstance(error, httpx.TimeoutException):
            return self._unavailable("did not answer in time")
        return self._unavailable(f"cannot be reached ({error or type(error).__name__})")

    def _unavailable(self, what: str) -> ServiceUnavailableError:
        return ServiceUnavailableError(f"the prediction service at {self._url} {what}")

    def _decisions(self, answer: httpx.Response, number: int) -> list[Decision]:
        try:
            predictions = PredictResponse.model_validate_json(answer.content).predictions
        except ValidationError as error:
            raise self._unavailable("gave an answer that is not understood") from error
        if [prediction.prediction.message_id for prediction in predictions] != list(range(number)):
            raise self._unavailable("gave an answer about other messages")
        return [
            Decision(
                id=prediction.prediction.id,
                action=prediction.prediction.action,
                rule=prediction.prediction.rule,
                score=prediction.prediction.moderate_message,
                model_version=prediction.version,
                policy_version=prediction.prediction.policy_version,
            )
            for prediction in predictions
        ]


def _problem(answer: httpx.Response) -> Problem | None:
    try:
        return Problem.model_validate_json(answer.content)
    except ValidationError:
        return None


def _detail(answer: httpx.Response) -> str:
    problem = _problem(answer)
    return f"({problem.detail})" if problem else ""


def _refusal(answer: httpx.Response) -> str:
    problem = _problem(answer)
    if problem is None:
        return f"it answered {answer.status_code} without a reason"
    remedies = dict.fromkeys(error.remedy for error in problem.errors)
    return "; ".join([problem.detail, *remedies])
