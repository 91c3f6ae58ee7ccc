"""The report's pictures: which chart shows what of an evaluation. Pure functions of the files' contents."""

from collections.abc import Mapping
from typing import Any, Final

from workflow.charts import Bars, Chart, Line, Plane, Series, bars, ceiling, each, interval, metric_line

SQUARE: Final = Plane()


def roc(contents: Mapping[str, Any]) -> Chart:
    """ROC with its band."""
    curves, facts = contents["curves"], contents["metrics"]
    series = [
        Series("dash", SQUARE.line([(0, 0), (1, 1)]), "chance"),
        Series("band", SQUARE.band(curves["roc_band"]), "95 % interval"),
        Series("ink", SQUARE.line(curves["roc"]), f"ROC-AUC {interval(facts['metrics']['roc_auc'])}"),
    ]
    across, up = "share of kept messages at or over the score", "share of removed messages at or over it"
    return Chart(
        "ROC", across, up, series, SQUARE.x_ticks(), SQUARE.y_ticks(), f"n = {facts['rows']:,} messages"
    )


def precision_recall(contents: Mapping[str, Any], thresholds: Mapping[str, Any]) -> Chart:
    """Precision and recall with their band, and the targets of the actions."""
    curves, facts = contents["curves"], contents["metrics"]
    base = facts["removed"] / facts["rows"]
    series = [Series("dash", SQUARE.line([(0, base), (1, base)]), f"share removed {base:.3f}")]
    for action, threshold in thresholds.items():
        state = f"from {threshold.value:.3f}" if threshold.value is not None else "off"
        target = threshold.target
        series.append(
            Series("thin", SQUARE.line([(0, target), (1, target)]), f"{action} target {target:.2f}: {state}")
        )
    series += [
        Series("band", SQUARE.band(curves["pr_band"]), "95 % interval"),
        Series("ink", SQUARE.line(curves["pr"]), f"PR-AUC {interval(facts['metrics']['pr_auc'])}"),
    ]
    across, up = "recall: share of removed messages found", "precision: share removed of those found"
    note = f"n = {facts['rows']:,} messages, {facts['removed']:,} of them removed"
    return Chart("Precision and recall", across, up, series, SQUARE.x_ticks(), SQUARE.y_ticks(), note)


def reliability(contents: Mapping[str, Any]) -> Chart:
    """Share removed by score, before and after calibration, ten bins of equal mass."""
    metrics = contents["metrics"]["metrics"]
    series = [Series("dash", SQUARE.line([(0, 0), (1, 1)]), "perfect")]
    for name, look, error in (("before", "soft", "ece_uncalibrated"), ("after", "ink", "ece")):
        found = contents["reliability"][name]
        if found:
            points = [(each["score"], each["removed"]) for each in found]
            label = f"{name} calibration: ECE {interval(metrics.get(error))}"
            ranges = [(each["score"], each["low"], each["high"]) for each in found]
            series += [
                Series(f"{look} whisker", SQUARE.whiskers(ranges)),
                Series(look, SQUARE.line(points), label),
                Series(f"{look} dot", SQUARE.dots(points)),
            ]
    sizes = {each["rows"] for each in contents["reliability"]["after"]}
    note = (
        f"Ten bins of {min(sizes):,} to {max(sizes):,} messages with 95 % Wilson intervals; by chance alone "
        f"ECE is {contents['metrics']['ece_by_chance']:.3f}"
    )
    ticks = SQUARE.x_ticks(), SQUARE.y_ticks()
    return Chart("Reliability", "mean score in the bin", "share removed in the bin", series, *ticks, note)


def scores(contents: Mapping[str, Any], thresholds: Mapping[str, Any]) -> Chart:
    """How scores are spread, by label."""
    counts = contents["scores"]
    plane = Plane(top=ceiling([*counts["kept"], *counts["removed"]]))
    series = [
        Series(f"{name} area", plane.bars(counts[name]), f"{name}: {sum(counts[name]):,} messages")
        for name in ("kept", "removed")
    ]
    for action, threshold in thresholds.items():
        if threshold.value is not None:
            upright = plane.line([(threshold.value, 0), (threshold.value, plane.top)])
            series.append(Series("thin", upright, f"{action} from {threshold.value:.3f}"))
    across, up = "score (probability of removal)", "messages in a bin of 0.025"
    note = "Counts, so without intervals"
    return Chart("Scores", across, up, series, plane.x_ticks(), plane.y_ticks(), note)


def slices(contents: Mapping[str, Any], figure: str, title: str, *, low: float, high: float | None) -> Bars:
    """One figure of every slice beside the whole test part's."""
    whole = {"roc_auc": "roc_auc", "ece": "ece", "false_positive_rate": "kept_flagged"}[figure]
    metric = contents["metrics"]["metrics"].get(whole)
    rows, removed = contents["metrics"]["rows"], contents["metrics"]["removed"]
    lines = [metric_line("all", f"n = {rows:,}, {removed:,} removed", metric)]
    for part in contents["slices"]:
        about = f"n = {part['rows']:,}, {part['removed']:,} removed{', small' if part['small'] else ''}"
        by_chance = part["ece_by_chance"] if figure == "ece" else None
        found = part["metrics"][figure]
        lines.append(metric_line(part["title"], about, found, is_faint=part["small"], mark=by_chance))
    top = ceiling(each(lines, lambda line: line.high)) if high is None else high
    reference = metric["value"] if metric else None
    return bars(
        title,
        lines,
        first="slice",
        unit=title,
        low=low,
        high=top,
        reference=reference,
        reference_text="all messages",
    )


def counterfactual(contents: Mapping[str, Any]) -> Bars:
    """Mean change of the score by term, with the largest."""
    found = contents["counterfactual"]
    lines = [
        Line(
            term["term"],
            f"{term['group']}; n = {term['templates']:,} pairs in templates, {term['messages']:,} in texts",
            term["mean_change"],
            term["mean_change_low"],
            term["mean_change_high"],
            f"{term['mean_change']:.3f} [{term['mean_change_low']:.3f}, {term['mean_change_high']:.3f}], "
            f"largest {term['largest_change']:.3f}, {term['flip_rate']:.1%} flip",
            term["largest_change"],
        )
        for term in found["terms"]
    ]
    top = ceiling(each(lines, lambda line: line.mark), least=0.1)
    title = "Change of the score when the term is swapped"
    return bars(title, lines, first="term", unit="change of the score", low=0.0, high=top)


def evasion(contents: Mapping[str, Any]) -> Bars:
    """Mean score drop by kind of writing round."""
    lines = []
    for kind in contents["evasion"]["kinds"]:
        about = f"n = {kind['messages']:,}; recall {kind['recall_before']:.3f} → {kind['recall_after']:.3f}"
        lines.append(metric_line(kind["title"], about, kind["mean_drop"]))
    low = (
        -ceiling([-value for value in each(lines, lambda line: line.low) if value < 0])
        if any(value < 0 for value in each(lines, lambda line: line.low))
        else 0.0
    )
    top = ceiling(each(lines, lambda line: line.high), least=0.1)
    return bars(
        "Mean score drop",
        lines,
        first="how it was written",
        unit="score drop",
        low=low,
        high=top,
        reference=0.0,
        reference_text="no change",
    )


def audit(found: Mapping[str, Any]) -> Bars:
    """ROC-AUC of a model on each group of artefacts alone, after cleaning, with before as a mark."""
    lines = []
    for group in found["groups"]:
        reason = f"; {group['reason']}" if group.get("reason") else ""
        limit = "no limit" if group["limit"] is None else f"limit {group['limit']:.2f}"
        about = f"{group['verdict']}, {limit}; before cleaning {interval(group['before'])}{reason}"
        lines.append(metric_line(group["title"], about, group["after"], mark=group["before"]["value"]))
    lowest = min([0.5, *each(lines, lambda line: line.low)])
    title = "ROC-AUC of a model on that group alone, after cleaning"
    low = 0.4 if lowest >= 0.4 else 0.0  # noqa: PLR2004 - a round edge
    return bars(
        title, lines, first="group", unit="ROC-AUC", low=low, high=1.0, reference=0.5, reference_text="chance"
    )
