"""A disk without room under the files that workers share: every request is answered, no worker dies."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from prediction_service.dialects.every import DIALECTS
from tests.prediction_service.guarded import add
from tests.prediction_service.serving import Server, records
from tests.settings import TEST

JSON = {"Content-Type": "application/json"}
# what the figures and limits of two workers take, and then some
ROOM_BYTES = 12_000_000


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of its own, as TMPDIR."""
    if os.geteuid():
        (pytest.fail if TEST.ci else pytest.skip)("mounting a small disk needs root")
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={ROOM_BYTES}", "tmpfs", place], check=True)
    yield place
    subprocess.run(["umount", "-l", place], check=True)


def fill(place: Path) -> None:
    with (place / "fill").open("wb", buffering=0) as file:
        try:
            while file.write(b"\0" * 4096):
                pass
        except OSError:
            return


def ask_everything(server: Server, headers: dict[str, str]) -> set[int]:
    """Every operation of every dialect, and what is none, in several ways."""
    paths = {one.path.replace("{model}", "chat-moderation").replace("{version}", "1") for one in OPERATIONS}
    return {
        server.ask(method, path, b"{}" if method in ("POST", "PUT") else None, headers)[0]
        for path in sorted(paths | {"/", "/docs", "/readyz", "/metrics", "/nowhere"})
        for method in ("POST", "GET", "HEAD", "PUT", "OPTIONS", "DELETE")
    }


OPERATIONS = [one for dialect in DIALECTS.values() for one in dialect.operations]


def loud(server: Server) -> list[str]:
    return [line for line in server.log.read_text().splitlines() if "SIGBUS" in line or '"error"' in line]


def test_a_full_disk_ends_no_worker_and_leaves_no_request_unanswered(
    bundle_dir: Path, tmp_path: Path, small_disk: Path
) -> None:
    key = add(tmp_path / "keys.json", limit="100000/minute")
    options = {"bundle": bundle_dir, "keys": tmp_path / "keys.json"}
    with Server(tmp_path / "log", environment={"TMPDIR": str(small_disk)}, **options) as server:
        before = {worker.pid for worker in server.children()}
        fill(small_disk)
        assert {401, 403, 404} <= ask_everything(server, JSON)
        assert {200, 400, 404, 405, 422} <= ask_everything(server, key.bearer)
        assert before == {worker.pid for worker in server.children()}
        assert [] == loud(server)


def test_a_worker_without_room_does_not_spoil_the_others_figures(
    bundle_dir: Path, tmp_path: Path, small_disk: Path
) -> None:
    with Server(tmp_path / "log", environment={"TMPDIR": str(small_disk)}, bundle=bundle_dir) as server:
        fill(small_disk)
        server.children()[0].kill()
        until = time.monotonic() + 30
        while "figures are this worker's alone" not in server.log.read_text() and time.monotonic() < until:
            time.sleep(0.1)
        server.wait_until_ready()
        assert [200] * 20 == [server.ask("GET", "/metrics")[0] for _ in range(20)]
        assert "SIGBUS" not in server.log.read_text()


def test_a_worker_that_starts_on_a_full_disk_serves_and_says_what_it_lacks(
    bundle_dir: Path, tmp_path: Path, small_disk: Path
) -> None:
    key = add(tmp_path / "keys.json", limit="100000/minute")
    options = {"bundle": bundle_dir, "keys": tmp_path / "keys.json", "workers": 1}
    with Server(tmp_path / "log", environment={"TMPDIR": str(small_disk)}, **options) as server:
        fill(small_disk)
        for worker in server.children():
            worker.kill()
        server.wait_until_ready()
        assert 200 == server.ask("POST", "/predict", records(3), key.bearer)[0]
        assert {200, 400, 404, 405, 422} <= ask_everything(server, key.bearer)
        text = server.log.read_text()
        assert "figures are this worker's alone" in text
        assert f"make room in {small_disk}" in text
        assert "SIGBUS" not in text
