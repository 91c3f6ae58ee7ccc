"""The model card: what a version is, in words, from its passport and policy. Knows no MLflow.

Its parts follow Mitchell et al. 2019, "Model Cards for Model Reporting".
"""

from collections.abc import Mapping, Sequence
from typing import Any

from workflow.charts import interval
from workflow.glossary import MEANING, NOT_FOR, SAMPLE, actions, sample_label, title


def card(passport: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    is_sample = passport["data"]["is_sample"]
    parts = [
        [f"# chat-moderation, {passport['candidate']} ({passport['kind']})"],
        [f"**{SAMPLE}**"] if is_sample else [],
        [MEANING],
        ["## Intended use", *_use()],
        ["## Data", *_data(passport)],
        ["## What it does", *_bullets(actions(policy, is_sample))],
        [f"## Figures on the test part{sample_label(is_sample)}", *_metrics(passport)],
        [f"## Slices{sample_label(is_sample)}", *_slices(passport["slices"])],
        [f"## Identity terms{sample_label(is_sample)}", _terms(passport["counterfactual"])],
        [f"## Writing round it{sample_label(is_sample)}", *_evasion(passport["evasion"])],
        ["## Leak audit", *_audit(passport["leak_audit"])],
        ["## What it must not be used for", *_bullets(NOT_FOR)],
    ]
    return "\n\n".join("\n\n".join(part) for part in parts if part) + "\n"


def _bullets(lines: Sequence[str]) -> list[str]:
    return ["\n".join(f"- {line}" for line in lines)] if lines else []


def _table(*rows: Sequence[str]) -> str:
    lines = [f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |" for row in rows]
    return "\n".join([lines[0], "| " + " | ".join("---" for _ in rows[0]) + " |", *lines[1:]])


def _use() -> list[str]:
    return [
        (
            "Sorting new messages of the community whose removals it learned from, so that its moderators "
            "see first what they would most likely remove, and flagging where that action is on. A person "
            "decides."
        )
    ]


def _data(passport: Mapping[str, Any]) -> list[str]:
    data, split, counts = passport["data"], passport["split"], passport["counts"]
    shares = [
        f"{split[part]['rows']:,} {part} ({split[part]['removed'] / split[part]['rows']:.1%} removed)"
        for part in ("learning", "test")
    ]
    return _bullets(
        [
            (
                f"Data: {data['name']} ({data['source']}), {data['rows']:,} rows, {data['used']:,} used "
                f"({counts['empty']:,} empty, {counts['duplicates_merged']:,} repeats merged, "
                f"{counts['conflicts_dropped']:,} with two labels dropped); sha256 {data['sha256'][:12]}…"
            ),
            f"Split {split['id']}: {shares[0]}, {shares[1]}",
            f"Code: commit {passport['code'].get('commit', 'unknown')[:12]}",
        ]
    )


def _metrics(passport: Mapping[str, Any]) -> list[str]:
    rows = [
        (title(name), f"{metric['value']:.3f}", f"{metric['low']:.3f} to {metric['high']:.3f}")
        for name, metric in passport["metrics"].items()
    ]
    drawn = passport["evaluation"]
    note = (
        f"n = {passport['split']['test']['rows']:,} messages; intervals from {drawn['resamples']} draws of "
        f"the bootstrap. Calibration error by chance alone: {passport['ece_by_chance']:.3f}."
    )
    label = sample_label(passport["data"]["is_sample"])
    return [_table((f"test part{label}", "value", "95 % interval"), *rows), note]


def _slices(slices: Sequence[Mapping[str, Any]]) -> list[str]:
    rows = [
        (
            part["title"] + (" (small)" if part["small"] else ""),
            f"{part['rows']:,}",
            f"{part['removed']:,}",
            *(interval(part["metrics"][name]) for name in ("roc_auc", "ece", "false_positive_rate")),
        )
        for part in slices
    ]
    head = ("slice", "rows", "removed", "ROC-AUC", "ECE", "kept messages flagged")
    return [
        _table(head, *rows),
        "Figures with 95 % intervals; small slices can hardly tell two models apart.",
    ]


def _terms(found: Mapping[str, Any]) -> str:
    return (
        f"Terms for groups of people swapped for others of their group, {found['pairs']:,} pairs of texts in "
        f"templates and test messages: the largest change of a score is {found['largest_change']:.3f}; "
        f"{found['flip_rate']:.1%} [{found['flip_rate_low']:.1%}, {found['flip_rate_high']:.1%}] change the "
        "action."
    )


def _evasion(found: Mapping[str, Any]) -> list[str]:
    rows = [
        (
            kind["title"],
            f"{kind['messages']:,}",
            interval(kind["mean_drop"]),
            f"{kind['recall_before']:.3f}",
            f"{kind['recall_after']:.3f}",
        )
        for kind in found["kinds"]
    ]
    which = "that it flags" if found["is_flag"] else "that score highest (flag is off or catches none)"
    head = ("how", "messages", "mean score drop", "recall before", "recall after")
    return [f"Removed test messages {which}, about half of their longer words altered.", _table(head, *rows)]


def _audit(found: Mapping[str, Any]) -> list[str]:
    if "groups" not in found:
        return [f"Status: {found['status']}."]
    rows = [
        (
            group["title"],
            interval(group["before"]),
            interval(group["after"]),
            "none" if group["limit"] is None else f"{group['limit']:.2f}",
            group["verdict"],
        )
        for group in found["groups"]
    ]
    head = ("known from alone", "ROC-AUC before cleaning", "after", "limit", "verdict")
    return [f"Status: {found['status']}.", _table(head, *rows)]
