"""How many requests somebody may still make: counted in Redis or by the workers together. Knows no HTTP.

A window slides: what was counted in the last one weighs less the older it is, so that nobody gets
twice the limit around its end. The counting is the `limits` library's, imported when first needed.
"""

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from prediction_service.settings import Secret

if TYPE_CHECKING:
    from limits import RateLimitItem
    from limits.storage import Storage
    from limits.strategies import SlidingWindowCounterRateLimiter

REDIS_TIMEOUT_S: Final = 0.25
REDIS_AGAIN_S: Final = 2.0
REMIND_S: Final = 10.0
SECONDS: Final = {"second": 1, "minute": 60, "hour": 3600, "day": 86_400}

log = structlog.get_logger(__name__)


def _nothing() -> None: ...


@dataclass(frozen=True)
class Standing:
    """Where somebody stands after a request: whether it fitted, what is left, and until when."""

    fits: bool
    limit: int
    window_s: int
    remaining: int
    reset_s: int


class Limiter:
    """Counts requests; in Redis if there is one, and without it wherever all workers of this server do.

    ``fell_back`` is told each time that Redis was to count and did not.
    """

    def __init__(
        self,
        shared: Path | None = None,
        redis: Secret | None = None,
        fell_back: Callable[[], None] = _nothing,
    ) -> None:
        from limits.strategies import SlidingWindowCounterRateLimiter

        from prediction_service.counts import SharedCounts

        self._here = SlidingWindowCounterRateLimiter(SharedCounts(shared))
        self._there = SlidingWindowCounterRateLimiter(_redis(redis)) if redis else None
        self._fell_back = fell_back
        self._again = self._remind = 0.0
        self._lock = threading.Lock()

    def hit(self, limit: str, who: str) -> Standing:
        """Count one request of somebody under a limit such as `600/minute`."""
        item = _item(limit)
        if self._there is None:
            return _stand(self._here, item, who)
        if self._may_try():
            from limits.errors import StorageError

            try:
                standing = _stand(self._there, item, who)
            except StorageError as error:
                self._failed(error)
            else:
                self._again = 0.0
                return standing
        self._fell_back()
        return _stand(self._here, item, who)

    def _may_try(self) -> bool:
        """Whether to ask Redis now: while it is away, one request in a while does."""
        if not self._again:
            return True
        with self._lock:
            now = time.monotonic()
            if now < self._again:
                return False
            self._again = now + REDIS_AGAIN_S
            return True

    def _failed(self, error: Exception) -> None:
        with self._lock:
            now = time.monotonic()
            self._again = now + REDIS_AGAIN_S
            if now >= self._remind:
                self._remind = now + REMIND_S
                reason = type(error.__cause__ or error).__name__
                log.error("Redis does not count: limits hold for this server alone", reason=reason)


def _stand(strategy: "SlidingWindowCounterRateLimiter", item: "RateLimitItem", who: str) -> Standing:
    fits = strategy.hit(item, who)
    reset, remaining = strategy.get_window_stats(item, who)
    # a moment later than the exact one, at which the window still weighs what it did
    seconds = max(1, math.floor(reset - time.time()) + 1)
    return Standing(fits, item.amount, item.get_expiry(), remaining if fits else 0, seconds)


@lru_cache(maxsize=1024)
def _item(limit: str) -> "RateLimitItem":
    import limits

    return limits.parse(limit)


def _redis(address: Secret) -> "Storage":
    from limits.storage import RedisStorage
    from redis.backoff import NoBackoff
    from redis.retry import Retry

    options: dict[str, Any] = {
        "socket_connect_timeout": REDIS_TIMEOUT_S,
        "socket_timeout": REDIS_TIMEOUT_S,
        "retry": Retry(NoBackoff(), 0),
    }
    return RedisStorage(address.reveal(), key_prefix="chatmod", wrap_exceptions=True, **options)


def headers(standing: Standing, now: float) -> list[tuple[str, str]]:
    """What a client is told, as the IETF's draft has it (RateLimit) and as most have it (X-RateLimit)."""
    return [
        ("RateLimit-Policy", f'"default";q={standing.limit};w={standing.window_s}'),
        ("RateLimit", f'"default";r={standing.remaining};t={standing.reset_s}'),
        ("X-RateLimit-Limit", str(standing.limit)),
        ("X-RateLimit-Remaining", str(standing.remaining)),
        ("X-RateLimit-Reset", str(int(now) + standing.reset_s)),
    ]
