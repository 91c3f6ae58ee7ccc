"""The person at this browser: who they are, kept across reloads by a cookie, and what they peeked at."""

from datetime import UTC, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

import streamlit as st

from frontend import markup, names
from frontend.messages import Author

WHO: Final = "reader"
COOKIE: Final = "chatmod_reader"


def author() -> Author:
    """Who writes here; a browser that comes for the first time is given a pet's name."""
    token, name = _who()
    return Author(names.author_id(token), name)


def rename(text: str) -> None:
    """Take another name from now on; earlier messages keep theirs. Nothing readable: a new pet's name."""
    token, _ = _who()
    st.session_state[WHO] = (token, names.tidy_name(text) or names.pet_name(names.new_token()))


def remember() -> None:
    """Have the browser bring the same reader back next time.

    Not in the address, which people copy to each other: they would become one reader.
    """
    token, name = _who()
    st.html(markup.cookie(COOKIE, names.to_cookie(token, name)), unsafe_allow_javascript=True)


def _who() -> tuple[str, str]:
    if WHO not in st.session_state:
        kept = names.from_cookie(st.context.cookies.get(COOKIE, ""))
        token = kept[0] if kept else names.new_token()
        st.session_state[WHO] = kept or (token, names.pet_name(token))
    who: tuple[str, str] = st.session_state[WHO]
    return who


def peeked() -> set[int]:
    """The flagged messages that this reader has chosen to see."""
    chosen: set[int] = st.session_state.setdefault("peeked", set())
    return chosen


def zone() -> tzinfo:
    """The browser's time zone, or UTC where it does not say."""
    try:
        return ZoneInfo(st.context.timezone) if st.context.timezone else UTC
    except (KeyError, ValueError, OSError):
        return UTC
