"""What the charts hold: valid Vega-Lite with titled axes, units, n and intervals."""

from typing import Any

import pytest

from frontend import evidence
from frontend.charts import curves, forest
from frontend.charts.shapes import MOST_POINTS, Curve, Limit, Line, measured, nearest, thinned
from frontend.evidence import Figure
from tests.frontend.registries import evaluation, figure

CURVES = evidence.CURVES.validate_python(evaluation()["curves.json"])
AUC = Figure(value=0.8, low=0.78, high=0.82)


def spec(chart: Any) -> dict[str, Any]:
    drawn: dict[str, Any] = chart.to_dict()  # refuses what is no Vega-Lite
    return drawn


def titles(drawn: Any, axis: str) -> set[str]:
    """The titles of an axis in a chart, of all its layers."""
    found = set()
    for one in [drawn, *drawn.get("layer", [])]:
        title = one.get("encoding", {}).get(axis, {}).get("title")
        if title:
            found.add(" ".join(title) if isinstance(title, list) else title)
        for layer in one.get("layer", []):
            found |= titles(layer, axis)
    return found


def rows(drawn: dict[str, Any]) -> list[dict[str, Any]]:
    """The rows of all layers."""
    return [row for values in drawn["datasets"].values() for row in values]


def test_figures_at_a_threshold_have_intervals_by_the_counts_behind_them() -> None:
    point = evidence.ThresholdPoint(
        threshold=0.5, precision=0.8, recall=0.4, false_positive_rate=0.1, share=0.2
    )
    found = measured(point, 1000, 400)
    widths = {name: (one.high or 0) - (one.low or 0) for name, one in found.items()}
    assert {"precision": 0.8, "recall": 0.4, "false_positive_rate": 0.1, "share": 0.2} == {
        name: one.value for name, one in found.items()
    }
    assert widths["precision"] == pytest.approx(0.110, abs=0.001)  # of 200 flagged
    assert widths["recall"] == pytest.approx(0.096, abs=0.001)  # of 400 removed
    assert widths["false_positive_rate"] == pytest.approx(0.048, abs=0.001)  # of 600 kept
    nothing = evidence.ThresholdPoint(threshold=1, precision=None, recall=0, false_positive_rate=0, share=0)
    assert Figure() == measured(nothing, 1000, 400)["precision"]


def test_the_nearest_measured_threshold_is_taken() -> None:
    point = nearest(CURVES, 0.333)
    assert point
    assert 0.33 == point.threshold
    assert nearest(CURVES.model_copy(update={"thresholds": ()}), 0.3) is None


def test_the_threshold_chart_marks_the_chosen_and_the_policys_threshold() -> None:
    drawn = spec(curves.thresholds(CURVES, 1111, 359, 0.42, {"flag": 0.6}))
    assert {"threshold (score from which messages are flagged)"} == titles(drawn, "x")
    assert {"share, with 95 % interval"} == titles(drawn, "y")
    named = {row["name"]: row["at"] for row in rows(drawn) if "at" in row}
    assert {"0.42": 0.42, "flag 0.60": 0.6} == named
    measures = [row for row in rows(drawn) if "measure" in row]
    assert {"precision", "recall", "false-positive rate", "share flagged"} == {
        row["measure"] for row in measures
    }
    assert all(row["low"] <= row["value"] <= row["high"] for row in measures)


def test_curves_of_several_versions_lie_over_each_other_with_their_areas() -> None:
    both = [Curve(name, AUC, CURVES.roc, {"flag": (0.1, 0.4)}) for name in ("version 4", "version 3")]
    drawn = spec(curves.roc(both))
    assert {"false-positive rate (share of kept messages flagged)"} == titles(drawn, "x")
    assert {"recall (share of removed messages flagged)"} == titles(drawn, "y")
    assert {"version 4 · ROC-AUC 0.800 [0.780, 0.820]", "version 3 · ROC-AUC 0.800 [0.780, 0.820]"} == {
        row["version"] for row in rows(drawn) if "version" in row
    }
    drawn = spec(curves.precision_recall(both, 0.323))
    assert {"precision (share of flagged messages removed)"} == titles(drawn, "y")
    assert {0.323} == {row["y"] for row in rows(drawn) if set(row) == {"x", "y"}}


def test_a_long_curve_is_thinned_and_keeps_its_ends() -> None:
    long = [(place / 20_000, place / 20_000) for place in range(20_001)]
    assert (MOST_POINTS, long[0], long[-1]) == (len(thinned(long)), thinned(long)[0], thinned(long)[-1])
    assert long[:10] == thinned(long[:10])


def test_reliability_shows_both_states_with_errors_intervals_and_n() -> None:
    found = evidence.RELIABILITY.validate_python(evaluation()["reliability.json"])
    drawn = spec(curves.reliability(found.before, found.after, {"before": AUC, "after": Figure()}))
    assert {"share of the bin removed, with 95 % interval"} == titles(drawn, "y")
    bins = [row for row in rows(drawn) if "state" in row]
    assert {"before calibration · ECE 0.800 [0.780, 0.820]", "after calibration · ECE none"} == {
        row["state"] for row in bins
    }
    assert {111} == {row["n"] for row in bins}
    assert all(row["low"] <= row["value"] <= row["high"] for row in bins)


def test_a_forest_names_n_marks_few_rows_and_keeps_lines_without_a_figure() -> None:
    lines = [
        Line("links", "version 4", Figure(**figure(0.8)), 44, small=True),
        Line("long", "version 4", Figure(**figure(0.7)), 1044),
        Line("none", "version 4", Figure(), 9, small=True),
    ]
    drawn = spec(forest.forest(lines, ("ROC-AUC", "with 95 % interval"), references=[("all rows", 0.75)]))
    assert {"ROC-AUC with 95 % interval"} == titles(drawn, "x")
    shown = {row["label"]: row["few"] for row in rows(drawn) if "few" in row}
    assert {"links|n = 44, few": True, "long|n = 1,044": False} == shown
    scales = [layer["encoding"]["y"]["scale"]["domain"] for layer in drawn["layer"] if "series" in str(layer)]
    assert "none|n = 9, few" in scales[0]
    assert [("all rows", 0.75)] == [(row["name"], row["at"]) for row in rows(drawn) if "at" in row]


def test_a_limit_stands_in_the_line_of_its_group() -> None:
    lines = [Line("entities", "before", Figure(**figure(0.6))), Line("entities", "after", Figure(value=0.5))]
    drawn = spec(forest.forest(lines, ("ROC-AUC",), limits=[Limit("entities", 0.55)]))
    assert [("entities", 0.55)] == [(row["label"], row["at"]) for row in rows(drawn) if "at" in row]


def test_contributions_are_bars_by_side() -> None:
    drawn = spec(forest.contributions([("idiot", 0.9), ("thanks", -0.3)]))
    assert {"contribution to the logit (natural-log odds)"} == titles(drawn, "x")
    assert ["for removal", "against"] == [row["side"] for row in rows(drawn)]
