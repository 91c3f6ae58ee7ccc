"""The chat's entry for `streamlit run`: settings, shared resources, style and the three pages."""

from pathlib import Path

import streamlit as st

from frontend import markup, settings
from frontend.exceptions import RoomUnavailableError, SettingsError
from frontend.resources import Resources, open_resources
from frontend.screens import about, chat, insight, panel


@st.cache_resource(show_spinner=False, on_release=lambda resources: resources.close())
def shared(chosen: settings.Settings) -> Resources:
    """One room, one client and one watch for all browsers of this process."""
    return open_resources(chosen)


def main() -> None:
    """Draw the page that the reader is on."""
    st.set_page_config(page_title="chat-moderation", page_icon="💬")
    st.html(Path(__file__).with_name("style.css"))
    try:
        resources = shared(settings.load())
    except SettingsError as error:
        st.html(markup.banner("error", "A setting cannot be used.", str(error)))
        return
    except RoomUnavailableError as error:
        st.html(markup.banner("error", "The room cannot be opened.", str(error)))
        st.button("Try again", icon=":material/refresh:")
        return

    def room() -> None:
        chat.show(resources)

    def model() -> None:
        about.show(resources)

    def evidence() -> None:
        insight.show(resources)

    page = st.navigation(
        [
            st.Page(room, title="Chat", icon=":material/forum:", url_path="room", default=True),
            st.Page(model, title="About this model", icon=":material/info:", url_path="model"),
            st.Page(evidence, title="Insight", icon=":material/insights:", url_path="insight"),
        ]
    )
    panel.show(resources)
    page.run()


main()
