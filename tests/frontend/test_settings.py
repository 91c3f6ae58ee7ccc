"""CHATMOD_UI_*: parsed at the edge, refused with key, value and remedy."""

from contextlib import suppress
from dataclasses import FrozenInstanceError, fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.exceptions import SettingsError
from frontend.settings import PARSERS, PREFIX, Settings, from_environ


def test_without_variables_the_defaults_hold() -> None:
    chosen = from_environ({"PATH": "/bin", "CHATMOD_DATA": "sample", "CHATMOD_API_PORT": "1"})
    assert Settings() == chosen
    assert (
        chosen.api_url,
        chosen.on_unavailable,
        chosen.room_name,
    ) == ("http://127.0.0.1:9696", "hold", "lobby")
    assert str(chosen.room_url) == "sqlite:///.chatmod/chat.db"


def test_every_setting_can_be_chosen() -> None:
    chosen = from_environ(
        {
            "CHATMOD_UI_API_URL": "http://api:80/",
            "CHATMOD_UI_API_KEY": "cm_word",
            "CHATMOD_UI_ROOM_URL": "postgresql+psycopg://me:secret@db:5432/chat",
            "CHATMOD_UI_ON_UNAVAILABLE": "refuse",
            "CHATMOD_UI_REFRESH_S": "0.5",
            "CHATMOD_UI_TIMEOUT_S": "2",
            "CHATMOD_UI_MLFLOW_URL": "https://mlflow.example",
            "CHATMOD_UI_MLFLOW_TOKEN": "ml_word",
            "CHATMOD_UI_MAX_MESSAGE_CHARS": "280",
            "CHATMOD_UI_ROOM_NAME": "attic",
            "CHATMOD_UI_HISTORY": "50",
        }
    )
    assert (
        chosen.api_url,
        chosen.on_unavailable,
        chosen.refresh_s,
        chosen.timeout_s,
    ) == ("http://api:80", "refuse", 0.5, 2.0)
    assert (
        chosen.mlflow_url,
        chosen.max_message_chars,
        chosen.room_name,
        chosen.history,
    ) == ("https://mlflow.example", 280, "attic", 50)
    assert chosen.room_url.password == "secret"
    assert ("cm_word", "ml_word") == (chosen.api_key, chosen.mlflow_token)
    assert "_word" not in repr(chosen)


def test_every_setting_has_its_parser() -> None:
    assert {entry.name for entry in fields(Settings)} == set(PARSERS)


def test_an_empty_value_means_the_default() -> None:
    assert Settings() == from_environ(dict.fromkeys(map(_key, PARSERS), ""))


def _key(name: str) -> str:
    return PREFIX + name.upper()


def test_an_unknown_name_is_refused_with_the_nearest_known_one() -> None:
    with pytest.raises(SettingsError) as caught:
        from_environ({"CHATMOD_UI_ROOM_ULR": "postgresql+psycopg://me:secret@db/chat"})
    assert (
        str(caught.value)
        == "CHATMOD_UI_ROOM_ULR='postgresql+psycopg://me:***@db/chat' is not a setting of the chat: "
        "did you mean CHATMOD_UI_ROOM_URL?"
    )


def test_an_unknown_name_like_no_other_is_refused_with_all_known_ones() -> None:
    with pytest.raises(SettingsError, match=r"CHATMOD_UI_XYZZY='1' .*CHATMOD_UI_API_URL, CHATMOD_UI_HISTORY"):
        from_environ({"CHATMOD_UI_XYZZY": "1"})


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("API_URL", "127.0.0.1:9696", "http://HOST:PORT"),
        ("API_URL", "ftp://host", "http://HOST:PORT"),
        ("API_URL", "http://user@host", "http://HOST:PORT"),
        ("API_URL", "http://host:99999", "http://HOST:PORT"),
        ("MLFLOW_URL", "mlflow", "http://HOST:PORT"),
        ("ROOM_URL", "chat.db", "sqlite:///PATH"),
        ("ROOM_URL", "sqlite://", "sqlite:///PATH"),
        ("ROOM_URL", "sqlite:///:memory:", "sqlite:///PATH"),
        ("ROOM_URL", "mysql://me@db/chat", "postgresql+psycopg://"),
        ("ROOM_URL", "postgresql://me@db/chat", "postgresql+psycopg://"),
        ("ON_UNAVAILABLE", "ignore", "hold, allow, refuse"),
        ("REFRESH_S", "0", "0.2 to 60"),
        ("REFRESH_S", "nan", "0.2 to 60"),
        ("TIMEOUT_S", "soon", "0.1 to 120"),
        ("MAX_MESSAGE_CHARS", "-1", "1 to 20000"),
        ("MAX_MESSAGE_CHARS", "1e3", "1 to 20000"),
        ("HISTORY", "٣", "1 to 2000"),
        ("ROOM_NAME", "a\nb", "64 printable"),
        ("ROOM_NAME", "x" * 65, "64 printable"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_remedy(name: str, value: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environ({PREFIX + name: value})
    message = str(caught.value)
    assert message.startswith(f"{PREFIX}{name}={value!r} ")
    assert remedy in message


@given(value=st.text())
def test_any_value_is_taken_or_refused_but_never_a_surprise(value: str) -> None:
    for name in PARSERS:
        with suppress(SettingsError):
            assert type(getattr(from_environ({_key(name): value}), name)) is type(getattr(Settings(), name))


def test_a_password_is_never_shown() -> None:
    chosen = from_environ({"CHATMOD_UI_ROOM_URL": "postgresql+psycopg://me:topsecret@db/chat"})
    assert "topsecret" not in repr(chosen) + str(chosen.room_url)
    assert "me:***@db" in repr(chosen)
    with pytest.raises(SettingsError) as caught:
        from_environ({"CHATMOD_UI_ROOM_URL": "mysql://me:topsecret@db/chat"})
    assert "topsecret" not in str(caught.value)


def test_a_wrong_key_is_not_shown_either() -> None:
    with pytest.raises(SettingsError, match=r"CHATMOD_UI_API_KEY='\*\*\*' is not a key") as caught:
        from_environ({"CHATMOD_UI_API_KEY": "cm_top secret"})
    assert "secret" not in str(caught.value)


def test_settings_cannot_be_changed_afterwards() -> None:
    with pytest.raises(FrozenInstanceError):
        Settings().history = 3  # type: ignore[misc]
