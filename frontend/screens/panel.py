"""The side panel: who you are, the room in figures, its model; and what keeps the page up to date."""

from typing import Final

import streamlit as st

from frontend import markup
from frontend.exceptions import RoomUnavailableError
from frontend.messages import Counts
from frontend.names import MAX_NAME_CHARS
from frontend.resources import Resources
from frontend.screens import reader

NAME_BOX: Final = "name_box"
CLEARING: Final = "clearing"
SEEN: Final = "seen"


def show(resources: Resources) -> None:
    """Draw the panel, and have this page drawn again as soon as it is out of date."""
    st.session_state[SEEN] = _fingerprint(resources)
    with st.sidebar:
        st.fragment(_refresh, run_every=resources.settings.refresh_s)(resources)
        _who()
        try:
            numbers = resources.room.counts()
        except RoomUnavailableError:
            numbers = Counts()
        st.subheader("This room")
        st.html(markup.counts(numbers))
        _model(resources)
        _clear(resources, numbers)
        reader.remember()


def _refresh(resources: Resources) -> None:
    if _fingerprint(resources) != st.session_state.get(SEEN):
        st.rerun()


def _fingerprint(resources: Resources) -> tuple[object, object]:
    state = resources.watch.look()
    try:
        return resources.room.revision(), state
    except RoomUnavailableError as error:
        return str(error), state


def _who() -> None:
    me = reader.author()
    if st.session_state.get(NAME_BOX) != me.name:
        st.session_state[NAME_BOX] = me.name
    with st.container(horizontal=True, vertical_alignment="bottom", gap="small"):
        st.text_input("You are", key=NAME_BOX, max_chars=MAX_NAME_CHARS, on_change=_rename)
        st.button("", key="another", icon=":material/casino:", help="Another name", on_click=_another)


def _rename() -> None:
    reader.rename(st.session_state[NAME_BOX])


def _another() -> None:
    reader.rename("")


def _model(resources: Resources) -> None:
    state = resources.watch.look()
    st.subheader("Moderated by")
    st.html(markup.service(state.last_known, available=state.available))
    if resources.settings.mlflow_url:
        st.link_button("Open in MLflow", resources.settings.mlflow_url, icon=":material/experiment:")
    st.subheader("What it may do")
    st.html(markup.actions(state.last_known))


def _clear(resources: Resources, numbers: Counts) -> None:
    if not st.session_state.get(CLEARING):
        st.button(
            "Clear history",
            icon=":material/delete:",
            key="clear",
            on_click=_ask,
            disabled=not numbers.messages,
        )
        return
    st.html(
        markup.banner("warning", "Delete every message?", "They go for everybody and cannot be brought back.")
    )
    with st.container(horizontal=True):
        st.button("Delete all", key="clear-yes", type="primary", on_click=_delete, args=(resources,))
        st.button("Keep them", key="clear-no", on_click=_keep)


def _ask() -> None:
    st.session_state[CLEARING] = True


def _keep() -> None:
    st.session_state[CLEARING] = False


def _delete(resources: Resources) -> None:
    st.session_state[CLEARING] = False
    try:
        resources.room.clear()
    except RoomUnavailableError as error:
        st.toast(markup.plain(str(error)), icon=":material/error:")
