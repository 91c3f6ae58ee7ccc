"""The insight page's sections about where a version fails: slices, swapped terms, evasion, the leak audit."""

from typing import Final

import streamlit as st

from frontend import evidence, intervals, tables
from frontend.charts.shapes import Limit, Line
from frontend.evidence import Figure, Term
from frontend.experiments import about
from frontend.screens import insight_parts as parts
from frontend.screens.insight_parts import Chosen

SLICED: Final = {
    "roc_auc": "ROC-AUC",
    "ece": "calibration error (ECE)",
    "false_positive_rate": "false-positive rate",
}
# Under which name the same figure of all rows is known.
OVERALL: Final = {"roc_auc": "roc_auc", "ece": "ece", "false_positive_rate": "kept_flagged"}
INTERVAL: Final = "with 95 % interval"
# Beside the groups of terms: those of any group whose score changes most.
WORST: Final = "worst"
MOST: Final = 10


def slices(chosen: Chosen) -> None:
    """Where a version is better or worse than on the whole."""
    from frontend.charts.forest import forest

    parts.apart(map(chosen.experiments.passport, chosen.both))
    metric = parts.pick("Metric", SLICED, "insight-slice-metric")
    lines: list[Line] = []
    for version in chosen.both:
        found = chosen.experiments.evaluation(version, "slices.json", evidence.SLICES)
        if found is None:
            parts.lacking(chosen, "evaluation/slices.json", version)
            continue
        lines += [
            Line(one.title, version.title, one.metrics.get(metric) or Figure(), one.rows, one.small)
            for one in found
        ]
    if not lines:
        return
    overall = parts.figures(chosen, chosen.version).get(OVERALL[metric], Figure()).value
    references = [] if overall is None else [("all rows", overall)]
    said = f"{parts.origin(chosen)}. Hollow: too few rows to judge by. Without a dot: a label is lacking."
    parts.chart(forest(lines, (SLICED[metric], INTERVAL), references=references), said)


def counterfactual(chosen: Chosen) -> None:
    """What a score does when only the people spoken of change."""
    from frontend.charts.forest import forest

    found = chosen.experiments.evaluation(chosen.version, "counterfactual.json", evidence.COUNTERFACTUAL)
    if found is None:
        parts.lacking(chosen, "evaluation/counterfactual.json")
        return
    groups = dict.fromkeys(one.group for one in found.terms)
    group = parts.pick(
        "Terms", {WORST: f"the {MOST} worst", **{name: name for name in groups}}, "insight-terms"
    )
    ranked = sorted(found.terms, key=lambda one: -abs(one.largest_change))
    shown = ranked[:MOST] if group == WORST else [one for one in ranked if one.group == group]
    rate = intervals.told(intervals.of_share(found.flip_rate, found.pairs))
    said = (
        f"{parts.origin(chosen)}. n: pairs of texts, templates and real messages, that differ in this term "
        f"alone. The decision changes in {rate} (Wilson) of all {found.pairs:,} pairs. A largest change has "
        "no interval."
    )
    lines = [line for one in shown for line in _changes(one)]
    unit = ("change of the score, the mean", INTERVAL)
    parts.chart(forest(lines, unit, references=[("no change", 0.0)]), said)


def _changes(one: Term) -> list[Line]:
    pairs = one.templates + one.messages
    note = f"the decision changes in {intervals.told(intervals.of_share(one.flip_rate, pairs))} of the pairs"
    mean = Figure(value=one.mean_change, low=one.mean_change_low, high=one.mean_change_high)
    return [
        Line(one.term, "largest change", Figure(value=one.largest_change), pairs, note=note),
        Line(one.term, "mean change", mean, pairs, note=note),
    ]


def evasion(chosen: Chosen) -> None:
    """What disguised words do to the scores of messages that moderators removed."""
    from frontend.charts.forest import forest

    found = chosen.experiments.evaluation(chosen.version, "evasion.json", evidence.EVASION)
    if found is None:
        parts.lacking(chosen, "evaluation/evasion.json")
        return
    drops = [Line(one.title, "drop", one.mean_drop, one.messages) for one in found.kinds]
    where = "the flag's threshold" if found.is_flag else "a stand-in, for no flag can fire"
    said = (
        f"{parts.origin(chosen)}. n: removed messages that were caught from a score of {found.threshold:.2f} "
        f"({where}), and then disguised."
    )
    parts.chart(forest(drops, ("mean drop of the score", INTERVAL), references=[("no drop", 0.0)]), said)
    recalls = [
        Line(one.title, state, intervals.of_share(share, found.removed), found.removed)
        for one in found.kinds
        for state, share in (("as written", one.recall_before), ("disguised", one.recall_after))
    ]
    unit = ("recall", "(share of removed messages caught)", INTERVAL)
    parts.chart(forest(recalls, unit, domain=(0, 1)), f"{parts.origin(chosen)}. Intervals: Wilson.")


def audit(chosen: Chosen) -> None:
    """What artefacts alone tell of the label, before and after cleaning."""
    from frontend.charts.forest import forest

    found = chosen.experiments.audit(chosen.version)
    if found is None:
        parts.lacking(chosen, "leak audit")
        return
    titles = {one.name: one.title or one.name for one in found.groups}
    lines = [
        Line(titles[one.name], state, figure, note=one.reason)
        for one in found.groups
        for state, figure in (("before cleaning", one.before), ("after cleaning", one.after))
    ]
    limits = [Limit(titles[one.name], one.limit) for one in found.groups if one.limit is not None]
    rows = about(chosen.version, chosen.passport, "learning", found.rows)
    said = f"{rows}. A model of each group alone, out of fold; red: the limit. The audit {found.status}."
    unit = ("ROC-AUC of the group alone", INTERVAL)
    parts.chart(forest(lines, unit, references=[("knows nothing", 0.5)], limits=limits), said)
    st.html(tables.audit(found.groups))
