"""A receipt's Markdown, tamed: headings, lists, tables and code stay; links, pictures, tags are text."""

import re
from typing import Final

# In this order: code without anything that could do harm, a backslash with what it escapes, what could open a
# tag, a link, a picture, a formula or one of Streamlit's own directives, and what is made a link unasked.
_PIECE: Final = re.compile(
    r"(?P<kept>`[\w .,:;=%+*/()|-]*`|\\[!-/:-@\[-`{-~])"
    r"|(?P<opening>[<\[\]$]|:(?=[A-Za-z]))"
    r"|(?P<link>(?<=:)(?=//)|(?<=www)(?=\.)|(?<=@)(?=\w))",
    re.IGNORECASE,
)
_JOINER: Final = "\u2060"


def tamed(markdown: str) -> str:
    """The same Markdown without any power over the page."""
    return _PIECE.sub(_harmless, markdown.replace("\x00", "\ufffd"))


def _harmless(found: re.Match[str]) -> str:
    if found["opening"]:
        return f"\\{found['opening']}"
    return found["kept"] or _JOINER
