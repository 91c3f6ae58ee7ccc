"""What people review of the leak audit: which columns a model may see, and what each group may reach."""

import difflib
import hashlib
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from modeling.artefacts import GROUPS, Limit
from workflow.exceptions import SettingsError
from workflow.recipe import read_toml

SETTING: Final = "CHATMOD_LEAKAGE"
TABLES: Final = ("inputs", "groups")
KEYS: Final = ("limit", "before", "allow")
CHANCE: Final = 0.5
CERTAIN: Final = 1.0


@dataclass(frozen=True)
class LeakLimits:
    """The columns that a model may see beside the text, a limit for each group, the digest of both."""

    columns: tuple[str, ...]
    groups: Mapping[str, Limit]
    sha256: str


def read(path: Path) -> LeakLimits:
    """The limits in a file.

    Raises:
        SettingsError: the file cannot be read, or a key or value in it cannot be used.

    """
    tables = read_toml(path, SETTING)
    for table in TABLES:
        _check_table(path.name, f"[{table}]", tables.get(table), table)
    _check_names(path.name, "", tables, TABLES)
    inputs, groups, names = tables["inputs"], tables["groups"], [group.name for group in GROUPS]
    _check_names(path.name, "[inputs] ", inputs, ("columns",))
    _check_names(path.name, "[groups] ", groups, names)
    columns = inputs.get("columns")
    if not isinstance(columns, list) or not all(isinstance(each, str) and each for each in columns):
        raise SettingsError(f"{path.name}: [inputs] columns={columns!r}: give a list of names, or []")
    limits = {name: _limit(path.name, f"groups.{name}", groups.get(name)) for name in names}
    told = repr((columns, limits)).encode()
    return LeakLimits(tuple(columns), limits, hashlib.sha256(told).hexdigest())


def _limit(file: str, table: str, keys: Any) -> Limit:
    _check_table(file, f"[{table}]", keys, table)
    _check_names(file, f"[{table}] ", keys, KEYS)
    if ("limit" in keys) == ("allow" in keys):
        raise SettingsError(
            f"{file}: [{table}] limit={keys.get('limit')!r}, allow={keys.get('allow')!r}: give one of the two"
        )
    for key in ("limit", "before"):
        value = keys.get(key, CHANCE)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not is_number or not CHANCE <= value <= CERTAIN:
            raise SettingsError(f"{file}: [{table}] {key}={value!r}: give a number from 0.5 to 1")
    reason = keys.get("allow", "")
    if "allow" in keys and not (isinstance(reason, str) and reason.strip()):
        raise SettingsError(f"{file}: [{table}] allow={reason!r}: say why it may tell the label")
    return Limit(keys.get("limit"), keys.get("before"), str(reason).strip())


def _check_table(file: str, title: str, content: object, key: str) -> None:
    if content is None:
        raise SettingsError(f"{file}: {title} is missing: add it")
    if not isinstance(content, Mapping):
        raise SettingsError(f"{file}: {key}={content!r}: make it a table, {title}")


def _check_names(file: str, where: str, found: Mapping[str, Any], known: Collection[str]) -> None:
    for name in sorted(set(found) - set(known)):
        near = difflib.get_close_matches(name, known, n=1)
        remedy = near[0] if near else f"one of {', '.join(known)}"
        raise SettingsError(f"{file}: {where}{name}={found[name]!r} is unknown: use {remedy}")
