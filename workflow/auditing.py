"""The step that looks for leaks before anything is trained: can artefacts alone predict the label?"""

import shutil
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.audited import seen
from workflow.exceptions import AuditError
from workflow.leak_limits import LeakLimits
from workflow.steps import Say, labelled, read_json, read_part, write_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from modeling.leakage import Judged, Seen

# Test rows, by key, that are compared with all learning rows.
MOST_TEST_ROWS: Final = 5_000
SWITCH: Final = "set [preprocess] clean = true in pipeline.toml"
COLUMNS: Final = "take the column out of [inputs] columns in leakage.toml"
OTHERS: Final = (
    "collect kept and removed comments in the same way, clean the trace away in modeling/text.py, or, where "
    "it is no artefact, allow the group in leakage.toml with the reason"
)


def audit(
    raw: Path,
    comments: Path,
    audit: Path,
    *,
    say: Say,
    text_column: str,
    label_column: str,
    max_text_chars: int,
    limits: LeakLimits,
    failed_audits: Path,
) -> None:
    """Judge each group of artefacts before and after cleaning: ``audit.json`` and ``leakage.png``.

    Raises:
        AuditError: a group predicts the label beyond its limit; figures and picture are kept at home.
        SettingsError: a column that is let in does not exist.

    """
    from modeling.leak_picture import draw
    from modeling.leakage import audit as judge

    manifest = read_json(comments / "manifest.json")
    say, cleaned = labelled(say, manifest), manifest["cleaned"]
    paths = [raw / "files" / name for name in manifest["data"]["files"]]
    rows = seen(paths, comments, (text_column, label_column), max_text_chars, limits.columns)
    judged = judge(rows, limits.groups)
    facts = _facts(judged, rows, limits, cleaned=cleaned) | {"near_duplicates": _near_duplicates(comments)}
    write_json(audit / "audit.json", facts)
    draw(audit / "leakage.png", judged, _caption(manifest, facts))
    for line in (*map(_line, judged), _near_line(facts["near_duplicates"])):
        say(line)
    shutil.rmtree(failed_audits, ignore_errors=True)
    if facts["status"] == "failed":
        shutil.copytree(audit, failed_audits)
        raise AuditError(
            f"leak audit of {manifest['data']['name']}: {_failures(judged, cleaned=cleaned)}; "
            f"figures and picture: {failed_audits}"
        )
    say(outcome(facts))


def outcome(facts: dict[str, Any]) -> str:
    """What an audit found, in one line, from ``audit.json`` or a passport's ``leak_audit``."""
    by_verdict: dict[str, list[str]] = {}
    for group in facts["groups"]:
        by_verdict.setdefault(group["verdict"], []).append(group["name"])
    parts = [f"{len(by_verdict.get('passed', []))} groups of artefacts within their limits"]
    allowed = [
        f"{each['name']} {each['after']['value']:.3f}"
        for each in facts["groups"]
        if each["verdict"] == "allowed"
    ]
    if allowed:
        parts.append(f"allowed {', '.join(allowed)}")
    if "undecided" in by_verdict:
        parts.append(f"too few rows to judge {', '.join(by_verdict['undecided'])}")
    cleaned = "" if facts["cleaned"] else ", texts not cleaned"
    return f"leak audit {facts['status']} ({facts['rows']:,} learning rows{cleaned}): {'; '.join(parts)}"


def _facts(judged: "Sequence[Judged]", rows: "Seen", limits: LeakLimits, *, cleaned: bool) -> dict[str, Any]:
    from modeling.leakage import MOST_ROWS
    from modeling.split import FOLDS

    return {
        "status": "failed" if any(each.failed for each in judged) else "passed",
        "part": "learning",
        "rows": min(len(rows.keys), MOST_ROWS),
        "rows_of": len(rows.keys),
        "removed": int(rows.labels.sum()),
        "folds": FOLDS,
        "cleaned": cleaned,
        "columns": list(limits.columns),
        "limits_sha256": limits.sha256,
        "groups": [
            {
                "name": each.group.name,
                "title": each.group.title,
                "model": each.group.model,
                "features": list(each.features["after"] or each.features["before"]),
                "before": asdict(each.figures["before"]),
                "after": asdict(each.figures["after"]),
                "limit": each.limit.after,
                "limit_before": each.limit.before,
                "stage": each.stage,
                "verdict": each.verdict,
                "reason": each.reason,
            }
            for each in judged
        ],
    }


def _failures(judged: "Sequence[Judged]", *, cleaned: bool) -> str:
    failed = [each for each in judged if each.failed]
    named = "; ".join(
        f"{each.group.name} {each.reason} {'to a model' if each.stage == 'after' else 'before cleaning'}"
        for each in failed
    )
    of_columns = [each.group.name in {"row_number", "columns"} for each in failed]
    remedies = [COLUMNS] if any(of_columns) else []
    if not all(of_columns):
        remedies.append(OTHERS if cleaned else SWITCH)
    return f"{named}: {' and '.join(remedies)}"


def _near_duplicates(comments: Path) -> dict[str, Any]:
    """How many texts of the test part a model has nearly seen; their labels are not looked at."""
    from modeling.near import NEAR, SHINGLE, near_any

    learning, test = (read_part(comments / f"{part}.csv") for part in ("learning", "test"))
    test = test.sort_values("key")[:MOST_TEST_ROWS]
    near = int(near_any(list(test["text"]), list(learning["text"])).sum())
    return {
        "near": near,
        "rows": len(test),
        "learning_rows": len(learning),
        "overlap": NEAR,
        "shingle": SHINGLE,
    }


def _near_line(found: dict[str, Any]) -> str:
    return f"near duplicates: {found['near']:,} of {found['rows']:,} test rows are nearly a learning row"


def _line(judged: "Judged") -> str:
    before, after = judged.figures["before"], judged.figures["after"]
    why = f" ({judged.reason})" if judged.verdict == "undecided" else ""
    return f"{judged.group.name}: {before} before, {after} after cleaning: {judged.verdict}{why}"


def _caption(manifest: dict[str, Any], facts: dict[str, Any]) -> str:
    data = manifest["data"]
    label = " (the project's sample: says nothing about quality)" if data["is_sample"] else ""
    taken = "" if facts["rows"] == facts["rows_of"] else f" of {facts['rows_of']:,}, by key"
    rows = f"{facts['rows']:,} rows{taken}, {facts['removed']:,} removed"
    return f"{data['name']}{label}; learning part, {rows}, out of {facts['folds']} folds"
