"""The shared room: what others wrote, as the service decided, and a box to write in."""

from typing import Final

import streamlit as st

from frontend import markup
from frontend.delivery import Returned
from frontend.exceptions import RoomUnavailableError
from frontend.messages import Author
from frontend.resources import Resources
from frontend.screens import notices, reader
from frontend.view import View, view

COMPOSER: Final = "composer"
RETURNED: Final = "returned"


def show(resources: Resources) -> None:
    """Draw the room for this reader."""
    me = reader.author()
    st.html(markup.heading(f"# {resources.settings.room_name}", "One room for everybody who is here."))
    notices.show(resources)
    try:
        views = _views(resources, me)
    except RoomUnavailableError as error:
        st.html(markup.banner("error", "The room cannot be read.", str(error)))
        views = []
    else:
        _messages(views)
    if returned := st.session_state.get(RETURNED):
        st.html(markup.banner("error", "Not sent.", returned))
    st.chat_input(
        f"Write as {me.name}",
        key=COMPOSER,
        max_chars=resources.settings.max_message_chars,
        on_submit=_send,
        args=(resources, me),
    )


def _views(resources: Resources, me: Author) -> list[View]:
    peeked, zone = reader.peeked(), reader.zone()
    latest = resources.room.latest(resources.settings.history)
    views = (view(message, me.id, peeked, zone) for message in latest)
    return [shown for shown in views if shown is not None]


def _messages(views: list[View]) -> None:
    if not views:
        st.html(markup.empty())
    with st.container(key="cm-messages", gap=None):
        above: View | None = None
        for shown in views:
            follows = above is not None and (above.author, above.hue) == (shown.author, shown.hue)
            _message(shown, follows=follows)
            above = shown


def _message(shown: View, *, follows: bool) -> None:
    if shown.look not in {"hidden", "peeked"}:
        st.html(markup.bubble(shown, follows=follows))
        return
    side = "mine" if shown.mine else "theirs"
    with st.container(key=f"cm-flagged-{side}-{shown.id}", gap=None):
        st.html(markup.bubble(shown, follows=follows))
        hidden = shown.look == "hidden"
        st.button(
            "Peek" if hidden else "Hide again",
            key=f"peek-{shown.id}",
            type="tertiary",
            icon=":material/visibility:" if hidden else ":material/visibility_off:",
            on_click=_toggle,
            args=(shown.id,),
        )


def _toggle(number: int) -> None:
    reader.peeked().symmetric_difference_update({number})


def _send(resources: Resources, me: Author) -> None:
    outcome = resources.delivery.send(me, st.session_state[COMPOSER])
    if isinstance(outcome, Returned):
        st.session_state[RETURNED] = outcome.reason
        st.session_state[COMPOSER] = outcome.body
    else:
        st.session_state.pop(RETURNED, None)
    if isinstance(outcome, Returned) or outcome.status != "decided":
        resources.watch.expire()
