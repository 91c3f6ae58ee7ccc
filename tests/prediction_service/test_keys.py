"""API keys: what is kept of a secret, when it ends, and the commands that people type."""

import hashlib
import json
import re
import shlex
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from prediction_service import keyfile
from prediction_service.__main__ import main
from prediction_service.exceptions import KeysError
from prediction_service.keys import Key, Keyring, issue, parse, render, revoke, rotate
from tests.prediction_service.guarded import add, command
from tests.prediction_service.serving import ROOT

NOW = datetime(2026, 11, 1, tzinfo=UTC)
DAY = timedelta(days=1)


def at(moment: datetime) -> float:
    return moment.timestamp()


def test_a_secret_has_a_form_that_scanners_find_and_256_random_bits() -> None:
    secrets = {issue("a", ["*"], NOW)[1] for _ in range(200)}
    assert 200 == len(secrets)
    assert all(re.fullmatch(r"cm_[0-9a-z]{10}_[A-Za-z0-9_-]{43}", secret) for secret in secrets)


def test_the_file_keeps_the_hash_and_no_part_of_the_secret() -> None:
    key, secret = issue("a", ["*"], NOW)
    kept = render([key]).decode()
    assert hashlib.sha256(secret.encode()).hexdigest() in kept
    assert secret[14:] not in kept
    assert [key] == parse(kept.encode())


def test_a_key_is_found_by_its_secret_and_by_nothing_else() -> None:
    key, secret = issue("a", ["*"], NOW)
    other, _ = issue("b", ["*"], NOW)
    ring = Keyring([key, other])
    assert key == ring.find(secret, at(NOW))
    for wrong in (
        secret[:-1] + "x",
        secret + "A",
        secret.replace(key.id, other.id),
        secret.replace(key.id, "0000000000"),
        f" {secret}",
        key.secrets[0].sha256,
        "",
        "cm_",
        "é",
        "\ud800",
    ):
        assert ring.find(wrong, at(NOW)) is None


def test_a_key_ends_when_it_expires() -> None:
    key, secret = issue("a", ["*"], NOW, life=DAY)
    ring = Keyring([key])
    assert key == ring.find(secret, at(NOW + DAY) - 1)
    assert ring.find(secret, at(NOW + DAY)) is None
    assert ["valid", "expired"] == [key.state(NOW), key.state(NOW + DAY)]


def test_an_old_secret_holds_until_the_grace_is_over() -> None:
    key, old = issue("a", ["*"], NOW)
    key, new = rotate(key, NOW, DAY)
    ring = Keyring([key])
    assert [key, key] == [ring.find(old, at(NOW + DAY) - 1), ring.find(new, at(NOW + DAY) - 1)]
    assert [None, key] == [ring.find(old, at(NOW + DAY)), ring.find(new, at(NOW + DAY))]


def test_a_second_rotation_does_not_lengthen_the_grace_of_the_first() -> None:
    key, oldest = issue("a", ["*"], NOW)
    key, _ = rotate(key, NOW, DAY)
    key, _ = rotate(key, NOW + DAY / 2, 2 * DAY)
    assert Keyring([key]).find(oldest, at(NOW + DAY)) is None
    key, _ = rotate(key, NOW + 2 * DAY, timedelta(0))
    assert 1 == len(key.secrets)


def test_an_expired_key_is_not_prolonged_by_a_rotation() -> None:
    key, _ = issue("a", ["*"], NOW, life=DAY)
    key, new = rotate(key, NOW, 9 * DAY)
    assert Keyring([key]).find(new, at(NOW + DAY)) is None


def test_a_revoked_key_opens_nothing_and_stays_in_the_list() -> None:
    key, secret = issue("a", ["*"], NOW)
    gone = revoke(key, NOW)
    assert Keyring([gone]).find(secret, at(NOW)) is None
    by_hand = key.model_copy(update={"revoked": NOW})
    assert Keyring([by_hand]).find(secret, at(NOW)) is None
    assert ("revoked", []) == (gone.state(NOW), gone.secrets)


@pytest.mark.parametrize(
    ("spoiled", "said"),
    [
        (b"", "EOF"),
        (b"[]", "object"),
        (b'{"keys": [{"id": "x"}]}', "keys.0"),
        (b'{"kyes": []}', "kyes: Extra inputs"),
    ],
)
def test_what_is_no_file_of_keys_is_named(spoiled: bytes, said: str) -> None:
    with pytest.raises(KeysError, match=re.escape(said)):
        parse(spoiled)


@pytest.mark.parametrize(
    ("field", "value"), [("scopes", ["recrods"]), ("scopes", []), ("limit", "9/fortnight"), ("name", "")]
)
def test_a_wrong_value_is_named_and_no_hash_is_told(field: str, value: object) -> None:
    key, _ = issue("a", ["*"], NOW)
    document = json.loads(render([key]))
    document["keys"][0][field] = value
    with pytest.raises(KeysError, match=rf"keys\.0\.{field}") as raised:
        parse(json.dumps(document).encode())
    assert key.secrets[0].sha256 not in str(raised.value)


def test_two_keys_with_one_id_are_refused() -> None:
    key, _ = issue("a", ["*"], NOW)
    with pytest.raises(KeysError, match=f"two keys have the id {key.id}"):
        parse(render([key, key]))


def test_the_file_is_for_its_owner_alone_and_nothing_is_left_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "deep" / "keys.json"
    add(file, "records")
    assert 0o600 == file.stat().st_mode & 0o777
    assert {"keys.json", "keys.json.lock"} == {path.name for path in file.parent.iterdir()}


def test_a_link_to_the_file_stays_one(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "real")
    add(tmp_path / "link", "records")
    assert (tmp_path / "link").is_symlink()
    assert 1 == len(keyfile.read(tmp_path / "real"))


def test_a_write_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    add(file)
    before = file.read_bytes()

    def fails(_keys: list[Key]) -> tuple[list[Key], None]:
        return [None], None  # type: ignore[list-item]

    with pytest.raises(Exception, match="validation"):
        keyfile.change(file, fails)
    assert before == file.read_bytes()
    assert {"keys.json", "keys.json.lock"} == {path.name for path in tmp_path.iterdir()}


def test_commands_at_the_same_time_lose_no_key(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    with ThreadPoolExecutor(6) as pool:
        issued = list(pool.map(lambda number: add(file, name=f"client {number}"), range(6)))
    assert {one.id for one in issued} == {key.id for key in keyfile.read(file)}


def test_the_list_tells_everything_but_secrets(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    one = add(file, "records", "openai", name="forum", limit="100/minute", expires="90d")
    two = add(file, name="chat")
    assert 0 == command(file, "revoke", two.id).returncode
    told = command(file, "list").stdout
    head, first, second = told.splitlines()
    assert ["ID", "STATE", "NAME", "SCOPES", "LIMIT", "CREATED", "EXPIRES", "SECRETS"] == head.split()
    assert [one.id, "valid", "forum", "records,openai", "100/minute"] == first.split()[:5]
    assert [two.id, "revoked", "chat"] == second.split()[:3]
    for key in keyfile.read(file):
        assert not any(print_.sha256 in told for print_ in key.secrets)
    assert one.secret[14:] not in told


def test_a_rotation_prints_the_new_secret_alone(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    one = add(file)
    done = command(file, "rotate", one.id, "--grace", "0s")
    assert re.fullmatch(rf"cm_{one.id}_[A-Za-z0-9_-]{{43}}\n", done.stdout)
    assert done.stdout.strip() not in done.stderr
    ring = Keyring(keyfile.read(file))
    assert ring.find(one.secret, time.time()) is None
    assert ring.find(done.stdout.strip(), time.time()) is not None


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["rotate", "nobody"], "'nobody' is no key's id: name one of "),
        (["revoke", "nobody"], "'nobody' is no key's id: name one of "),
        (["add", "--name", "", "--scope", "*"], "--name='': give 1 to 100 characters"),
        (["add", "--name", "a", "--scope", "recrods"], "invalid choice: 'recrods'"),
        (["add", "--name", "a", "--scope", "*", "--limit", "many"], "'many': give NUMBER/second"),
        (
            ["add", "--name", "a", "--scope", "*", "--expires", "0d"],
            "'0d': a key that has ended already is none: give more than 0",
        ),
        (
            ["add", "--name", "a", "--scope", "*", "--expires", "soon"],
            "'soon': give a number and s, m, h or d",
        ),
    ],
)
def test_a_command_that_cannot_be_obeyed_says_why(tmp_path: Path, arguments: list[str], said: str) -> None:
    file = tmp_path / "keys.json"
    add(file)
    before = file.read_bytes()
    done = command(file, *arguments)
    assert 0 != done.returncode
    assert said in done.stderr
    assert "Traceback" not in done.stderr
    assert before == file.read_bytes()


def test_the_commands_of_the_manual_are_understood_in_their_order(tmp_path: Path) -> None:
    page = (ROOT / "docs" / "keys.md").read_text()
    commands = [
        shlex.split(one)
        for one in re.findall(r"^ {4}\.venv/bin/python -m prediction_service keys (.+)$", page, re.MULTILINE)
    ]
    assert ["add", "list", "rotate", "revoke"] == [one[0] for one in commands]
    file = tmp_path / "keys.json"
    for one in commands:
        known = keyfile.read(file)[0].id if file.exists() else ""
        done = command(file, *(known if part == "ID" else part for part in one))
        assert (0, "") == (done.returncode, "" if done.stderr.startswith("key ") else done.stderr)


def test_a_revoked_key_gets_no_new_secret(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    one = add(file)
    command(file, "revoke", one.id)
    done = command(file, "rotate", one.id)
    assert (1, f"error: key {one.id} is revoked: add a new one\n") == (done.returncode, done.stderr)


@pytest.mark.parametrize(
    ("arguments", "choices"), [([], "{calibrate,keys}"), (["keys"], "{add,list,rotate,revoke}")]
)
def test_a_missing_command_is_asked_for_by_the_choices(
    arguments: list[str], choices: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert capsys.readouterr().err.endswith(f"error: the following arguments are required: {choices}\n")


@pytest.mark.parametrize("arguments", [[], ["keys"]])
def test_the_help_is_for_those_who_type_the_command(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main([*arguments, "--help"])
    assert "`make serve`" in capsys.readouterr().out


def test_without_the_setting_a_command_names_it() -> None:
    done = command(None, "list")
    remedy = "set it to the file that keeps the API keys"
    assert (1, f"error: CHATMOD_API_KEYS='' names no file: {remedy}\n") == (done.returncode, done.stderr)


def test_a_watched_file_that_breaks_keeps_its_last_good_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyfile, "LOOK_S", 0.0)
    file = tmp_path / "keys.json"
    key, secret = issue("a", ["*"], NOW)
    file.write_bytes(render([key]))
    watched = keyfile.Watched(file)
    with capture_logs() as lines:
        for spoiled in (b"{", b"no json"):
            file.write_bytes(spoiled)
            for _ in range(3):
                ring = watched.current()
        file.unlink()
        ring = watched.current() or ring
    # nothing good was ever read
    assert ring is None
    file.write_bytes(render([key]))
    ring = watched.current()
    assert ring is not None
    file.write_bytes(b"{")
    with capture_logs() as more:
        assert ring is watched.current()
    assert key == ring.find(secret, at(NOW))
    assert [3, 1] == [len(lines), len(more)]
    assert {"API keys stay as they were"} == {line["event"] for line in (*lines, *more)}


def test_a_watched_file_is_looked_at_once_a_second(tmp_path: Path) -> None:
    file = tmp_path / "keys.json"
    file.write_bytes(render([]))
    watched = keyfile.Watched(file)
    first = watched.current()
    key, _ = issue("a", ["*"], NOW)
    file.write_bytes(render([key]))
    assert first is watched.current()
    time.sleep(keyfile.LOOK_S + 0.1)
    assert first is not watched.current()
