"""What people review before a run: candidate, targets and evaluation, read from one TOML file."""

import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.exceptions import SettingsError

if TYPE_CHECKING:
    from modeling.policy import Action

LARGEST: Final = 1e6
CANDIDATES: Final = ("hashed_linear",)
TABLES: Final = {
    "candidate": {"name", "C", "tol", "max_iter"},
    "targets": {"flag", "remove"},
    "evaluation": {"resamples", "seed"},
}


@dataclass(frozen=True)
class Recipe:
    """A candidate's parameters, the precision each action must keep, and the bootstrap."""

    candidate: Mapping[str, Any]
    targets: "Mapping[Action, float]"
    resamples: int
    seed: int


def read(path: Path) -> Recipe:
    """The recipe in a file.

    Raises:
        SettingsError: the file cannot be read, or a key or value in it cannot be used.

    """
    try:
        tables = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(
            f"CHATMOD_CONFIG={str(path)!r} cannot be read ({error}): name a TOML file"
        ) from error
    _check_names(path, tables)
    candidate, targets = dict(tables["candidate"]), tables["targets"]
    if candidate.pop("name", None) not in CANDIDATES:
        raise SettingsError(f"{path.name}: [candidate] name must be one of {list(CANDIDATES)}")
    for key, value in candidate.items():
        _check_number(path, "candidate", key, value, whole=key == "max_iter", below=LARGEST)
        if key == "C" and value < 1 / LARGEST:
            raise SettingsError(f"{path.name}: [candidate] C={value!r}: give a number of 1e-6 or more")
    for action in sorted(TABLES["targets"]):
        _check_number(path, "targets", action, targets.get(action), below=1.0)
    if targets["remove"] < targets["flag"]:
        raise SettingsError(
            f"{path.name}: [targets] remove={targets['remove']} is below flag={targets['flag']}: raise it"
        )
    for key in sorted(TABLES["evaluation"]):
        _check_number(
            path,
            "evaluation",
            key,
            tables["evaluation"].get(key),
            whole=True,
            zero=key == "seed",
            below=LARGEST,
        )
    return Recipe(candidate, targets, **tables["evaluation"])


def _check_names(path: Path, tables: Mapping[str, Any]) -> None:
    missing, extra = sorted(set(TABLES) - set(tables)), sorted(set(tables) - set(TABLES))
    if missing or extra:
        raise SettingsError(
            f"{path.name}: tables {missing} are missing, {extra} are unknown: have {sorted(TABLES)}"
        )
    for table, keys in TABLES.items():
        if not isinstance(tables[table], dict):
            raise SettingsError(f"{path.name}: {table}={tables[table]!r}: make it a table, [{table}]")
        unknown = sorted(set(tables[table]) - keys)
        if unknown:
            raise SettingsError(f"{path.name}: [{table}] {unknown[0]} is unknown: use {sorted(keys)}")


def _check_number(
    path: Path,
    table: str,
    key: str,
    value: Any,
    *,
    whole: bool = False,
    zero: bool = False,
    below: float = math.inf,
) -> None:
    kind = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not kind or not (0 < value < below or (zero and value == 0)):
        wanted = f"{'whole ' if whole else ''}number {'of 0 or more' if zero else 'above 0'}"
        limit = f" and below {below:g}" if below < math.inf else ""
        raise SettingsError(f"{path.name}: [{table}] {key}={value!r}: give a {wanted}{limit}")
