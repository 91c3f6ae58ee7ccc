"""The service beside an empty Flask route, `mlflow models serve` and BentoML, in one run of wrk.

    python -m benchmarks.serving [--bundle DIRECTORY] [--data CSV] [--seconds 30] [--rounds 3]
        [--connections 8 64] [--only ROW ...] [--json FILE]
    python -m benchmarks.serving --capacity FILE [--price 0.05]

200 real messages in turn over kept connections, load and server on the same machine, rows in alternating
order. CPU is what all processes of a server spent a request, memory what they hold (shared pages once).
The data is CHATMOD_TEST_DATA, else the project's sample. With --json a later run adds to what is there.
"""

import argparse
import json
import random
import statistics
import subprocess
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from itertools import cycle, islice
from pathlib import Path
from typing import Any

from benchmarks.served import capacity, rivals
from benchmarks.served.servers import EMPTY, ROOT, Contender, Running, comment, ours, running
from benchmarks.served.wrk import measure
from modeling.data import read_comments
from tests.settings import TEST

MESSAGES = 200
BATCHES = (10, 100)
LENGTHS = (10, 100, 1_000, 5_000, 20_000)
CACHE_ENTRIES = 10_000
# rows beside the main table: one figure each, so shorter
SHORTER = 5
Found = dict[str, dict[str, list[dict[str, Any]]]]


@dataclass(frozen=True)
class Row:
    """A contender, and the bodies that it is sent."""

    contender: Contender
    bodies: Sequence[str]


class Bench:
    """The rows that can be measured, made when they are asked for."""

    def __init__(self, bundle: Path, data: Path | None, place: Path) -> None:
        self.place, self._bundle = place, bundle
        frame = read_comments([data] if data else sorted(ROOT.glob("workflow/sample/*.csv"))).used
        self._texts, self._labels = list(frame["text"]), list(frame["label"])
        self.messages = random.Random(7).sample(self._texts, MESSAGES)
        self._fitted: Path | None = None

    def main(self) -> dict[str, Callable[[], Row]]:
        """The rows of the main table, in which every server is asked for the same messages."""
        perspective = {"path": "/v1alpha1/comments:analyze", "body": comment}
        return {
            "empty": lambda: self._row(ours("empty", self._bundle, app=EMPTY)),
            "predict": lambda: self._row(ours("predict", self._bundle)),
            "analyze": lambda: self._row(replace(ours("analyze", self._bundle), **perspective)),
            "cached": lambda: self._row(ours("cached", self._bundle, cache_entries=CACHE_ENTRIES)),
            "mlflow-tfidf": lambda: self._row(rivals.mlflow_tfidf(self._pipeline(), self.place)),
            "mlflow-bundle": lambda: self._row(rivals.mlflow_bundle(self._bundle, self.place)),
            "bentoml-tfidf": lambda: self._row(
                rivals.bentoml(self._pipeline(), self.place, ROOT / ".chatmod" / "benchmarks")
            ),
        }

    def growth(self) -> dict[str, Callable[[], Row]]:
        """What the main table does not show: batches, workers, threads, worker types and text lengths."""
        rows = {
            f"batch of {size}": lambda size=size: self._row(ours(f"batch of {size}", self._bundle), size)
            for size in BATCHES
        }
        for workers, threads in ((1, 4), (2, 1), (2, 2), (2, 4), (2, 8), (4, 4)):
            name = f"{workers} x {threads}"
            rows[name] = lambda name=name, workers=workers, threads=threads: self._row(
                ours(name, self._bundle, workers=workers, threads=threads)
            )
        for kind in ("gthread", "sync"):
            rows[kind] = lambda kind=kind: self._row(ours(kind, self._bundle, "-k", kind))
        for length in LENGTHS:
            rows[f"{length} characters"] = lambda length=length: self._row_of_length(length)
        return rows

    def _row(self, contender: Contender, size: int = 1) -> Row:
        turn = cycle(self.messages)
        return Row(contender, [contender.body(list(islice(turn, size))) for _ in range(MESSAGES)])

    def _row_of_length(self, length: int) -> Row:
        contender = ours(f"{length} characters", self._bundle)
        endless = [" ".join(self.messages[place:] + self.messages) for place in range(20)]
        return Row(
            contender, [contender.body([text[:length].strip().ljust(length, "a")]) for text in endless]
        )

    def _pipeline(self) -> Path:
        self._fitted = self._fitted or rivals.pipeline(self._texts, self._labels, self.place)
        return self._fitted


def main() -> None:
    """Measure what is asked for, and print tables and ratios."""
    options = _options()
    if options.capacity:
        print_table(capacity.table(json.loads(options.capacity.read_text()), options.price))
        return
    found: Found = {}
    if options.json and options.json.exists():
        found = json.loads(options.json.read_text())
    with tempfile.TemporaryDirectory() as place:
        bench = Bench(options.bundle.resolve(), options.data, Path(place))
        shorter = max(1.0, round(options.seconds / SHORTER))  # wrk takes whole seconds
        for rows, connections, seconds, rounds in (
            (bench.main(), options.connections, options.seconds, options.rounds),
            (bench.growth(), options.connections[:1], shorter, options.rounds),
        ):
            chosen = {name: row for name, row in rows.items() if not options.only or name in options.only}
            for part in _servable(chosen, main=rows.keys() == bench.main().keys()):
                measure_rows(part, bench.place, found, connections, seconds, rounds)
                if options.json:
                    options.json.write_text(json.dumps(found, indent=1) + "\n")
    report(found, bench)


def _servable(rows: Mapping[str, Callable[[], Row]], *, main: bool) -> Iterator[dict[str, Row]]:
    """Rows that are served side by side: those of the main table all at once, the others one by one."""
    made: dict[str, Row] = {}
    for name, make in rows.items():
        try:
            made[name] = make()
        except (subprocess.SubprocessError, OSError) as error:
            print(f"{name}: left out, it cannot be installed or made ({error})", flush=True)
    if main:
        yield made
    else:
        yield from ({name: row} for name, row in made.items())


def measure_rows(
    rows: Mapping[str, Row],
    place: Path,
    found: Found,
    connections: Sequence[int],
    seconds: float,
    rounds: int,
) -> None:
    """Start all rows, ask them in turn in alternating order, and add what was measured to ``found``."""
    with ExitStack() as stack:
        servers: dict[str, Running] = {}
        for name, row in rows.items():
            try:
                servers[name] = stack.enter_context(running(row.contender, place))
            except RuntimeError as error:
                print(f"{name}: left out, {error}", flush=True)
                continue
            measure(servers[name], row.bodies, connections[0], min(2.0, seconds), place)
            found[name] = {str(number): [] for number in connections}
        for turn in range(rounds):
            order = list(servers) if turn % 2 == 0 else list(servers)[::-1]
            for number in connections:
                for name in order:
                    one = measure(servers[name], rows[name].bodies, number, seconds, place)
                    found[name][str(number)].append(one.plain())
                    print(
                        f"round {turn + 1}, {number} connections, {name}: {one.rate:,.0f} requests/s",
                        flush=True,
                    )


def report(found: Found, bench: Bench) -> None:
    """Print medians over the rounds, and the ratios that the aims are about."""
    head = ["", "connections", "requests/s", "p50 ms", "p99 ms", "CPU ms a request", "MiB"]
    for title, names in (("Side by side", bench.main()), ("Growth", bench.growth())):
        rows = [
            _medians(name, number, runs) for name in names for number, runs in found.get(name, {}).items()
        ]
        if rows:
            print(f"\n{title}\n")
            print_table([head, *rows])
    print()
    for line in ratios(found):
        print(line)


def _medians(name: str, connections: str, runs: Sequence[Mapping[str, Any]]) -> list[str]:
    middle = {key: statistics.median(run[key] for run in runs) for key in runs[0]}
    return [
        name,
        connections,
        f"{middle['rate']:,.0f}",
        f"{middle['p50_ms']:.1f}",
        f"{middle['p99_ms']:.1f}",
        f"{middle['cpu_ms']:.3f}",
        f"{middle['memory_mib']:,.0f}",
    ]


def ratios(found: Found) -> Iterator[str]:
    """How the aims stand; a ratio is the median over the rounds, each of which measured both."""
    for name, other, aim in (("predict", "empty", 0.75), ("predict", "mlflow-tfidf", 5.0)):
        for number in found.get(name, {}):
            pairs = zip(found[name][number], found.get(other, {}).get(number, []), strict=False)
            shares = [(one["rate"] / least["rate"], least["cpu_ms"] / one["cpu_ms"]) for one, least in pairs]
            if shares:
                rate, cpu = (statistics.median(column) for column in zip(*shares, strict=True))
                told = f"{rate:.2f} by requests, {cpu:.2f} by CPU (aim {aim})"
                yield f"{name} : {other}, {number} connections: {told}"
    for size, aim in zip(BATCHES, (5_000, 8_000), strict=True):
        for runs in found.get(f"batch of {size}", {}).values():
            rate = size * statistics.median(run["rate"] for run in runs)
            yield f"{size} messages a request: {rate:,.0f} messages/s (aim {aim:,})"


def print_table(rows: Sequence[Sequence[str]]) -> None:
    """As Markdown; the first row is the head."""
    for place, row in enumerate(rows):
        print(f"| {' | '.join(row)} |")
        if place == 0:
            print(f"|{' --- |' * len(row)}")


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--bundle", type=Path, default=ROOT / ".chatmod" / "work" / "bundle")
    parser.add_argument("--data", type=Path, default=TEST.data)
    parser.add_argument("--seconds", type=float, default=30.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--connections", type=int, nargs="+", default=[8, 64])
    parser.add_argument("--only", nargs="+", default=[], help="names of rows, as the tables have them")
    parser.add_argument("--json", type=Path)
    parser.add_argument(
        "--capacity", type=Path, help="print pods and cost from such a file, and measure nothing"
    )
    parser.add_argument("--price", type=float, default=capacity.PRICE, help="dollars for a vCPU-hour")
    return parser.parse_args()


if __name__ == "__main__":
    main()
