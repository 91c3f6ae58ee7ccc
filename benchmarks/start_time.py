"""Seconds from the start of the service's process until /readyz answers 200, for a bundle on disk.

python benchmarks/start_time.py BUNDLE_DIRECTORY [--runs 10]
"""

import argparse
import http.client
import signal
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).parents[1]
POLL_S = 0.005
AIM_S = 2.0


def main() -> None:
    """Measure, and print each run and the median."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("bundle", type=Path, nargs="?", default=Path(".chatmod/work/bundle"))
    parser.add_argument("--runs", type=int, default=10)
    options = parser.parse_args()
    runs = [one_start(options.bundle.resolve()) for _ in range(options.runs)]
    print("run  first answer  alive   ready")
    for number, (answered, alive, ready) in enumerate(runs, 1):
        print(f"{number:3d}  {answered:10.3f} s  {alive:.3f} s  {ready:.3f} s")
    median = statistics.median(ready for *_, ready in runs)
    print(f"median to ready {median:.3f} s over {len(runs)} runs (aim: at most {AIM_S} s)")


def one_start(bundle: Path) -> tuple[float, float, float]:
    """Seconds until the port takes a connection, until /healthz and until /readyz answer 200."""
    port = free_port()
    began = time.monotonic()
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "gunicorn",
            "-c",
            ROOT / "prediction_service" / "gunicorn.conf.py",
            "prediction_service.app:wsgi()",
        ],
        env={
            "CHATMOD_API_BUNDLE": str(bundle),
            "CHATMOD_API_PORT": str(port),
            "CHATMOD_API_LOG_LEVEL": "error",
        },
        cwd=ROOT,
    )
    try:
        answered = wait(lambda: connects(port), began)
        alive = wait(lambda: status(port, "/healthz") == http.client.OK, began)
        ready = wait(lambda: status(port, "/readyz") == http.client.OK, began)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(30)
    return answered, alive, ready


def wait(done: Callable[[], bool], began: float) -> float:
    """Seconds since the start when something was first true."""
    while not done():
        if time.monotonic() - began > 60:
            raise TimeoutError("the service did not become ready within 60 s: see its log above")
        time.sleep(POLL_S)
    return time.monotonic() - began


def connects(port: int) -> bool:
    """Whether somebody listens."""
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True


def status(port: int, path: str) -> int:
    """The status of an answer."""
    client = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    try:
        client.request("GET", path)
        return client.getresponse().status
    finally:
        client.close()


def free_port() -> int:
    """A port that nobody has."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


if __name__ == "__main__":
    main()
