"""Limits: how requests are counted, by threads, by processes and by Redis, and when Redis is away."""

import multiprocessing
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from prediction_service import counts, rate
from prediction_service.counts import SharedCounts
from prediction_service.rate import Limiter, Standing, headers
from prediction_service.settings import Secret
from tests.prediction_service.guarded import Redis

MOST = 9_000


def fitting(limiter: Limiter, limit: str, who: str, tries: int) -> int:
    return sum(limiter.hit(limit, who).fits for _ in range(tries))


def test_a_limit_is_reached_and_then_holds() -> None:
    limiter = Limiter()
    left = [limiter.hit("3/day", "a") for _ in range(5)]
    assert [True, True, True, False, False] == [one.fits for one in left]
    assert [2, 1, 0, 0, 0] == [one.remaining for one in left]
    assert {(3, 86_400)} == {(one.limit, one.window_s) for one in left}
    assert all(0 < one.reset_s <= 86_400 for one in left)


def test_each_has_a_count_and_each_limit_of_theirs_too() -> None:
    limiter = Limiter()
    assert [2, 2, 3] == [
        fitting(limiter, limit, who, 4) for limit, who in (("2/day", "a"), ("2/day", "b"), ("3/day", "a"))
    ]


def test_without_room_for_its_file_each_worker_counts_alone_and_says_so(tmp_path: Path) -> None:
    with capture_logs() as lines:
        limiter = Limiter(tmp_path / "away" / "limits")
    assert 2 == fitting(limiter, "2/day", "a", 4)
    assert ["limits are counted by this worker alone"] == [line["event"] for line in lines]
    assert str(tmp_path) in lines[0]["remedy"]


def test_a_window_slides_so_that_its_end_gives_no_second_helping(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_000.0
    monkeypatch.setattr(counts.time, "time", lambda: now)
    limiter = Limiter()
    now += 59
    assert 60 == fitting(limiter, "60/minute", "a", 80)
    now += 2
    assert 1 == fitting(limiter, "60/minute", "a", 80)
    now += 30
    assert 30 == fitting(limiter, "60/minute", "a", 80)
    now += 3600
    assert 60 == fitting(limiter, "60/minute", "a", 80)


def test_whoever_waits_as_long_as_was_said_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_800_000_010.0
    monkeypatch.setattr(counts.time, "time", lambda: now)
    limiter = Limiter()
    fitting(limiter, "5/minute", "a", 5)
    for _ in range(12):
        refused = limiter.hit("5/minute", "a")
        assert not refused.fits
        now += refused.reset_s
        assert limiter.hit("5/minute", "a").fits


def test_threads_count_together() -> None:
    table = SharedCounts()
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as pool:
            fits = pool.map(lambda _: acquired(table, 2_000), range(8))
            assert MOST == sum(fits)
    finally:
        sys.setswitchinterval(before)


def acquired(table: SharedCounts, tries: int) -> int:
    return sum(table.acquire_sliding_window_entry("a", MOST, 86_400) for _ in range(tries))


def _count(path: Path, together: Barrier, results: "multiprocessing.Queue[int]") -> None:
    table = SharedCounts(path)
    together.wait(60)
    results.put(acquired(table, 20_000))


def test_processes_count_together(tmp_path: Path) -> None:
    processes = multiprocessing.get_context("spawn")
    results = processes.Queue()
    shared = (tmp_path / "limits", processes.Barrier(3), results)
    started = [processes.Process(target=_count, args=shared) for _ in range(3)]
    for one in started:
        one.start()
    fits = [results.get(timeout=60) for _ in started]
    for one in started:
        one.join()
    assert MOST == sum(fits)
    assert 0o600 == (tmp_path / "limits").stat().st_mode & 0o777


def test_a_full_table_forgets_whoever_was_idle_longest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(counts, "SLOTS", counts.PROBES)
    limiter = Limiter()
    names = [f"address/{number}" for number in range(counts.PROBES)]
    for name in names:
        limiter.hit("9/hour", name)
    limiter.hit("9/day", names[0])
    assert 8 == len({limiter.hit("9/day", names[0]).remaining for _ in range(8)})
    assert 9 == fitting(limiter, "9/day", "newcomer", 20)
    assert 0 == fitting(limiter, "9/day", names[0], 20)


def test_a_name_can_be_cleared_and_the_table_reset() -> None:
    table = SharedCounts()
    assert [True, False] == [table.acquire_sliding_window_entry("a", 1, 60) for _ in range(2)]
    table.clear_sliding_window("a", 60)
    assert table.acquire_sliding_window_entry("a", 1, 60)
    table.reset()
    assert (0, 0) == table.get_sliding_window("a", 60)[::2]
    assert table.check()


def test_headers_tell_the_same_twice() -> None:
    told = headers(Standing(fits=True, limit=600, window_s=60, remaining=599, reset_s=7), 1000.9)
    assert [
        ("RateLimit-Policy", '"default";q=600;w=60'),
        ("RateLimit", '"default";r=599;t=7'),
        ("X-RateLimit-Limit", "600"),
        ("X-RateLimit-Remaining", "599"),
        ("X-RateLimit-Reset", "1007"),
    ] == told


@pytest.fixture
def redis() -> Iterator[Redis]:
    with Redis() as server:
        yield server


def test_two_servers_count_together_in_redis(redis: Redis) -> None:
    one, two = (Limiter(redis=Secret(redis.url)) for _ in range(2))
    assert 5 == sum(fitting(server, "5/day", "key/a", 4) for server in (one, two))
    keys = redis.cli("keys", "*").split()
    assert keys
    assert all(name.startswith("chatmod:{LIMITER/key/a/") for name in keys)


def test_without_redis_the_server_counts_alone_until_it_is_back(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rate, "REDIS_AGAIN_S", 0.3)
    fallen: list[int] = []
    limiter = Limiter(redis=Secret(redis.url), fell_back=lambda: fallen.append(1))
    assert [4, 3] == [limiter.hit("5/day", "a").remaining for _ in range(2)]
    redis.kill()
    with capture_logs() as lines:
        assert 5 == fitting(limiter, "5/day", "a", 8)
        time.sleep(0.4)
        limiter.hit("5/day", "a")
    assert 9 == len(fallen)
    [line] = lines
    assert ("error", "ConnectionError") == (line["log_level"], line["reason"])
    redis.start()
    time.sleep(0.4)
    assert [4, 3] == [limiter.hit("5/day", "a").remaining for _ in range(2)]
    assert 9 == len(fallen)


def test_a_redis_that_hangs_costs_one_request_in_a_while_a_quarter_of_a_second(redis: Redis) -> None:
    limiter = Limiter(redis=Secret(redis.url))
    limiter.hit("100/day", "a")
    redis.process.send_signal(19)
    try:
        with capture_logs():
            took = []
            for _ in range(20):
                started = time.perf_counter()
                limiter.hit("100/day", "a")
                took.append(time.perf_counter() - started)
    finally:
        redis.process.send_signal(18)
    slow = [one for one in took if one > 0.1]
    assert 1 == len(slow), took
    assert slow[0] < 1.0


def test_a_wrong_password_is_told_without_the_password(redis: Redis) -> None:
    limiter = Limiter(redis=Secret(redis.url.replace(Redis.password, "wrong-word")))
    with capture_logs() as lines:
        assert limiter.hit("5/day", "a").fits
    [line] = lines
    assert "AuthenticationError" == line["reason"]
    assert "wrong-word" not in str(line)
