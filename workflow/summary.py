"""What a person reads after a run: rows, figures with intervals, actions, version, addresses."""

from pathlib import Path
from typing import Any, Final

from workflow.settings import Settings
from workflow.stack import HOST, tracking_page
from workflow.steps import read_json

NAMES: Final = {"roc_auc": "ROC-AUC", "pr_auc": "PR-AUC", "f1": "F1", "brier": "Brier", "ece": "ECE"}
BANNER: Final = """\
  This model is trained on the project's own sample: {rows:,} invented messages that show how things
  work. No figure above says anything about quality. Bring your own removals:
      CHATMOD_DATA=comments.csv CHATMOD_TEXT_COLUMN=… CHATMOD_LABEL_COLUMN=… make run
  or let Kaggle's r/science removals come: put a token where docs/data.md says, CHATMOD_DATA=kaggle"""


def summary(settings: Settings, *, addresses: bool = False) -> str:
    """The summary of what lies in the work directory."""
    passport = read_json(settings.workdir / "bundle" / "passport.json")
    entry = read_json(settings.workdir / "registered" / "version.json")
    data, split = passport["data"], passport["split"]
    lines = [
        "",
        f"  data     {data['name']} ({data['source']}), {_rows(data, split)}",
        f"  test     {_figures(passport)}",
        *_actions(settings.workdir / "bundle"),
        f"  model    {entry['name']} version {entry['version']} (challenger), sha256:{entry['digest'][:12]}",
    ]
    if addresses:
        lines += [
            f"  API      http://{HOST}:{settings.api_port}  (POST /predict, /docs)",
            f"  chat     http://{HOST}:{settings.ui_port}",
            f"  MLflow   {tracking_page(settings)}",
        ]
    if data["is_sample"]:
        lines += ["", BANNER.format(rows=data["rows"])]
    return "\n".join([*lines, ""])


def _rows(data: dict[str, Any], split: dict[str, Any]) -> str:
    parts = f"{split['learning']['rows']:,} learning, {split['test']['rows']:,} test"
    return f"{data['rows']:,} rows, {data['used']:,} used: {parts}"


def _figures(passport: dict[str, Any]) -> str:
    sample = "(sample) " if passport["data"]["is_sample"] else ""
    metrics = passport["metrics"]
    parts = [f"{NAMES[name]} {_interval(metrics[name])}" for name in NAMES]
    chance = f"(by chance {passport['ece_by_chance']:.3f})"
    return f"{sample}{', '.join(parts)} {chance}; 95 % intervals"


def _actions(bundle: Path) -> list[str]:
    policy = read_json(bundle / "policy.json")
    lines = []
    for attribute, actions in policy["attributes"].items():
        for action, threshold in actions.items():
            if threshold["value"] is None:
                lines.append(f"  {action:<8} off: {threshold['reason']}")
            else:
                lines.append(
                    f"  {action:<8} at {attribute} ≥ {threshold['value']:.3f}: precision "
                    f"{threshold['precision']:.2f}, recall {threshold['recall']:.2f} out of fold"
                )
    return lines


def _interval(metric: dict[str, float]) -> str:
    return f"{metric['value']:.3f} [{metric['low']:.3f}, {metric['high']:.3f}]"
