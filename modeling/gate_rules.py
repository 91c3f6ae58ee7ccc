"""What a candidate must show before it replaces the champion, read from reviewed tables. Knows no file."""

import difflib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from modeling.candidates.catalogue import Parameter, choice, number, whole
from modeling.exceptions import GateError

METRICS: Final = ("roc_auc",)
FILE: Final = "gate.toml"
# The interval's ends must be told from more than a handful of resamples (Davison and Hinkley 1997, 2.5).
FEWEST_IN_A_TAIL: Final = 10
_DISTRIBUTION: Final = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?")


def _are_distributions(value: Any) -> bool:
    return isinstance(value, list) and all(
        isinstance(name, str) and _DISTRIBUTION.fullmatch(name) for name in value
    )


LIMITS: Final[Mapping[str, Mapping[str, Parameter]]] = {
    "test": {"rows": whole(50, 10**9), "each_label": whole(10, 10**9), "touches": whole(1, 10**9)},
    "bootstrap": {
        "resamples": whole(2_000, 100_000),
        "confidence": number(0.8, 0.999),
        "seed": whole(0, 2**32 - 1),
    },
    "primary": {"metric": choice(*METRICS), "margin": number(0.0001, 0.1), "chance": number(0.5, 0.99)},
    "calibration": {"ece": number(0.001, 0.5)},
    "artefact_free": {"margin": number(0.0001, 0.1), "keeps": number(0, 1)},
    "slices": {"rows": whole(20, 10**9), "each_label": whole(5, 10**9), "worse": number(0.001, 0.5)},
    "cost": {"cpu_ms": number(0.001, 60_000), "bundle_bytes": whole(1_000, 10**12)},
    "counterfactual": {"largest_change": number(0, 1), "flip_rate": number(0, 1)},
    "image": {"has": Parameter(_are_distributions, 'a list of distributions, as in ["numpy"]')},
}


@dataclass(frozen=True)
class Rules:
    """The limits, by table and key of gate.toml; what each is for stands there.

    Attributes:
        tables: the same as they were read, for the receipt.

    """

    test_rows: int
    test_each_label: int
    test_touches: int
    bootstrap_resamples: int
    bootstrap_confidence: float
    bootstrap_seed: int
    primary_metric: str
    primary_margin: float
    primary_chance: float
    calibration_ece: float
    artefact_free_margin: float
    artefact_free_keeps: float
    slices_rows: int
    slices_each_label: int
    slices_worse: float
    cost_cpu_ms: float
    cost_bundle_bytes: int
    counterfactual_largest_change: float
    counterfactual_flip_rate: float
    image_has: tuple[str, ...]
    tables: Mapping[str, Mapping[str, Any]]


def rules_from(tables: Mapping[str, Any]) -> Rules:
    """The rules in the tables of a gate.toml.

    Raises:
        GateError: a table or rule is unknown or missing, or a limit cannot be used; names table, key,
            value and remedy.

    """
    _check_names("table", tables, LIMITS)
    values: dict[str, Any] = {}
    for table, limits in LIMITS.items():
        given = tables[table]
        if not isinstance(given, Mapping):
            raise GateError(f"{FILE}: {table}={given!r}: make it a table, [{table}]")
        _check_names(f"[{table}]", given, limits)
        for key, limit in limits.items():
            if not limit.fits(given[key]):
                raise GateError(f"{FILE}: [{table}] {key}={given[key]!r}: give {limit.wanted}")
            values[f"{table}_{key}"] = given[key]
    _check_tails(values["bootstrap_resamples"], values["bootstrap_confidence"])
    values["image_has"] = tuple(values["image_has"])
    return Rules(**values, tables={table: dict(tables[table]) for table in LIMITS})


def _check_names(where: str, given: Mapping[str, Any], known: Mapping[str, Any]) -> None:
    for name in given:
        if name not in known:
            close = difflib.get_close_matches(str(name), known, n=1)
            remedy = close[0] if close else f"one of {', '.join(known)}"
            raise GateError(f"{FILE}: {where} {name}={given[name]!r} is no rule: use {remedy}")
    for name, limit in known.items():
        if name not in given:
            wanted = f"{name} = {limit.wanted}" if isinstance(limit, Parameter) else f"[{name}]"
            raise GateError(f"{FILE}: {where} {name} is missing: add {wanted}")


def _check_tails(resamples: int, confidence: float) -> None:
    in_a_tail = resamples * (1 - confidence) / 2
    if in_a_tail < FEWEST_IN_A_TAIL - 1e-9:
        needed = math.ceil(round(2 * FEWEST_IN_A_TAIL / (1 - confidence), 6))
        raise GateError(
            f"{FILE}: [bootstrap] resamples={resamples} leave {in_a_tail:.1f} beyond each end of an interval "
            f"of confidence={confidence}: give at least {needed}"
        )
