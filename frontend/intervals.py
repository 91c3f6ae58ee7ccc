"""Intervals of shares that are read off counts. Pure."""

import math
from typing import Final

from frontend.evidence import Figure

Z_95: Final = 1.959963984540054
NONE: Final = "none"


def of_share(share: float | None, trials: int) -> Figure:
    """A share with its 95 % score interval (Wilson 1927, JASA 22:209); empty where nothing was counted."""
    if share is None or trials <= 0:
        return Figure()
    weight = Z_95 * Z_95 / trials
    centre = (share + weight / 2) / (1 + weight)
    spread = Z_95 * math.sqrt(share * (1 - share) / trials + weight / (4 * trials)) / (1 + weight)
    low, high = max(0.0, centre - spread), min(1.0, centre + spread)
    return Figure(value=share, low=min(low, share), high=max(high, share))


def told(figure: Figure | None, digits: int = 3) -> str:
    """A figure as people read it, with its interval where it has one."""
    if figure is None or figure.value is None:
        return NONE
    if figure.low is None or figure.high is None:
        return f"{figure.value:.{digits}f}"
    return f"{figure.value:.{digits}f} [{figure.low:.{digits}f}, {figure.high:.{digits}f}]"
