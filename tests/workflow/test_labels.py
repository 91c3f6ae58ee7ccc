"""python -m workflow labels: what moderators said becomes a file that the pipeline trains on."""

import csv
import io
import json
import random
import subprocess
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from modeling.data import read_comments
from modeling.text import clean
from moderation.labels import Journal
from tests.corpus import make_rows
from tests.moderation.labels import rows, verdict
from tests.prediction_service.serving import Server
from tests.workflow.processes import workflow
from workflow.__main__ import main
from workflow.settings import from_environ
from workflow.stack import api

ANALYZE, SUGGEST = "/v1alpha1/comments:analyze", "/v1alpha1/comments:suggestscore"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("CHATMOD_HOME", str(home))
    return home


@pytest.fixture
def journal(home: Path) -> Iterator[Journal]:
    opened = Journal(f"sqlite:///{home / 'labels.db'}")
    yield opened
    opened.close()


def said(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = main(["labels", *arguments])
    out, errors = capsys.readouterr()
    assert (0, "") == (code, errors)
    return out


def refused(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    code = main(["labels", *arguments])
    out, errors = capsys.readouterr()
    assert (1, "", 1) == (code, out, errors.count("\n")), errors
    return errors.removeprefix("error: ")


def table(place: Path) -> list[dict[str, str]]:
    with place.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_the_last_verdict_on_each_message_is_exported_with_what_to_do_next(
    home: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    for value, message, text, community in (
        (0, "1", "first", "a"),
        (1, "1", "first, edited", "a"),
        (0, "2", "second", "a"),
        (1, "2", "second", "b"),
    ):
        journal.record(verdict(value, message, text, community=community))
    lines = said(capsys, "export").splitlines()
    assert [("first, edited", "1"), ("second", "0"), ("second", "1")] == [
        (row["text"], row["removed"]) for row in table(home / "labels.csv")
    ]
    assert [
        f"{home / 'labels.csv'}: 3 messages, 2 removed and 1 kept",
        "  of 4 labels under TOXICITY; 1 superseded by a later one",
        "  community a: 1 removed and 1 kept",
        "  community b: 1 removed and 0 kept",
    ] == lines[:-1]
    assert lines[-1].startswith("next: bring at least a few hundred of each label")
    assert ["labels.csv", "labels.db"] == sorted(
        path.name for path in home.iterdir() if "db-" not in path.name
    )


def test_filters_leave_out_what_was_not_asked_for(
    home: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    clock = [datetime(2026, 11, 1, tzinfo=UTC)]
    journal = Journal(f"sqlite:///{home / 'labels.db'}", now=lambda: clock[0])
    journal.record(verdict(1, "old", "old", community="a"))
    clock[0] += timedelta(days=10)
    journal.record(verdict(1, "new", "new", community="a"))
    journal.record(verdict(1, "new", "elsewhere", community="b"))
    journal.close()
    out = tmp_path / "folder" / "mine.csv"
    told = said(capsys, "export", "--out", str(out), "--community", "a", "--since", "2026-11-05")
    assert ["new"] == [row["text"] for row in table(out)]
    assert "of 2 labels under TOXICITY; 1 superseded by a later one, or from before 2026-11-05" in told
    assert "leave a filter out" in refused(capsys, "export", "--community", "c")
    assert "leave a filter out" in refused(capsys, "export", "--since", "2026-12-01")


def test_one_is_no_plural(home: Path, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    journal.record(verdict(1, "1", "alone", community=""))
    told = said(capsys, "export") + said(capsys, "count")
    assert ": 1 message, 1 removed and 0 kept\n  of 1 label under TOXICITY; " in told
    assert "labels.db: 1 label\n" in told
    assert "  community (none), TOXICITY: 1 label; of 1 message 1 removed and 0 kept\n" in told


def test_with_several_attributes_people_say_which_of_them_mean_removed(
    home: Path, journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.record(verdict(0, "1", attributes={"SPAM": 0, "TOXICITY": 1, "WELL_ARGUED": 0}))
    journal.record(verdict(0, "2", attributes={"SPAM": 0, "TOXICITY": 0, "WELL_ARGUED": 1}))
    journal.record(verdict(0, "3", attributes={"SPAM": 1, "TOXICITY": 0}))
    error = refused(capsys, "export")
    assert error.startswith("the labels are of SPAM, TOXICITY, WELL_ARGUED: say with --attribute which")
    assert not (home / "labels.csv").exists()
    said(capsys, "export", "--attribute", "SPAM", "TOXICITY")
    assert ["1", "0", "1"] == [row["removed"] for row in table(home / "labels.csv")]
    said(capsys, "export", "--attribute", "SPAM")
    assert ["0", "0", "1"] == [row["removed"] for row in table(home / "labels.csv")]


@pytest.mark.parametrize("command", [["export"], ["count"], ["forget", "--text", "x"]])
def test_without_a_journal_there_is_one_clear_line(
    home: Path, capsys: pytest.CaptureFixture[str], command: list[str]
) -> None:
    assert f"sqlite:///{home}/labels.db holds no labels yet" in refused(capsys, *command)
    assert not home.exists()


def test_an_empty_journal_is_said(home: Path, journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    journal.record(verdict(1))
    journal.forget(message="comment:1")
    assert "holds no label of what was asked for" in refused(capsys, "export")
    assert said(capsys, "count").endswith("0 labels\n")


def test_a_file_that_cannot_be_written_is_named_and_the_one_before_stays(
    journal: Journal, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    for number in range(5):
        journal.record(verdict(1, str(number), "long " * 4000))
    assert "Is a directory" in refused(capsys, "export", "--out", str(disk))
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(disk)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    try:
        (disk / "labels.csv").write_text("of last week")
        error = refused(capsys, "export", "--out", str(disk / "labels.csv"))
        assert f"--out '{disk}/labels.csv': No space left on device: name a file" in error
        assert [("labels.csv", "of last week")] == [(each.name, each.read_text()) for each in disk.iterdir()]
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_labels_are_counted(journal: Journal, capsys: pytest.CaptureFixture[str]) -> None:
    for value, message in ((0, "1"), (1, "1"), (0, "2")):
        journal.record(verdict(value, message, community=""))
    lines = said(capsys, "count").splitlines()
    assert lines[0].endswith("labels.db: 3 labels")
    assert ["  community (none), TOXICITY: 3 labels; of 2 messages 1 removed and 1 kept"] == lines[1:]


@pytest.mark.parametrize(
    "which", [["--message-id", "comment:1"], ["--text", "you clown"], ["--text", "-"]], ids=" ".join
)
def test_a_message_is_forgotten(
    journal: Journal,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    which: list[str],
) -> None:
    journal.record(verdict(1))
    journal.record(verdict(1, "comment:2", "another"))
    monkeypatch.setattr("sys.stdin", io.StringIO("you clown\n"))
    assert said(capsys, "forget", *which).startswith("1 label deleted; delete the text from files that were")
    assert ["another"] == [row["text"] for row in rows(journal)]
    monkeypatch.setattr("sys.stdin", io.StringIO("you clown\n"))
    assert "look at how the client wrote it" in refused(capsys, "forget", *which)


@pytest.mark.parametrize(
    ("which", "given"),
    [
        (["--text", "-"], ""),
        (["--text", "-"], "\n\n\n"),
        (["--text", "-"], "\x00\n"),
        (["--text", ""], ""),
        (["--message-id", ""], ""),
        (["--message-id", "", "--community", "Coral:https://news.example"], ""),
        (["--message-id", "\x00"], ""),
    ],
)
def test_an_empty_value_deletes_nothing(
    journal: Journal,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    which: list[str],
    given: str,
) -> None:
    for message, text in (("comment:1", "one"), ("", "two")):
        journal.record(verdict(1, message, text))
    monkeypatch.setattr("sys.stdin", io.StringIO(given, newline=""))
    error = refused(capsys, "forget", *which)
    assert error.startswith(f"{which[0]} '")
    assert " names no message, and nothing was deleted: give the " in error
    assert ["one", "two"] == [row["text"] for row in rows(journal)]


def test_a_message_is_forgotten_in_one_community(
    journal: Journal, capsys: pytest.CaptureFixture[str]
) -> None:
    journal.record(verdict(1))
    assert "no label in" in refused(capsys, "forget", "--text", "you clown", "--community", "elsewhere")
    assert 1 == len(rows(journal))


def test_a_journal_that_cannot_be_used_is_one_clear_line_without_its_password(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATMOD_LABELS", "postgresql+psycopg://me:topsecret@127.0.0.1:1/labels")
    error = refused(capsys, "count")
    assert error.startswith("the labels in postgresql+psycopg://me:***@127.0.0.1:1/labels cannot be used (")
    assert "topsecret" not in error


PIECES = ['"', ",", "\n", "\r", "\r\n", "\x00", "\u2028", "\ufeff", "\x1a", "=1+1", "'", "\\", "a", " "]
AWKWARD = st.lists(st.sampled_from(PIECES) | st.characters(codec="utf-8"), min_size=1, max_size=15).map(
    "".join
)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(AWKWARD, min_size=1, max_size=5))
def test_any_text_goes_from_the_journal_through_the_file_into_the_pipeline(
    home: Path, journal: Journal, capsys: pytest.CaptureFixture[str], texts: list[str]
) -> None:
    base = make_rows(40)
    if not home.exists():
        for number, (text, label) in enumerate(base):
            journal.record(verdict(label, f"base {number}", text))
    stored = {f"{number}": f"message {number} {text} end{number}" for number, text in enumerate(texts)}
    for name, text in stored.items():
        journal.record(verdict(1, name, text))
    said(capsys, "export")
    read = read_comments([home / "labels.csv"])
    assert len(base) + len(stored) == read.counts.rows
    assert set() == {clean(text) for text in stored.values()} - set(read.used["text"])
    for name in stored:
        journal.forget(message=name)


def test_columns_take_the_names_that_the_pipeline_is_told(
    home: Path, journal: Journal, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    journal.record(verdict(1, text="a, b"))
    monkeypatch.setenv("CHATMOD_TEXT_COLUMN", "time")
    monkeypatch.setenv("CHATMOD_LABEL_COLUMN", "gone")
    said(capsys, "export")
    [row] = table(home / "labels.csv")
    assert ("a, b", "1") == (row["time"], row["gone"])
    assert ["time", "gone", "community", "attributes"] == list(row)


def test_service_and_workflow_find_the_same_journal(tmp_path: Path) -> None:
    ours, theirs = "sqlite:////srv/ours.db", "sqlite:////srv/theirs.db"
    for environ, place in (
        ({"CHATMOD_HOME": str(tmp_path)}, f"sqlite:///{tmp_path}/labels.db"),
        ({"CHATMOD_API_LABELS": theirs}, theirs),
        ({"CHATMOD_LABELS": ours}, ours),
    ):
        chosen = from_environ(environ)
        assert place == chosen.labels_address == api(chosen, {}).environ["CHATMOD_API_LABELS"]


def test_an_address_that_cannot_be_used_is_refused_without_being_shown(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("CHATMOD_LABELS", "CHATMOD_API_LABELS"):
        monkeypatch.setenv(name, "mysql://me:topsecret@db/labels")
        assert f"{name}='***' cannot be used: give sqlite:///PATH or postgresql" in refused(capsys, "count")
        monkeypatch.delenv(name)
    settings = from_environ({"CHATMOD_LABELS": "postgresql+psycopg://me:topsecret@db/labels"})
    assert "topsecret" not in repr(settings)


def test_what_coral_sends_trains_the_next_model(
    bundle_dir: Path, recipe: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Each comment is scored, then moderated; some verdicts are taken back; the export trains a model."""
    home = tmp_path / "home"
    comments = make_rows(600)
    changed = set(random.Random(1).sample(range(600), 40))
    lock = threading.Lock()
    statuses: list[int] = []

    def moderate(number: int) -> None:
        text, label = comments[number]
        asked = {"comment": {"text": text}, "requestedAttributes": {"TOXICITY": {}}, "doNotStore": True}
        verdicts = [1 - label, label] if number in changed else [label]
        sent = [(ANALYZE, asked), *((SUGGEST, suggestion(number, text, value)) for value in verdicts)]
        found = [server.ask("POST", path, json.dumps(body).encode())[0] for path, body in sent]
        with lock:
            statuses.extend(found)

    with (
        Server(
            tmp_path / "log",
            bundle=bundle_dir,
            attributes="TOXICITY=LIKELY_TO_REJECT",
            labels=f"sqlite:///{home}/labels.db",
        ) as server,
        ThreadPoolExecutor(6) as clients,
    ):
        list(clients.map(moderate, range(600)))
    assert {200} == set(statuses)
    exported = workflow("labels", "export", CHATMOD_HOME=home)
    removed = sum(label for _, label in comments)
    assert (0, "") == (exported.returncode, exported.stderr)
    assert f"600 messages, {removed} removed and {600 - removed} kept" in exported.stdout
    assert "of 640 labels under TOXICITY; 40 superseded" in exported.stdout
    assert {(row["text"], int(row["removed"])) for row in table(home / "labels.csv")} == set(comments)
    command = exported.stdout.splitlines()[-1]
    assert f"next: CHATMOD_DATA={home / 'labels.csv'} make run" == command
    ran = workflow("run", CHATMOD_HOME=home, CHATMOD_DATA=home / "labels.csv", CHATMOD_CONFIG=recipe)
    assert (0, "") == (ran.returncode, ran.errors), ran.stderr
    assert "data     labels.csv (file), 600 rows, 600 used" in ran.stdout
    assert (home / "work" / "bundle" / "weights.safetensors").exists()


def suggestion(number: int, text: str, value: int) -> dict[str, Any]:
    context = {"url": "https://news.example/1", "Coral_comment_id": str(number)}
    return {
        "comment": {"text": text},
        "context": {"entries": [{"text": json.dumps(context)}]},
        "attributeScores": {"TOXICITY": {"summaryScore": {"value": value}}},
        "languages": ["en"],
        "communityId": "Coral:https://news.example",
        "clientToken": f"comment:{number}",
    }


def test_a_folder_mixes_labels_with_other_data(
    home: Path, journal: Journal, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    base = make_rows(300)
    folder = tmp_path / "mix"
    folder.mkdir()
    with (folder / "base.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "removed"), *base])
    journal.record(verdict(1, text="a label of our own, quoted and all"))
    said(capsys, "export", "--out", str(folder / "labels.csv"))
    read = read_comments(sorted(folder.glob("*.csv")))
    assert "a label of our own, quoted and all" in set(read.used["text"])
    assert 301 == read.counts.rows
