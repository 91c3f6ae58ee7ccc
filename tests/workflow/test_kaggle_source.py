"""The Kaggle download, by Kaggle's own client, against a stand-in on its test port."""

import errno
import hashlib
import io
import json
import signal
import subprocess
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workflow.kaggle_stand_in import Cut, Page, Refuse, Shelf, newcomer, standing_in
from workflow import kaggle_source
from workflow.exceptions import KaggleError, SourceError
from workflow.kaggle_client import CHUNK
from workflow.kaggle_source import FILES, REF, Patience, fetch

TRAIN, TEST = FILES["reddit"]
CONTENT = {
    TRAIN: b'"","X","BODY","REMOVED"\r\n' + b'"1",1,"Is this peer reviewed?",0\r\n' * 9000,
    TEST: b'"","X","BODY","REMOVED"\r\n' + b'"2",2,"lol",1\r\n' * 50,
}
HALF = len(CONTENT[TRAIN]) // 2


@pytest.fixture(autouse=True)
def _newcomer(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setattr(kaggle_source, "FIRST_WAIT_S", 0.01)
    with newcomer(monkeypatch, tmp_path / "home"):
        yield


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with standing_in(Shelf(files=dict(CONTENT))) as shelf:
        yield shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def get(folder: Path, told: list[str]) -> Callable[[], tuple[Path, ...]]:
    return lambda: fetch("reddit", folder, Patience.endless(2.0), told.append)


Get = Callable[[], tuple[Path, ...]]


def kept(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} - {".lock"}


def whole(*names: str) -> set[str]:
    return {entry for name in names for entry in (name, f"{name}.json")}


def zipped(members: dict[str, bytes]) -> bytes:
    memory = io.BytesIO()
    with zipfile.ZipFile(memory, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return memory.getvalue()


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


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_where_a_token_goes_and_is_not_repeated(
    shelf: Shelf, folder: Path, get: Get, status: int
) -> None:
    shelf.always = Refuse(status)
    with pytest.raises(KaggleError, match=rf"refused {REF}/{TRAIN} \({status}\)") as caught:
        get()
    for remedy in ("KAGGLE_API_TOKEN", "~/.kaggle/access_token", "kaggle.json", "terms", f"datasets/{REF}"):
        assert remedy in str(caught.value)
    assert len(shelf.seen) == 1
    assert set() == kept(folder)


def test_an_answer_that_is_not_understood_is_shown(shelf: Shelf, get: Get) -> None:
    shelf.always = Refuse(400)
    with pytest.raises(KaggleError, match=rf"answer for {REF}/{TRAIN} is not understood \(said no\)"):
        get()
    assert len(shelf.seen) == 1


def test_a_fault_inside_kaggles_client_is_one_clear_error(get: Get, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KAGGLE_API_ENVIRONMENT", "NONSENSE")
    with pytest.raises(KaggleError, match=r"Kaggle's client failed .*Unrecognized value in KAGGLE_API_ENV"):
        get()


def test_a_missing_file_is_named(shelf: Shelf, get: Get) -> None:
    del shelf.files[TEST]
    with pytest.raises(KaggleError, match=rf"Kaggle has no {REF}/{TEST} \(404\)"):
        get()


def test_a_request_to_slow_down_is_obeyed(shelf: Shelf, get: Get, told: list[str]) -> None:
    shelf.refusals.append(Refuse(429, {"Retry-After": "1"}))
    began = time.monotonic()
    assert CONTENT[TRAIN] == get()[0].read_bytes()
    assert time.monotonic() - began >= 1.0
    assert any("slow down (429" in line and "try 2 of 5 in 1.0 s" in line for line in told)


def test_slowing_down_for_ever_ends_after_five_tries(shelf: Shelf, folder: Path, get: Get) -> None:
    shelf.always = Refuse(429, {"Retry-After": "0"})
    with pytest.raises(KaggleError, match=r"slow down \(429 .* \(try 5 of 5\): run again later"):
        get()
    assert len(shelf.seen) == 5
    assert set() == kept(folder)


@pytest.mark.parametrize("asked", ["3600", "Wed, 01 Jan 2200 00:00:00 GMT"])
def test_a_pause_longer_than_two_minutes_is_not_sat_out(shelf: Shelf, get: Get, asked: str) -> None:
    shelf.always = Refuse(429, {"Retry-After": asked})
    with pytest.raises(KaggleError, match=r"try 1 of 5; it asks for a pause of \d{4,} s"):
        get()
    assert len(shelf.seen) == 1


@pytest.mark.parametrize("status", [500, 503])
def test_a_fault_of_kaggle_is_tried_again(shelf: Shelf, get: Get, status: int) -> None:
    shelf.refusals.append(Refuse(status))
    assert CONTENT[TRAIN] == get()[0].read_bytes()


def test_a_download_cut_half_way_is_continued_from_there(shelf: Shelf, folder: Path, get: Get) -> None:
    shelf.faults.append(Cut(HALF))
    files = get()
    ranges = [request.headers["Range"] for request in shelf.asked("GET") if "Range" in request.headers]
    arrived = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in ranges]
    assert arrived == [HALF - HALF % CHUNK]
    assert hashlib.sha256(CONTENT[TRAIN]).hexdigest() == hashlib.sha256(files[0].read_bytes()).hexdigest()
    assert json.loads((folder / f"{TRAIN}.json").read_text()) == {
        "sha256": hashlib.sha256(CONTENT[TRAIN]).hexdigest(),
        "size": len(CONTENT[TRAIN]),
    }
    assert whole(TRAIN, TEST) == kept(folder)


def test_a_download_cut_for_ever_leaves_a_part_that_a_later_run_continues(
    shelf: Shelf, folder: Path, get: Get
) -> None:
    shelf.always = Cut(2 * CHUNK + 1000)
    with pytest.raises(
        KaggleError, match=r"line broke while reddit_train.csv arrived .*what has arrived is kept"
    ):
        get()
    assert {f"{TRAIN}.part", f"{TRAIN}.part.json"} == kept(folder)
    assert CONTENT[TRAIN][: 10 * CHUNK] == (folder / f"{TRAIN}.part").read_bytes()
    shelf.always = None
    assert CONTENT[TRAIN] == get()[0].read_bytes()
    assert f"bytes={10 * CHUNK}-" in {request.headers.get("Range") for request in shelf.asked("GET")}


def test_a_part_that_is_already_whole_is_kept_without_another_body(
    shelf: Shelf, folder: Path, get: Get
) -> None:
    shelf.always = Cut(0)
    with pytest.raises(KaggleError):
        get()
    (folder / f"{TRAIN}.part").write_bytes(CONTENT[TRAIN])
    shelf.always = None
    assert CONTENT[TRAIN] == get()[0].read_bytes()
    assert f"bytes={len(CONTENT[TRAIN])}-" not in {request.headers.get("Range") for request in shelf.seen}


def test_a_server_without_ranges_sends_the_file_from_its_start(shelf: Shelf, get: Get) -> None:
    shelf.ranges = False
    shelf.faults.append(Cut(HALF))
    assert CONTENT[TRAIN] == get()[0].read_bytes()


def test_a_file_without_identity_is_never_continued(shelf: Shelf, get: Get) -> None:
    shelf.validator = False
    shelf.faults.append(Cut(HALF))
    assert CONTENT[TRAIN] == get()[0].read_bytes()
    assert all("Range" not in request.headers for request in shelf.seen)


def test_a_part_is_not_joined_to_the_end_of_another_edition(shelf: Shelf, folder: Path, get: Get) -> None:
    shelf.always = Cut(2 * CHUNK + 1000)
    with pytest.raises(KaggleError):
        get()
    shelf.always = None
    shelf.hashes = False
    shelf.files[TRAIN] = CONTENT[TRAIN].replace(b"peer", b"ever")
    assert shelf.files[TRAIN] == get()[0].read_bytes()


def test_an_edition_put_up_between_two_requests_is_not_joined_either(shelf: Shelf, get: Get) -> None:
    shelf.hashes = False
    shelf.always = Cut(2 * CHUNK + 1000)
    with pytest.raises(KaggleError):
        get()
    shelf.always = None
    shelf.next_edition = {TRAIN: CONTENT[TRAIN].replace(b"peer", b"ever")}
    assert shelf.next_edition[TRAIN] == get()[0].read_bytes()


def test_a_server_that_continues_elsewhere_than_asked_is_not_believed(
    shelf: Shelf, folder: Path, get: Get
) -> None:
    shelf.hashes = False
    shelf.misaligned = True
    shelf.faults.append(Cut(HALF))
    with pytest.raises(KaggleError, match=r"continued reddit_train.csv elsewhere than asked"):
        get()
    assert TRAIN not in kept(folder)


def test_a_server_that_insists_on_compressing_is_understood(shelf: Shelf, get: Get) -> None:
    shelf.compressed = True
    shelf.faults.append(Cut(200))
    assert CONTENT[TRAIN] == get()[0].read_bytes()


def test_a_part_altered_on_disk_is_noticed_and_fetched_again(shelf: Shelf, folder: Path, get: Get) -> None:
    shelf.always = Cut(2 * CHUNK + 1000)
    with pytest.raises(KaggleError):
        get()
    shelf.always = None
    (folder / f"{TRAIN}.part").write_bytes(b"X" * 10 * CHUNK)
    assert CONTENT[TRAIN] == get()[0].read_bytes()


def test_silence_on_an_open_line_ends_and_is_continued(shelf: Shelf, folder: Path, told: list[str]) -> None:
    shelf.faults.append(Cut(HALF, silent=True))
    files = fetch("reddit", folder, Patience.endless(0.5), told.append)
    assert CONTENT[TRAIN] == files[0].read_bytes()
    assert any("Read timed out" in line for line in told)


def test_a_login_page_is_not_taken_for_the_file(shelf: Shelf, folder: Path, get: Get) -> None:
    shelf.faults.append(Page())
    with pytest.raises(KaggleError, match=r"text/html instead of the file.*KAGGLE_API_TOKEN"):
        get()
    assert set() == kept(folder)


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


def wait_for(condition: Callable[[], bool], limit_s: float = 20.0) -> None:
    deadline = time.monotonic() + limit_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
