"""Chromium as a reader of the chat, and the stories that are told in it."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Browser, Locator, Page, sync_playwright

from frontend.delivery import tidy
from tests.frontend.servers import Process, streamlit

FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
SEEN_WITHIN_S = 2.0
PATIENCE_MS = 20_000


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def chat(api_url: str, folder: Path, **variables: str) -> Iterator[tuple[str, Process]]:
    """The chat on this service, with a room of its own in `folder`."""
    chosen = {"CHATMOD_UI_API_URL": api_url, "CHATMOD_UI_ROOM_URL": f"sqlite:///{folder / 'chat.db'}"}
    with streamlit(chosen | variables, folder) as started:
        yield started


class Reader:
    """One browser with the chat open; notes every script error and every request to somewhere else."""

    def __init__(self, browser: Browser, url: str, width: int = 1280, scheme: str = "light") -> None:
        context = browser.new_context(viewport={"width": width, "height": 844}, color_scheme=scheme)
        self.page: Page = context.new_page()
        self.page.set_default_timeout(PATIENCE_MS)
        self.wrong: list[str] = []
        self.page.on("pageerror", lambda error: self.wrong.append(str(error)))
        self.page.on("dialog", lambda dialog: self.wrong.append(dialog.message))
        self.page.on("request", lambda sent: None if url in sent.url else self.wrong.append(sent.url))
        self.page.goto(url)
        self.box.wait_for()

    @property
    def box(self) -> Locator:
        return self.page.get_by_test_id("stChatInputTextArea")

    def say(self, text: str) -> None:
        self.box.fill(text)
        self.box.press("Enter")

    def bubbles(self, look: str, side: str = "theirs") -> Locator:
        return self.page.locator(f".cm-msg.cm-{look}.cm-{side}")

    def waits_for(self, locator: Locator, seconds: float = PATIENCE_MS / 1000) -> None:
        locator.first.wait_for(timeout=seconds * 1000)

    def listen(self, received: list[str]) -> None:
        """Note whatever Streamlit sends to this browser from the next page load on."""

        def note(frame: str | bytes) -> None:
            received.append(frame if isinstance(frame, str) else frame.decode(errors="replace"))

        self.page.on("websocket", lambda socket: socket.on("framereceived", note))
        self.page.reload()
        self.box.wait_for()

    def has_in_page(self, text: str) -> bool:
        return tidy(text) in self.page.evaluate("document.documentElement.textContent")

    def body(self, bubble: Locator) -> str:
        return bubble.locator(".cm-body").text_content() or ""

    def banner(self, text: str) -> Locator:
        return self.page.locator(".cm-banner", has_text=text)


def moderated_chat(api_url: str, civil: str, flagged: str, folder: Path) -> None:
    """One reader writes both; both readers see the second hidden with its reason, and each can peek."""
    with chat(api_url, folder) as (url, _), chromium() as browser:
        author, other = Reader(browser, url), Reader(browser, url)
        _appears_in_time(author, other, civil, "plain")
        assert other.body(other.bubbles("plain").last) == tidy(civil)
        _appears_in_time(author, other, flagged, "hidden")
        author.waits_for(author.bubbles("hidden", "mine"))
        for reader in (author, other):
            assert not reader.has_in_page(flagged)
        shown = other.bubbles("hidden").last.inner_text()
        assert "Flagged: likely to be removed by this community's moderators" in shown
        assert "score 0." in shown
        assert "LIKELY_TO_REJECT>=" in shown
        other.page.get_by_role("button", name="Peek").click()
        other.waits_for(other.bubbles("peeked"))
        assert other.body(other.bubbles("peeked").last) == tidy(flagged)
        assert not author.has_in_page(flagged)
        other.page.get_by_role("button", name="Hide again").click()
        other.waits_for(other.bubbles("hidden"))
        assert not other.has_in_page(flagged)
        assert (author.wrong, other.wrong) == ([], [])


def _appears_in_time(author: Reader, other: Reader, text: str, look: str) -> None:
    started = time.monotonic()
    author.say(text)
    other.waits_for(other.bubbles(look))
    took = time.monotonic() - started
    assert took <= SEEN_WITHIN_S, f"the other browser saw it after {took:.2f} s"


def outage(api_url: str, service: Process, civil: str, folder: Path) -> None:
    """The service stops: the page says so and holds what is written; it returns: the message is released."""
    with chat(api_url, folder) as (url, _), chromium() as browser:
        author, other = Reader(browser, url), Reader(browser, url)
        service.stop()
        for reader in (author, other):
            reader.waits_for(reader.banner("Moderation is unavailable."))
        for number in range(4):
            author.say(civil)
            author.waits_for(author.bubbles("waiting", "mine").nth(number))
        other.waits_for(other.page.locator(".cm-count-hold", has_text="4"))
        assert not other.has_in_page(civil)
        service.start()
        other.waits_for(other.bubbles("plain").nth(3))
        author.waits_for(author.bubbles("plain", "mine").nth(3))
        assert other.body(other.bubbles("plain").last) == tidy(civil)
        for reader in (author, other):
            assert reader.banner("Moderation is unavailable.").count() == 0
        assert (author.wrong, other.wrong) == ([], [])
