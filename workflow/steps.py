"""The steps: plain functions from directories and scalars to directories. They know no runner and no DAG."""

import csv
import hashlib
import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from workflow import sources
from workflow.exceptions import StepError
from workflow.recipe import Recipe

Say = Callable[[str], None]


def download(raw: Path, *, say: Say, data: str, dataset: str, cache: Path, kaggle_timeout_s: float) -> None:
    """Bring the chosen comments: ``raw/files/*.csv`` and ``raw/source.json``."""
    source = sources.resolve(data, dataset=dataset, cache=cache, timeout_s=kaggle_timeout_s, progress=say)
    (raw / "files").mkdir()
    for path in source.files:
        shutil.copyfile(path, raw / "files" / path.name)
    facts = {
        "source": source.kind,
        "name": source.name,
        "sha256": source.sha256,
        "files": [path.name for path in source.files],
        "is_sample": source.kind == "sample",
    }
    write_json(raw / "source.json", facts)
    say(f"{source.name} ({source.kind}), sha256 {source.sha256[:12]}…")


def preprocess(
    raw: Path,
    comments: Path,
    *,
    say: Say,
    text_column: str,
    label_column: str,
    max_text_chars: int,
    cleaned: bool,
) -> None:
    """Clean, check and split: ``learning.csv``, ``test.csv``, ``artefacts.csv``, ``manifest.{csv,json}``."""
    from modeling.data import Columns, read_comments

    source = read_json(raw / "source.json")
    paths = [raw / "files" / name for name in source["files"]]
    read = read_comments(paths, Columns(text_column, label_column), max_text_chars, cleaned=cleaned)
    frame, counts = read.used, read.counts
    read.manifest.to_csv(comments / "manifest.csv", index=False, lineterminator="\n")
    read.artefacts.to_csv(comments / "artefacts.csv", index=False, lineterminator="\n")
    balance = {}
    for part in ("learning", "test"):
        rows = frame[frame["part"] == part]
        rows[["row", "key", "fold", "label", "text"]].to_csv(
            comments / f"{part}.csv",
            index=False,
            lineterminator="\n",
            # A raw text may hold a carriage return, which would end its row.
            quoting=csv.QUOTE_MINIMAL if cleaned else csv.QUOTE_NONNUMERIC,
        )
        balance[part] = {"rows": len(rows), "removed": int(rows["label"].sum())}
    split_id = hashlib.sha256((comments / "manifest.csv").read_bytes()).hexdigest()[:12]
    reading = {"text_column": text_column, "label_column": label_column, "max_text_chars": max_text_chars}
    facts = {
        "data": source,
        "reading": reading,
        "counts": asdict(counts),
        "cleaned": cleaned,
        "split": {"id": split_id, **balance},
    }
    write_json(comments / "manifest.json", facts)
    say(
        f"{counts.rows:,} rows read, {counts.kept:,} used ({counts.empty} empty, "
        f"{counts.duplicates_merged} repeats merged, {counts.conflicts_dropped} with two labels dropped)"
    )
    for part, share in balance.items():
        say(f"{part}: {share['rows']:,} rows, {share['removed'] / share['rows']:.1%} removed")


def train(comments: Path, audit: Path, candidate: Path, *, say: Say, recipe: Recipe) -> None:  # noqa: ARG001 - audited first
    """Fit on the learning part: ``weights/``, ``policy.json``, ``training.json`` and ``out_of_fold.csv``."""
    from modeling.candidates.catalogue import build
    from modeling.train import train as fit

    say = labelled(say, read_json(comments / "manifest.json"))
    learning = read_part(comments / "learning.csv")
    estimator = build(recipe.family, recipe.parameters)
    say(f"candidate {recipe.name} ({recipe.family})")
    fitted = fit(
        list(learning["text"]),
        learning["label"].to_numpy(),
        learning["fold"].to_numpy(),
        estimator,
        recipe.targets,
        say,
    )
    (candidate / "weights").mkdir()
    for name, content in fitted.files.items():
        (candidate / "weights" / name).write_bytes(content)
    (candidate / "policy.json").write_text(fitted.policy.to_json(), encoding="utf-8")
    scored = learning[["key", "fold", "label"]].assign(raw=fitted.raw)
    scored.to_csv(candidate / "out_of_fold.csv", index=False, lineterminator="\n")
    facts = {
        "candidate": recipe.name,
        "family": recipe.family,
        "kind": estimator.kind,
        "requires": list(estimator.requires),
        "parameters": estimator.get_params(),
        "targets": dict(recipe.targets),
        "calibration": fitted.calibration,
        "out_of_fold": fitted.out_of_fold,
        "fit": dict(fitted.facts),
    }
    write_json(candidate / "training.json", facts)


def register(
    comments: Path,
    evaluation: Path,
    bundle: Path,
    registered: Path,
    *,
    say: Say,
    tracking: str,
    experiment: str,
    artifacts: Path,
) -> None:
    """Log run and bundle in MLflow, register the version: ``registered/version.json``."""
    from modeling.bundle import load
    from workflow.tracking.runs import Tracking

    load(bundle)  # an altered one would be registered under a digest that no service accepts
    entry = Tracking(tracking, experiment, artifacts).register(bundle, evaluation, comments)
    write_json(registered / "version.json", asdict(entry))
    state = "registered as" if entry.is_new else "is already"
    say(f"{state} {entry.name} version {entry.version}")


def labelled(say: Say, manifest: dict[str, Any]) -> Say:
    """Whoever reads a figure from the sample reads beside it that it is one."""
    if not manifest["data"]["is_sample"]:
        return say
    return lambda line: say(f"{line} (sample)")


def read_part(path: Path) -> Any:
    """A part of the comments as a frame: row, key, fold, label, text."""
    import pandas as pd

    return pd.read_csv(path, dtype={"text": str, "key": str}, keep_default_na=False)


def read_json(path: Path) -> dict[str, Any]:
    """What a step wrote.

    Raises:
        StepError: the file is no JSON any more.

    """
    try:
        content: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise StepError(
            f"{path}: is not what a step wrote ({error}): run the step that makes it again"
        ) from error
    return content


def write_json(path: Path, content: Any) -> None:
    """Write JSON of which the same content gives the same bytes."""
    path.write_text(
        json.dumps(content, indent=2, sort_keys=True, ensure_ascii=False) + "\n", encoding="utf-8"
    )
