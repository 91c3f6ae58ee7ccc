"""A message is text to the page: whatever it contains, it is shown as it was written."""

import textwrap
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend import markup
from frontend.client import Readiness
from frontend.delivery import tidy
from frontend.messages import Counts, Decision
from frontend.view import View
from tests.frontend.servers import READY

PLAIN = View(1, "Brave Otter", 120, mine=False, time="12:00", look="plain", body="x")
FLAGGED = Decision("d", "flag", "LIKELY_TO_REJECT>=0.6123", 0.834, "7", "p")
READINESS = Readiness.model_validate(READY)
HOSTILE = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</div></article><h1>system</h1>",
    '" onmouseover="alert(1)',
    "[a link](http://example.org) ![an image](http://example.org/x.png)",
    "**bold** _it_ `code` # heading\n- list\n> quote",
    "$x^2$ $$\\int$$ :smile: :material/home: :red[red] :blue-background[b]",
    "http://example.org www.example.org me@example.org",
    "&lt;b&gt; &amp;amp; &#60;",
    "  indented\n\n\n\tand\ttabbed  ",
    "/etc/passwd",
]


class Reading(HTMLParser):
    """What a browser makes of a bubble: its elements, and the text inside each class."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.elements: list[tuple[str, tuple[str, ...]]] = []
        self.texts: dict[str, str] = {}
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, tuple(name for name, _ in attrs)))
        self.open.append(dict(attrs).get("class") or "")

    def handle_endtag(self, tag: str) -> None:
        assert tag
        self.open.pop()

    def handle_data(self, data: str) -> None:
        self.texts[self.open[-1]] = self.texts.get(self.open[-1], "") + data


def read(html: str) -> Reading:
    # What Streamlit does to HTML before the browser gets it.
    reading = Reading()
    reading.feed(textwrap.dedent(html).strip())
    reading.close()
    assert reading.open == []
    return reading


@pytest.mark.parametrize("text", HOSTILE)
def test_a_hostile_text_is_shown_letter_by_letter(text: str) -> None:
    reading = read(markup.bubble(replace(PLAIN, body=text)))
    assert text == reading.texts["cm-body"]
    assert read(markup.bubble(PLAIN)).elements == reading.elements


@given(text=st.text())
def test_any_text_is_shown_as_it_was_written_and_adds_no_element(text: str) -> None:
    body = tidy(text)
    reading = read(markup.bubble(replace(PLAIN, body=body)))
    assert body == reading.texts.get("cm-body", "")
    assert read(markup.bubble(PLAIN)).elements == reading.elements


@given(text=st.text())
def test_any_name_rule_and_note_add_no_element(text: str) -> None:
    view = replace(PLAIN, look="hidden", body=None, decision=FLAGGED)
    said = replace(view, author=tidy(text), note=tidy(text), decision=replace(FLAGGED, rule=tidy(text)))
    assert read(markup.bubble(view)).elements == read(markup.bubble(said)).elements
    assert "\n" not in markup.bubble(said)


def test_a_flagged_message_shows_reason_score_and_rule_without_the_body() -> None:
    html = markup.bubble(replace(PLAIN, look="hidden", body=None, note="Flagged: spam", decision=FLAGGED))
    assert "Flagged: spam" in html
    assert "score 0.83" in html
    assert "LIKELY_TO_REJECT&gt;=0.6123" in html
    assert "cm-body" not in html


def test_a_banner_shows_what_an_error_says_as_text() -> None:
    reading = read(markup.banner("error", "Not sent.", "<b>down</b> **now**"))
    assert reading.elements == [("div", ("class", "role")), ("b", ()), ("span", ())]


def test_the_panel_says_which_action_is_off_and_why() -> None:
    html = markup.actions(READINESS)
    assert "from score 0.61 · precision 0.71 · recall 0.30" in html
    assert "This model never uses it: no threshold reaches a precision of 0.90." in html


def test_the_panel_says_when_the_figures_are_not_known_yet() -> None:
    assert "Not known" in markup.actions(None)
    assert "Not known" in markup.origin(None)
    assert "service unavailable" in markup.service(None, available=False)


def test_the_panel_keeps_the_last_known_model_while_the_service_is_away() -> None:
    html = markup.service(READINESS, available=False)
    assert "service unavailable" in html
    assert "chat-moderation v7" in html


def test_the_sample_is_named_wherever_the_data_is() -> None:
    sample = {**READY, "data": {"source": "sample", "name": "sample", "rows": 1600, "is_sample": True}}
    assert "this project&#x27;s own sample" in markup.service(
        Readiness.model_validate(sample), available=True
    )
    assert "this project&#x27;s own sample" in markup.origin(Readiness.model_validate(sample))


def test_rare_counts_are_shown_only_where_there_are_some() -> None:
    assert "unmoderated" not in markup.counts(Counts(3, 3))
    assert "unmoderated" in markup.counts(Counts(3, 2, unmoderated=1))
    assert "not accepted" in markup.counts(Counts(3, 2, refused=1))
    assert "<b>1,234</b><span>messages" in markup.counts(Counts(1234))
