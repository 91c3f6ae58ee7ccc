"""Many requests by many clients against one server: answers, processes, memory and log afterwards.

Memory is measured after a warm-up: a megabyte of every kind for every operation, several at once, and then
the first requests of the campaign itself. What a worker keeps after its largest requests, because something
small that lives on fell amid them, is then there, and what still grows grows with the number of requests.
"""

import json
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psutil

from tests.fuzz.cases import Case, case, heavy
from tests.fuzz.exchange import Client
from tests.fuzz.targets import Target, targets
from tests.fuzz.trees import MARK
from tests.prediction_service.serving import Server

CLIENTS: Final = 8
WARM: Final = 0.2
SAMPLE_EVERY_S: Final = 0.5
MEGABYTE: Final = 1_048_576


@dataclass(frozen=True)
class Finding:
    """A request that was not answered as it must be."""

    case: Case
    complaint: str

    def write(self, place: Path, seed: int) -> Path:
        """Keep what was sent, so that it can be sent again."""
        place.mkdir(parents=True, exist_ok=True)
        kept = place / f"{seed}-{self.case.number}.bin"
        kept.write_bytes(self.case.wire)
        how = {"ends": self.case.ends, "pieces": self.case.pieces, "kind": self.case.kind}
        kept.with_suffix(".json").write_text(json.dumps(how | {"complaint": self.complaint}))
        return kept


@dataclass
class Campaign:
    """Requests of one seed against one server."""

    server: Server
    seed: int
    requests: int
    clients: int = CLIENTS
    heavy: int = 0
    statuses: Counter[int] = field(default_factory=Counter)
    kinds: Counter[str] = field(default_factory=Counter)
    findings: list[Finding] = field(default_factory=list)
    memory: list[tuple[int, int]] = field(default_factory=list)
    seconds: float = 0.0
    retried: int = 0

    def __post_init__(self) -> None:
        self._lock = threading.Lock()
        self._done = 0
        _, _, ready = self.server.ask("GET", "/readyz")
        self._targets: Sequence[Target] = targets(json.loads(ready)["model"]["version"])
        self.workers = {worker.pid for worker in self.server.children()}

    def run(self) -> None:
        """Send them all, after so many heavy ones."""
        started = time.monotonic()
        self._send(self.heavy, heavy)
        self._done, self.memory = 0, []
        self._send(self.requests, case)
        self.seconds = time.monotonic() - started

    def _send(self, count: int, make: Callable[[int, int, Sequence[Target]], Case]) -> None:
        numbers = iter(range(count))  # whose next is one step, whichever thread takes it
        threads = [
            threading.Thread(target=self._client, args=(numbers, make), daemon=True)
            for _ in range(self.clients)
        ]
        for thread in threads:
            thread.start()
        while any(thread.is_alive() for thread in threads):
            self.memory.append((self._done, self._used()))
            time.sleep(SAMPLE_EVERY_S)

    def _client(self, numbers: Iterator[int], make: Callable[[int, int, Sequence[Target]], Case]) -> None:
        client = Client(self.server.port, sorted({one.refusal for one in self._targets}, key=str))
        for number in numbers:
            one = make(self.seed, number, self._targets)
            try:
                complaint = client.ask(one)
            except OSError as error:
                complaint = f"no connection: {error!r}"
                client.close()
            with self._lock:
                self._done += 1
                self.kinds[one.kind] += 1
                self.statuses.update(client.statuses or [0])
                if complaint:
                    self.findings.append(Finding(one, complaint))
        self.retried += client.retried
        client.close()

    def _used(self) -> int:
        used = 0
        for worker in self.server.children():
            try:
                used += worker.memory_full_info().uss
            except psutil.Error:
                continue  # it has died, which is told elsewhere
        return used

    def growth(self) -> tuple[float, float, float]:
        """Megabytes of all workers after the warm-up and at the end, and the growth as a fraction."""
        after_warm_up = [used for done, used in self.memory if WARM <= done / self.requests < WARM + 0.1] or [
            used for _, used in self.memory[:1]
        ]
        at_end = [used for done, used in self.memory if done / self.requests >= 0.9] or [
            used for _, used in self.memory[-1:]
        ]
        before, after = statistics.median(after_warm_up), statistics.median(at_end)
        return before / MEGABYTE, after / MEGABYTE, after / before - 1

    def curve(self) -> list[float]:
        """Megabytes of all workers in each tenth of the campaign, where it was looked at."""
        tenths: dict[int, list[int]] = {}
        for done, used in self.memory:
            tenths.setdefault(min(9, 10 * done // self.requests), []).append(used)
        return [round(statistics.median(seen) / MEGABYTE, 1) for _, seen in sorted(tenths.items())]

    def aftermath(self) -> Iterator[str]:
        """What the server shows of harm done."""
        now = {worker.pid for worker in self.server.children()}
        if now != self.workers:
            yield f"workers died: {sorted(self.workers - now)}"
        text = self.server.log.read_text()
        if MARK in text:
            yield f"the log tells a message: {text[text.index(MARK) - 200 :][:400]}"
        for line in text.splitlines():
            if complaint := _loud(line):
                yield f"the log: {complaint}"


def _loud(line: str) -> str:
    try:
        entry: dict[str, Any] = json.loads(line)
    except ValueError:
        return f"no JSON: {line[:300]}"
    if entry.get("level") in ("error", "critical") or "exception" in entry:
        return f"{entry.get('event')}: {str(entry.get('exception', ''))[-600:]}"
    return ""
