"""What becomes of a message, with a service that answers, refuses or is away."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.delivery import Delivery, Returned, tidy
from frontend.exceptions import MessageRefusedError, RoomUnavailableError, ServiceUnavailableError
from frontend.messages import Author, Decision, Message
from frontend.room import Room
from frontend.settings import OnUnavailable

OTTER = Author("a" * 32, "Brave Otter")


@dataclass
class Fake:
    """A moderator that flags, refuses texts with 'refuse' in them, or is away."""

    away: bool = False
    asked: list[list[str]] = field(default_factory=list)

    def predict(self, texts: Sequence[str]) -> list[Decision]:
        self.asked.append(list(texts))
        if self.away:
            raise ServiceUnavailableError("the service is away")
        if any("refuse" in text for text in texts):
            raise MessageRefusedError("not such a text")
        return [Decision(text, "flag", "rule", 0.9, "7", "0123456789ab") for text in texts]


def delivery(room: Room, moderator: Fake, on_unavailable: OnUnavailable = "hold") -> Delivery:
    return Delivery(room, moderator, on_unavailable, max_chars=100)


def test_a_message_is_stored_with_its_decision(sqlite_room: Room) -> None:
    sent = delivery(sqlite_room, Fake()).send(OTTER, " hello\r\nthere ")
    assert isinstance(sent, Message)
    assert [sent] == sqlite_room.latest(10)
    assert (
        sent.body,
        sent.status,
        sent.decision and sent.decision.id,
    ) == ("hello\nthere", "decided", "hello\nthere")


def test_hold_keeps_the_message_and_the_reason(sqlite_room: Room) -> None:
    sent = delivery(sqlite_room, Fake(away=True), "hold").send(OTTER, "hello")
    assert isinstance(sent, Message)
    assert (sent.status, sent.reason) == ("held", "the service is away")
    assert [sent] == sqlite_room.pending(10)


def test_allow_shows_the_message_as_unmoderated(sqlite_room: Room) -> None:
    sent = delivery(sqlite_room, Fake(away=True), "allow").send(OTTER, "hello")
    assert isinstance(sent, Message)
    assert (sent.status, sqlite_room.pending(10)) == ("unmoderated", [])


def test_refuse_stores_nothing_and_gives_the_text_back(sqlite_room: Room) -> None:
    sent = delivery(sqlite_room, Fake(away=True), "refuse").send(OTTER, "hello")
    assert Returned("hello", "Not sent, because nothing can moderate it now: the service is away") == sent
    assert sqlite_room.latest(10) == []


@pytest.mark.parametrize("on_unavailable", ["hold", "allow", "refuse"])
def test_a_message_that_the_service_refuses_goes_back_whatever_the_setting(
    sqlite_room: Room, on_unavailable: OnUnavailable
) -> None:
    sent = delivery(sqlite_room, Fake(), on_unavailable).send(OTTER, "refuse me")
    assert isinstance(sent, Returned)
    assert "refuses this message: not such a text" in sent.reason
    assert sqlite_room.latest(10) == []


@pytest.mark.parametrize(("text", "reason"), [(" \n ", "empty"), ("x" * 101, "shorten it to 100")])
def test_an_empty_or_too_long_text_goes_back_unasked(sqlite_room: Room, text: str, reason: str) -> None:
    fake = Fake()
    sent = delivery(sqlite_room, fake).send(OTTER, text)
    assert isinstance(sent, Returned)
    assert (text, []) == (sent.body, fake.asked)
    assert reason in sent.reason


def test_a_room_that_cannot_be_written_gives_the_text_back(
    sqlite_room: Room, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object, **__: object) -> Message:
        raise RoomUnavailableError("the disk is full")

    monkeypatch.setattr(sqlite_room, "post", fail)
    sent = delivery(sqlite_room, Fake()).send(OTTER, "hello")
    assert Returned("hello", "The message was not stored: the disk is full") == sent


def test_held_messages_are_released_in_one_request_once_the_service_answers(sqlite_room: Room) -> None:
    fake = Fake(away=True)
    way = delivery(sqlite_room, fake)
    for text in ("one", "two", "three"):
        way.send(OTTER, text)
    with pytest.raises(ServiceUnavailableError):
        way.release()
    assert sqlite_room.counts().held == 3
    fake.away = False
    fake.asked.clear()
    assert way.release() == 3
    assert fake.asked == [["one", "two", "three"]]
    assert [m.decision.id for m in sqlite_room.latest(10) if m.decision] == ["one", "two", "three"]


def test_a_refused_message_does_not_keep_the_others_waiting(sqlite_room: Room) -> None:
    fake = Fake(away=True)
    way = delivery(sqlite_room, fake)
    for text in ("one", "refuse me", "three"):
        way.send(OTTER, text)
    fake.away = False
    assert way.release() == 3
    assert [message.status for message in sqlite_room.latest(10)] == ["decided", "refused", "decided"]


def test_with_nothing_waiting_nobody_is_asked(sqlite_room: Room) -> None:
    fake = Fake()
    assert delivery(sqlite_room, fake).release() == 0
    assert fake.asked == []


@given(text=st.text(alphabet=st.characters(exclude_categories=[])))
def test_a_tidy_text_can_be_stored_anywhere_and_stays_as_it_is(text: str) -> None:
    body = tidy(text)
    body.encode()
    assert "\x00" not in body
    assert "\r" not in body
    assert body == tidy(body)


def test_only_what_cannot_be_stored_is_replaced() -> None:
    assert tidy(" a\x00b\ud800c\r\n<b> &amp; **d** 😀 ") == "a\ufffdb?c\n<b> &amp; **d** 😀"
