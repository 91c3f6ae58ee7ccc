"""What goes wrong with a journal: servers that stop, disks that fill, files that go, writers that die."""

import shutil
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from moderation import schema
from moderation.exceptions import LabelsUnavailableError
from moderation.labels import Journal
from tests.moderation.labels import rows, values, verdict
from tests.postgres import Postgres
from tests.prediction_service.serving import ROOT, free_port

WRITE = """
import sys
from moderation.labels import Journal
from tests.moderation.labels import verdict
journal = Journal(sys.argv[1])
for number in range(int(sys.argv[2])):
    both, key = {"A": 1.0, "B": 0.0}, {"key": str(number), "fingerprint": "f"}
    journal.record(verdict(0, f"{sys.argv[3]}:{number}", "x" * 2000, attributes=both, **key))
    print(number, flush=True)
"""


def writer(address: str, count: int, name: str = "m") -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [sys.executable, "-c", WRITE, address, str(count), name],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_processes_that_begin_a_journal_at_once_all_write_it(address: str) -> None:
    started = [writer(address, 1, str(number)) for number in range(4)]
    ended = [each.communicate(timeout=60) for each in started]
    journal = Journal(address)
    names = sorted({row["message"] for row in rows(journal)})
    journal.close()
    # they share one key: the first to come is stored, and the others are repeats of it
    assert ([""] * 4, 1) == ([errors for _, errors in ended], len(names))


def test_threads_that_begin_a_journal_at_once_all_write_it(tmp_path: Path, postgres: Postgres) -> None:
    fresh = [f"sqlite:///{tmp_path / str(number)}.db" for number in range(10)]
    for address in [*fresh, *(postgres.new_database() for _ in range(3))]:
        together = threading.Barrier(8)

        def begin(number: int, address: str = address, together: threading.Barrier = together) -> None:
            with closing(Journal(address)) as journal:
                together.wait()
                journal.record(verdict(1, str(number)))

        with ThreadPoolExecutor(8) as threads:
            list(threads.map(begin, range(8)))
        with closing(Journal(address)) as journal:
            assert 8 == len(rows(journal))


@pytest.mark.parametrize(("times", "error"), [(3, None), (10**9, "database is locked")])
def test_two_that_change_a_file_to_a_log_at_once_try_again_and_not_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, times: int, error: str | None
) -> None:
    """SQLite then fails one of them at once, whatever its busy timeout says."""
    left = [times]

    class Contended(sqlite3.Connection):
        def execute(self, sql: str, *arguments: Any) -> sqlite3.Cursor:
            if "journal_mode" in sql and left[0]:
                left[0] -= 1
                raise sqlite3.OperationalError("database is locked")
            return super().execute(sql, *arguments)

    monkeypatch.setattr(schema, "BUSY_S", 0.3)
    with closing(sqlite3.connect(tmp_path / "labels.db", factory=Contended)) as connection:
        if error is None:
            schema._write_ahead(connection)
            assert ("wal",) == connection.execute("PRAGMA journal_mode").fetchone()
        else:
            with pytest.raises(sqlite3.OperationalError, match=error):
                schema._write_ahead(connection)


def test_what_was_answered_survives_a_writer_that_is_killed_and_nothing_is_half_there(address: str) -> None:
    process = writer(address, 100_000)
    assert process.stdout is not None
    answered = [int(process.stdout.readline()) for _ in range(25)]
    process.send_signal(signal.SIGKILL)
    answered += [int(line) for line in process.communicate()[0].splitlines()]
    journal = Journal(address)
    found: dict[str, set[str]] = {}
    for row in rows(journal):
        found.setdefault(row["message"], set()).add(row["attribute"])
    assert {f"m:{number}" for number in answered} <= set(found)
    assert len(found) <= len(answered) + 1
    assert [] == [name for name, attributes in found.items() if attributes != {"A", "B"}]
    assert [True] == journal.record(verdict(1, "after"))
    journal.close()
    if address.startswith("sqlite"):
        with sqlite3.connect(address.removeprefix("sqlite:///")) as connection:
            assert [("ok",)] == connection.execute("PRAGMA integrity_check").fetchall()


def test_a_file_of_labels_is_for_its_owner_alone(tmp_path: Path) -> None:
    with closing(Journal(f"sqlite:///{tmp_path / 'labels.db'}")) as journal:
        journal.record(verdict(1))
        found = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert {"labels.db": 0o600, "labels.db-wal": 0o600, "labels.db-shm": 0o600} == found


def test_a_commit_is_on_disk_before_it_is_answered(tmp_path: Path) -> None:
    journal = Journal(f"sqlite:///{tmp_path / 'labels.db'}")
    journal.record(verdict(1))
    with journal.engine.connect() as connection:
        found = [
            connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in ("synchronous", "journal_mode")
        ]
    journal.close()
    assert [2, "wal"] == found


def test_the_journal_is_itself_again_after_its_server_was_away(postgres: Postgres) -> None:
    journal = Journal(postgres.new_database())
    journal.record(verdict(0))
    postgres.stop()
    try:
        with pytest.raises(LabelsUnavailableError):
            journal.record(verdict(1))
    finally:
        postgres.start()
    assert [True] == journal.record(verdict(1))
    postgres.stop()
    postgres.start()
    assert [False] == journal.record(verdict(0))
    assert [0.0, 1.0, 0.0] == values(journal)
    journal.close()


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own of 1 MiB; where nobody may mount one, there is nothing to try."""
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if subprocess.run(mount, check=False, capture_output=True).returncode:
        pytest.skip("only root may mount a disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing_half_written(disk: Path) -> None:
    journal = Journal(f"sqlite:///{disk / 'labels.db'}")
    journal.record(verdict(0))
    (disk / "ballast").write_bytes(b"\0" * (shutil.disk_usage(disk).free - 12 * 1024))
    with pytest.raises(LabelsUnavailableError, match=r"full.*its disk has room") as caught:
        journal.record(verdict(1, "too much", "private " * 2500))
    assert "private" not in str(caught.value)
    before = len(rows(journal))
    (disk / "ballast").unlink()
    assert [True] == journal.record(verdict(1, "after", "private " * 2000))
    assert before + 1 == len(rows(journal))
    journal.close()


def test_a_disk_that_may_not_be_written_is_said_and_used_once_it_may(disk: Path) -> None:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    journal = Journal(f"sqlite:///{disk / 'new' / 'labels.db'}")
    with pytest.raises(LabelsUnavailableError, match="Read-only file system"):
        journal.record(verdict(1))
    subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)
    assert [True] == journal.record(verdict(1))
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=False)
    journal.close()


def test_a_file_that_is_no_database_is_named_and_used_once_it_is_gone(tmp_path: Path) -> None:
    place = tmp_path / "labels.db"
    place.write_text("these are not the pages you are looking for " * 100)
    journal = Journal(f"sqlite:///{place}")
    with pytest.raises(LabelsUnavailableError, match=r"labels\.db cannot be used \(file is not a database\)"):
        journal.record(verdict(1))
    place.unlink()
    assert [True] == journal.record(verdict(1))
    journal.close()


@pytest.mark.parametrize("put_back", [False, True], ids=["deleted", "put in its place"])
def test_a_file_that_goes_while_it_is_open_does_not_swallow_labels(tmp_path: Path, put_back: bool) -> None:  # noqa: FBT001
    place, other = tmp_path / "labels.db", tmp_path / "other.db"
    journal, backup = Journal(f"sqlite:///{place}"), Journal(f"sqlite:///{other}")
    journal.record(verdict(0))
    backup.record(verdict(0))
    backup.close()
    for each in tmp_path.glob("labels.db*"):
        each.unlink()
    if put_back:
        other.rename(place)
    else:
        with pytest.raises(LabelsUnavailableError, match="no such table"):
            journal.record(verdict(1))
    assert [True] == journal.record(verdict(1))
    journal.close()
    with sqlite3.connect(place) as connection:
        assert [(1.0,)] == connection.execute("SELECT value FROM label ORDER BY id DESC LIMIT 1").fetchall()


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    hidden = "password=topsecret"
    journal = Journal(f"postgresql+psycopg://me:topsecret@127.0.0.1:{free_port()}/labels?{hidden}")
    with pytest.raises(LabelsUnavailableError, match=r"me:\*\*\*@127\.0\.0\.1") as caught:
        journal.record(verdict(1))
    assert "topsecret" not in str(caught.value)


def test_an_error_never_shows_a_text(journal: Journal) -> None:
    journal.record(verdict(0))
    with journal.engine.begin() as connection:
        connection.exec_driver_sql("ALTER TABLE label RENAME COLUMN provenance TO lost")
    with pytest.raises(LabelsUnavailableError) as caught:
        journal.record(verdict(1, text="a very private message"))
    assert "private" not in str(caught.value)
    assert "private" not in str(caught.value.__cause__)
