"""What the insight page's sections share: what was chosen, and how charts, origins and lacks are shown."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

import streamlit as st

from frontend import markup
from frontend.evidence import Figure, Passport
from frontend.experiments import Experiments, about
from frontend.registry import Version
from frontend.resources import Resources

SAMPLE: Final = (
    "This version was trained and tested on this project's own sample of invented messages: no figure of it "
    "says anything about quality."
)
APART: Final = "These versions were tested on different rows: look at each by itself."


@dataclass(frozen=True)
class Chosen:
    """Which version is looked at, beside which others."""

    resources: Resources
    experiments: Experiments
    all: list[Version]
    version: Version
    beside: list[Version]

    @property
    def passport(self) -> Passport | None:
        """Where the version came from."""
        return self.experiments.passport(self.version)

    @property
    def both(self) -> list[Version]:
        """The version and those beside it."""
        return [self.version, *self.beside]


def sample(chosen: Chosen) -> None:
    """Say so where the version comes from the sample."""
    passport = chosen.passport
    if passport and passport.data.is_sample:
        st.html(markup.banner("info", "Sample data.", SAMPLE))


def lacking(chosen: Chosen, what: str, version: Version | None = None) -> None:
    """Say that a version has no such thing, and what to do."""
    title = (version or chosen.version).title.capitalize()
    text = (
        f"{title} has no {what}: an earlier pipeline registered it, or its run is gone. "
        "Train and register anew, or choose another version."
    )
    st.html(markup.banner("info", "Nothing to show.", text))


def apart(passports: Iterable[Passport | None]) -> None:
    """Warn where versions were tested on different rows: their figures cannot be compared."""
    if len({one.split.id for one in passports if one}) > 1:
        st.html(markup.banner("warning", "Not comparable.", APART))


def pick(label: str, names: Mapping[str, str], key: str) -> str:
    """One of a few, by its title; the first until another is chosen."""
    return st.segmented_control(
        label,
        list(names),
        format_func=names.__getitem__,
        default=next(iter(names)),
        required=True,
        key=key,
    )


def chart(drawn: Any, said: str) -> None:
    """A chart over what it is of."""
    st.altair_chart(drawn, width="stretch")
    caption(said)


def caption(said: str) -> None:
    """Where figures come from."""
    st.html(f'<p class="cm-quiet">{markup.plain(said)}</p>')


def origin(chosen: Chosen) -> str:
    """Where this version's figures come from."""
    return about(chosen.version, chosen.passport)


def figures(chosen: Chosen, version: Version) -> dict[str, Figure]:
    """The figures of a version: what its passport states, and what its evaluation measured beside."""
    passport, measured = chosen.experiments.passport(version), chosen.experiments.metrics(version)
    return {**(passport.metrics if passport else {}), **(measured.metrics if measured else {})}
