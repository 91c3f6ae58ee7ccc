"""Settings: what is read, what is refused, and how the refusal reads."""

from dataclasses import fields
from pathlib import Path

import pytest

from prediction_service.dialects.every import DIALECTS as MODULES
from prediction_service.exceptions import SettingsError
from prediction_service.settings import (
    DIALECTS,
    PARSERS,
    Secret,
    Settings,
    is_loopback,
    keys_file,
    load,
    metrics_directory,
)

BUNDLE = {"CHATMOD_API_BUNDLE": "here"}


def test_defaults_hold_where_nothing_is_set() -> None:
    assert load(BUNDLE) == Settings(bundle=Path("here"))


def test_every_setting_has_a_reader() -> None:
    assert {one.name for one in fields(Settings)} == set(PARSERS)


def test_the_settings_know_every_dialect_and_serve_each_unless_told_otherwise() -> None:
    assert DIALECTS == tuple(MODULES) == load(BUNDLE).dialects


def test_every_setting_is_read_by_its_own_name() -> None:
    settings = load(
        {
            "CHATMOD_API_HOST": "::1",
            "CHATMOD_API_PORT": "8080",
            "CHATMOD_API_WORKERS": "3",
            "CHATMOD_API_THREADS": "8",
            "CHATMOD_API_MODEL_VERSION": "7",
            "CHATMOD_API_MODEL_NAME": "other",
            "CHATMOD_API_REGISTRY_URL": "https://registry.test/mlflow/",
            "CHATMOD_API_CACHE_DIR": "cache",
            "CHATMOD_API_MODEL_DIGEST": "a" * 64,
            "CHATMOD_API_MAX_RECORDS": "5",
            "CHATMOD_API_MAX_TEXT_CHARS": "6",
            "CHATMOD_API_MAX_BODY_BYTES": "2048",
            "CHATMOD_API_LOG_LEVEL": "debug",
            "CHATMOD_API_GRACEFUL_TIMEOUT_S": "9",
            "CHATMOD_API_DIALECTS": "records",
            "CHATMOD_API_ATTRIBUTES": "TOXICITY=LIKELY_TO_REJECT, hate/threatening=HATE",
            "CHATMOD_API_CALIBRATION": "map.json",
            "CHATMOD_API_KEYS": "keys.json",
            "CHATMOD_API_OPEN": "0",
            "CHATMOD_API_RATE_LIMIT": "600/minute",
            "CHATMOD_API_REDIS": "redis://:word@redis:6379/1",
            "CHATMOD_API_CORS_ORIGINS": "https://a.test, http://b.test:8080",
            "CHATMOD_API_PUBLIC_URL": "https://moderation.test/api/",
        }
    )
    assert settings == Settings(
        host="::1",
        port=8080,
        workers=3,
        threads=8,
        model_version="7",
        model_name="other",
        registry_url="https://registry.test/mlflow",
        cache_dir=Path("cache"),
        model_digest="a" * 64,
        max_records=5,
        max_text_chars=6,
        max_body_bytes=2048,
        log_level="debug",
        graceful_timeout_s=9,
        dialects=("records",),
        attributes={"TOXICITY": "LIKELY_TO_REJECT", "hate/threatening": "HATE"},
        calibration=Path("map.json"),
        keys=Path("keys.json"),
        open=False,
        rate_limit="600/minute",
        redis=Secret("redis://:word@redis:6379/1"),
        cors_origins=("https://a.test", "http://b.test:8080"),
        public_url="https://moderation.test/api",
    )


def test_an_empty_value_counts_as_unset() -> None:
    assert load({**BUNDLE, "CHATMOD_API_MODEL_VERSION": "", "CHATMOD_API_PORT": ""}).port == 9696


def test_names_of_other_packages_are_none_of_its_business() -> None:
    assert load({**BUNDLE, "CHATMOD_UI_PORT": "1", "CHATMOD_DATA": "x"}) == load(BUNDLE)


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(SettingsError) as refusal:
        load({**BUNDLE, "CHATMOD_API_PROT": "9696"})
    assert str(refusal.value).startswith("CHATMOD_API_PROT is no setting of this service: remove it")
    assert "CHATMOD_API_PORT" in str(refusal.value)


@pytest.mark.parametrize(
    ("name", "value", "remedy"),
    [
        ("PORT", "http", "give a whole number from 1 to 65535"),
        ("PORT", "65536", "give a whole number from 1 to 65535"),
        ("PORT", "٣", "give a whole number from 1 to 65535"),
        ("WORKERS", "0", "give a whole number from 1 to 256"),
        ("THREADS", "-1", "give a whole number from 1 to 256"),
        ("MODEL_VERSION", "latest", "give the integer of a registered version"),
        ("MODEL_NAME", "../x", "give a registered model's name"),
        ("REGISTRY_URL", "mlflow:5000", "give http(s)://host:port"),
        ("REGISTRY_URL", "http://me:word@mlflow:5000", "credentials in CHATMOD_API_REGISTRY_TOKEN"),
        ("MODEL_DIGEST", "abc", "64 lower-case hexadecimal digits"),
        ("LOG_LEVEL", "loud", "give one of debug, info"),
        ("HOST", "a b", "give an address or a host name"),
        ("DIALECTS", "records,perspectiv", "give some of records, "),
        ("DIALECTS", "records,", "with commas between them"),
        ("ATTRIBUTES", "TOXICITY", "give ATTRIBUTE=HEAD"),
        ("ATTRIBUTES", "TOXICITY=", "give ATTRIBUTE=HEAD"),
        ("ATTRIBUTES", "=LIKELY_TO_REJECT", "give ATTRIBUTE=HEAD"),
        ("ATTRIBUTES", "A=B,", "give ATTRIBUTE=HEAD"),
        ("ATTRIBUTES", "A=B\nX: y", "give ATTRIBUTE=HEAD"),
        ("ATTRIBUTES", "A=B,A=C", "A has two heads: leave one of them"),
        ("OPEN", "yes", "give 1 or 0"),
        ("RATE_LIMIT", "0/minute", "give NUMBER/second, /minute, /hour or /day: 600/minute"),
        ("RATE_LIMIT", "600/fortnight", "give NUMBER/second, /minute, /hour or /day: 600/minute"),
        ("CORS_ORIGINS", "a.test", "give https://HOST[:PORT] in small letters"),
        ("CORS_ORIGINS", "https://a.test/", "give https://HOST[:PORT] in small letters"),
        ("PUBLIC_URL", "moderation.test", "give http(s)://HOST[:PORT][/PATH]"),
        ("PUBLIC_URL", "https://me:word@moderation.test", "give http(s)://HOST[:PORT][/PATH]"),
    ],
)
def test_a_value_that_cannot_be_used_is_named_with_key_value_and_remedy(
    name: str, value: str, remedy: str
) -> None:
    with pytest.raises(SettingsError) as refusal:
        load({**BUNDLE, f"CHATMOD_API_{name}": value})
    message = str(refusal.value)
    assert f"CHATMOD_API_{name}={value!r} cannot be used" in message
    assert remedy in message


def test_no_model_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"CHATMOD_API_BUNDLE='' and CHATMOD_API_MODEL_VERSION=''"):
        load({})


def test_two_models_are_refused() -> None:
    with pytest.raises(SettingsError, match=r"name two models: unset one"):
        load({**BUNDLE, "CHATMOD_API_MODEL_VERSION": "1"})


def test_a_bundle_that_a_command_names_takes_the_place_of_the_settings_model() -> None:
    named = load({"CHATMOD_API_MODEL_VERSION": "7", "CHATMOD_API_MODEL_DIGEST": "a" * 64}, bundle=Path("it"))
    assert Settings(bundle=Path("it")) == named == load({}, bundle=Path("it"))


def test_a_secret_does_not_show() -> None:
    settings = load({**BUNDLE, "CHATMOD_API_REGISTRY_TOKEN": "s3cret"})
    assert settings.registry_token is not None
    assert settings.registry_token.reveal() == "s3cret"
    assert "s3cret" not in f"{settings!r} {settings.registry_token} {settings.registry_token!r}"
    assert "registry_token='***'" in repr(settings)


def test_metrics_are_shared_only_where_gunicorn_says_so() -> None:
    assert metrics_directory({}) is None
    assert metrics_directory({"PROMETHEUS_MULTIPROC_DIR": "shared"}) == Path("shared")


@pytest.mark.parametrize("address", ["localhost:6379", "http://:s3cret@redis", "redis://:s3cret@redis:port"])
def test_a_wrong_secret_is_not_shown_either(address: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        load({**BUNDLE, "CHATMOD_API_REDIS": address})
    assert str(refusal.value).startswith(
        "CHATMOD_API_REDIS='***' cannot be used: give redis://[:PASSWORD@]HOST"
    )
    assert "s3cret" not in str(refusal.value)


def test_a_socket_of_redis_has_both_of_its_names() -> None:
    expected = Secret("redis+unix:///run/redis.sock?db=1")
    for address in ("unix:///run/redis.sock?db=1", "redis+unix:///run/redis.sock?db=1"):
        assert expected == load({**BUNDLE, "CHATMOD_API_REDIS": address}).redis


@pytest.mark.parametrize("host", ["127.0.0.1", "127.9.9.9", "::1", "localhost"])
def test_without_keys_the_service_is_for_this_machine(host: str) -> None:
    assert is_loopback(load({**BUNDLE, "CHATMOD_API_HOST": host}).host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "moderation.test", "localhost.test"])
def test_for_other_machines_it_needs_keys_or_a_word(host: str) -> None:
    elsewhere = {**BUNDLE, "CHATMOD_API_HOST": host}
    with pytest.raises(SettingsError) as refusal:
        load(elsewhere)
    assert f"CHATMOD_API_HOST={host!r} can be reached by other machines and CHATMOD_API_KEYS=''" in str(
        refusal.value
    )
    assert load({**elsewhere, "CHATMOD_API_OPEN": "1"}).open
    assert load({**elsewhere, "CHATMOD_API_KEYS": "keys.json"}).keys == Path("keys.json")


def test_keys_and_none_are_refused_together() -> None:
    with pytest.raises(SettingsError, match=r"CHATMOD_API_KEYS='k' asks for keys and CHATMOD_API_OPEN='1'"):
        load({**BUNDLE, "CHATMOD_API_KEYS": "k", "CHATMOD_API_OPEN": "1"})


def test_commands_that_serve_no_model_need_only_the_file() -> None:
    assert Path("keys.json") == keys_file({"CHATMOD_API_KEYS": "keys.json"})
    with pytest.raises(SettingsError, match="CHATMOD_API_KEYS='' names no file"):
        keys_file({})
