"""What `calibrate` says about a link: decisions before and after, in lines of text. Pure; prints nothing."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from prediction_service.agreement import (
    WEAK,
    Decisions,
    Floats,
    Share,
    decisions,
    spearman,
    spearman_interval,
)
from prediction_service.calibration import Link

THRESHOLDS: Final = (0.5, 0.7, 0.8, 0.9)
FEW: Final = 30
HEADER: Final = (
    "  at or over  by        comments           both  old only  new only  same decision (95 % interval)"
)


@dataclass(frozen=True)
class Fitted:
    """One attribute: its link, and the scores that tell what the link is worth.

    ``mapped`` are scores through links that had not seen the comment; ``threshold`` is the client's.
    """

    name: str
    link: Link
    old: Floats
    ours: Floats
    mapped: Floats
    threshold: float

    @property
    def thresholds(self) -> list[float]:
        """The usual thresholds, and the client's."""
        return sorted({*THRESHOLDS, self.threshold})

    @property
    def agreement(self) -> float:
        """Spearman's rank correlation of the two scores."""
        return spearman(self.ours, self.old)

    @property
    def interval(self) -> tuple[float, float]:
        """Its 95 % interval."""
        return spearman_interval(self.agreement, self.old.size)

    @property
    def agrees(self) -> bool:
        """Whether more than chance says that both scores put comments in the same order."""
        return self.interval[0] > 0

    def unmapped_at(self, threshold: float) -> Decisions:
        """Old score against ours as it is."""
        return decisions(self.old, self.ours, threshold)

    def mapped_at(self, threshold: float) -> Decisions:
        """Old score against ours through links that had not seen the comment."""
        return decisions(self.old, self.mapped, threshold)


def lines(fitted: Fitted) -> Iterator[str]:
    """The report on one attribute."""
    low, high = fitted.interval
    yield (
        f"{fitted.name}: rank agreement with the old scores (Spearman) {fitted.agreement:.2f}, "
        f"95 % interval {low:.2f} to {high:.2f}"
    )
    at = fitted.threshold
    yield f"  {at:.2f} on the old scale is {fitted.link.inverse(at):.4f} of {fitted.link.head}"
    yield ""
    yield HEADER
    for threshold in fitted.thresholds:
        yield from _rows(fitted, threshold)
    yield "  (new is ours; mapped: each comment through a map fitted on the other four fifths of the texts)"
    yield from warnings(fitted)


def warnings(fitted: Fitted) -> Sequence[str]:
    """What a client must know before it trusts the map."""
    found = []
    chosen = fitted.mapped_at(fitted.threshold)
    if fitted.agreement < WEAK or chosen.both < chosen.before / 2:
        found.append(
            f"  WARNING: the two scores agree weakly (Spearman {fitted.agreement:.2f}; of the "
            f"{chosen.before:,} comments at or over {fitted.threshold:.2f} before, {chosen.both:,} are). "
            "The map keeps how many comments reach a threshold, not which. Let people look at them."
        )
    if chosen.before < FEW:
        found.append(
            f"  WARNING: {chosen.before:,} old scores reach {fitted.threshold:.2f}. With fewer than {FEW} "
            "the map is loose there: bring more comments."
        )
    return found


def _rows(fitted: Fitted, threshold: float) -> Iterator[str]:
    unmapped, mapped = fitted.unmapped_at(threshold), fitted.mapped_at(threshold)
    rows = fitted.old.size
    yield f"  {threshold:<10.2f}  old       {_count(mapped.before, rows)}"
    for label, one in (("unmapped", unmapped), ("mapped", mapped)):
        low, high = one.same.interval
        yield (
            f"  {'':<10}  {label:<8}  {_count(one.after, rows)}  {one.both:>6,}  {one.old_only:>8,}  "
            f"{one.new_only:>8,}  {one.same.value:.1%} ({low:.1%} to {high:.1%})"
        )


def _count(count: int, rows: int) -> str:
    return f"{count:>7,} {f'({Share(count, rows).value:.1%})':>8}"
