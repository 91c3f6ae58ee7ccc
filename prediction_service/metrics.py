"""What Prometheus reads: counters that add up across the workers of one server. Knows no Flask."""

import os
from collections import Counter as Tally
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest, values
from prometheus_client.multiprocess import MultiProcessCollector

CONTENT_TYPE: Final = "text/plain; version=0.0.4; charset=utf-8"
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
OTHER: Final = "OTHER"
# how requests with a body, those without, and those for no route are usually answered
POSTED: Final = (200, 400, 408, 413, 415, 422, 500, 503)
FETCHED: Final = (200, 500, 503)
UNROUTED: Final = (400, 404, 405, 408)
BUCKETS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
# bytes of a worker's files, several times what they are known to take
ROOM: Final = {"counter": 262_144, "histogram": 524_288, "gauge_livemax": 65_536}


def reserve(directory: Path) -> None:
    """Take the room that this process's shared figures need, before any of them is made.

    prometheus_client's files are mapped and have holes: on a full disk, the first write to one ends the
    process.

    Raises:
        OSError: there is no room; `alone` then counts without files.

    """
    made = {directory / f"{kind}_{os.getpid()}": size for kind, size in ROOM.items()}
    try:
        for part, size in made.items():
            file = os.open(part, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                os.posix_fallocate(file, 0, size)
            finally:
                os.close(file)
    except OSError:
        for part in made:
            part.unlink(missing_ok=True)
        raise
    for part in made:
        part.rename(f"{part}.db")  # under this name other workers read it, and an empty one would fail them


def alone() -> None:
    """Count in this process's memory from now on, whatever the environment says."""
    values.ValueClass = values.MutexValue


class Metrics:
    """The service's figures, of this process, or of all workers that share ``directory``."""

    def __init__(self, directory: Path | None = None) -> None:
        self._directory = directory
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "http_requests",
            "Requests answered.",
            ("method", "endpoint", "status"),
            registry=self._registry,
        )
        self._latency = Histogram(
            "http_request_duration_seconds",
            "Seconds from a request's arrival in the application to its answer.",
            ("method", "endpoint"),
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._inference = Histogram(
            "inference_duration_seconds",
            "Seconds of one scoring call, which is one batch.",
            buckets=BUCKETS,
            registry=self._registry,
        )
        self._messages = Counter(
            "messages_processed", "Messages decided, by action.", ("action",), registry=self._registry
        )
        self._labels = Counter(
            "labels", "Labels stored, by what they say.", ("source", "label"), registry=self._registry
        )
        self._fallbacks = Counter(
            "rate_limit_fallbacks",
            "Requests whose limit was counted by this server alone because Redis did not answer.",
            registry=self._registry,
        )
        self._hits = Counter("score_cache_hits", "Texts whose scores were kept.", registry=self._registry)
        self._misses = Counter("score_cache_misses", "Texts that were scored.", registry=self._registry)
        self._model = Gauge(
            "model_info",
            "1 for the model that is served.",
            ("version", "digest", "kind"),
            registry=self._registry,
            multiprocess_mode="livemax",
        )
        # looking a series up by its labels costs as much as counting
        self._answers: dict[tuple[str, str, int], tuple[Callable[[], None], Callable[[float], None]]] = {}
        self._actions: dict[str, Callable[[float], None]] = {}

    def expect(self, routes: Iterable[tuple[str, str]], unmatched: str) -> None:
        """Make the series of these methods and endpoints, which then read 0 until something is answered.

        Prometheus sees no increase in a series that begins at 1, such as that of the first error. And what
        lives for ever had better be made before the first request: made amid a large one, each of some
        hundreds of pieces keeps the block of memory that it falls into.
        """
        for method, endpoint in routes:
            for status in POSTED if method == "POST" else FETCHED:
                self._answer(method, endpoint, status)
        for method in (*METHODS, OTHER):
            for status in UNROUTED:
                self._answer(method, unmatched, status)

    def answered(self, method: str, endpoint: str, status: int, seconds: float) -> None:
        """Count one answer; ``endpoint`` is a route, never what a client wrote."""
        known = method if method in METHODS else OTHER
        count, observe = self._answers.get((known, endpoint, status)) or self._answer(known, endpoint, status)
        count()
        observe(seconds)

    def _answer(
        self, method: str, endpoint: str, status: int
    ) -> tuple[Callable[[], None], Callable[[float], None]]:
        counter = self._requests.labels(method, endpoint, str(status))
        series = counter.inc, self._latency.labels(method, endpoint).observe
        return self._answers.setdefault((method, endpoint, status), series)

    def inferred(self, seconds: float) -> None:
        """Note one scoring call."""
        self._inference.observe(seconds)

    def cached(self, hits: int, misses: int) -> None:
        """Count what a batch found in the cache of scores, and what it did not."""
        self._hits.inc(hits)
        self._misses.inc(misses)

    def decided(self, actions: Sequence[str]) -> None:
        """Count a batch's messages by action."""
        # one message is the usual batch, and a tally of it takes longer than counting it
        counts = {actions[0]: 1} if len(actions) == 1 else Tally(actions)
        for action, count in counts.items():
            if action not in self._actions:
                self._actions[action] = self._messages.labels(action).inc
            self._actions[action](count)

    def labelled(self, source: str, removed: Iterable[bool]) -> None:
        """Count labels that were stored, each by whether it says removed."""
        for one in removed:
            self._labels.labels(source, "removed" if one else "kept").inc()

    def counted_without_redis(self) -> None:
        """Note a request that Redis was to count, and did not."""
        self._fallbacks.inc()

    def serves(self, version: str, digest: str, kind: str) -> None:
        """Say which model answers."""
        self._model.labels(version, digest, kind).set(1)

    def page(self) -> bytes:
        """The figures in Prometheus's text format."""
        if self._directory is None:
            return generate_latest(self._registry)
        shared = CollectorRegistry()
        MultiProcessCollector(shared, path=str(self._directory))  # type: ignore[no-untyped-call]
        return generate_latest(shared)
