"""The chat's settings, CHATMOD_UI_*: read once, from the environment and from nowhere else."""

import difflib
import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal, get_args
from urllib.parse import urlsplit

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from frontend.exceptions import SettingsError

PREFIX: Final = "CHATMOD_UI_"
OnUnavailable = Literal["hold", "allow", "refuse"]
DATABASES: Final = {"sqlite": "pysqlite", "postgresql": "psycopg"}
MAX_NAME: Final = 64


@dataclass(frozen=True)
class Settings:
    """Everything about this chat that an operator may choose; secrets do not show in its repr.

    ``room_url`` is SQLAlchemy's URL, whose text and repr show a password as ``***``.
    """

    api_url: str = "http://127.0.0.1:9696"
    api_key: str = field(default="", repr=False)
    room_url: URL = field(default_factory=lambda: make_url("sqlite:///.chatmod/chat.db"))
    on_unavailable: OnUnavailable = "hold"
    refresh_s: float = 1.0
    timeout_s: float = 5.0
    mlflow_url: str = ""
    mlflow_token: str = field(default="", repr=False)
    max_message_chars: int = 2000
    room_name: str = "lobby"
    history: int = 200
    port: int = 8501


def load() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: a CHATMOD_UI_ name is unknown or a value cannot be used.

    """
    return from_environ(os.environ)


def from_environ(environ: Mapping[str, str]) -> Settings:
    """The settings in a mapping; an empty value means the default.

    Raises:
        SettingsError: a CHATMOD_UI_ name is unknown or a value cannot be used.

    """
    known = {PREFIX + entry.name.upper(): entry.name for entry in fields(Settings)}
    values: dict[str, Any] = {}
    for key, text in environ.items():
        if not key.startswith(PREFIX):
            continue
        if key not in known:
            near = difflib.get_close_matches(key.removeprefix(PREFIX).lower(), PARSERS, n=1)
            remedy = (
                f"did you mean {PREFIX}{near[0].upper()}?"
                if near
                else f"use one of {', '.join(sorted(known))}"
            )
            raise _error(key, text, f"is not a setting of the chat: {remedy}")
        if text.strip():
            values[known[key]] = PARSERS[known[key]](key, text.strip())
    return Settings(**values)


def _error(key: str, text: str, rest: str) -> SettingsError:
    masked = re.sub(r"(://[^/@\s]*?):[^/\s]*@", r"\1:***@", text)
    return SettingsError(f"{key}={masked!r} {rest}")


def _web_address(key: str, text: str) -> str:
    try:
        parts = urlsplit(text)
        usable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        usable = False
    if not usable or "@" in parts.netloc:
        raise _error(key, text, "is not an address without credentials: give http://HOST:PORT")
    return text.rstrip("/")


def _secret(kind: str, remedy: str) -> Callable[[str, str], str]:
    def parse(key: str, text: str) -> str:
        if not re.fullmatch(r"[!-~]+", text):
            raise _error(key, "***", f"is not {kind}: give it as {remedy}")
        return text

    return parse


def _room_address(key: str, text: str) -> URL:
    remedy = "give sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"
    try:
        url = make_url(text)
    except (ArgumentError, ValueError) as error:
        raise _error(key, text, f"is not a database address: {remedy}") from error
    backend, _, driver = url.drivername.partition("+")
    if DATABASES.get(backend) != (driver or "pysqlite"):
        raise _error(key, text, f"names a database the chat does not speak: {remedy}")
    if backend == "sqlite" and url.database in {None, "", ":memory:"}:
        raise _error(key, text, "would forget every message: give sqlite:///PATH")
    return url


def _one_of(choices: tuple[str, ...]) -> Callable[[str, str], str]:
    def parse(key: str, text: str) -> str:
        if text not in choices:
            raise _error(key, text, f"is not a choice: give one of {', '.join(choices)}")
        return text

    return parse


def _seconds(low: float, high: float) -> Callable[[str, str], float]:
    def parse(key: str, text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        if not low <= value <= high:
            raise _error(key, text, f"is not a number of seconds: give one from {low} to {high}")
        return value

    return parse


def _whole(low: int, high: int) -> Callable[[str, str], int]:
    def parse(key: str, text: str) -> int:
        value = int(text) if re.fullmatch(r"[0-9]{1,9}", text) else low - 1
        if not low <= value <= high:
            raise _error(key, text, f"is not a whole number in range: give one from {low} to {high}")
        return value

    return parse


def _name(key: str, text: str) -> str:
    if len(text) > MAX_NAME or not text.isprintable():
        raise _error(key, text, f"is not a room's name: give at most {MAX_NAME} printable characters")
    return text


PARSERS: Final[Mapping[str, Callable[[str, str], Any]]] = {
    "api_url": _web_address,
    "api_key": _secret("a key", "`keys add` printed it"),
    "room_url": _room_address,
    "on_unavailable": _one_of(get_args(OnUnavailable)),
    "refresh_s": _seconds(0.2, 60),
    "timeout_s": _seconds(0.1, 120),
    "mlflow_url": _web_address,
    "mlflow_token": _secret("a token", "MLflow's operator gave it"),
    "max_message_chars": _whole(1, 20_000),
    "room_name": _name,
    "history": _whole(1, 2_000),
    "port": _whole(1, 65_535),
}
