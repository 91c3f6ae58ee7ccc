"""Forest charts: a figure a line, with its interval and n; and bars of contributions. Knows no page."""

from collections.abc import Sequence
from typing import Final

import altair as alt

from frontend.charts.drawing import GREY, PALETTE, Layered, colours, layered, legend, number, rows
from frontend.charts.shapes import Limit, Line

LINE_PX: Final = 42
# Room for axis, title and legend, which Streamlit counts into a chart's height.
FRAME_PX: Final = 150
LABEL_PX: Final = 150
BAR_PX: Final = 28


def forest(
    lines: Sequence[Line],
    unit: Sequence[str],
    *,
    references: Sequence[tuple[str, float]] = (),
    limits: Sequence[Limit] = (),
    domain: tuple[float, float] | None = None,
) -> Layered:
    """Dots with intervals, a row each label and a colour each series; what is small is drawn hollow.

    ``unit`` is the axis' title, a line each: a phone has no room for a long one.
    """
    labels = list(dict.fromkeys(one.label for one in lines))
    series = list(dict.fromkeys(one.series for one in lines))
    values = [
        {
            "label": one.label,
            "series": one.series,
            "few": one.small,
            "note": one.note,
            "n": one.rows,
            **one.figure.model_dump(),
        }
        for one in lines
        if one.figure.value is not None
    ]
    shown = legend() if len(series) > 1 else None
    base = rows(values).encode(
        y=_rows(labels),
        yOffset=alt.YOffset("series:N", sort=series),
        color=alt.Color("series:N", scale=colours(series), legend=shown),
    )
    scale = alt.Scale(domain=list(domain)) if domain else alt.Scale(zero=False, nice=True, padding=8)
    bars = base.mark_rule(size=2, opacity=0.7).encode(x="low:Q", x2="high:Q")
    dots = base.mark_point(size=80, opacity=1).encode(
        x=alt.X("value:Q", title=list(unit), scale=scale),
        fill=alt.Fill("series:N", scale=colours(series), legend=None),
        fillOpacity=alt.condition("datum.few", alt.value(0), alt.value(1)),
        tooltip=["label:N", "series:N", number("value"), number("low"), number("high"), "n:Q", "note:N"],
    )
    height = FRAME_PX + LINE_PX * len(labels) * max(1, (len(series) + 1) // 2)
    return layered(_references(references), bars, dots, _limits(limits, labels), height=height)


def contributions(pairs: Sequence[tuple[str, float]]) -> alt.Chart:
    """A bar a token: to the right it speaks for removal, to the left against it."""
    words = [word for word, _ in pairs]
    sides = ("for removal", "against")
    values = [{"token": word, "value": value, "side": sides[value <= 0]} for word, value in pairs]
    scale = alt.Scale(domain=list(sides), range=[PALETTE[3], PALETTE[0]])
    drawn: alt.Chart = (
        rows(values)
        .mark_bar()
        .encode(
            y=alt.Y("token:N", sort=words, axis=alt.Axis(title=None, labelLimit=LABEL_PX)),
            x=alt.X("value:Q", title="contribution to the logit (natural-log odds)"),
            color=alt.Color("side:N", scale=scale, legend=legend()),
            tooltip=["token:N", alt.Tooltip("value:Q", format="+.3f")],
        )
        .properties(height=FRAME_PX + BAR_PX * len(pairs))
    )
    return drawn


def _rows(labels: Sequence[str]) -> alt.Y:
    axis = alt.Axis(
        title=None,
        labelExpr="split(datum.label, '|')",
        labelLimit=LABEL_PX,
        labelLineHeight=13,
        labelOverlap=False,
    )
    return alt.Y("label:N", sort=list(labels), scale=alt.Scale(domain=list(labels)), axis=axis)


def _references(places: Sequence[tuple[str, float]]) -> Layered:
    base = rows([{"at": at, "name": name} for name, at in places]).encode(x="at:Q")
    rule = base.mark_rule(color=GREY, strokeDash=[4, 4])
    said = base.mark_text(align="left", dx=4, dy=-7, color=GREY).encode(text="name:N", y=alt.value(0))
    return alt.layer(rule, said)


def _limits(limits: Sequence[Limit], labels: Sequence[str]) -> alt.Chart:
    values = [{"label": one.label, "at": one.value, "name": f"limit {one.value:g}"} for one in limits]
    drawn: alt.Chart = (
        rows(values)
        .mark_tick(thickness=3, size=30, color=PALETTE[3])
        .encode(x="at:Q", y=_rows(labels), tooltip="name:N")
    )
    return drawn
