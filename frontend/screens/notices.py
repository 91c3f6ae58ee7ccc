"""What nobody should miss: the service is away, or the model has only seen the project's sample."""

from typing import Final

import streamlit as st

from frontend import markup
from frontend.resources import Resources
from frontend.settings import OnUnavailable
from frontend.watch import ServiceState

CONSEQUENCES: Final[dict[OnUnavailable, str]] = {
    "hold": "New messages are held: only their author sees them until they can be moderated.",
    "allow": "New messages are shown to all without moderation, and marked as unmoderated.",
    "refuse": "New messages are not accepted; what you write is given back to you.",
}
SAMPLE: Final = (
    "This model was trained on this project's own sample of invented messages: its figures say nothing "
    "about quality. Bring your own removals: start with CHATMOD_DATA=path/to/comments.csv."
)


def show(resources: Resources) -> None:
    """The banners that are due."""
    state = resources.watch.look()
    if not state.available:
        with st.container(key="cm-outage"):
            st.html(_outage(state, resources.settings.on_unavailable))
    if state.last_known and state.last_known.data and state.last_known.data.is_sample:
        st.html(markup.banner("info", "Sample data.", SAMPLE))


def _outage(state: ServiceState, on_unavailable: OnUnavailable) -> str:
    text = f"{CONSEQUENCES[on_unavailable]} Why: {state.trouble}."
    return markup.banner("warning", "Moderation is unavailable.", text)
