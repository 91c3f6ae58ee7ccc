"""The model card: what a version is, in words, from its passport and policy. Knows no MLflow."""

from collections.abc import Mapping
from typing import Any, Final

NAMES: Final = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "f1": "F1", "brier": "Brier", "ece": "ECE"}
MEANING: Final = (
    "The score is the probability that this community's moderators would remove a message; it is no "
    "measure of toxicity, and holds for messages like those it was trained on."
)
WARNING: Final = (
    "**Trained on the project's own sample: invented messages. No figure here says anything about quality.**"
)


def card(passport: Mapping[str, Any], policy: Mapping[str, Any]) -> str:
    """The card as Markdown."""
    data, split = passport["data"], passport["split"]
    lines = [
        f"# chat-moderation, {passport['kind']}",
        "",
        *([WARNING, ""] if data["is_sample"] else []),
        MEANING,
        "",
        f"- Data: {data['name']} ({data['source']}), {data['rows']:,} rows, {data['used']:,} used",
        f"- Split {split['id']}: {split['learning']['rows']:,} learning, {split['test']['rows']:,} test",
        *actions(policy, data["is_sample"]),
        "",
        f"| test part{sample_label(data['is_sample'])} | value | 95 % interval |",
        "| --- | --- | --- |",
    ]
    for name, metric in passport["metrics"].items():
        interval = f"{metric['low']:.3f} to {metric['high']:.3f}"
        lines.append(f"| {NAMES.get(name, name)} | {metric['value']:.3f} | {interval} |")
    lines += ["", f"Calibration error by chance alone: {passport['ece_by_chance']:.3f}.", ""]
    return "\n".join(lines)


def actions(policy: Mapping[str, Any], is_sample: bool) -> list[str]:  # noqa: FBT001
    """A line each action: from which score it fires and how well, or why it is off."""
    lines = []
    for attribute, thresholds in policy["attributes"].items():
        for action, threshold in thresholds.items():
            if threshold["value"] is None:
                lines.append(f"- {action}: off, {threshold['reason']}")
                continue
            quality = f"precision {threshold['precision']:.2f}, recall {threshold['recall']:.2f}"
            where = f"from {attribute} {threshold['value']:.3f}"
            lines.append(f"- {action}: {where}; {quality} out of fold{sample_label(is_sample)}")
    return lines


def sample_label(is_sample: bool) -> str:  # noqa: FBT001
    """What stands behind every figure from the sample."""
    return " (sample)" if is_sample else ""
