"""The way to the prediction service, over HTTP. Knows no room and no page, and decides nothing."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Final

import httpx

from frontend.exceptions import MessageRefusedError, ServiceUnavailableError
from frontend.messages import Decision
from prediction_service import client as service
from prediction_service.wire import Analysis, DataInfo, Explanation, Prediction, Readiness

__all__ = ["Analysis", "Client", "DataInfo", "Explanation", "Readiness"]

# Refusals of the message; every other 4xx tells of a wrong address or of a crowd, and may pass.
REFUSALS: Final = frozenset({400, 413, 415, 422})
KEY_REMEDY: Final = "set CHATMOD_UI_API_KEY to a key with the scope {scope}, and start the chat again"
LOOK_TIMEOUT_S: Final = 2.0


class Client:
    """A client of one prediction service; any number of threads may use it."""

    def __init__(self, api_url: str, timeout_s: float, api_key: str = "") -> None:
        """A client that has not connected yet; ``api_key`` where the service asks for one."""
        self._url = api_url
        self._look_timeout_s = min(timeout_s, LOOK_TIMEOUT_S)
        # The service is a neighbour: a proxy meant for the outside world would not find it. An author
        # waits for the answer: what is to become of the message meanwhile is the operator's choice.
        self._service = service.Client(
            api_url,
            api_key=api_key or None,
            timeout=httpx.Timeout(timeout_s, connect=self._look_timeout_s),
            retries=0,
            deadline_s=timeout_s,
            trust_env=False,
        )

    def close(self) -> None:
        """Close the connections."""
        self._service.close()

    def predict(self, texts: Sequence[str]) -> list[Decision]:
        """One decision a text, in their order, from one request.

        Raises:
            MessageRefusedError: the service refuses one of the texts, for the reason it gives.
            ServiceUnavailableError: it gave no decisions, for whatever other reason.

        """
        with _told("records"):
            return [_decision(one) for one in self._service.predictions(texts)]

    def explained(self, text: str) -> Analysis:
        """The decision on a text that nobody posts, and what made its score.

        Raises:
            MessageRefusedError: the service refuses the text, or its model cannot be explained.
            ServiceUnavailableError: it did not explain, for whatever other reason.

        """
        with _told("analyze"):
            return self._service.analyze(text, explain=True)

    def readiness(self) -> Readiness:
        """What the service says about its model, its policy and its data.

        Raises:
            ServiceUnavailableError: it is not there or not ready.

        """
        with _told("records"):
            readiness = self._service.ready(self._look_timeout_s)
        if readiness.status != "ready":
            what = f"is not ready: {readiness.status}. {readiness.detail}".rstrip()
            raise ServiceUnavailableError(f"the prediction service at {self._url} {what}")
        return readiness


@contextmanager
def _told(scope: str) -> Iterator[None]:
    """The service's trouble in the chat's own words; ``scope`` is what a key must allow."""
    try:
        yield
    except service.UnauthorizedError as refusal:
        raise ServiceUnavailableError(f"{refusal}: {KEY_REMEDY.format(scope=scope)}") from refusal
    except service.RefusedError as refusal:
        if refusal.status in REFUSALS:
            raise MessageRefusedError(_reason(refusal)) from refusal
        raise ServiceUnavailableError(str(refusal)) from refusal
    except service.ClientError as trouble:
        raise ServiceUnavailableError(str(trouble)) from trouble


def _decision(one: Prediction) -> Decision:
    verdict = one.prediction
    return Decision(
        id=verdict.id,
        action=verdict.action,
        rule=verdict.rule,
        score=verdict.moderate_message,
        model_version=one.version,
        policy_version=verdict.policy_version,
    )


def _reason(refusal: service.RefusedError) -> str:
    if refusal.problem is None:
        return f"it answered {refusal.status} without a reason"
    remedies = dict.fromkeys(error.remedy for error in refusal.errors)
    return "; ".join([refusal.problem.detail, *remedies])
