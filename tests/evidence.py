"""Two models' evidence on the same generated test rows, of chosen quality and calibrated by construction."""

import tomllib
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from modeling.gate import Evidence, Receipt, Rules, judge, rules_from
from modeling.hashing import Floats, sigmoid

ROOT = Path(__file__).parents[1]
DATA = {"name": "reddit_test.csv", "sha256": "0" * 64, "part": "test", "test_touches": 3}
AT = "2026-11-21T10:00:00+00:00"
REMOVED = 0.305  # of the test part of reddit_test.csv


def tables() -> dict[str, Any]:
    """The rules that are reviewed, as they stand in the repository."""
    return tomllib.loads((ROOT / "workflow" / "config" / "gate.toml").read_text(encoding="utf-8"))


def rules(**changes: Any) -> Rules:
    return replace(rules_from(tables()), **changes)


def made(labels: Any, noise: Floats, strength: float) -> Floats:
    """The probability of removal by a model of binormal scores, ``strength`` apart."""
    raw = strength * labels + noise
    return sigmoid(np.log(REMOVED / (1 - REMOVED)) + strength * raw - strength * strength / 2)


def pair(
    rows: int = 1_400, candidate: float = 1.2, champion: float = 1.2, seed: int = 0, alike: float = 0.85
) -> tuple[Evidence, Evidence]:
    """Candidate and champion; a strength of 1.2 is a ROC-AUC of .80, of 1.5 one of .86."""
    random = np.random.default_rng(seed)
    labels = (random.random(rows) < REMOVED).astype(np.int64)
    shared, own, other = random.normal(size=(3, rows))
    artefact = random.random(rows) < 0.1
    slices = {
        "artefact": artefact,
        "artefact_free": ~artefact,
        "questions": random.random(rows) < 0.4,
        "profanity": random.random(rows) < 0.05,
    }
    scores = [
        made(labels, np.sqrt(alike) * shared + np.sqrt(1 - alike) * noise, strength)
        for noise, strength in ((own, candidate), (other, champion))
    ]
    one = Evidence(
        name="version 3",
        digest="c" * 64,
        keys=tuple(f"{key:04x}{0:060x}" for key in random.permutation(rows)),
        labels=labels,
        scores=scores[0],
        learned=frozenset({"f" * 64}),
        slices=slices,
        cpu_ms=0.2,
        bundle_bytes=8_000_000,
        requires=("numpy",),
        leak_audit={"status": "passed"},
        counterfactual={"largest_change": 0.1, "flip_rate": 0.01},
        policy={"flag": 0.61, "remove": None},
    )
    return one, replace(one, name="version 2", digest="b" * 64, scores=scores[1])


def receipt(candidate: Evidence, champion: Any, chosen: Rules | None = None, **data: Any) -> Receipt:
    return judge(candidate, champion, chosen or rules(), who="Ada", at=AT, data={**DATA, **data})


def rule(found: Receipt, name: str) -> Any:
    [one] = [one for one in found.rules if one.name == name]
    return one
