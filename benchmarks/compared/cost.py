"""What a candidate's bundle costs: its size, and the CPU time of messages through the scorer that serves."""

import statistics
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
from sklearn.base import clone

from benchmarks.compared.quality import interval
from modeling import bundle as bundles
from modeling.bundle import Bundle
from modeling.candidates.interface import Candidate, Labels, Rows
from modeling.hashing import Floats
from modeling.policy import ATTRIBUTE, Policy, Threshold

ROUNDS: Final = 3
RESAMPLES: Final = 500
# What a message leads to costs the same for every candidate.
POLICY: Final = Policy({ATTRIBUTE: {"flag": Threshold("flag", 0.7, 0.6)}})


def save_bundle(candidate: Candidate, rows: Rows, labels: Labels, place: Path) -> None:
    """A bundle of a fit on all rows."""
    files = clone(candidate).fit(rows, labels).files(1.0, 0.0)
    bundles.save(place, files, POLICY, {"kind": candidate.kind, "requires": list(candidate.requires)})


def measure(places: Mapping[str, Path], texts: Sequence[str], batch: int) -> dict[str, dict[str, Any]]:
    """By name, a bundle's bytes, CPU ms of each message on its own and messages a CPU second in a batch.

    Bundles are loaded as the service loads them.
    Rounds go over all bundles in turn, and the median of the rounds counts, so that what else the
    machine does meets all alike.
    """
    loaded = {name: bundles.load(place) for name, place in places.items()}
    ms: dict[str, list[Floats]] = {name: [] for name in loaded}
    rates: dict[str, list[float]] = {name: [] for name in loaded}
    for _ in range(ROUNDS):
        for name, bundle in loaded.items():
            bundle.score(texts[:batch])  # first uses fill caches
            ms[name].append(_single_ms(bundle, texts))
            rates[name].append(_batch_rate(bundle, texts[:batch]))
    return {
        name: {
            "ms": np.median(ms[name], axis=0).tolist(),
            "rate": statistics.median(rates[name]),
            "bundle_bytes": sum(path.stat().st_size for path in place.iterdir()),
        }
        for name, place in places.items()
    }


def percentile(ms: Sequence[float], share: float) -> tuple[float, float, float]:
    """A percentile of the messages' CPU ms, with its bootstrap interval over messages."""
    taken, random = np.array(ms), np.random.default_rng(0)
    drawn = taken[random.integers(0, len(taken), (RESAMPLES, len(taken)))]
    return float(np.percentile(taken, share)), *interval(np.percentile(drawn, share, axis=1))


def _single_ms(bundle: Bundle, texts: Sequence[str]) -> Floats:
    taken = []
    for text in texts:
        started = time.process_time_ns()
        bundle.score([text])
        taken.append(time.process_time_ns() - started)
    return np.array(taken) / 1e6


def _batch_rate(bundle: Bundle, texts: Sequence[str]) -> float:
    started = time.process_time()
    bundle.score(texts)
    return len(texts) / max(time.process_time() - started, 1e-9)
