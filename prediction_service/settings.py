"""The service's settings: CHATMOD_API_* read once into a frozen object; the environment's only reader."""

import ipaddress
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from moderation import address
from prediction_service.exceptions import SettingsError

PREFIX: Final = "CHATMOD_API_"
LOG_LEVELS: Final = ("debug", "info", "warning", "error", "critical")
DIALECTS: Final = ("records", "perspective", "openai", "azure", "kserve", "mlflow", "analyze", "moderate")
ATTRIBUTE_NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_./-]{0,63}")
REGISTRY_URL: Final = re.compile(r"https?://[^/@\s]+(/[^@\s]*)?")
RATE_LIMIT: Final = r"[1-9][0-9]{0,8}/(second|minute|hour|day)"
ORIGIN: Final = re.compile(r"https?://[a-z0-9.:\[\]-]+|\*")
PUBLIC_URL: Final = r"https?://[^/@\s?#]+(/[^@\s?#]*)?"
REDIS_SCHEMES: Final = ("redis", "rediss", "redis+unix", "unix")


@dataclass(frozen=True)
class Secret:
    """A value that must not be shown: ask for it with `reveal`."""

    _value: str

    def __repr__(self) -> str:
        """Never the value."""
        return "'***'"

    __str__ = __repr__

    def reveal(self) -> str:
        """The value itself."""
        return self._value


def _integer(low: int, high: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or not low <= int(text) <= high:
            raise ValueError(f"give a whole number from {low} to {high}")
        return int(text)

    return parse


def _matching(pattern: str, remedy: str) -> Callable[[str], str]:
    def parse(text: str) -> str:
        if not re.fullmatch(pattern, text):
            raise ValueError(remedy)
        return text

    return parse


def _log_level(text: str) -> str:
    if text not in LOG_LEVELS:
        raise ValueError(f"give one of {', '.join(LOG_LEVELS)}")
    return text


def _registry_url(text: str) -> str:
    if not REGISTRY_URL.fullmatch(text):
        raise ValueError(f"give http(s)://host:port, and credentials in {PREFIX}REGISTRY_TOKEN")
    return text.rstrip("/")


def _dialects(text: str) -> tuple[str, ...]:
    named = [name.strip() for name in text.split(",")]
    if set(named) - set(DIALECTS):
        raise ValueError(f"give some of {', '.join(DIALECTS)}, with commas between them")
    return tuple(name for name in DIALECTS if name in named)


def _attributes(text: str) -> dict[str, str]:
    mapping: dict[str, str] = {}
    for pair in text.split(","):
        name, equals, head = (part.strip() for part in pair.partition("="))
        if not (equals and ATTRIBUTE_NAME.fullmatch(name) and ATTRIBUTE_NAME.fullmatch(head)):
            raise ValueError("give ATTRIBUTE=HEAD, with commas between several: TOXICITY=LIKELY_TO_REJECT")
        if mapping.setdefault(name, head) != head:
            raise ValueError(f"{name} has two heads: leave one of them")
    return mapping


def _yes_or_no(text: str) -> bool:
    if text not in ("0", "1"):
        raise ValueError("give 1 or 0")
    return text == "1"


def _redis(text: str) -> Secret:
    remedy = "give redis://[:PASSWORD@]HOST:PORT/DATABASE, rediss://… or redis+unix://[:PASSWORD@]/PATH"
    try:
        parts = urlsplit(text)
        usable = parts.scheme in REDIS_SCHEMES and parts.port != 0 and bool(parts.netloc + parts.path)
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(remedy)
    return Secret(f"redis+{text}" if text.startswith("unix:") else text)


def _origins(text: str) -> tuple[str, ...]:
    origins = tuple(one.strip() for one in text.split(","))
    if not all(ORIGIN.fullmatch(one) for one in origins):
        raise ValueError("give https://HOST[:PORT] in small letters, with commas between several, or *")
    return origins


def _public_url(text: str) -> str:
    return _matching(PUBLIC_URL, "give http(s)://HOST[:PORT][/PATH], without a query")(text).rstrip("/")


@dataclass(frozen=True)
class Settings:
    """Everything that an operator can choose; the names are those of CHATMOD_API_* in lower case."""

    host: str = "127.0.0.1"
    port: int = 9696
    workers: int = 2
    threads: int = 4
    bundle: Path | None = None
    model_version: str | None = None
    model_name: str = "chat-moderation"
    registry_url: str = "http://127.0.0.1:5000"
    registry_token: Secret | None = None
    cache_dir: Path = Path(".chatmod/cache")
    model_digest: str | None = None
    cache_entries: int = 0
    max_records: int = 10_000
    max_text_chars: int = 20_480
    max_body_bytes: int = 33_554_432
    log_level: str = "info"
    graceful_timeout_s: int = 30
    dialects: tuple[str, ...] = DIALECTS
    attributes: Mapping[str, str] = field(default_factory=dict)
    calibration: Path | None = None
    labels: Secret = Secret("sqlite:///.chatmod/labels.db")
    keys: Path | None = None
    open: bool = False
    rate_limit: str | None = None
    redis: Secret | None = None
    cors_origins: tuple[str, ...] = ()
    public_url: str | None = None


PARSERS: Final[Mapping[str, Callable[[str], Any]]] = {
    "host": _matching(r"[^\s/]+", "give an address or a host name"),
    "port": _integer(1, 65535),
    "workers": _integer(1, 256),
    "threads": _integer(1, 256),
    "bundle": Path,
    "model_version": _matching(r"[1-9][0-9]{0,11}", "give the integer of a registered version"),
    "model_name": _matching(r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}", "give a registered model's name"),
    "registry_url": _registry_url,
    "registry_token": Secret,
    "cache_dir": Path,
    "model_digest": _matching(r"[0-9a-f]{64}", "give the bundle's 64 lower-case hexadecimal digits"),
    "cache_entries": _integer(0, 10_000_000),
    "max_records": _integer(1, 1_000_000),
    "max_text_chars": _integer(1, 10_000_000),
    "max_body_bytes": _integer(1024, 1_073_741_824),
    "log_level": _log_level,
    "graceful_timeout_s": _integer(1, 3600),
    "dialects": _dialects,
    "attributes": _attributes,
    "calibration": Path,
    "labels": lambda text: Secret(address.checked(text)),
    "keys": Path,
    "open": _yes_or_no,
    "rate_limit": _matching(RATE_LIMIT, "give NUMBER/second, /minute, /hour or /day: 600/minute"),
    "redis": _redis,
    "cors_origins": _origins,
    "public_url": _public_url,
}
# what may hold a password is not shown, even where it cannot be used
SECRETS: Final = frozenset({"labels", "redis", "registry_token"})


def load(environ: Mapping[str, str] | None = None, *, bundle: Path | None = None) -> Settings:
    """Read CHATMOD_API_* (by default from the process's environment); an empty value counts as unset.

    A ``bundle`` that a command line names takes the place of the model that the settings name.

    Raises:
        SettingsError: a name is unknown, a value cannot be read, no model (or two) is named, or the
            service would be open to other machines without anybody having said so.

    """
    settings = _read(environ)
    if bundle is not None:
        settings = replace(settings, bundle=bundle, model_version=None, model_digest=None)
    _check_model(settings)
    _check_access(settings)
    return settings


def keys_file(environ: Mapping[str, str] | None = None) -> Path:
    """The file of API keys, for commands that serve no model.

    Raises:
        SettingsError: a setting cannot be used, or this one is missing.

    """
    if (path := _read(environ).keys) is None:
        raise SettingsError(f"{PREFIX}KEYS='' names no file: set it to the file that keeps the API keys")
    return path


def _read(environ: Mapping[str, str] | None) -> Settings:
    given = {
        key.removeprefix(PREFIX): value
        for key, value in (os.environ if environ is None else environ).items()
        if key.startswith(PREFIX)
    }
    known = {name.upper(): name for name in PARSERS}
    if unknown := sorted(given.keys() - known.keys()):
        raise SettingsError(
            f"{PREFIX}{unknown[0]} is no setting of this service: "
            f"remove it, or name one of {', '.join(PREFIX + name for name in known)}"
        )
    return Settings(**{known[name]: _parse(name, text) for name, text in given.items() if text})


def _parse(name: str, text: str) -> Any:
    try:
        return PARSERS[name.lower()](text)
    except ValueError as error:
        shown = repr(Secret(text) if name.lower() in SECRETS else text[:200])
        raise SettingsError(f"{PREFIX}{name}={shown} cannot be used: {error}") from error


def _check_model(settings: Settings) -> None:
    if settings.bundle is None and settings.model_version is None:
        raise SettingsError(
            f"{PREFIX}BUNDLE='' and {PREFIX}MODEL_VERSION='' name no model: "
            "set the first to a bundle's directory, or the second to a registered version"
        )
    if settings.bundle is not None and settings.model_version is not None:
        raise SettingsError(
            f"{PREFIX}BUNDLE={str(settings.bundle)!r} and {PREFIX}MODEL_VERSION={settings.model_version!r} "
            "name two models: unset one of them"
        )


def _check_access(settings: Settings) -> None:
    if settings.keys is not None and settings.open:
        raise SettingsError(
            f"{PREFIX}KEYS={str(settings.keys)!r} asks for keys and {PREFIX}OPEN='1' for none: "
            "unset one of them"
        )
    if settings.keys is None and not settings.open and not is_loopback(settings.host):
        raise SettingsError(
            f"{PREFIX}HOST={settings.host!r} can be reached by other machines and {PREFIX}KEYS='' asks "
            f"nobody for a key: set {PREFIX}KEYS to a file of keys (python -m prediction_service keys add "
            f"makes it), or {PREFIX}OPEN=1 where whoever reaches the service may use it"
        )


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach what listens there; a name that is not localhost counts as not."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def metrics_directory(environ: Mapping[str, str] | None = None) -> Path | None:
    """Where the workers of this server share their metrics; nothing outside gunicorn.

    The name is Prometheus's own: its client reads it when it is imported.
    """
    text = (os.environ if environ is None else environ).get("PROMETHEUS_MULTIPROC_DIR")
    return Path(text) if text else None
