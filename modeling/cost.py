"""What a message costs: CPU time of scoring it alone. No two runs agree, so no passport holds it."""

import platform
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from modeling.hashing import Floats

Score = Callable[[Sequence[str]], Floats]
MESSAGES: Final = 200
WARM_UP: Final = 20


def cpu_milliseconds(score: Score, texts: Sequence[str]) -> dict[str, Any]:
    """Median and 99th percentile over single messages, evenly chosen; all threads of this process count."""
    places = np.unique(np.linspace(0, len(texts) - 1, min(MESSAGES, len(texts))).round().astype(int))
    chosen = [texts[place] for place in places]
    for text in chosen[:WARM_UP]:
        score([text])
    spent = []
    for text in chosen:
        started = time.process_time()
        score([text])
        spent.append(1_000 * (time.process_time() - started))
    middle, slow = np.percentile(spent, [50, 99])
    return {"cpu_ms_p50": float(middle), "cpu_ms_p99": float(slow), "messages": len(chosen)}


def machine(cpuinfo: Path = Path("/proc/cpuinfo")) -> str:
    """The processor's model and how many cores this machine shows."""
    try:
        lines = cpuinfo.read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    models = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    model = models[0] if models else platform.processor() or platform.machine()
    return f"{model}, {max(len(models), 1)} cores"
