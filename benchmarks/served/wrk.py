"""One run of wrk, and what it measured. Knows no model."""

import json
import re
import subprocess
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.served.servers import Running

# bodies go out in turn, each request made once; the figures come back as JSON on the last line
SCRIPT = """
local bodies = {{{bodies}}}
local requests, turn = {{}}, 0
function init(args)
  for place, body in ipairs(bodies) do
    requests[place] = wrk.format("POST", "{path}", {{["Content-Type"] = "application/json"}}, body)
  end
end
function request()
  turn = turn % #requests + 1
  return requests[turn]
end
function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\\n{{"requests": %d, "microseconds": %d, "p50": %d, "p99": %d, "refused": %d, "broken": %d}}\\n',
    summary.requests, summary.duration, latency:percentile(50), latency:percentile(99), errors.status,
    errors.connect + errors.read + errors.write + errors.timeout))
end
"""


@dataclass(frozen=True)
class Measured:
    """One run: requests a second, latencies and CPU in milliseconds, memory in MiB."""

    rate: float
    p50_ms: float
    p99_ms: float
    cpu_ms: float
    memory_mib: float
    refused: int
    broken: int

    def plain(self) -> dict[str, Any]:
        """For a JSON file."""
        return asdict(self)


def measure(
    server: Running, bodies: Sequence[str], connections: int, seconds: float, place: Path
) -> Measured:
    """Ask a server for so many seconds over kept connections, with these bodies in turn.

    Raises:
        RuntimeError: wrk failed, or the server answered something else than 200.

    """
    script = place / "requests.lua"
    script.write_text(SCRIPT.format(bodies=",".join(map(_quoted, bodies)), path=server.contender.path))
    address = f"http://127.0.0.1:{server.port}"
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds:g}s", "--timeout", "20s", "-s", script, address]
    before = server.cpu_s()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    spent = server.cpu_s() - before
    if done.returncode:
        raise RuntimeError(f"wrk failed: {done.stderr or done.stdout}")
    told = json.loads(done.stdout.splitlines()[-1])
    if told["refused"] or not told["requests"]:
        raise RuntimeError(f"{server.contender.name} did not answer 200: {told}")
    return Measured(
        rate=told["requests"] / told["microseconds"] * 1e6,
        p50_ms=told["p50"] / 1000,
        p99_ms=told["p99"] / 1000,
        cpu_ms=spent / told["requests"] * 1000,
        memory_mib=server.memory_mib(),
        refused=told["refused"],
        broken=told["broken"],
    )


def _quoted(text: str) -> str:
    """A Lua string of the text's UTF-8 bytes."""
    return (
        '"' + re.sub(rb"[^ !#-\[\]-~]", lambda found: b"\\%03d" % found[0][0], text.encode()).decode() + '"'
    )
