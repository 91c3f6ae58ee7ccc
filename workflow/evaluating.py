"""The evaluate step: measures a candidate on the test part once, and seals the bundle with its passport."""

import hashlib
import shutil
from collections.abc import Mapping
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.recipe import Recipe
from workflow.steps import Say, labelled, read_json, read_part, write_json

if TYPE_CHECKING:
    from modeling.policy import Policy

LIBRARIES: Final = ("numpy", "scipy", "scikit-learn", "pandas")


def evaluate(
    comments: Path,
    audit: Path,
    candidate: Path,
    evaluation: Path,
    bundle: Path,
    *,
    say: Say,
    recipe: Recipe,
    code: Mapping[str, str],
    touches: Path,
) -> None:
    """Measure on the test part: ``metrics.json`` and figures; then seal the bundle with its passport."""
    from modeling import bundle as bundles
    from modeling.policy import policy_from_json

    manifest, training = read_json(comments / "manifest.json"), read_json(candidate / "training.json")
    say = labelled(say, manifest)
    policy = policy_from_json((candidate / "policy.json").read_text(encoding="utf-8"))
    weights = {path.name: path.read_bytes() for path in sorted((candidate / "weights").iterdir())}
    weighed = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in weights.values()))
    count = _touch(touches, manifest["split"]["id"], weighed.hexdigest())
    facts = _measure(comments, candidate, evaluation, policy, recipe)
    write_json(evaluation / "metrics.json", facts)
    write_json(evaluation / "touches.json", {"split": manifest["split"]["id"], "count": count})
    for name in ("roc_auc", "pr_auc", "ece"):
        figure = facts["metrics"][name]
        interval = f"[{figure['low']:.3f}, {figure['high']:.3f}]"
        say(f"{name} {figure['value']:.3f} {interval} on {facts['rows']:,} test rows")
    say(f"evaluations on these test rows so far: {count}")
    shutil.copytree(audit, evaluation / "audit")
    leaks = read_json(audit / "audit.json")
    bundle.rmdir()
    digest = bundles.save(bundle, weights, policy, _passport(manifest, training, facts, leaks, code))
    say(f"bundle sha256:{digest[:12]}")


def _measure(
    comments: Path, candidate: Path, evaluation: Path, policy: "Policy", recipe: Recipe
) -> dict[str, Any]:
    from modeling.bundle import scorer_of
    from modeling.evaluate import chance_calibration_error
    from modeling.evaluate import evaluate as measure
    from modeling.figures import draw
    from modeling.policy import ATTRIBUTE

    manifest, training = read_json(comments / "manifest.json"), read_json(candidate / "training.json")
    test = read_part(comments / "test.csv")
    scores = scorer_of(candidate / "weights", training).score(list(test["text"]))[ATTRIBUTE]
    labels, thresholds = test["label"].to_numpy(), dict(policy.attributes[ATTRIBUTE])
    best_f1 = training["out_of_fold"]["f1_threshold"]
    metrics = measure(scores, labels, thresholds, best_f1, resamples=recipe.resamples, seed=recipe.seed)
    draw(evaluation, scores, labels, metrics, thresholds, _caption(manifest, len(test)))
    return {
        "part": "test",
        "rows": len(test),
        "metrics": {name: asdict(metric) for name, metric in metrics.items()},
        "ece_by_chance": chance_calibration_error(scores),
    }


def _touch(ledger: Path, split: str, weights: str) -> int:
    """Note that these test rows were looked at, and say how often they have been."""
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a+", encoding="utf-8") as file:
        file.write(f"{split},{weights}\n")
        file.flush()
        file.seek(0)
        return sum(line.startswith(f"{split},") for line in file)


def _passport(
    manifest: dict[str, Any],
    training: dict[str, Any],
    facts: dict[str, Any],
    leaks: dict[str, Any],
    code: Mapping[str, str],
) -> dict[str, Any]:
    from modeling.policy import ATTRIBUTE

    return {
        **{name: training[name] for name in ("candidate", "family", "kind", "requires", "parameters", "fit")},
        "attributes": [ATTRIBUTE],
        "data": {**manifest["data"], "rows": manifest["counts"]["rows"], "used": manifest["counts"]["kept"]},
        "counts": manifest["counts"],
        "split": manifest["split"],
        "code": dict(code),
        "targets": training["targets"],
        "calibration": training["calibration"],
        "out_of_fold": training["out_of_fold"],
        "metrics": facts["metrics"],
        "ece_by_chance": facts["ece_by_chance"],
        "leak_audit": leaks,
        "libraries": {name: version(name) for name in (*LIBRARIES, *training["requires"])},
    }


def _caption(manifest: dict[str, Any], rows: int) -> str:
    data = manifest["data"]
    label = " — the project's sample, says nothing about quality" if data["is_sample"] else ""
    return f"{data['name']}{label}; test part, {rows:,} rows, split {manifest['split']['id']}"
