"""The Kaggle download, by Kaggle's own client, against a stand-in on its test port: what arrives."""

import errno
import json
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.workflow.kaggle_stand_in import (
    CONTENT,
    HALF,
    TEST,
    TRAIN,
    Cut,
    Get,
    Refuse,
    Shelf,
    kept,
    standing_in,
    wait_for,
    whole,
    zipped,
)
from workflow.exceptions import KaggleError, SourceError
from workflow.kaggle_source import FILES, REF, Patience, fetch

pytestmark = pytest.mark.usefixtures("at_kaggles_test_port")


@pytest.mark.parametrize("dataset", ["reddit", "reddit_200k"])
def test_both_files_of_the_chosen_variant_arrive_whole(shelf: Shelf, folder: Path, dataset: str) -> None:
    shelf.files = dict(zip(FILES[dataset], CONTENT.values(), strict=True))
    files = fetch(dataset, folder, Patience.endless(2.0), print)
    assert tuple(folder / name for name in FILES[dataset]) == files
    assert list(CONTENT.values()) == [path.read_bytes() for path in files]
    assert whole(*FILES[dataset]) == kept(folder)


def test_kaggle_is_asked_for_the_data_set_and_the_file_by_name(shelf: Shelf, get: Get) -> None:
    get()
    owner, slug = REF.split("/")
    asked = [json.loads(request.body) for request in shelf.asked("POST")]
    assert [request["fileName"] for request in asked] == [TRAIN, TEST]
    assert {(owner, slug)} == {(request["ownerSlug"], request["datasetSlug"]) for request in asked}
    assert {"identity"} == {request.headers["Accept-Encoding"] for request in shelf.seen}


def test_an_archive_leaves_only_the_file_that_was_asked_for(shelf: Shelf, folder: Path, get: Get) -> None:
    shelf.files[TRAIN] = zipped({TRAIN: CONTENT[TRAIN], "../evil.csv": b"x"})
    files = get()
    assert CONTENT[TRAIN] == files[0].read_bytes()
    assert whole(TRAIN, TEST) == kept(folder)
    assert not (folder.parent / "evil.csv").exists()


def test_an_archive_without_the_file_is_refused_by_its_contents(shelf: Shelf, folder: Path, get: Get) -> None:
    shelf.files[TRAIN] = zipped({"other.csv": b"x"})
    with pytest.raises(SourceError, match=r"archive holds \['other.csv'\], not one reddit_train.csv"):
        get()
    assert set() == kept(folder)


def test_a_damaged_archive_is_never_kept(shelf: Shelf, folder: Path, get: Get) -> None:
    archive = bytearray(zipped({TRAIN: CONTENT[TRAIN]}))
    archive[60] ^= 0xFF
    shelf.files[TRAIN] = bytes(archive)
    with pytest.raises(KaggleError, match=r"archive of reddit_train.csv is damaged"):
        get()
    assert set() == kept(folder)


def test_a_public_data_set_arrives_without_credentials(shelf: Shelf, get: Get) -> None:
    get()
    assert all("Authorization" not in request.headers for request in shelf.seen)


@pytest.mark.parametrize(
    ("place", "content", "header"),
    [
        (".kaggle/access_token", "a-token\n", "Bearer a-token"),
        (".kaggle/kaggle.json", '{"username": "ada", "key": "k"}', "Basic YWRhOms="),
    ],
)
def test_credentials_are_taken_from_where_kaggle_keeps_them(
    shelf: Shelf, get: Get, tmp_path: Path, place: str, content: str, header: str
) -> None:
    path = tmp_path / "home" / place
    path.parent.mkdir(parents=True)
    path.write_text(content)
    get()
    assert {header} == {request.headers.get("Authorization") for request in shelf.asked("POST")}


def test_a_token_in_the_environment_is_sent(shelf: Shelf, get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_TOKEN", "from-env")
    get()
    assert {"Bearer from-env"} == {request.headers.get("Authorization") for request in shelf.asked("POST")}


def test_only_progress_is_told_and_nothing_is_printed(
    shelf: Shelf, get: Get, told: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    get()
    assert tuple(capfd.readouterr()) == ("", "")
    assert any("(100 %)" in line for line in told)


def test_the_package_that_authenticates_at_its_import_is_not_imported() -> None:
    code = "import sys, workflow.kaggle_client; sys.exit('kaggle' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_verified_cache_needs_no_request(folder: Path, get: Get, told: list[str]) -> None:
    with standing_in(Shelf(files=dict(CONTENT))):
        first = get()
    told.clear()
    second = get()
    assert first == second
    assert [f"{name}: in the cache, checksum verified" for name in (TRAIN, TEST)] == told


@pytest.mark.parametrize("harm", ["flip", "shorten", "forget"])
def test_an_altered_cached_file_is_fetched_again_loudly(
    shelf: Shelf, folder: Path, get: Get, told: list[str], harm: str
) -> None:
    path = get()[1]
    if harm == "flip":
        path.write_bytes(b"X" + CONTENT[TEST][1:])
    elif harm == "shorten":
        path.write_bytes(CONTENT[TEST][:-1])
    else:
        (folder / f"{TEST}.json").unlink()
    asked = len(shelf.asked("POST"))
    assert CONTENT[TEST] == get()[1].read_bytes()
    assert asked + 1 == len(shelf.asked("POST"))
    assert any(line.startswith(f"{TEST}: ALTERED") for line in told)


def test_an_unknown_variant_is_refused_with_the_known_ones(folder: Path) -> None:
    with pytest.raises(SourceError, match=r"CHATMOD_DATASET='reddit_2' .* reddit, reddit_200k"):
        fetch("reddit_2", folder, Patience.endless(1.0), print)


def test_a_process_killed_half_way_leaves_only_a_part(shelf: Shelf, folder: Path, get: Get) -> None:
    shelf.faults.append(Cut(HALF, silent=True))
    code = (
        "import sys; from pathlib import Path; from workflow.kaggle_source import Patience, fetch; "
        "fetch('reddit', Path(sys.argv[1]), Patience.endless(20.0), print)"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(folder)], stdout=subprocess.DEVNULL)
    try:
        wait_for(
            lambda: (folder / f"{TRAIN}.part").exists() and (folder / f"{TRAIN}.part").stat().st_size > 0
        )
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
    assert {f"{TRAIN}.part", f"{TRAIN}.part.json"} == kept(folder)
    assert CONTENT[TRAIN] == get()[0].read_bytes()
    assert any("Range" in request.headers for request in shelf.asked("GET"))


def test_a_second_run_waits_for_the_first_and_finds_its_files(shelf: Shelf, folder: Path) -> None:
    shelf.refusals.append(Refuse(429, {"Retry-After": "1"}))
    told: dict[str, list[str]] = {"first": [], "second": []}
    first = threading.Thread(
        target=fetch, args=("reddit", folder, Patience.endless(2.0), told["first"].append)
    )
    first.start()
    wait_for(lambda: bool(shelf.seen))
    fetch("reddit", folder, Patience.endless(2.0), told["second"].append)
    first.join()
    assert told["second"][0] == "waiting: another run holds cache"
    assert told["second"][1:] == [f"{name}: in the cache, checksum verified" for name in (TRAIN, TEST)]


@pytest.fixture
def full_disk(folder: Path) -> Iterator[Path]:
    """A disk of 64 KiB; where nobody may mount one, the kernel's full device takes the part."""
    folder.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(folder)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    if not mounted:
        (folder / f"{TRAIN}.part").symlink_to("/dev/full")
    yield folder
    if mounted:
        subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_said_and_leaves_nothing(shelf: Shelf, full_disk: Path, get: Get) -> None:
    with pytest.raises(SourceError, match=r"no space left in .*: free some and run again") as caught:
        get()
    assert not isinstance(caught.value, KaggleError)
    assert set() == kept(full_disk)


@pytest.mark.parametrize("step", [f"{TRAIN}.part", f"{TRAIN}.tmp", f"{TRAIN}.json.tmp"])
def test_a_disk_that_fills_up_at_any_step_leaves_nothing(
    shelf: Shelf, folder: Path, get: Get, step: str
) -> None:
    shelf.files[TRAIN] = zipped({TRAIN: CONTENT[TRAIN]})
    folder.mkdir()
    (folder / step).symlink_to("/dev/full")
    with pytest.raises(SourceError, match=r"no space left") as caught:
        get()
    assert isinstance(caught.value.__cause__, OSError)
    assert caught.value.__cause__.errno == errno.ENOSPC
    assert set() == kept(folder)
    assert CONTENT[TRAIN] == get()[0].read_bytes()


def test_a_cache_that_cannot_be_a_folder_is_refused(tmp_path: Path, shelf: Shelf) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SourceError, match=r"cannot be used as a cache .*Not a directory"):
        fetch("reddit", tmp_path / "file" / "cache", Patience.endless(1.0), print)
