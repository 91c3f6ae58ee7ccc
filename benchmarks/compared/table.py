"""Results as Markdown: each candidate's figures with intervals, and what it gains over the baseline."""

from collections.abc import Mapping
from typing import Any, Final

import numpy as np

from benchmarks.compared.cost import percentile
from benchmarks.compared.quality import METRICS, Plan, figures, fold_areas, interval
from modeling.candidates.interface import Labels
from modeling.evaluate import chance_calibration_error

BASELINE: Final = "tfidf"
TITLES: Final = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "brier": "Brier score", "ece": "ECE"}


def tables(results: Mapping[str, Mapping[str, Any]], labels: Labels, resamples: int) -> str:
    """Both tables of finished results."""
    found = {name: figures(np.array(one["scores"]), labels, resamples) for name, one in results.items()}
    costs = ("fit, CPU s", "CPU ms a message", "p99", "messages a CPU s in a batch", "MB")
    head = ("candidate", "folds by seeds", *TITLES.values(), *costs)
    rows = [(name, *_own(one, found[name])) for name, one in results.items()]
    text = _markdown(head, rows)
    text += f"\nChance alone gives a calibrated model an ECE of {_by_chance(results):.3f} on these rows.\n"
    if BASELINE not in results:
        return text
    gained = (f"{title} gained on {BASELINE}" for title in TITLES.values())
    head = ("candidate", *gained, "ROC-AUC by fold", "folds won", "times as fast")
    gains = [
        (
            name,
            *_gain(found[name], found[BASELINE]),
            *_by_fold(one, results[BASELINE], labels),
            _speed(one, results),
        )
        for name, one in results.items()
        if name != BASELINE
    ]
    return f"{text}\n{_markdown(head, gains)}"


def _own(result: Mapping[str, Any], found: Mapping[str, Any]) -> tuple[str, ...]:
    fits = [result["prepare_s"] + seconds for seconds in result["fit_s"]]
    cost = result["cost"]
    return (
        f"{result['folds']} by {len(result['seeds'])}",
        *(_figure(values[0], *interval(values[1:])) for values in (found[name] for name in METRICS)),
        f"{np.mean(fits):.1f} [{min(fits):.1f}, {max(fits):.1f}]",
        *(_figure(*percentile(cost["ms"], share), signs="{:.2f}") for share in (50, 99)),
        f"{cost['rate']:,.0f}",
        f"{cost['bundle_bytes'] / 1e6:.1f}",
    )


def _gain(found: Mapping[str, Any], baseline: Mapping[str, Any]) -> tuple[str, ...]:
    gains = [found[name] - baseline[name] for name in METRICS]
    return tuple(_figure(gain[0], *interval(gain[1:]), signs="{:+.4f}") for gain in gains)


def _by_fold(result: Mapping[str, Any], baseline: Mapping[str, Any], labels: Labels) -> tuple[str, str]:
    areas, theirs = (
        fold_areas(np.array(one["scores"]), labels, Plan(tuple(one["seeds"]), one["folds"]))
        for one in (result, baseline)
    )
    mean = f"{areas.mean():.4f} (sd {areas.std():.4f})"
    return mean, f"{np.sum(areas > theirs)} of {len(areas)}" if len(areas) == len(theirs) else "other folds"


def _speed(result: Mapping[str, Any], results: Mapping[str, Mapping[str, Any]]) -> str:
    mine, theirs = (np.median(one["cost"]["ms"]) for one in (result, results[BASELINE]))
    return f"{theirs / mine:.1f}"


def _by_chance(results: Mapping[str, Mapping[str, Any]]) -> float:
    result = results.get(BASELINE) or next(iter(results.values()))
    return chance_calibration_error(np.array(result["scores"][0]))


def _figure(value: float, low: float, high: float, signs: str = "{:.4f}") -> str:
    return f"{signs} [{signs}, {signs}]".format(value, low, high)


def _markdown(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
