"""What Kaggle and the line to it may do wrong, against the stand-in: refusals, faults, cut downloads."""

import hashlib
import json
import time
from pathlib import Path

import pytest

from tests.workflow.kaggle_stand_in import (
    CONTENT,
    HALF,
    TEST,
    TRAIN,
    Cut,
    Get,
    Page,
    Refuse,
    Shelf,
    kept,
    whole,
)
from workflow.exceptions import KaggleError
from workflow.kaggle_client import CHUNK
from workflow.kaggle_source import REF, Patience, fetch

pytestmark = pytest.mark.usefixtures("at_kaggles_test_port")


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
