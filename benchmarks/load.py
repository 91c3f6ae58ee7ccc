"""Requests a second and their latency: /predict with one message, beside an empty Flask route.

    python benchmarks/load.py BUNDLE_DIRECTORY [--seconds 4] [--rounds 5]

Both are served by the same gunicorn configuration and asked in turn over 8 kept connections by one
Python process on the same machine, whose own work is part of both figures.
"""

import argparse
import contextlib
import http.client
import json
import signal
import socket
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flask import Flask

ROOT = Path(__file__).parents[1]
CONNECTIONS = 8
MESSAGES = (
    "Has anyone looked at how this effect changes with the age of the participants?",
    "you absolute idiot, delete your account and never post here again",
    "The confidence interval in figure 3 is wider than the effect itself, so I would be careful.",
    "buy cheap followers now at this link, limited offer",
)


def empty() -> "Flask":
    """The least that Flask can answer."""
    from flask import Flask

    app = Flask(__name__)

    @app.route("/predict", methods=["POST"])
    def nothing() -> str:
        return ""

    @app.get("/readyz")
    def ready() -> str:
        return ""

    return app


def main() -> None:
    """Measure both in turn, and print each round and the medians."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", default=Path(".chatmod/work/bundle"))
    parser.add_argument("--seconds", type=float, default=4.0)
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    apps = {"predict": "prediction_service.app:wsgi()", "empty route": "benchmarks.load:empty()"}
    with contextlib.ExitStack() as stack:
        ports = {
            name: stack.enter_context(served(app, options.bundle.resolve())) for name, app in apps.items()
        }
        for port in ports.values():
            measure(port, 0.5)
        rounds = [
            {name: measure(port, options.seconds) for name, port in ports.items()}
            for _ in range(options.rounds)
        ]
    report(rounds)


def report(rounds: list[dict[str, list[float]]]) -> None:
    """Print what was measured; a round's latencies are in seconds, with the round's length last."""
    rates: dict[str, list[float]] = {}
    print(f"{'':12s} {'requests/s':>10s} {'p50 ms':>8s} {'p99 ms':>8s}")
    for one in rounds:
        for name, (*latencies, seconds) in one.items():
            ranked = sorted(latencies)
            rates.setdefault(name, []).append(len(ranked) / seconds)
            p50, p99 = (1000 * ranked[int(len(ranked) * share)] for share in (0.5, 0.99))
            print(f"{name:12s} {rates[name][-1]:10.0f} {p50:8.2f} {p99:8.2f}")
    medians = {name: statistics.median(values) for name, values in rates.items()}
    for name, value in medians.items():
        print(f"median {name}: {value:.0f} requests/s")
    ratios = [one / least for one, least in zip(*rates.values(), strict=True)]
    print(f"predict reaches {statistics.median(ratios):.2f} of the empty route (median of the rounds)")


@contextlib.contextmanager
def served(app: str, bundle: Path) -> Iterator[int]:
    """The port of a server that is ready."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    configuration = ROOT / "prediction_service" / "gunicorn.conf.py"
    process = subprocess.Popen(
        [sys.executable, "-m", "gunicorn", "-c", configuration, app],
        env={
            "CHATMOD_API_BUNDLE": str(bundle),
            "CHATMOD_API_PORT": str(port),
            "CHATMOD_API_LOG_LEVEL": "warning",
        },
        cwd=ROOT,
    )
    try:
        wait_until_ready(port)
        yield port
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)


def wait_until_ready(port: int) -> None:
    """Wait for /readyz."""
    for _ in range(600):
        client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
        with contextlib.suppress(OSError):
            client.request("GET", "/readyz")
            if client.getresponse().status == http.client.OK:
                return
        time.sleep(0.05)
    raise TimeoutError("the service did not become ready within 30 s: see its log above")


def measure(port: int, seconds: float) -> list[float]:
    """Latencies of all requests within so many seconds, and last the seconds that it took."""
    found: list[float] = []
    began = time.monotonic()
    threads = [
        threading.Thread(target=ask, args=(port, began + seconds, MESSAGES[number % len(MESSAGES)], found))
        for number in range(CONNECTIONS)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return [*found, time.monotonic() - began]


def ask(port: int, until: float, text: str, found: list[float]) -> None:
    """One kept connection, one request at a time."""
    body = json.dumps({"Records": [{"body": text, "message_id": 1}]}).encode()
    head = (
        "POST /predict HTTP/1.1",
        "Host: b",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
    )
    wire = "\r\n".join((*head, "", "")).encode() + body
    with socket.create_connection(("127.0.0.1", port), 30) as client:
        while (sent := time.monotonic()) < until:
            client.sendall(wire)
            received = client.recv(65536)
            while not complete(received):
                received += client.recv(65536)
            found.append(time.monotonic() - sent)


def complete(received: bytes) -> bool:
    """Whether a whole 200 is there."""
    head, gap, rest = received.partition(b"\r\n\r\n")
    if not gap:
        return False
    if not head.startswith(b"HTTP/1.1 200"):
        raise ConnectionError(f"unexpected answer {head[:60]!r}")
    length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
    return len(rest) >= int(length.partition(b":")[2])


if __name__ == "__main__":
    main()
