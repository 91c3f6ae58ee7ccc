"""The step that looks for leaks before anything is trained: can artefacts alone predict the label?"""

import shutil
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.exceptions import AuditError, SettingsError
from workflow.leak_limits import LeakLimits
from workflow.steps import Say, labelled, read_json, read_part, write_json

if TYPE_CHECKING:
    import pandas as pd

    from modeling.hashing import Floats
    from modeling.leakage import Columns, Judged, Seen

ROW: Final = "row"
# A column of whole numbers of which at least this share is distinct numbers the rows.
DISTINCT: Final = 0.5
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
    from modeling.data import Columns, read_raw
    from modeling.leak_picture import draw
    from modeling.leakage import audit as judge

    manifest = read_json(comments / "manifest.json")
    say = labelled(say, manifest)
    paths = [raw / "files" / name for name in manifest["data"]["files"]]
    read = read_raw(paths, Columns(text_column, label_column), max_text_chars)
    seen = _seen(read.rows, read.others, read_part(comments / "learning.csv"), limits.columns)
    judged = judge(seen, limits.groups)
    facts = _facts(judged, seen, limits, cleaned=manifest["cleaned"])
    write_json(audit / "audit.json", facts)
    draw(audit / "leakage.png", judged, _caption(manifest, facts))
    for each in judged:
        say(_line(each))
    shutil.rmtree(failed_audits, ignore_errors=True)
    if facts["status"] == "failed":
        shutil.copytree(audit, failed_audits)
        raise AuditError(
            f"leak audit of {manifest['data']['name']}: {_failures(judged, cleaned=manifest['cleaned'])}; "
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


def _seen(
    rows: "pd.DataFrame", others: "pd.DataFrame", learning: "pd.DataFrame", let_in: Sequence[str]
) -> "Seen":
    from modeling.leakage import Seen

    place = learning["row"].to_numpy() - 1
    numbers = {ROW: rows["row"].to_numpy(dtype=float)[place]}
    columns: dict[str, Floats] = {}
    for name in others.columns:
        values, numbers_rows = _values(others[name])
        (numbers if numbers_rows else columns)[str(name)] = values[place]
    for name in let_in:
        if name not in {**numbers, **columns}:
            have = ", ".join([*numbers, *columns])
            raise SettingsError(
                f"CHATMOD_LEAKAGE: [inputs] columns={list(let_in)!r}: {name!r} is no column of the comments "
                f"beside text and label: use {have}"
            )
    # "row" means any row number: a shuffled file's own numbers still tell how it was sorted before.
    seen_numbers = {name: each for name, each in numbers.items() if {name, ROW} & set(let_in)}
    seen_columns = {name: each for name, each in columns.items() if name in let_in}
    by_group: dict[str, Columns] = {
        "row_number": {"before": numbers, "after": seen_numbers},
        "columns": {"before": columns, "after": seen_columns},
    }
    return Seen(
        keys=list(learning["key"]),
        labels=learning["label"].to_numpy(),
        folds=learning["fold"].to_numpy(),
        before=list(rows["raw"].to_numpy()[place]),
        after=list(learning["text"]),
        columns=by_group,
    )


def _values(column: "pd.Series[str]") -> "tuple[Floats, bool]":
    """A column's values as numbers in their order, and whether they number the rows."""
    import numpy as np
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce").to_numpy(dtype=float, na_value=np.nan)
    if not np.isfinite(numbers).all():
        numbers = np.unique(column.fillna("").astype(str), return_inverse=True)[1].astype(float)
        return numbers, False
    ranks = np.unique(numbers, return_inverse=True)[1].astype(float)
    is_number = bool((numbers == np.floor(numbers)).all()) and ranks.max(initial=0) + 1 >= DISTINCT * len(
        ranks
    )
    return ranks, is_number


def _facts(judged: "Sequence[Judged]", seen: "Seen", limits: LeakLimits, *, cleaned: bool) -> dict[str, Any]:
    from modeling.leakage import MOST_ROWS
    from modeling.split import FOLDS

    return {
        "status": "failed" if any(each.failed for each in judged) else "passed",
        "part": "learning",
        "rows": min(len(seen.keys), MOST_ROWS),
        "rows_of": len(seen.keys),
        "removed": int(seen.labels.sum()),
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
