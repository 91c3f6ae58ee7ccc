"""The chat in a real browser, on the real prediction service."""

from pathlib import Path

import pytest
from playwright.sync_api import expect

from frontend.messages import Author
from frontend.room import Room
from tests.conftest import Messages
from tests.frontend.browser import Reader, chat, chromium, moderated_chat, outage
from tests.frontend.servers import StandIn, free_port, gunicorn
from tests.frontend.test_markup import HOSTILE

LONG_WORD = "pneumono" * 30


def test_a_flagged_message_is_hidden_from_two_browsers_until_one_peeks(
    bundle_dir: Path, messages: Messages, tmp_path: Path
) -> None:
    with gunicorn(bundle_dir, tmp_path) as (api_url, _):
        moderated_chat(api_url, messages.civil, messages.flagged, tmp_path)


def test_a_stopped_service_is_told_and_what_was_held_is_released_when_it_returns(
    bundle_dir: Path, messages: Messages, tmp_path: Path
) -> None:
    with gunicorn(bundle_dir, tmp_path) as (api_url, service):
        outage(api_url, service, messages.civil, tmp_path)


def test_a_removed_message_never_reaches_a_browser(
    bundle_dir: Path, messages: Messages, tmp_path: Path
) -> None:
    received: list[str] = []
    with (
        gunicorn(bundle_dir, tmp_path) as (api_url, _),
        chat(api_url, tmp_path) as (url, _),
        chromium() as browser,
    ):
        author, other = Reader(browser, url), Reader(browser, url)
        for reader in (author, other):
            reader.listen(received)
        author.say(messages.removed)
        for reader, side in ((author, "mine"), (other, "theirs")):
            reader.waits_for(reader.bubbles("removed", side))
            assert not reader.has_in_page(messages.removed)
    assert "likely to be removed" in "".join(received)
    assert messages.removed not in "".join(received)


def test_messages_survive_a_restart_and_the_reader_stays_the_same(api: StandIn, tmp_path: Path) -> None:
    with chat(api.url, tmp_path) as (url, server), chromium() as browser:
        author = Reader(browser, url)
        author.say("you idiot")
        author.waits_for(author.bubbles("hidden", "mine"))
        server.stop()
        server.start()
        author.page.reload()
        author.waits_for(author.bubbles("hidden", "mine"))
        assert Reader(browser, author.page.url).bubbles("hidden", "mine").count() == 0


def test_a_chosen_name_stays_with_its_browser_and_out_of_the_address(api: StandIn, tmp_path: Path) -> None:
    with chat(api.url, tmp_path) as (url, _), chromium() as browser:
        reader = Reader(browser, url)
        reader.page.get_by_label("You are").fill("Dr Who; path=/")
        reader.page.get_by_label("You are").press("Enter")
        reader.page.get_by_placeholder("Write as Dr Who; path=/").wait_for()
        reader.page.reload()
        reader.page.get_by_placeholder("Write as Dr Who; path=/").wait_for()
        assert reader.page.url.rstrip("/") == url
        assert Reader(browser, reader.page.url).page.get_by_placeholder("Dr Who").count() == 0


def test_hostile_texts_are_shown_as_text_and_do_nothing(api: StandIn, tmp_path: Path) -> None:
    with chat(api.url, tmp_path) as (url, _), chromium() as browser:
        author, other = Reader(browser, url), Reader(browser, url)
        for number, text in enumerate(HOSTILE):
            author.say(text)
            author.waits_for(author.bubbles("plain", "mine").nth(number))
        other.waits_for(other.bubbles("plain").nth(len(HOSTILE) - 1))
        shown = other.page.locator(".cm-body").all()
        assert [body.text_content() for body in shown] == [text.strip() for text in HOSTILE]
        assert other.page.locator(".cm-body *").count() == 0
        assert (author.wrong, other.wrong) == ([], [])


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_phone_shows_everything_within_its_width(api: StandIn, tmp_path: Path, scheme: str) -> None:
    with chat(api.url, tmp_path) as (url, _), chromium() as browser:
        phone = Reader(browser, url, width=390, scheme=scheme)
        for number, text in enumerate(
            (f"hello {LONG_WORD}", f"you idiot {LONG_WORD}", f"buy crypto {LONG_WORD}")
        ):
            phone.say(text)
            phone.waits_for(phone.page.locator(".cm-msg").nth(number))
        phone.page.get_by_role("button", name="Peek").click()
        phone.waits_for(phone.bubbles("peeked", "mine"))
        for bubble in phone.page.locator(".cm-msg").all():
            box = bubble.bounding_box()
            assert box
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= 390
        assert phone.page.evaluate("document.documentElement.scrollWidth") <= 390
        background = phone.page.evaluate("getComputedStyle(document.querySelector('.stApp')).backgroundColor")
        assert background == {"light": "rgb(251, 250, 248)", "dark": "rgb(22, 24, 26)"}[scheme]


def test_an_outage_stays_in_sight_however_long_the_room_is(sqlite_room: Room, tmp_path: Path) -> None:
    for number in range(30):
        sqlite_room.post(Author("b" * 32, "Sunny Yak"), f"message {number}", None, status="unmoderated")
    nobody = f"http://127.0.0.1:{free_port()}"
    with chat(nobody, tmp_path) as (url, _), chromium() as browser:
        phone = Reader(browser, url, width=390)
        phone.waits_for(phone.bubbles("unmoderated").nth(29))
        expect(phone.bubbles("unmoderated").nth(29)).to_be_in_viewport()
        expect(phone.banner("Moderation is unavailable.")).to_be_in_viewport(ratio=0.9)


def test_the_second_page_tells_about_the_model_and_leads_back(api: StandIn, tmp_path: Path) -> None:
    with chat(api.url, tmp_path) as (url, _), chromium() as browser:
        reader = Reader(browser, url)
        reader.say("you idiot")
        reader.waits_for(reader.bubbles("hidden", "mine"))
        reader.page.get_by_role("link", name="About this model").click()
        main = reader.page.get_by_test_id("stMain")
        main.get_by_text("no threshold reaches a precision of 0.90").wait_for()
        main.get_by_text("abab" * 16).wait_for()
        reader.page.get_by_role("link", name="Chat").click()
        reader.waits_for(reader.bubbles("hidden", "mine"))
        assert reader.wrong == []
