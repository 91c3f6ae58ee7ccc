"""Whether the service is ready, asked for by one page at a time on behalf of all. Knows no page itself."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from frontend.client import Client, Readiness
from frontend.delivery import Delivery
from frontend.exceptions import RoomUnavailableError, ServiceUnavailableError


@dataclass(frozen=True)
class ServiceState:
    """What the service last said about itself, and why it cannot be asked now, if so."""

    last_known: Readiness | None
    trouble: str = ""

    @property
    def available(self) -> bool:
        """Whether messages can be moderated now."""
        return not self.trouble


class Watch:
    """Asks the service how it is at most every `every_s` seconds, and releases what waits.

    While one page waits for a slow service, all others go on with the last known state: an outage
    must not freeze the room.
    """

    def __init__(
        self,
        client: Client,
        delivery: Delivery,
        every_s: float,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """A watch that has not looked yet."""
        self._client = client
        self._delivery = delivery
        self._every_s = every_s
        self._clock = clock
        self._lock = threading.Lock()
        self._state: ServiceState | None = None
        self._due = 0.0

    def look(self) -> ServiceState:
        """The state of the service, no older than `every_s` unless it is being asked right now."""
        first = self._state is None
        if (first or self._clock() >= self._due) and self._lock.acquire(blocking=first):
            try:
                if self._state is None or self._clock() >= self._due:
                    self._state = self._ask()
                    self._due = self._clock() + self._every_s
            finally:
                self._lock.release()
        return self._state or ServiceState(None, "the service was not asked yet")

    def expire(self) -> None:
        """Have the next look ask again: somebody has just seen the service fail."""
        self._due = 0.0

    def _ask(self) -> ServiceState:
        try:
            readiness = self._client.readiness()
            self._delivery.release()
        except ServiceUnavailableError as trouble:
            return ServiceState(self._state.last_known if self._state else None, str(trouble))
        except RoomUnavailableError:
            # The page says this itself, from its own reading of the room.
            return ServiceState(readiness)
        return ServiceState(readiness)
