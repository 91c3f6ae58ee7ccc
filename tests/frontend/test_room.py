"""The room keeps its promises on SQLite and on PostgreSQL alike."""

import subprocess
import sys
import threading
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url

from frontend.delivery import tidy
from frontend.exceptions import RoomUnavailableError
from frontend.messages import Author, Counts, Decision, Message
from frontend.room import Room
from tests.frontend.servers import ROOT, free_port
from tests.postgres import Postgres

OTTER = Author("a" * 32, "Brave Otter")
FLAG = Decision("d" * 32, "flag", "LIKELY_TO_REJECT>=0.6123", 0.83, "7", "0123456789ab")
ALLOW = Decision("e" * 32, "allow", "default", 0.07, "7", "0123456789ab")
REMOVE = Decision("f" * 32, "remove", "LIKELY_TO_REJECT>=0.9", 0.97, "7", "0123456789ab")
OUT_OF_FIXTURES = settings(
    max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def hold(room: Room, body: str = "is anybody there?") -> Message:
    return room.post(OTTER, body, None, status="held", reason="unreachable")


def test_a_message_is_read_back_as_it_was_posted(room: Room) -> None:
    posted = [
        room.post(OTTER, "civil", ALLOW),
        room.post(OTTER, "uncivil", FLAG),
        hold(room),
        room.post(OTTER, "seen by nobody", None, status="unmoderated", reason="unreachable"),
    ]
    assert posted == room.latest(10)


@OUT_OF_FIXTURES
@given(text=st.text(max_size=200))
def test_any_text_that_was_tidied_is_read_back_unchanged(room: Room, text: str) -> None:
    body = tidy(text)
    room.post(OTTER, body, ALLOW)
    assert body == room.latest(1)[0].body


def test_the_time_of_a_message_is_kept_in_utc_whatever_zone_it_was_written_in(room_url: URL) -> None:
    elsewhere = datetime(2026, 11, 21, 1, 30, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    with_clock = Room.open(room_url, "lobby", now=lambda: elsewhere)
    with_clock.post(OTTER, "hello", ALLOW)
    created = with_clock.latest(1)[0].created
    with_clock.close()
    assert (elsewhere, timedelta(0)) == (created, created.utcoffset())


def test_the_newest_messages_are_given_oldest_first(room: Room) -> None:
    for number in range(5):
        room.post(OTTER, str(number), ALLOW)
    assert [message.body for message in room.latest(3)] == ["2", "3", "4"]


def test_messages_are_there_after_the_room_is_opened_again(room_url: URL) -> None:
    first = Room.open(room_url, "lobby")
    posted = first.post(OTTER, "hello", FLAG)
    first.close()
    second = Room.open(room_url, "lobby")
    read = second.latest(10)
    second.close()
    assert [posted] == read


def test_two_rooms_of_one_database_do_not_see_each_other(room_url: URL) -> None:
    lobby, attic = Room.open(room_url, "lobby"), Room.open(room_url, "attic")
    held = hold(lobby)
    attic.post(OTTER, "quiet up here", ALLOW)
    assert not attic.decide(held.id, ALLOW)
    assert attic.clear() == 1
    assert ([held], [held], []) == (lobby.latest(10), lobby.pending(10), attic.latest(10))
    lobby.close()
    attic.close()


STEP = st.sampled_from(["allow", "flag", "remove", "held", "unmoderated", "decide", "refuse", "clear"])


@OUT_OF_FIXTURES
@given(steps=st.lists(STEP, max_size=20))
def test_the_counts_always_add_up_to_the_messages_in_the_room(room: Room, steps: list[str]) -> None:
    room.clear()
    expected: Counter[str] = Counter()
    for step in steps:
        _take(room, step, expected)
    messages = room.latest(100)
    found = Counter(m.decision.action if m.decision else m.status for m in messages)
    assert +expected == found
    assert room.counts() == Counts(
        len(messages),
        *(found[kind] for kind in ("allow", "flag", "remove", "held", "unmoderated", "refused")),
    )


def _take(room: Room, step: str, expected: Counter[str]) -> None:
    by_action = {"allow": ALLOW, "flag": FLAG, "remove": REMOVE}
    if step in by_action:
        room.post(OTTER, "text", by_action[step])
        expected[step] += 1
    elif step == "clear":
        assert expected.total() == room.clear()
        expected.clear()
    elif step in {"held", "unmoderated"}:
        room.post(OTTER, "text", None, status=step, reason="why")  # type: ignore[arg-type]
        expected[step] += 1
    elif waiting := room.pending(1):
        settled = room.decide(waiting[0].id, FLAG) if step == "decide" else room.refuse(waiting[0].id, "no")
        assert settled
        expected.subtract({"held": 1})
        expected["flag" if step == "decide" else "refused"] += 1


def test_a_held_message_takes_its_decision_in_place(room: Room) -> None:
    held = hold(room)
    later = room.post(OTTER, "later", ALLOW)
    assert room.decide(held.id, FLAG)
    decided = Message(held.id, OTTER, held.body, held.created, "decided", FLAG)
    assert ([decided, later], []) == (room.latest(10), room.pending(10))


def test_a_held_message_that_the_service_refuses_keeps_the_reason(room: Room) -> None:
    held = hold(room)
    assert room.refuse(held.id, "too long")
    assert (room.latest(1)[0].status, room.latest(1)[0].reason) == ("refused", "too long")
    assert not room.decide(held.id, ALLOW)


def test_many_pages_at_once_decide_each_held_message_exactly_once(room: Room) -> None:
    held = [hold(room).id for _ in range(6)]

    def release(page: int) -> list[int]:
        mine = Decision(str(page), "flag", "rule", 0.9, "7", "0123456789ab")
        return [number for number in held if room.decide(number, mine)]

    with ThreadPoolExecutor(6) as pages:
        won = dict(enumerate(pages.map(release, range(6))))
    assert sorted(held) == sorted(number for numbers in won.values() for number in numbers)
    winners = {number: str(page) for page, numbers in won.items() for number in numbers}
    assert winners == {message.id: message.decision.id for message in room.latest(10) if message.decision}


def test_many_writers_at_once_lose_nothing_and_count_every_write(room: Room) -> None:
    before = room.revision()
    with ThreadPoolExecutor(8) as writers:
        posted = list(writers.map(lambda number: room.post(OTTER, str(number), ALLOW), range(40)))
    assert sorted(message.id for message in posted) == [message.id for message in room.latest(100)]
    assert room.revision() - before == 40


def test_the_revision_grows_with_every_change_and_only_then(room: Room) -> None:
    seen = [room.revision()]
    held = hold(room)
    seen.append(room.revision())
    room.decide(held.id, ALLOW)
    seen.append(room.revision())
    room.clear()
    seen.append(room.revision())
    room.latest(10), room.counts(), room.pending(10)
    assert sorted(set(seen)) == seen
    assert seen[-1] == room.revision()


def test_a_cleared_room_gives_no_old_id_to_a_new_message(room: Room) -> None:
    old = room.post(OTTER, "peeked at", FLAG).id
    assert room.clear() == 1
    assert room.post(OTTER, "not peeked at", FLAG).id > old


def test_a_message_without_a_decision_is_not_stored_as_decided(room: Room) -> None:
    with pytest.raises(ValueError, match="only decided ones have one"):
        room.post(OTTER, "text", None)
    assert room.latest(10) == []


OPEN = """
import sys
import threading
from sqlalchemy.engine import make_url
from frontend.messages import Author, Decision
from frontend.room import Room
room = Room.open(make_url(sys.argv[1]), "lobby")
room.post(Author("a", "A"), sys.argv[2], Decision("d", "allow", "default", 0.1, "7", "p"))
"""


def test_processes_that_start_at_once_on_an_empty_database_all_get_their_room(room_url: URL) -> None:
    address = room_url.render_as_string(hide_password=False)
    started = [
        subprocess.Popen([sys.executable, "-c", OPEN, address, str(number)], cwd=ROOT, stderr=subprocess.PIPE)
        for number in range(4)
    ]
    errors = [process.communicate(timeout=60)[1].decode() for process in started]
    opened = Room.open(room_url, "lobby")
    bodies = sorted(message.body for message in opened.latest(10))
    opened.close()
    assert (errors, bodies) == ([""] * 4, ["0", "1", "2", "3"])


def test_threads_that_open_an_empty_database_at_once_all_get_their_room(
    tmp_path: Path, postgres: Postgres
) -> None:
    fresh = [f"sqlite:///{tmp_path / str(number)}.db" for number in range(10)]
    for address in [*fresh, *(postgres.new_database() for _ in range(3))]:
        together = threading.Barrier(8)

        def start(number: int, address: str = address, together: threading.Barrier = together) -> Room:
            together.wait()
            opened = Room.open(make_url(address), f"room {number % 4}")
            opened.post(OTTER, str(number), ALLOW)
            return opened

        with ThreadPoolExecutor(8) as pages:
            rooms = list(pages.map(start, range(8)))
        assert [room.counts().messages for room in rooms] == [2] * 8
        for room in rooms:
            room.close()


def test_somebody_who_reads_for_long_does_not_keep_others_from_writing(room: Room) -> None:
    posted = room.post(OTTER, "before", ALLOW)
    with room.engine.begin() as reading:
        assert reading.exec_driver_sql("SELECT body FROM message").scalar() == posted.body
        room.post(OTTER, "meanwhile", ALLOW)
        room.clear()
    assert room.latest(10) == []


def test_a_full_disk_is_said_and_leaves_nothing_half_written(sqlite_room: Room) -> None:
    sqlite_room.post(OTTER, "before", ALLOW)
    revision = sqlite_room.revision()

    def no_room_left(connection: Any, _record: object, _proxy: object) -> None:
        connection.execute("PRAGMA max_page_count = 1")

    event.listen(sqlite_room.engine, "checkout", no_room_left)
    with pytest.raises(RoomUnavailableError, match=r"database or disk is full.*its disk has room"):
        sqlite_room.post(OTTER, "x" * 100_000, ALLOW)
    event.remove(sqlite_room.engine, "checkout", no_room_left)
    sqlite_room.close()
    assert (revision, ["before"]) == (sqlite_room.revision(), [m.body for m in sqlite_room.latest(10)])
    sqlite_room.post(OTTER, "x" * 100_000, ALLOW)
    assert sqlite_room.counts().messages == 2


def test_a_text_that_the_database_refuses_leaves_nothing_half_written(postgres: Postgres) -> None:
    opened = Room.open(make_url(postgres.new_database()), "lobby")
    with pytest.raises(RoomUnavailableError, match="NUL"):
        opened.post(OTTER, "a\x00b", ALLOW)
    assert (opened.revision(), opened.counts().messages) == (0, 0)
    opened.close()


def test_a_file_that_is_no_database_is_named(tmp_path: Path) -> None:
    place = tmp_path / "chat.db"
    place.write_text("these are not the pages you are looking for " * 100)
    with pytest.raises(RoomUnavailableError, match=r"chat\.db cannot be used \(file is not a database\)"):
        Room.open(make_url(f"sqlite:///{place}"), "lobby")


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(RoomUnavailableError, match="CHATMOD_UI_ROOM_URL"):
        Room.open(make_url(f"sqlite:///{tmp_path / 'file' / 'chat.db'}"), "lobby")


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    url = make_url(f"postgresql+psycopg://me:topsecret@127.0.0.1:{free_port()}/chat")
    with pytest.raises(RoomUnavailableError, match=r"me:\*\*\*@127\.0\.0\.1") as caught:
        Room.open(url, "lobby")
    assert "topsecret" not in str(caught.value)


def test_the_room_is_itself_again_after_its_server_was_away(postgres: Postgres) -> None:
    opened = Room.open(make_url(postgres.new_database()), "lobby")
    posted = opened.post(OTTER, "before", ALLOW)
    postgres.stop()
    try:
        with pytest.raises(RoomUnavailableError):
            opened.latest(10)
    finally:
        postgres.start()
    assert [posted] == opened.latest(10)
    postgres.stop()
    postgres.start()
    assert [posted] == opened.latest(10)
    opened.close()


def test_the_time_of_writing_is_now(sqlite_room: Room) -> None:
    assert abs(sqlite_room.post(OTTER, "now", ALLOW).created - datetime.now(UTC)) < timedelta(seconds=5)
