"""What a person reads after a run: rows, figures with intervals, actions, version, addresses."""

from typing import Any, Final

from workflow.auditing import outcome
from workflow.charts import interval
from workflow.evaluating import REPORT
from workflow.exceptions import StepError
from workflow.gating import plain_words
from workflow.glossary import FIRST, actions, sample_label, title
from workflow.health import HOST
from workflow.settings import Settings
from workflow.stack import api_address, tracking_page
from workflow.steps import read_json

BANNER: Final = """\
  This model is trained on the project's own sample: {rows:,} invented messages that show how things
  work. No figure above says anything about quality. Bring your own removals:
      CHATMOD_DATA=comments.csv CHATMOD_TEXT_COLUMN=… CHATMOD_LABEL_COLUMN=… make run
  or let Kaggle's r/science removals come: put a token where docs/data.md says, CHATMOD_DATA=kaggle"""


def summary(settings: Settings, *, addresses: bool = False) -> str:
    """The summary of what lies in the work directory."""
    passport = read_json(settings.workdir / "bundle" / "passport.json")
    entry = read_json(settings.workdir / "registered" / "version.json")
    policy = read_json(settings.workdir / "bundle" / "policy.json")
    data, split = passport["data"], passport["split"]
    leaks = outcome(passport["leak_audit"])
    lines = [
        "",
        f"  data     {data['name']} ({data['source']}), {_rows(data, split)}",
        f"  test     {_figures(passport)}",
        f"  leaks    {leaks.removeprefix('leak audit ')}{sample_label(data['is_sample'])}",
        *(f"  - {line}" for line in actions(policy, data["is_sample"])),
        *_model(entry, read_json(settings.workdir / "verdict" / "verdict.json")),
        f"  report   {settings.workdir / 'evaluation' / REPORT}",
    ]
    if addresses:
        lines += [
            f"  API      {api_address(settings)}  (POST /predict, /docs)",
            f"  chat     http://{HOST}:{settings.ui_port}",
            f"  MLflow   {tracking_page(settings)}",
        ]
    if data["is_sample"]:
        lines += ["", BANNER.format(rows=data["rows"])]
    return "\n".join([*lines, ""])


def served(settings: Settings) -> tuple[int, str]:
    """Version and digest of what is served: the champion, or what was registered last where there is none.

    Raises:
        StepError: nothing is registered yet.

    """
    try:
        entry = read_json(settings.workdir / "registered" / "version.json")
        verdict = read_json(settings.workdir / "verdict" / "verdict.json")
    except OSError as error:
        raise StepError(f"{error.filename}: no registered version: run make train") from error
    if verdict["champion_version_after"] is None:
        return entry["version"], entry["digest"]
    return verdict["champion_version_after"], verdict["champion_digest_after"]


def _model(entry: dict[str, Any], verdict: dict[str, Any]) -> list[str]:
    """What was registered, what the gate said, and which version is served if it is another one."""
    champion, challenger = verdict["champion_version_after"], verdict["challenger_version"]
    alias = {champion: " (champion)", challenger: " (challenger)"}.get(entry["version"], "")
    named = f"{entry['name']} version {entry['version']}{alias}, sha256:{entry['digest'][:12]}"
    first, *more = plain_words(verdict)
    lines = [f"  model    {named}", f"  gate     {first}", *(f"           {line}" for line in more)]
    if champion is None:
        lines.append(
            f"  served   version {entry['version']}, which the gate has not promoted: there is no champion"
        )
    elif champion != entry["version"]:
        lines.append(
            f"  served   version {champion}, the champion, sha256:{verdict['champion_digest_after'][:12]}"
        )
    return lines


def _rows(data: dict[str, Any], split: dict[str, Any]) -> str:
    parts = f"{split['learning']['rows']:,} learning, {split['test']['rows']:,} test"
    return f"{data['rows']:,} rows, {data['used']:,} used: {parts}"


def _figures(passport: dict[str, Any]) -> str:
    sample = "(sample) " if passport["data"]["is_sample"] else ""
    metrics = passport["metrics"]
    parts = [f"{title(name)} {interval(metrics[name])}" for name in FIRST]
    chance = f"(by chance {passport['ece_by_chance']:.3f})"
    return f"{sample}{', '.join(parts)} {chance}; 95 % intervals"
