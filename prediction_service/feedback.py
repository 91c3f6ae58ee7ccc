"""The journal of labels as the service uses it: opened at the first label, let alone while it is away.

Knows no Flask, and no database before somebody sends a label: the start is not to wait for it.
"""

import threading
import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import structlog

from moderation.exceptions import LabelsUnavailableError, ReusedKeyError
from moderation.verdicts import Suggestion
from prediction_service.metrics import Metrics
from prediction_service.problems import Refusal, invalid
from prediction_service.settings import PREFIX, Secret
from prediction_service.wire import FieldError

if TYPE_CHECKING:
    from moderation.labels import Journal

PAUSE_S: Final = 1.0
RETRY_AFTER_S: Final = 1
KEY_HEADER: Final = "Idempotency-Key"

log = structlog.get_logger(__name__)


class Feedback:
    """Takes labels for good, or refuses them so that the client knows.

    After a failure one label a second tries whether the journal is back, and the others are refused at
    once: threads that wait for a database are threads that do not score.
    """

    def __init__(self, address: Secret, metrics: Metrics) -> None:
        self._address = address
        self._metrics = metrics
        self._journal: Journal | None = None
        self._lock = threading.Lock()
        self._away_until: float | None = None

    def take(self, suggestion: Suggestion) -> None:
        """Store a suggestion; when this returns, it is on disk.

        Raises:
            Refusal: the journal is away, or an idempotency key came with another request.

        """
        self._check_pause()
        try:
            new = self._open().record(suggestion)
        except ReusedKeyError as error:
            self._away_until = None
            field = FieldError(
                field=KEY_HEADER, value="used before", remedy="make a new key for each request"
            )
            raise invalid([field]) from error
        except LabelsUnavailableError as error:
            self._away_until = time.monotonic() + PAUSE_S
            log.error("labels cannot be stored", reason=str(error))  # noqa: TRY400 - a trace tells no more
            raise _refusal() from error
        self._away_until = None
        self._metrics.labelled(suggestion.source, new)

    def _check_pause(self) -> None:
        with self._lock:
            if self._away_until is None:
                return
            if time.monotonic() < self._away_until:
                raise _refusal()
            # this thread tries; it sets the time again, or takes it away
            self._away_until = time.monotonic() + 10 * PAUSE_S

    def _open(self) -> "Journal":
        with self._lock:
            if self._journal is None:
                # a tenth of a second and more, which scores need not wait for
                from moderation.labels import Journal

                self._journal = Journal(self._address.reveal())
            return self._journal


def _refusal() -> Refusal:
    return Refusal(
        HTTPStatus.SERVICE_UNAVAILABLE,
        f"the label was not stored: send it again later; the log has the reason ({PREFIX}LABELS)",
        headers={"Retry-After": str(RETRY_AFTER_S)},
    )
