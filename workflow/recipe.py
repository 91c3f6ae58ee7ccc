"""What people review before a run: candidate, targets and evaluation, read from two TOML files."""

import difflib
import math
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from modeling.candidates.catalogue import check
from modeling.exceptions import CandidateError
from modeling.gate_rules import Rules, rules_from
from workflow.exceptions import SettingsError

if TYPE_CHECKING:
    from modeling.policy import Action

LARGEST: Final = 1e6
DEFAULTS: Final = {"preprocess": {"clean": True}}
TABLES: Final = {
    "candidate": {"name"},
    "preprocess": {"clean"},
    "targets": {"flag", "remove"},
    "evaluation": {"resamples", "seed"},
}


@dataclass(frozen=True)
class Recipe:
    """A candidate by name, its family and parameters, the precision each action must keep, the bootstrap.

    ``clean`` says whether a model is trained on cleaned texts; off, the leak audit shows what it is for.
    """

    name: str
    family: str
    parameters: Mapping[str, Any]
    targets: "Mapping[Action, float]"
    resamples: int
    seed: int
    clean: bool = True


def read(path: Path, candidates: Path, chosen: str = "") -> Recipe:
    """The recipe in a file, with the candidate that it names, or that was chosen instead.

    Raises:
        SettingsError: a file cannot be read, or a key or value in it cannot be used.

    """
    tables = {**DEFAULTS, **read_toml(path, "CHATMOD_CONFIG")}
    _check_names(path, tables)
    targets = tables["targets"]
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
    clean = tables["preprocess"].get("clean")
    if not isinstance(clean, bool):
        raise SettingsError(f"{path.name}: [preprocess] clean={clean!r}: use true or false")
    where = "CHATMOD_CANDIDATE" if chosen else f"{path.name}: [candidate] name"
    name = chosen or tables["candidate"].get("name")
    family, parameters = candidate(candidates, name, where)
    return Recipe(str(name), family, parameters, targets, **tables["evaluation"], clean=clean)


def read_rules(path: Path) -> Rules:
    """The gate's rules.

    Raises:
        SettingsError: the file cannot be read.
        GateError: a rule in it is unknown or missing, or its limit cannot be used.

    """
    return rules_from(read_toml(path, "CHATMOD_GATE"))


def read_toml(path: Path, setting: str) -> dict[str, Any]:
    """The tables of a file that a setting names.

    Raises:
        SettingsError: it cannot be read, or is no TOML.

    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SettingsError(f"{setting}={str(path)!r} cannot be read ({error}): name a TOML file") from error


def candidate(path: Path, name: object, where: str) -> tuple[str, dict[str, Any]]:
    """Family and parameters of a candidate in a file; ``where`` says in errors who named it.

    Raises:
        SettingsError: it is not there, or its family or a parameter cannot be used.

    """
    known = read_toml(path, "CHATMOD_CANDIDATES")
    if not isinstance(name, str) or name not in known:
        near = difflib.get_close_matches(str(name), known, n=1)
        remedy = near[0] if near else f"one of {', '.join(sorted(known))}"
        raise SettingsError(f"{where}={name!r} is no candidate of {path.name}: use {remedy}")
    if not isinstance(known[name], dict):
        raise SettingsError(f"{path.name}: {name}={known[name]!r}: make it a table, [{name}]")
    parameters = dict(known[name])
    family = parameters.pop("family", None)
    try:
        check(family, parameters)
    except CandidateError as error:
        raise SettingsError(f"{path.name}: [{name}] {error}") from error
    return str(family), parameters


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
