"""About this model: what the score means, which actions are reachable and why one is off, and its data."""

from typing import Final

import streamlit as st

from frontend import markup
from frontend.resources import Resources
from frontend.screens import notices

SCORE: Final = """
The **score** of a message is the probability that the moderators whose decisions this model learned
from would have removed it. It is neither a measure of toxicity nor of truth: it repeats the habits of
one community, and it is least sure about short messages.

- **allow**: the message is shown.
- **flag**: it is hidden behind its reason until a reader peeks. Peeking is each reader's own choice.
- **remove**: a notice takes its place, and the text is not sent to any browser.

An action is used only from a score at which enough messages outside the training folds were rightly
caught. Where no such score exists the action is **off**. The service decides; this page shows.
"""


def show(resources: Resources) -> None:
    """Draw the page."""
    readiness = resources.watch.look().last_known
    st.html(markup.heading("About this model", "What moderates this room, and how far to trust it."))
    notices.show(resources)
    st.subheader("What the score means")
    st.markdown(SCORE)
    st.subheader("Which actions it may take")
    st.html(markup.actions(readiness))
    st.subheader("Where it comes from")
    st.html(markup.origin(readiness))
