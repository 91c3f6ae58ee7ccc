"""Which comments a run uses: paths, Kaggle, the sample, and what stands in the way of each."""

import csv
import hashlib
import multiprocessing
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modeling.data import read_comments
from tests.workflow.kaggle_stand_in import PORT, Cut, Refuse, Shelf, newcomer, standing_in
from workflow import kaggle_source, sources
from workflow.exceptions import KaggleError, SourceError
from workflow.kaggle_source import FILES, REF
from workflow.sources import Source, resolve

NOBODY = 65534
ROWS = b"text,removed\nhello,0\n"


@pytest.fixture(autouse=True)
def _newcomer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(kaggle_source, "FIRST_WAIT_S", 0.01)
    with newcomer(monkeypatch, tmp_path / "home"):
        yield


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "mine"
    folder.mkdir()
    return folder


@pytest.fixture
def mute_kaggle() -> Iterator[None]:
    """Something that takes connections on Kaggle's test port and never says a word."""
    with socket.create_server(("127.0.0.1", PORT), backlog=50):
        yield


def get(choice: str, cache: Path, timeout_s: float = 2.0, told: list[str] | None = None) -> Source:
    progress = (told if told is not None else []).append
    return resolve(choice, dataset="reddit", cache=cache, timeout_s=timeout_s, progress=progress)


def test_a_file_is_taken_as_it_is(folder: Path, tmp_path: Path) -> None:
    (folder / "mine.csv").write_bytes(ROWS)
    found = get(str(folder / "mine.csv"), tmp_path)
    assert ("file", "mine.csv", (folder / "mine.csv",), "") == (
        found.kind,
        found.name,
        found.files,
        found.note,
    )


def test_a_folder_gives_its_csv_files_in_the_order_of_their_names(folder: Path, tmp_path: Path) -> None:
    for name in ("b.csv", "a.CSV", ".hidden.csv", "notes.txt"):
        (folder / name).write_bytes(ROWS)
    found = get(str(folder), tmp_path)
    assert (folder / "a.CSV", folder / "b.csv") == found.files
    assert found.name == "mine"


def test_a_path_may_be_relative_or_begin_with_a_tilde(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "mine.csv").write_bytes(ROWS)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert get("mine.csv", tmp_path) == get("~/mine/mine.csv", tmp_path)
    assert get(".", tmp_path).name == "mine"


def test_the_checksum_tells_contents_and_names_and_not_places(folder: Path, tmp_path: Path) -> None:
    (folder / "a.csv").write_bytes(ROWS)
    (folder / "b.csv").write_bytes(ROWS * 2)
    copy = tmp_path / "copy"
    shutil.copytree(folder, copy)
    here = get(str(folder), tmp_path)
    lines = [f"{path.name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n" for path in here.files]
    assert hashlib.sha256("".join(lines).encode()).hexdigest() == here.sha256
    assert here.sha256 == get(str(copy), tmp_path).sha256
    (copy / "b.csv").write_bytes(ROWS * 2 + b"x")
    assert here.sha256 != get(str(copy), tmp_path).sha256


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda _: None, r"cannot be read \(No such file or directory\)"),
        (lambda path: path.write_bytes(b""), r"leads to x.csv, which is empty"),
        (lambda path: path.symlink_to(path.parent / "gone"), r"cannot be read \(No such file or directory\)"),
        (lambda path: path.symlink_to(path), r"cannot be read \(.*[Ss]ymlink loop|Too many levels"),
        (lambda path: path.symlink_to("/dev/zero"), r"leads to zero, which is not a regular file"),
        (os.mkfifo, r"leads to x.csv, which is not a regular file"),
        (lambda path: path.mkdir(), r"is a folder without a \*.csv file"),
        (lambda path: (path / "in.csv").mkdir(parents=True), r"leads to in.csv, which is not a regular file"),
    ],
    ids=["missing", "empty", "dangling", "loop", "device", "fifo", "empty folder", "folder in folder"],
)
def test_a_path_that_does_not_do_is_refused_with_the_remedy(
    folder: Path, tmp_path: Path, make: "object", why: str
) -> None:
    assert callable(make)
    make(folder / "x.csv")
    with pytest.raises(SourceError, match=why) as caught:
        get(str(folder / "x.csv"), tmp_path)
    assert str(caught.value).startswith(f"CHATMOD_DATA={str(folder / 'x.csv')!r} ")
    assert "give a CSV file, a folder of CSV files, kaggle or sample" in str(caught.value)


def test_a_file_that_may_not_be_read_is_refused() -> None:
    with tempfile.TemporaryDirectory() as place:
        path = Path(place) / "secret.csv"
        path.write_bytes(ROWS)
        path.chmod(0)
        Path(place).chmod(0o755)
        assert f"CHATMOD_DATA={str(path)!r} cannot be read (Permission denied)" in as_nobody(path)


def as_nobody(path: Path) -> str:
    """What the choice of a path raises for a user without rights; root may read everything."""
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()

    def run() -> None:
        if os.geteuid() == 0:
            os.setuid(NOBODY)
        try:
            theirs.send(repr(get(str(path), path.parent)))
        except SourceError as error:
            theirs.send(str(error))

    child = context.Process(target=run)
    child.start()
    assert ours.poll(20), "the child said nothing"
    child.join()
    return str(ours.recv())


def test_the_sample_is_part_of_the_package_and_needs_no_network(tmp_path: Path) -> None:
    found = get("sample", tmp_path)
    assert (found.kind, found.name, found.note) == ("sample", "sample", "")
    assert [path.name for path in found.files] == ["kept.csv", "removed.csv"]
    for path in found.files:
        with path.open(encoding="utf-8", newline="") as source:
            assert next(csv.reader(source)) == ["text", "removed", "kind"]


def test_every_message_of_the_sample_is_used_and_counted_where_it_is_described(tmp_path: Path) -> None:
    found = get("sample", tmp_path)
    read = read_comments(found.files)
    assert read.counts.rows == read.counts.kept
    described = (found.files[0].parent / "README.md").read_text(encoding="utf-8")
    short = read.used["text"].str.len() <= 40
    stated = [int(number.replace(",", "")) for number in re.findall(r"[\d,]*\d{3}\b", described)]
    counted = [((read.used["label"] == label) & chosen).sum() for label in (0, 1) for chosen in (True, short)]
    assert counted == stated


def test_a_broken_installation_without_the_sample_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "__file__", str(tmp_path / "sources.py"))
    with pytest.raises(SourceError, match=r"CHATMOD_DATA=sample: kept.csv cannot be read .* install"):
        get("sample", tmp_path)


@pytest.mark.parametrize("choice", ["", "kaggle"])
def test_kaggle_that_delivers_is_the_source(tmp_path: Path, choice: str) -> None:
    with standing_in(Shelf(files=dict.fromkeys(FILES["reddit"], ROWS))):
        found = get(choice, tmp_path)
    assert ("kaggle", f"{REF} (reddit)", "") == (found.kind, found.name, found.note)
    assert tuple(tmp_path / "kaggle" / name for name in FILES["reddit"]) == found.files
    assert found == get(choice, tmp_path)


def test_nothing_set_and_nothing_listening_gives_the_sample_and_says_why(tmp_path: Path) -> None:
    told: list[str] = []
    found = get("", tmp_path, told=told)
    assert found.kind == "sample"
    assert found.note.startswith("Kaggle could not be reached: ")
    assert "Connection refused" in found.note
    assert len(told) == 2
    assert f"{found.note}; taking the project's own sample" == told[-1]


def test_nothing_set_and_a_mute_kaggle_gives_the_sample_within_the_limit(
    tmp_path: Path, mute_kaggle: None
) -> None:
    began = time.monotonic()
    found = get("", tmp_path, timeout_s=0.5)
    assert time.monotonic() - began < 2.0
    assert found.kind == "sample"
    assert found.note.startswith("Kaggle could not be reached: ")


@pytest.mark.parametrize("status", [401, 403, 404, 429, 503])
def test_nothing_set_and_a_kaggle_that_refuses_gives_the_sample_within_the_limit(
    tmp_path: Path, status: int
) -> None:
    began = time.monotonic()
    with standing_in(Shelf(files={}, always=Refuse(status, {"Retry-After": "30"}))):
        found = get("", tmp_path)
    assert time.monotonic() - began < 2.0
    assert found.kind == "sample"
    assert str(status) in found.note


def test_a_resolver_that_hangs_holds_up_neither_the_sample_nor_the_end_of_the_process(tmp_path: Path) -> None:
    code = (
        "import socket, sys, time; from pathlib import Path; from workflow.sources import resolve\n"
        "socket.getaddrinfo = lambda *args, **rest: time.sleep(60)\n"
        "found = resolve('', dataset='reddit', cache=Path(sys.argv[1]), timeout_s=0.5, progress=str)\n"
        "print(found.kind, found.note)"
    )
    began = time.monotonic()
    ran = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], check=True, capture_output=True, text=True, timeout=30
    )
    assert time.monotonic() - began < 10.0
    assert ran.stdout.startswith("sample Kaggle could not be reached: no answer within 0.")


def test_a_kaggle_that_has_begun_to_deliver_may_take_longer_than_the_limit(tmp_path: Path) -> None:
    rows = ROWS * 5000
    shelf = Shelf(files=dict.fromkeys(FILES["reddit"], rows))
    shelf.faults.append(Cut(len(rows) // 2, silent=True))
    with standing_in(shelf):
        found = get("", tmp_path, timeout_s=0.5)
    assert found.kind == "kaggle"
    assert [rows, rows] == [path.read_bytes() for path in found.files]


def test_kaggle_by_name_never_falls_back(tmp_path: Path, mute_kaggle: None) -> None:
    with pytest.raises(KaggleError, match=r"^CHATMOD_DATA=kaggle: Kaggle could not be reached") as caught:
        get("kaggle", tmp_path, timeout_s=0.1)
    assert "a CSV file, a folder of CSV files or sample does without Kaggle" in str(caught.value)


@pytest.mark.parametrize("choice", ["", "kaggle"])
def test_a_full_disk_is_an_error_whatever_was_chosen(tmp_path: Path, choice: str) -> None:
    (tmp_path / "kaggle").mkdir()
    (tmp_path / "kaggle" / f"{FILES['reddit'][0]}.part").symlink_to("/dev/full")
    with (
        standing_in(Shelf(files=dict.fromkeys(FILES["reddit"], ROWS))),
        pytest.raises(SourceError, match=r"no space left"),
    ):
        get(choice, tmp_path)
