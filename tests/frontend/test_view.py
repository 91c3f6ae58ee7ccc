"""What a reader is shown, and what is not even in the page."""

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from frontend.messages import Action, Author, Decision, Message, Status
from frontend.view import hue, view

ME, OTHER = "a" * 32, "b" * 32
NOON = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)


def message(action: Action | None = None, status: Status = "decided", author: str = OTHER) -> Message:
    decision = None
    if action:
        decision = Decision("d", action, "LIKELY_TO_REJECT>=0.6123", 0.83, "7", "p")
    return Message(5, Author(author, "Brave Otter"), "the body", NOON, status, decision, "why not")


def test_an_allowed_message_is_shown_without_remarks() -> None:
    shown = view(message("allow"), ME, set(), UTC)
    assert shown
    assert (shown.look, shown.body, shown.note, shown.decision) == ("plain", "the body", "", None)


@pytest.mark.parametrize("author", [ME, OTHER])
def test_a_flagged_message_is_its_reason_until_this_reader_peeks(author: str) -> None:
    flagged = message("flag", author=author)
    hidden, peeked = view(flagged, ME, set(), UTC), view(flagged, ME, {5}, UTC)
    assert hidden
    assert peeked
    assert (hidden.look, hidden.body) == ("hidden", None)
    assert "Flagged: likely to be removed by this community's moderators" == hidden.note == peeked.note
    assert (peeked.look, peeked.body) == ("peeked", "the body")
    assert flagged.decision == hidden.decision


@pytest.mark.parametrize("author", [ME, OTHER])
def test_a_removed_message_has_no_body_for_anybody_whatever_they_peek_at(author: str) -> None:
    shown = view(message("remove", author=author), ME, {5}, UTC)
    assert shown
    assert (shown.look, shown.body) == ("removed", None)
    assert "the body" not in repr(shown)


@pytest.mark.parametrize(("status", "note"), [("held", "waiting for moderation"), ("refused", "why not")])
def test_a_message_without_decision_is_for_its_author_only(status: Status, note: str) -> None:
    shown = view(message(status=status, author=ME), ME, set(), UTC)
    assert shown
    assert shown.body == "the body"
    assert note in shown.note
    assert view(message(status=status), ME, {5}, UTC) is None


def test_an_unmoderated_message_is_marked_for_all() -> None:
    shown = view(message(status="unmoderated"), ME, set(), UTC)
    assert shown
    assert (shown.look, shown.body, shown.note) == ("unmoderated", "the body", "unmoderated")


def test_an_unknown_rule_is_shown_as_it_is() -> None:
    other = Decision("d", "flag", "SPAM_FILTER", 0.9, "7", "p")
    shown = view(Message(5, Author(OTHER, "B"), "x", NOON, "decided", other), ME, set(), UTC)
    assert shown
    assert shown.note == "Flagged: SPAM_FILTER"


def test_the_time_is_the_reader_s_own() -> None:
    shown = view(message("allow"), ME, set(), ZoneInfo("Asia/Kolkata"))
    assert shown
    assert shown.time == "17:30"


def test_an_author_keeps_a_colour_that_says_nothing_about_the_id() -> None:
    assert hue(ME) == hue(ME)
    hues = [hue(f"{number:032x}") for number in range(100)]
    assert all(0 <= angle < 360 for angle in hues)
    assert len(set(hues)) > 70
