"""Charts of the report as geometry: paths for one SVG, positions for bars in a table. Knows no HTML."""

import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

WIDTH: Final = 360
HEIGHT: Final = 240
SHARES: Final = (0.0, 0.25, 0.5, 0.75, 1.0)
STEPS: Final = (1.0, 2.0, 2.5, 5.0, 10.0)
Point = tuple[float, float]


@dataclass(frozen=True)
class Series:
    """One path: ``look`` is a class of the page's style, ``label`` what the legend says (empty: nothing)."""

    look: str
    path: str
    label: str = ""


@dataclass(frozen=True)
class Chart:
    """A picture with two axes; ticks are pairs of place and text."""

    title: str
    across: str
    up: str
    series: Sequence[Series]
    x_ticks: Sequence[tuple[float, str]]
    y_ticks: Sequence[tuple[float, str]]
    note: str = ""


@dataclass(frozen=True)
class Plane:
    """Values from 0 to the two limits, put into the picture."""

    right: float = 1.0
    top: float = 1.0

    def x(self, value: float) -> float:
        """Where a value lies from the left."""
        return round(WIDTH * value / self.right, 1)

    def y(self, value: float) -> float:
        """Where a value lies from above."""
        return round(HEIGHT * (1 - value / self.top), 1)

    def line(self, points: Iterable[Sequence[float]]) -> str:
        """A line through points."""
        return "M" + "L".join(f"{self.x(x)} {self.y(y)}" for x, y in points)

    def band(self, rows: Sequence[Sequence[float]]) -> str:
        """The area between low and high: each row is x, low and high."""
        there = [(x, high) for x, _, high in rows]
        back = [(x, low) for x, low, _ in reversed(rows)]
        return self.line([*there, *back]) + "Z"

    def dots(self, points: Iterable[Sequence[float]]) -> str:
        """Dots: lines of no length, which round ends make visible."""
        return "".join(f"M{self.x(x)} {self.y(y)}h0" for x, y in points)

    def whiskers(self, rows: Iterable[Sequence[float]]) -> str:
        """Upright lines: each row is x, low and high."""
        return "".join(f"M{self.x(x)} {self.y(low)}V{self.y(high)}" for x, low, high in rows)

    def bars(self, counts: Sequence[float]) -> str:
        """Bars of equal width from left to right."""
        wide = self.right / len(counts)
        return "".join(
            f"M{self.x(place * wide)} {self.y(0)}V{self.y(count)}H{self.x((place + 1) * wide)}V{self.y(0)}Z"
            for place, count in enumerate(counts)
        )

    def x_ticks(self) -> list[tuple[float, str]]:
        """Five ticks along the lower edge."""
        return [(self.x(share * self.right), _number(share * self.right)) for share in SHARES]

    def y_ticks(self) -> list[tuple[float, str]]:
        """Five ticks along the left edge."""
        return [(self.y(share * self.top), _number(share * self.top)) for share in SHARES]


@dataclass(frozen=True)
class Line:
    """What one line of a table of bars shows, in the figure's own unit; None where there is nothing."""

    label: str
    about: str
    value: float | None
    low: float | None = None
    high: float | None = None
    text: str = ""
    mark: float | None = None
    is_faint: bool = False


@dataclass(frozen=True)
class Bar:
    """A line with its places in per cent of the axis; ``start`` is None where there is no figure."""

    line: Line
    start: float | None
    length: float
    dot: float | None
    mark: float | None


@dataclass(frozen=True)
class Bars:
    """A table of bars with one axis."""

    title: str
    first: str
    unit: str
    lowest: str
    highest: str
    reference: float | None
    reference_text: str
    bars: Sequence[Bar]
    note: str = ""


def bars(
    title: str,
    lines: Sequence[Line],
    *,
    first: str,
    unit: str,
    low: float,
    high: float,
    reference: float | None = None,
    reference_text: str = "",
    note: str = "",
) -> Bars:
    """A table of bars from ``low`` to ``high``; ``first`` heads the column of names."""

    def place(value: float | None) -> float | None:
        return None if value is None else round(100 * min(max((value - low) / (high - low), 0), 1), 2)

    made = []
    for line in lines:
        start, end = place(line.low), place(line.high)
        length = 0.0 if start is None or end is None else round(end - start, 2)
        made.append(Bar(line, start, length, place(line.value), place(line.mark)))
    edges = _number(low), _number(high)
    return Bars(title, first, unit, *edges, place(reference), reference_text, made, note)


def ceiling(values: Iterable[float], least: float = 0.0) -> float:
    """A round number that is no smaller than any of the values."""
    largest = max([*values, least])
    if largest <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(largest))
    return next(step * power for step in STEPS if step * power >= largest * (1 - 1e-9))


def interval(metric: Mapping[str, Any] | None, digits: int = 3) -> str:
    """A figure with its interval in words."""
    if metric is None:
        return "not to be told"
    value, low, high = (f"{metric[name]:.{digits}f}" for name in ("value", "low", "high"))
    return f"{value} [{low}, {high}]"


def metric_line(
    label: str,
    about: str,
    metric: Mapping[str, Any] | None,
    *,
    is_faint: bool = False,
    mark: float | None = None,
) -> Line:
    """A line of a figure with its interval."""
    if metric is None:
        return Line(label, about, None, text=interval(None), is_faint=True)
    figures = metric["value"], metric["low"], metric["high"]
    return Line(label, about, *figures, text=interval(metric), mark=mark, is_faint=is_faint)


def each(lines: Iterable[Line], pick: Callable[[Line], float | None]) -> list[float]:
    """What there is of one place of some lines."""
    return [value for value in map(pick, lines) if value is not None]


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= STEPS[-1] else f"{value:.3f}".rstrip("0").rstrip(".") or "0"
