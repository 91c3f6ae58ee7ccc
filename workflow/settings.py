"""Settings of the workflow, CHATMOD_*: read once, here. Other kinds (API, UI, TEST) have their own reader."""

import os
import pwd
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any, Final

from moderation.address import REMEDY as LABELS_REMEDY
from moderation.address import checked
from workflow.exceptions import SettingsError
from workflow.kaggle_source import FILES as DATASETS

PREFIX: Final = "CHATMOD_"
CONFIG: Final = Path(__file__).parent / "config"
OTHER_KINDS: Final = ("CHATMOD_API_", "CHATMOD_UI_", "CHATMOD_TEST_")
SERVER: Final = re.compile(r"https?://[^/@\s]+(/[^@\s]*)?")
DIGITS: Final = re.compile(r"[0-9]{1,12}")
LAST_PORT: Final = 65535
LONGEST_S: Final = 3600.0


def _port(text: str) -> int:
    number = _count(text)
    if number > LAST_PORT:
        raise ValueError
    return number


def _seconds(text: str) -> float:
    number = float(text)
    if not 0 < number <= LONGEST_S:
        raise ValueError
    return number


def _count(text: str) -> int:
    if not DIGITS.fullmatch(text) or int(text) < 1:
        raise ValueError
    return int(text)


def _flag(text: str) -> bool:
    return {"0": False, "1": True}[text]


def _name(text: str) -> str:
    if not text.strip() or not text.isprintable():
        raise ValueError
    return text.strip()


def _dataset(text: str) -> str:
    if text not in DATASETS:
        raise ValueError
    return text


def _home(text: str) -> Path:
    # The place becomes part of SQLite's addresses, where these three mean something else.
    if set("%?#") & set(text):
        raise ValueError
    return Path(text).expanduser()


def _server(text: str) -> str:
    if not SERVER.fullmatch(text):
        raise ValueError
    return text.rstrip("/")


@dataclass(frozen=True)
class _Setting:
    read: Callable[[str], Any]
    remedy: str
    is_secret: bool = False


def _setting(
    default: Any, read: Callable[[str], Any], remedy: str, key: str = "", *, is_secret: bool = False
) -> Any:
    setting = _Setting(read, remedy, is_secret)
    return field(default=default, metadata={"setting": setting, "key": key}, repr=not is_secret)


@dataclass(frozen=True)
class Settings:
    """Everything about the pipeline and the local stack that an operator may choose."""

    data: str = _setting("", str, "name a CSV file, a folder, kaggle or sample")
    dataset: str = _setting("reddit", _dataset, f"use {' or '.join(DATASETS)}")
    text_column: str = _setting("", str, "name a column of the CSV file")
    label_column: str = _setting("", str, "name a column of the CSV file")
    max_text_chars: int = _setting(100_000, _count, "use a number of characters, 1 or more")
    home: Path = _setting(Path(".chatmod"), _home, "name a directory without %, ? and # in its path")
    config: Path = _setting(CONFIG / "pipeline.toml", Path, "name a TOML file")
    candidates: Path = _setting(CONFIG / "candidates.toml", Path, "name a TOML file")
    candidate: str = _setting("", str, "name a candidate of candidates.toml")
    leakage: Path = _setting(CONFIG / "leakage.toml", Path, "name a TOML file")
    gate: Path = _setting(CONFIG / "gate.toml", Path, "name a TOML file")
    who: str = _setting("", _name, "give a name, on one line")
    tracking_uri: str = _setting(
        "",
        _server,
        "name an MLflow server, e.g. http://mlflow:5000; credentials belong in MLFLOW_TRACKING_USERNAME "
        "and MLFLOW_TRACKING_PASSWORD",
    )
    experiment: str = _setting("chat-moderation", str, "use a name")
    kaggle_timeout_s: float = _setting(6.0, _seconds, "use a number of seconds, above 0 and at most 3600")
    fresh: bool = _setting(default=False, read=_flag, remedy="use 0 or 1")
    report_texts: bool = _setting(default=False, read=_flag, remedy="use 0 or 1")
    labels: str = _setting("", checked, LABELS_REMEDY, is_secret=True)
    mlflow_port: int = _setting(5000, _port, "use a port from 1 to 65535")
    # The stack starts service and chat, so it has to know where they listen and what they serve.
    api_host: str = _setting("127.0.0.1", str, "name an address of this machine", key="CHATMOD_API_HOST")
    api_port: int = _setting(9696, _port, "use a port from 1 to 65535", key="CHATMOD_API_PORT")
    ui_port: int = _setting(8501, _port, "use a port from 1 to 65535", key="CHATMOD_UI_PORT")
    api_bundle: Path | None = _setting(None, Path, "name a bundle's directory", key="CHATMOD_API_BUNDLE")
    api_model_version: str = _setting("", str, "give a version's number", key="CHATMOD_API_MODEL_VERSION")
    api_keys: str = _setting("", str, "name a file of keys", key="CHATMOD_API_KEYS")
    ui_api_key: str = _setting("", str, "give a key", key="CHATMOD_UI_API_KEY", is_secret=True)
    api_labels: str = _setting("", checked, LABELS_REMEDY, key="CHATMOD_API_LABELS", is_secret=True)

    @property
    def workdir(self) -> Path:
        """Where steps leave their outputs."""
        return self.home / "work"

    @property
    def database(self) -> Path:
        """MLflow's SQLite file, where no tracking server is set."""
        return self.home.resolve() / "mlflow.db"

    @property
    def artifacts(self) -> Path:
        """Where MLflow keeps artifacts, where no tracking server is set."""
        return self.home.resolve() / "artifacts"

    @property
    def labels_address(self) -> str:
        """Where the labels are: what was set for the workflow, else for the service, else a file at home."""
        return self.labels or self.api_labels or f"sqlite:///{self.home.resolve()}/labels.db"

    @property
    def judge(self) -> str:
        """Who asks the gate: what was set, else the system's name of this user; no variable tells it."""
        try:
            return self.who or pwd.getpwuid(os.getuid()).pw_name
        except KeyError:
            return f"user {os.getuid()}"

    @property
    def tracking(self) -> str:
        """The MLflow tracking URI in force."""
        return self.tracking_uri or f"sqlite:///{self.database}"


def load() -> Settings:
    """The settings of this process.

    Raises:
        SettingsError: a CHATMOD_ name is unknown or a value cannot be used.

    """
    return from_environ(os.environ)


def child_environ(defaults: Mapping[str, str]) -> dict[str, str]:
    """This process's environment for a child, with values that the operator has not set.

    A bundle that the operator names takes the place of the version that was registered last.
    """
    chosen = {key: text for key, text in os.environ.items() if text or key not in defaults}
    if chosen.get("CHATMOD_API_BUNDLE") or chosen.get("CHATMOD_API_MODEL_VERSION"):
        own = ("CHATMOD_API_BUNDLE", "CHATMOD_API_MODEL_VERSION", "CHATMOD_API_MODEL_DIGEST")
        defaults = {key: text for key, text in defaults.items() if key not in own}
    return {**defaults, **chosen}


def from_environ(environ: Mapping[str, str]) -> Settings:
    """The settings in a mapping; an empty value means the default.

    Raises:
        SettingsError: a CHATMOD_ name is unknown or a value cannot be used.

    """
    known = {entry.metadata["key"] or PREFIX + entry.name.upper(): entry for entry in fields(Settings)}
    values: dict[str, Any] = {}
    for key, text in environ.items():
        if key not in known:
            if key.startswith(PREFIX) and not key.startswith(OTHER_KINDS):
                names = ", ".join(sorted(known))
                raise SettingsError(f"{key}={text!r} is no setting of the workflow: use one of {names}")
            continue
        if text == "":
            continue
        setting: _Setting = known[key].metadata["setting"]
        try:
            values[known[key].name] = setting.read(text)
        except (ValueError, KeyError) as error:
            shown = "'***'" if setting.is_secret else repr(text)
            raise SettingsError(f"{key}={shown} cannot be used: {setting.remedy}") from error
    return Settings(**values)
