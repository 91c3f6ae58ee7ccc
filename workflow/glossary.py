"""What each figure is called and what it says, in plain words: for the report, the card and the summary."""

from collections.abc import Mapping
from typing import Any, Final

METRICS: Final = {
    "roc_auc": ("ROC-AUC", "how often a removed message scores over a kept one; 0.5 is chance"),
    "pr_auc": ("PR-AUC", "precision averaged over the removed messages; the share removed is chance"),
    "f1": ("F1", "at the score that was best on learning rows"),
    "brier": ("Brier", "mean squared distance of score and label; smaller is better"),
    "ece": ("ECE", "mean distance of score and share removed in ten bins; smaller is better"),
    "ece_uncalibrated": ("ECE before calibration", "the same, of the scores as the model itself gave them"),
    "recall_at_precision_70": (
        "Recall at a precision of 0.7",
        "with the best threshold for it on these very rows",
    ),
    "recall_at_precision_80": (
        "Recall at a precision of 0.8",
        "with the best threshold for it on these very rows",
    ),
    "recall_at_precision_90": (
        "Recall at a precision of 0.9",
        "with the best threshold for it on these very rows",
    ),
    "flag_precision": ("Precision of flag", "share removed of the messages that it flags"),
    "flag_recall": ("Recall of flag", "share of the removed messages that it flags"),
    "kept_flagged": (
        "Kept messages flagged",
        "false-positive rate: share of the kept messages that it flags",
    ),
    "remove_precision": ("Precision of remove", "share removed of the messages that it removes"),
    "remove_recall": ("Recall of remove", "share of the removed messages that it removes"),
}
# What a person sees first, after a run.
FIRST: Final = ("roc_auc", "pr_auc", "f1", "brier", "ece")
MEANING: Final = (
    "The score is the probability that this community's moderators would remove a message; it is no "
    "measure of toxicity, and holds for messages like those it was trained on."
)
SAMPLE: Final = "The project's own sample: invented messages. No figure here says anything about quality."
NOT_FOR: Final = (
    (
        "Judging messages of another community, or toxicity in general: it says nothing about either. It "
        "learned what this community's moderators removed, for whatever reason."
    ),
    "Removing messages without a person where the action remove is off: no threshold kept its precision.",
    (
        "Reading scores as shares elsewhere: how many messages are removed does not carry over to a place "
        "with another mix of messages, such as a live chat; fit calibration and thresholds there again."
    ),
    "Judging people: a message is scored, never its author.",
)


def title(name: str) -> str:
    """What a figure is called."""
    return METRICS[name][0] if name in METRICS else name


def sample_label(is_sample: bool) -> str:  # noqa: FBT001
    """What stands behind every figure from the sample."""
    return " (sample)" if is_sample else ""


def actions(policy: Mapping[str, Any], is_sample: bool) -> list[str]:  # noqa: FBT001
    """A line each action: from which score it fires and how well, or why it is off."""
    lines = []
    for attribute, thresholds in policy["attributes"].items():
        for action, threshold in thresholds.items():
            if threshold["value"] is None:
                lines.append(f"{action}: off, {threshold['reason']}")
                continue
            quality = f"precision {threshold['precision']:.2f}, recall {threshold['recall']:.2f}"
            where = f"from {attribute} {threshold['value']:.3f}"
            lines.append(f"{action}: {where}; {quality} out of fold{sample_label(is_sample)}")
    return lines
