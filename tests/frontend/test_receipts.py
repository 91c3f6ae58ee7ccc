"""A receipt's Markdown loses its power and keeps its looks."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from frontend.receipts import tamed
from tests.frontend.registries import HOSTILE_MARKDOWN

PLAIN = (
    "# Receipt\n\n| rule | value |\n| --- | --- |\n| roc_auc | 0.81 |\n\n- **why**: `sha256:00ff`, 12:30\n"
)


def test_headings_tables_lists_and_code_stay() -> None:
    assert PLAIN == tamed(PLAIN)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<b>", "\\<b>"),
        ("![x](y)", "!\\[x\\](y)"),
        ("\\<b>", "\\<b>"),
        ("\\\\<b>", "\\\\\\<b>"),
        (":red[x]", "\\:red\\[x\\]"),
        ("$x$", "\\$x\\$"),
        ("http://a", "http:\u2060//a"),
        ("WWW.a.b", "WWW\u2060.a.b"),
        ("a@b.c", "a@\u2060b.c"),
        ("`<b>`", "`\\<b>`"),
        ("`a\n<b>`", "`a\n\\<b>`"),
        ("0.5 [0.4, 0.6]", "0.5 \\[0.4, 0.6\\]"),
        ("\x00", "\ufffd"),
    ],
)
def test_what_has_power_becomes_text(written: str, shown: str) -> None:
    assert shown == tamed(written)


@given(st.text(alphabet="<>[]()!$:/`\\\nawx.@ |*#-"))
def test_nothing_that_opens_is_left_unescaped(text: str) -> None:
    left = re.sub(r"`[^`<\[\]$\\]*`|\\[^\n]", "", tamed(text))
    assert [] == re.findall(r"[<\[\]$]|://|www\.", left, re.IGNORECASE)


def test_taming_twice_changes_nothing() -> None:
    assert tamed(HOSTILE_MARKDOWN) == tamed(tamed(HOSTILE_MARKDOWN))
