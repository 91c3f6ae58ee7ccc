"""The insight page's sections about a version as a whole: versions, curves, reliability."""

from typing import Final

import streamlit as st

from frontend import evidence, tables
from frontend.charts.shapes import MEASURES, Curve, Line, measured, nearest
from frontend.evidence import Curves, Figure
from frontend.experiments import Row, about, thresholds
from frontend.screens import insight_parts as parts
from frontend.screens.insight_parts import Chosen

AREAS: Final = {
    "roc_auc": "ROC-AUC",
    "pr_auc": "PR-AUC",
    "brier": "Brier score",
    "ece": "calibration error (ECE)",
}
ACTIONS: Final = ("flag", "remove")


def versions(chosen: Chosen) -> None:
    """All versions side by side: a table, and one metric as a chart."""
    from frontend.charts.forest import forest

    rows = [chosen.experiments.row(one) for one in chosen.all]
    parts.apart(row.passport for row in rows)
    st.html(tables.versions(rows))
    for row in rows:
        if row.trouble:
            parts.caption(f"{row.trouble}.")
    metric = parts.pick("Metric", AREAS, "insight-metric")
    if lines := [line for row in rows if (line := _line(row, metric))]:
        said = f"Each version's own test part, n below its name; 95 % bootstrap intervals.{_samples(rows)}"
        parts.chart(forest(lines, (AREAS[metric], "with 95 % interval")), said)


def _line(row: Row, metric: str) -> Line | None:
    if row.passport is None:
        return None
    figure = row.passport.metrics.get(metric) or Figure()
    return Line(row.version.title, row.passport.data.name, figure, row.passport.split.test.rows)


def _samples(rows: list[Row]) -> str:
    found = [row.version.title for row in rows if row.passport and row.passport.data.is_sample]
    return f" SAMPLE, says nothing about quality: {', '.join(found)}." if found else ""


def curves(chosen: Chosen) -> None:
    """What a threshold does, on a slider; ROC and precision-recall of all that were chosen."""
    found = chosen.experiments.evaluation(chosen.version, "curves.json", evidence.CURVES)
    passport = chosen.passport
    if found is None or passport is None or not passport.split.test.rows:
        parts.lacking(chosen, "evaluation/curves.json" if found is None else "readable passport")
        return
    test = passport.split.test
    st.subheader("What a threshold does")
    _at_threshold(chosen, found, test)
    st.subheader("ROC and precision-recall")
    parts.apart(map(chosen.experiments.passport, chosen.both))
    _overlays(chosen, test.removed / test.rows)


def _at_threshold(chosen: Chosen, found: Curves, test: evidence.Part) -> None:
    from frontend.charts import curves as charts

    actions = thresholds(chosen.experiments.policy(chosen.version))
    start = round(actions.get("flag", 0.5), 2)
    key = f"insight-threshold-{chosen.version.number}"
    threshold = st.slider("Threshold", 0.0, 1.0, start, 0.01, key=key)
    if point := nearest(found, threshold):
        st.html(tables.figure_line(measured(point, test.rows, test.removed), MEASURES))
    off = [name for name in ACTIONS if name not in actions]
    said = f" The policy never uses: {', '.join(off)}." if off else ""
    drawn = charts.thresholds(found, test.rows, test.removed, threshold, actions)
    parts.chart(drawn, f"{parts.origin(chosen)}. Bands: Wilson. Dashed: the policy's own thresholds.{said}")


def _overlays(chosen: Chosen, base_rate: float) -> None:
    from frontend.charts import curves as charts

    roc, pr, origins = [], [], []
    for version in chosen.both:
        found = chosen.experiments.evaluation(version, "curves.json", evidence.CURVES)
        if found is None:
            parts.caption(f"{version.title} has no evaluation/curves.json and is left out.")
            continue
        figures = parts.figures(chosen, version)
        policy = thresholds(chosen.experiments.policy(version))
        fires = {action: one for action, at in policy.items() if (one := nearest(found, at))}
        roc_at = {name: (one.false_positive_rate or 0, one.recall or 0) for name, one in fires.items()}
        pr_at = {
            name: (one.recall or 0, one.precision) for name, one in fires.items() if one.precision is not None
        }
        roc.append(Curve(version.title, figures.get("roc_auc", Figure()), found.roc, roc_at))
        pr.append(Curve(version.title, figures.get("pr_auc", Figure()), found.pr, pr_at))
        origins.append(about(version, chosen.experiments.passport(version)))
    said = f"{'; '.join(origins)}. Areas with 95 % bootstrap intervals; dots: where an action fires."
    parts.chart(charts.roc(roc), f"{said} Dashed: chance.")
    parts.chart(charts.precision_recall(pr, base_rate), f"{said} Dashed: the share removed.")


def reliability(chosen: Chosen) -> None:
    """Whether a score of 0.7 means that seven of ten are removed, before and after calibration."""
    from frontend.charts.curves import reliability as draw

    found = chosen.experiments.evaluation(chosen.version, "reliability.json", evidence.RELIABILITY)
    if found is None:
        parts.lacking(chosen, "evaluation/reliability.json")
        return
    figures = parts.figures(chosen, chosen.version)
    errors = {"before": figures.get("ece_uncalibrated", Figure()), "after": figures.get("ece", Figure())}
    least = min((one.rows for one in found.after), default=0)
    said = f"{parts.origin(chosen)}. {len(found.after)} bins of equal mass, n = {least:,} or more; Wilson."
    passport = chosen.passport
    if passport and passport.ece_by_chance is not None:
        said += f" By chance alone, perfect scores would show an ECE of {passport.ece_by_chance:.3f} here."
    parts.chart(draw(found.before, found.after, errors), f"{said} Dashed: perfect.")
