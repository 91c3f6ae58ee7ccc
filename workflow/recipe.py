"""What people review before a run: candidate, targets and evaluation, read from one TOML file."""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.exceptions import SettingsError

if TYPE_CHECKING:
    from modeling.policy import Action

CANDIDATES: Final = ("hashed_linear",)
TABLES: Final = {"candidate": {"name", "C", "tol", "max_iter"}, "targets": {"flag", "remove"}}
EVALUATION: Final = {"resamples", "seed"}


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
    known = {**TABLES, "evaluation": EVALUATION}
    for table, keys in known.items():
        unknown = sorted(set(tables.get(table, {})) - keys)
        if unknown:
            raise SettingsError(f"{path.name}: [{table}] {unknown[0]} is unknown: use {sorted(keys)}")
    missing = sorted(set(known) - set(tables))
    extra = sorted(set(tables) - set(known))
    if missing or extra:
        raise SettingsError(
            f"{path.name}: tables {missing} are missing, {extra} are unknown: have {sorted(known)}"
        )
    candidate = dict(tables["candidate"])
    if candidate.pop("name", None) not in CANDIDATES:
        raise SettingsError(f"{path.name}: [candidate] name must be one of {list(CANDIDATES)}")
    return Recipe(candidate, tables["targets"], **_evaluation(path, tables["evaluation"]))


def _evaluation(path: Path, table: Mapping[str, Any]) -> dict[str, int]:
    for key in sorted(EVALUATION):
        if not isinstance(table.get(key), int) or table[key] < 0:
            raise SettingsError(f"{path.name}: [evaluation] {key}={table.get(key)!r}: give a whole number")
    if table["resamples"] < 1:
        raise SettingsError(f"{path.name}: [evaluation] resamples=0: draw at least one")
    return {key: table[key] for key in EVALUATION}
