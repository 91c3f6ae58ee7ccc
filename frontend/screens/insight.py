"""The insight page: what each registered version is and does, for those who train models."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import streamlit as st

from frontend import markup
from frontend.exceptions import EvidenceError, RegistryUnavailableError
from frontend.experiments import Experiments
from frontend.registry import Registry, Version
from frontend.resources import Resources
from frontend.screens import insight_figures, insight_tests, insight_texts
from frontend.screens.insight_parts import Chosen, sample

HEADING: Final = ("Insight", "What each version can do, how far to trust it, and what the gate said.")
NO_ADDRESS: Final = (
    "Set CHATMOD_UI_MLFLOW_URL to the MLflow server that versions are registered in, as http://HOST:PORT, "
    "and start the chat again; make run sets it by itself."
)
NO_VERSIONS: Final = "Nothing is registered yet: train and register a version with make train."
LIST_TTL_S: Final = 10
FILE_TTL_S: Final = 300
MOST_BESIDE: Final = 3
SECTIONS: Final[Mapping[str, Callable[[Chosen], None]]] = {
    "Versions": insight_figures.versions,
    "Curves": insight_figures.curves,
    "Reliability": insight_figures.reliability,
    "Slices": insight_tests.slices,
    "Swapped terms": insight_tests.counterfactual,
    "Evasion": insight_tests.evasion,
    "Worst errors": insight_texts.errors,
    "Why this score": insight_texts.explanation,
    "Leak audit": insight_tests.audit,
    "Receipts": insight_texts.receipts,
}


@st.cache_data(ttl=LIST_TTL_S, max_entries=8, show_spinner=False)
def _versions(_registry: Registry, url: str) -> list[Version]:
    del url
    return _registry.versions()


@st.cache_data(ttl=LIST_TTL_S, max_entries=256, show_spinner=False)
def _names(_registry: Registry, url: str, run_id: str, folder: str) -> frozenset[str]:
    del url
    return _registry.names(run_id, folder)


@st.cache_data(ttl=FILE_TTL_S, max_entries=256, show_spinner=False)
def _artifact(_registry: Registry, url: str, run_id: str, path: str) -> bytes | None:
    del url
    return _registry.artifact(run_id, path)


@st.cache_data(ttl=FILE_TTL_S, max_entries=256, show_spinner=False)
def _file(_registry: Registry, url: str, version: int, path: str) -> bytes | None:
    del url
    return _registry.file(version, path)


@dataclass(frozen=True)
class _Remembered:
    """The registry behind a short memory that all browsers share: files of a version never change."""

    registry: Registry

    def versions(self) -> list[Version]:
        return _versions(self.registry, self.registry.url)

    def names(self, run_id: str, folder: str) -> frozenset[str]:
        return _names(self.registry, self.registry.url, run_id, folder)

    def artifact(self, run_id: str, path: str) -> bytes | None:
        return _artifact(self.registry, self.registry.url, run_id, path)

    def file(self, version: int, path: str) -> bytes | None:
        return _file(self.registry, self.registry.url, version, path)


def show(resources: Resources) -> None:
    """Draw the page."""
    st.html(f'<div class="cm-insight">{markup.heading(*HEADING)}</div>')
    if resources.registry is None:
        st.html(markup.banner("info", "No MLflow address is set.", NO_ADDRESS))
        return
    experiments = Experiments(_Remembered(resources.registry))
    try:
        found = experiments.versions()
        if not found:
            st.html(markup.banner("info", "No version yet.", NO_VERSIONS))
            return
        _sections(resources, experiments, found)
    except RegistryUnavailableError as error:
        st.html(markup.banner("error", "The versions cannot be read.", f"{error}."))
        st.button("Try again", icon=":material/refresh:", key="insight-again")


def _sections(resources: Resources, experiments: Experiments, found: list[Version]) -> None:
    by_number = {one.number: one for one in found}
    titles = {number: _title(one) for number, one in by_number.items()}
    left, right = st.columns([1, 2])
    number = left.selectbox("Version", list(by_number), format_func=titles.__getitem__, key="insight-version")
    others = [one for one in by_number if one != number]
    beside = right.multiselect(
        "Beside it",
        others,
        format_func=titles.__getitem__,
        max_selections=MOST_BESIDE,
        placeholder="compare with up to three others" if others else "there is no other version yet",
        disabled=not others,
        key="insight-beside",
    )
    section = st.pills("Section", list(SECTIONS), default="Versions", required=True, key="insight-section")
    chosen = Chosen(resources, experiments, found, by_number[number], [by_number[one] for one in beside])
    try:
        sample(chosen)
        SECTIONS[section](chosen)
    except EvidenceError as error:
        st.html(markup.banner("error", "This cannot be shown.", f"{error}."))


def _title(version: Version) -> str:
    return " · ".join([version.title, *version.aliases])
