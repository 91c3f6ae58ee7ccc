"""CHATMOD_* of the workflow: what is taken, what is refused, and what children are given."""

from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from workflow.exceptions import SettingsError
from workflow.kaggle_source import FILES
from workflow.settings import Settings, child_environ, from_environ, load


def test_without_variables_the_defaults_hold() -> None:
    chosen = from_environ({"PATH": "/bin", "HOME": "/root"})
    assert Settings() == chosen
    assert (5000, 9696, 8501) == (chosen.mlflow_port, chosen.api_port, chosen.ui_port)
    assert ("", "reddit", Path(".chatmod/work")) == (chosen.data, chosen.dataset, chosen.workdir)


def test_every_setting_can_be_chosen(tmp_path: Path) -> None:
    chosen = from_environ(
        {
            "CHATMOD_DATA": "mine.csv",
            "CHATMOD_DATASET": "reddit_200k",
            "CHATMOD_TEXT_COLUMN": "message",
            "CHATMOD_LABEL_COLUMN": "gone",
            "CHATMOD_MAX_TEXT_CHARS": "500",
            "CHATMOD_HOME": str(tmp_path),
            "CHATMOD_CONFIG": "mine.toml",
            "CHATMOD_CANDIDATES": "some.toml",
            "CHATMOD_LEAKAGE": "leaks.toml",
            "CHATMOD_CANDIDATE": "fast",
            "CHATMOD_TRACKING_URI": "http://mlflow:5000/",
            "CHATMOD_EXPERIMENT": "mine",
            "CHATMOD_KAGGLE_TIMEOUT_S": "1.5",
            "CHATMOD_FRESH": "1",
            "CHATMOD_MLFLOW_PORT": "1",
            "CHATMOD_API_PORT": "2",
            "CHATMOD_UI_PORT": "65535",
            "CHATMOD_API_BUNDLE": "there",
            "CHATMOD_API_MODEL_VERSION": "3",
            "CHATMOD_API_KEYS": "keys.json",
            "CHATMOD_UI_API_KEY": "cm_secret",
        }
    )
    expected = Settings(
        data="mine.csv",
        dataset="reddit_200k",
        text_column="message",
        label_column="gone",
        max_text_chars=500,
        home=tmp_path,
        config=Path("mine.toml"),
        candidates=Path("some.toml"),
        leakage=Path("leaks.toml"),
        candidate="fast",
        tracking_uri="http://mlflow:5000",
        experiment="mine",
        kaggle_timeout_s=1.5,
        fresh=True,
        mlflow_port=1,
        api_port=2,
        ui_port=65535,
        api_bundle=Path("there"),
        api_model_version="3",
        api_keys="keys.json",
        ui_api_key="cm_secret",
    )
    assert expected == chosen
    assert "cm_secret" not in repr(chosen)


def test_an_empty_value_means_the_default() -> None:
    assert Settings() == from_environ({"CHATMOD_FRESH": "", "CHATMOD_API_PORT": "", "CHATMOD_HOME": ""})


def test_the_environment_of_this_process_is_what_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATMOD_EXPERIMENT", "from here")
    assert load().experiment == "from here"


@pytest.mark.parametrize("key", ["CHATMOD_DATAS", "CHATMOD_", "CHATMOD_PORT", "CHATMOD_APIPORT"])
def test_an_unknown_name_is_refused_with_the_known_ones(key: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environ({key: "x"})
    message = str(caught.value)
    assert message.startswith(f"{key}='x' is no setting of the workflow: use one of ")
    assert "CHATMOD_DATA, CHATMOD_DATASET, " in message
    assert "CHATMOD_API_PORT" in message


def test_settings_of_other_kinds_are_left_to_their_readers() -> None:
    others = {"CHATMOD_API_WORKERS": "no number", "CHATMOD_UI_ROOM_NAME": "x", "CHATMOD_TEST_DATA": "x"}
    assert Settings() == from_environ(others)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("DATASET", "reddit_2", "use reddit or reddit_200k"),
        ("MAX_TEXT_CHARS", "0", "1 or more"),
        ("MAX_TEXT_CHARS", "many", "1 or more"),
        ("KAGGLE_TIMEOUT_S", "0", "above 0"),
        ("KAGGLE_TIMEOUT_S", "nan", "above 0"),
        ("KAGGLE_TIMEOUT_S", "inf", "above 0"),
        ("KAGGLE_TIMEOUT_S", "soon", "above 0"),
        ("KAGGLE_TIMEOUT_S", "3601", "at most 3600"),
        ("HOME", "50% done", "without %, ? and #"),
        ("FRESH", "yes", "use 0 or 1"),
        ("MLFLOW_PORT", "0", "1 to 65535"),
        ("MLFLOW_PORT", "65536", "1 to 65535"),
        ("API_PORT", "http", "1 to 65535"),
        ("API_PORT", "9_696", "1 to 65535"),
        ("UI_PORT", "-1", "1 to 65535"),
        ("UI_PORT", "٣", "1 to 65535"),
        ("TRACKING_URI", "mlflow:5000", "e.g. http://mlflow:5000"),
        ("TRACKING_URI", "postgresql://db/mlflow", "e.g. http://mlflow:5000"),
        ("TRACKING_URI", "http://", "e.g. http://mlflow:5000"),
    ],
)
def test_a_value_that_cannot_be_used_is_refused_with_its_remedy(name: str, value: str, remedy: str) -> None:
    with pytest.raises(SettingsError) as caught:
        from_environ({f"CHATMOD_{name}": value})
    assert str(caught.value).startswith(f"CHATMOD_{name}={value!r} cannot be used: ")
    assert remedy in str(caught.value)


def test_an_address_with_a_password_is_refused_and_told_where_it_belongs() -> None:
    with pytest.raises(SettingsError, match=r"MLFLOW_TRACKING_PASSWORD"):
        from_environ({"CHATMOD_TRACKING_URI": "https://me:secret@mlflow"})


@given(value=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=40))
def test_any_value_is_taken_or_refused_but_never_a_surprise(value: str) -> None:
    for name in ("MAX_TEXT_CHARS", "KAGGLE_TIMEOUT_S", "FRESH", "API_PORT", "TRACKING_URI", "DATASET"):
        with suppress(SettingsError):
            from_environ({f"CHATMOD_{name}": value})


def test_the_known_data_sets_are_those_that_can_be_fetched() -> None:
    assert list(FILES) == [from_environ({"CHATMOD_DATASET": name}).dataset for name in FILES]


def test_a_child_is_given_what_the_operator_chose_before_what_the_stack_would(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CHATMOD_API_WORKERS", "4")
    monkeypatch.setenv("CHATMOD_API_PORT", "")
    monkeypatch.setenv("SOMETHING_ELSE", "x")
    given_to_child = child_environ({"CHATMOD_API_WORKERS": "2", "CHATMOD_API_PORT": "9696", "EXTRA": "y"})
    names = ("CHATMOD_API_WORKERS", "CHATMOD_API_PORT", "SOMETHING_ELSE", "EXTRA")
    assert ["4", "9696", "x", "y"] == [given_to_child.get(name) for name in names]


@pytest.mark.parametrize(
    ("key", "value"), [("CHATMOD_API_BUNDLE", "/there"), ("CHATMOD_API_MODEL_VERSION", "3")]
)
def test_a_model_that_the_operator_names_takes_the_place_of_the_last_one(
    monkeypatch: pytest.MonkeyPatch, key: str, value: str
) -> None:
    monkeypatch.setenv(key, value)
    ours = {
        "CHATMOD_API_MODEL_VERSION": "7",
        "CHATMOD_API_MODEL_DIGEST": "ab" * 32,
        "CHATMOD_API_REGISTRY_URL": "http://127.0.0.1:5000",
    }
    child = child_environ(ours)
    named = {name: child[name] for name in (*ours, "CHATMOD_API_BUNDLE") if name in child}
    assert {key: value, "CHATMOD_API_REGISTRY_URL": "http://127.0.0.1:5000"} == named


def test_an_empty_bundle_names_no_model(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CHATMOD_API_BUNDLE", "")
    assert child_environ({"CHATMOD_API_MODEL_VERSION": "7"})["CHATMOD_API_MODEL_VERSION"] == "7"
