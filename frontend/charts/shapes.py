"""What charts are made of, before anything is drawn. Knows no Altair, so that pages may import it at once."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from frontend.evidence import Curves, Figure, Point, ThresholdPoint
from frontend.intervals import of_share

MOST_POINTS: Final = 400
MEASURES: Final = {
    "precision": "precision",
    "recall": "recall",
    "false_positive_rate": "false-positive rate",
    "share": "share flagged",
}


@dataclass(frozen=True)
class Curve:
    """One version's curve: who it is, its area with interval, its points, and where its actions fire."""

    name: str
    area: Figure
    points: Sequence[Point]
    actions: Mapping[str, Point]


@dataclass(frozen=True)
class Line:
    """One figure of a forest chart: what it is of, whose it is, and whether too few rows stand behind it."""

    title: str
    series: str
    figure: Figure
    rows: int | None = None
    small: bool = False
    note: str = ""

    @property
    def label(self) -> str:
        """Title and n, on two lines that a bar parts."""
        if self.rows is None:
            return self.title
        return f"{self.title}|n = {self.rows:,}{', few' if self.small else ''}"


@dataclass(frozen=True)
class Limit:
    """A value beyond which the figure of this label is out of bounds."""

    label: str
    value: float


def measured(point: ThresholdPoint, rows: int, removed: int) -> dict[str, Figure]:
    """What acting from this score on does to the test part, with intervals by the counts behind it."""
    trials = {
        "precision": round((point.share or 0) * rows),
        "recall": removed,
        "false_positive_rate": rows - removed,
        "share": rows,
    }
    return {name: of_share(getattr(point, name), number) for name, number in trials.items()}


def nearest(curves: Curves, threshold: float) -> ThresholdPoint | None:
    """The measured threshold that is nearest."""
    return min(curves.thresholds, key=lambda point: abs(point.threshold - threshold), default=None)


def thinned(points: Sequence[Point]) -> list[Point]:
    """At most 400 points of a curve, its ends among them."""
    if len(points) <= MOST_POINTS:
        return list(points)
    step = (len(points) - 1) / (MOST_POINTS - 1)
    return [points[round(place * step)] for place in range(MOST_POINTS)]
