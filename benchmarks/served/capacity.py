"""From requests a second to pods and money: plain arithmetic, with what it assumes in the open."""

import math
from collections.abc import Mapping
from typing import Any, Final

CORES: Final = 2
HEADROOM: Final = 0.6
# what a vCPU-hour costs differs by cloud and contract; this is the order of an on-demand general-purpose one
PRICE: Final = 0.05
LOADS: Final = (500, 1_500)


def table(found: Mapping[str, Any], price: float = PRICE, headroom: float = HEADROOM) -> list[list[str]]:
    """Pods and cost per million messages, by messages a request and load, from a file of results."""
    rows = [
        ["messages a request", "messages/s a pod", *(f"pods for {load:,}/s" for load in LOADS), "per million"]
    ]
    for size, rate in sorted(_rates(found).items()):
        planned = rate * headroom
        pods = [str(max(2, math.ceil(load / planned))) for load in LOADS]
        cost = 1e6 / planned / 3600 * CORES * price
        rows.append([f"{size:,}", f"{rate:,.0f}", *pods, f"{cost:.3f} $"])
    return rows


def _rates(found: Mapping[str, Any]) -> dict[int, float]:
    """Messages a second by messages a request: the median run at the fewest connections."""
    rates = {}
    for name, size in (("predict", 1), ("batch of 10", 10), ("batch of 100", 100)):
        for connections in sorted(found.get(name, {}), key=int)[:1]:
            runs = sorted(run["rate"] for run in found[name][connections])
            rates[size] = size * runs[len(runs) // 2]
    return rates
