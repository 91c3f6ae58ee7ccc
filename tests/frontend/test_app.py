"""The page's states, without a browser."""

from pathlib import Path

import pytest
from sqlalchemy.engine import make_url
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest

from frontend.messages import Author, Decision
from frontend.room import Room
from frontend.screens.reader import COOKIE
from tests.frontend.servers import ROOT, Answer, StandIn, free_port
from tests.frontend.test_client import PROBLEM

OTHER = Author("b" * 32, "Sunny Yak")
FLAG = Decision("d" * 32, "flag", "LIKELY_TO_REJECT>=0.6123", 0.83, "7", "0123456789ab")
REMOVE = Decision("d" * 32, "remove", "LIKELY_TO_REJECT>=0.9", 0.97, "7", "0123456789ab")


@pytest.fixture
def chosen(api: StandIn, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Settings for a page on the scripted API and a room of its own."""
    monkeypatch.setenv("CHATMOD_UI_API_URL", api.url)
    monkeypatch.setenv("CHATMOD_UI_ROOM_URL", f"sqlite:///{tmp_path / 'chat.db'}")
    # AppTest has no browser whose cookies it could give.
    monkeypatch.setattr(ContextProxy, "cookies", {})
    return monkeypatch


@pytest.fixture
def shared_room(tmp_path: Path) -> Room:
    return Room.open(make_url(f"sqlite:///{tmp_path / 'chat.db'}"), "lobby")


def visit() -> AppTest:
    """A browser that comes for the first time."""
    return AppTest.from_file(str(ROOT / "frontend/app.py"), default_timeout=30).run()


def said(page: AppTest) -> str:
    assert not page.exception
    return "\n".join(
        element.proto.body for element in page.get("html") if "<style>" not in element.proto.body
    )


def write(page: AppTest, text: str) -> AppTest:
    return page.chat_input[0].set_value(text).run()


def go_away(chosen: pytest.MonkeyPatch) -> None:
    chosen.setenv("CHATMOD_UI_API_URL", f"http://127.0.0.1:{free_port()}")


@pytest.mark.usefixtures("chosen")
def test_an_empty_room_invites_to_write() -> None:
    page = visit()
    assert "Nothing here yet" in said(page)
    assert page.chat_input[0].placeholder.startswith("Write as ")


@pytest.mark.usefixtures("chosen")
def test_a_civil_message_is_shown_to_its_author_and_to_others() -> None:
    mine, theirs = visit(), visit()
    write(mine, "hello <there>")
    assert "hello &lt;there&gt;" in said(mine)
    assert "hello &lt;there&gt;" in said(theirs.run())


@pytest.mark.usefixtures("chosen")
def test_a_flagged_message_is_hidden_until_this_reader_peeks_and_no_other() -> None:
    mine, theirs = visit(), visit()
    write(mine, "you idiot")
    for page in (mine.run(), theirs.run()):
        assert "you idiot" not in said(page)
        assert "Flagged: likely to be removed" in said(page)
        assert "score 0.83" in said(page)
    mine.button(key="peek-1").click().run()
    assert "you idiot" in said(mine)
    assert mine.button(key="peek-1").label == "Hide again"
    assert "you idiot" not in said(theirs.run())
    assert "you idiot" not in said(mine.button(key="peek-1").click().run())


@pytest.mark.usefixtures("chosen")
def test_the_body_of_a_removed_message_is_nowhere_in_the_page(shared_room: Room) -> None:
    shared_room.post(OTHER, "buy crypto", REMOVE)
    page = visit()
    assert "Removed: likely to be removed" in said(page)
    assert "buy crypto" not in str(page) + said(page)
    assert "peek-1" not in [button.key for button in page.button]


def test_hold_shows_a_message_to_its_author_only_and_says_so(chosen: pytest.MonkeyPatch) -> None:
    go_away(chosen)
    mine, theirs = visit(), visit()
    write(mine, "anybody there?")
    assert "anybody there?" in said(mine)
    assert "waiting for moderation" in said(mine)
    assert "Moderation is unavailable." in said(theirs.run())
    assert "only their author sees them" in said(theirs)
    assert "anybody there?" not in said(theirs)


def test_any_page_releases_what_was_held_once_the_service_answers(
    chosen: pytest.MonkeyPatch, api: StandIn
) -> None:
    go_away(chosen)
    write(visit(), "you idiot")
    chosen.setenv("CHATMOD_UI_API_URL", api.url)
    theirs = visit()
    assert "Moderation is unavailable." not in said(theirs)
    assert "Flagged: likely to be removed" in said(theirs)


def test_allow_shows_a_message_to_all_with_its_mark(chosen: pytest.MonkeyPatch) -> None:
    go_away(chosen)
    chosen.setenv("CHATMOD_UI_ON_UNAVAILABLE", "allow")
    mine, theirs = visit(), visit()
    write(mine, "anybody there?")
    assert "anybody there?" in said(theirs.run())
    assert '<div class="cm-note">unmoderated</div>' in said(theirs)
    assert "marked as unmoderated" in said(theirs)


def test_refuse_gives_the_text_back_with_the_reason(chosen: pytest.MonkeyPatch) -> None:
    go_away(chosen)
    chosen.setenv("CHATMOD_UI_ON_UNAVAILABLE", "refuse")
    page = write(visit(), "anybody there?")
    assert "Not sent." in said(page)
    assert "nothing can moderate it now" in said(page)
    assert "New messages are not accepted" in said(page)
    assert page.chat_input[0].proto.value == "anybody there?"
    assert "Nothing here yet" in said(page)


@pytest.mark.usefixtures("chosen")
def test_a_notice_about_a_text_goes_when_the_next_one_is_sent(api: StandIn) -> None:
    page = visit()
    api.script = [Answer(422, {**PROBLEM, "detail": "such a text is not judged"})]
    write(page, "strange")
    assert "such a text is not judged" in said(page)
    assert page.chat_input[0].proto.value == "strange"
    assert "Not sent." not in said(write(page, "ordinary"))


@pytest.mark.usefixtures("chosen")
def test_the_panel_counts_and_says_what_the_model_may_do(shared_room: Room) -> None:
    shared_room.post(OTHER, "a", FLAG)
    shared_room.post(OTHER, "b", REMOVE)
    text = said(write(visit(), "c"))
    for count in ("<b>3</b><span>messages", "<b>1</b><span>allowed", "<b>1</b><span>flagged"):
        assert count in text
    assert "<b>1</b><span>removed" in text
    assert "chat-moderation v7" in text
    assert "removals.csv (file)" in text
    assert "precision 0.71" in text
    assert "no threshold reaches a precision of 0.90" in text


@pytest.mark.usefixtures("chosen")
def test_a_model_of_the_sample_is_announced_with_the_way_to_another(api: StandIn) -> None:
    api.readiness["data"]["is_sample"] = True
    text = said(visit())
    assert "Sample data." in text
    assert "CHATMOD_DATA=" in text


@pytest.mark.usefixtures("chosen")
def test_a_model_of_real_data_is_not_announced_as_a_sample() -> None:
    assert "Sample data." not in said(visit())


@pytest.mark.usefixtures("chosen")
def test_clearing_the_room_asks_first(shared_room: Room) -> None:
    shared_room.post(OTHER, "a", FLAG)
    page = visit()
    page.button(key="clear").click().run()
    assert "Delete every message?" in said(page)
    page.button(key="clear-no").click().run()
    assert shared_room.counts().messages == 1
    page.button(key="clear").click().run()
    page.button(key="clear-yes").click().run()
    assert shared_room.counts().messages == 0
    assert "Nothing here yet" in said(page)


@pytest.mark.usefixtures("chosen")
def test_a_name_can_be_chosen_and_drawn_again() -> None:
    page = visit()
    page.text_input(key="name_box").set_value("  Dr <b>Who</b>\u202e ").run()
    assert page.chat_input[0].placeholder == "Write as Dr <b>Who</b>"
    write(page, "hello")
    assert "Dr &lt;b&gt;Who&lt;/b&gt;" in said(page)
    page.button(key="another").click().run()
    assert "Who" not in page.chat_input[0].placeholder
    assert "cm-mine" in said(page)


def test_the_cookie_brings_the_same_reader_back(chosen: pytest.MonkeyPatch) -> None:
    chosen.setattr(ContextProxy, "cookies", {COOKIE: "a-token-of-the-right-size.Dr%20Who"})
    assert visit().chat_input[0].placeholder == "Write as Dr Who"
    write(visit(), "hello")
    assert "cm-mine" in said(visit())
    chosen.setattr(ContextProxy, "cookies", {COOKIE: "<script>"})
    assert "cm-mine" not in said(visit())


def test_a_setting_that_cannot_be_used_is_told_on_the_page(chosen: pytest.MonkeyPatch) -> None:
    chosen.setenv("CHATMOD_UI_HISTORY", "many")
    page = visit()
    assert "CHATMOD_UI_HISTORY=&#x27;many&#x27;" in said(page)
    assert not page.chat_input


def test_a_room_that_cannot_be_opened_is_told_with_a_way_to_try_again(
    chosen: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("")
    chosen.setenv("CHATMOD_UI_ROOM_URL", f"sqlite:///{blocked}/chat.db")
    page = visit()
    assert "The room cannot be opened." in said(page)
    blocked.unlink()
    page.button[0].click().run()
    assert "Nothing here yet" in said(page)


@pytest.mark.usefixtures("chosen")
def test_a_room_that_fails_while_it_is_open_is_told_and_gives_texts_back(shared_room: Room) -> None:
    page = visit()
    with shared_room.engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE message")
    write(page, "hello")
    assert "The room cannot be read." in said(page)
    assert "The message was not stored" in said(page)
    assert page.chat_input[0].proto.value == "hello"
