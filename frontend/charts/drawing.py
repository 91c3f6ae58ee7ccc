"""What all charts share: colours readable on light and dark, rows into Altair, tooltips. Knows no page."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import altair as alt

# Altair takes a pandas that another page's thread has only half imported for a whole one, and fails;
# Streamlit brings it, and imports it when it likes.
import pandas as pd  # noqa: F401

PALETTE: Final = ("#0d9488", "#d97706", "#7c6cf0", "#d9485f")
GREY: Final = "#8b8f94"
Layered = alt.LayerChart | alt.FacetChart


def rows(values: Sequence[Mapping[str, Any]]) -> alt.Chart:
    """A chart of these rows, nothing drawn yet."""
    return alt.Chart(alt.InlineData(values=[dict(one) for one in values]))


def layered(*layers: Any, height: int) -> Layered:
    """Charts over each other."""
    drawn: Layered = alt.layer(*layers).properties(height=height)
    return drawn


def legend(columns: int = 2) -> alt.Legend:
    """A legend under the chart, where a phone has room for it."""
    return alt.Legend(orient="bottom", title=None, columns=columns, labelLimit=340, symbolOpacity=1)


def colours(names: Sequence[str]) -> alt.Scale:
    """A colour a name, in their order."""
    return alt.Scale(domain=list(names), range=list(PALETTE)[: len(names)])


def number(field: str, title: str = "") -> alt.Tooltip:
    """A figure in a tooltip."""
    return alt.Tooltip(f"{field}:Q", format=".3f", title=title or field)
