"""The evaluate step: measures a candidate on the test part once, and seals the bundle with its passport."""

import hashlib
import shutil
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from workflow.recipe import Recipe
from workflow.steps import Say, labelled, read_json, read_part, write_json

if TYPE_CHECKING:
    from workflow.measuring import Measured, TestPart

LIBRARIES: Final = ("numpy", "scipy", "scikit-learn", "pandas")
REPORT: Final = "report.html"


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
    report_texts: bool,
) -> None:
    """Measure on the test part, seal the bundle, and write the report: figures, pictures, worst errors."""
    from modeling import bundle as bundles
    from workflow.measuring import Measured, read_test
    from workflow.report import render

    manifest = read_json(comments / "manifest.json")
    say = labelled(say, manifest)
    part = read_test(comments, candidate)
    weights = {path.name: path.read_bytes() for path in sorted((candidate / "weights").iterdir())}
    count = _touch(touches, manifest["split"]["id"], weights)
    measured = Measured(part, candidate, recipe)
    contents = measured.contents(texts=report_texts)
    for name, content in contents.items():
        write_json(evaluation / f"{name}.json", content)
    write_json(evaluation / "touches.json", {"split": manifest["split"]["id"], "count": count})
    _write_scores(evaluation / "scores.csv", measured)
    _draw(evaluation, measured, contents, caption(manifest, len(part.frame)))
    _tell(say, contents, count)
    shutil.copytree(audit, evaluation / "audit")
    leaks = read_json(audit / "audit.json")
    bundle.rmdir()
    passport = _passport(manifest, measured, contents, leaks, code)
    digest = bundles.save(bundle, weights, measured.policy, passport)
    say(f"bundle sha256:{digest[:12]}")
    cost = _cost(measured, comments, bundle)
    write_json(evaluation / "cost.json", cost)
    contents |= {"cost": cost, "touches": count, "scores": _histogram(measured), "audit": leaks}
    (evaluation / REPORT).write_text(render(passport, measured.policy, contents), encoding="utf-8")


def _touch(ledger: Path, split: str, weights: Mapping[str, bytes]) -> int:
    """Note that these test rows were looked at, and say how often they have been."""
    weighed = hashlib.sha256(b"".join(hashlib.sha256(content).digest() for content in weights.values()))
    ledger.parent.mkdir(parents=True, exist_ok=True)
    with ledger.open("a+", encoding="utf-8") as file:
        file.write(f"{split},{weighed.hexdigest()}\n")
        file.flush()
        file.seek(0)
        return sum(line.startswith(f"{split},") for line in file)


def _write_scores(path: Path, measured: "Measured") -> None:
    rows = measured.part.frame[["key", "label"]].assign(score=measured.scores)
    rows.to_csv(path, index=False, lineterminator="\n")


def _draw(evaluation: Path, measured: "Measured", contents: Mapping[str, Any], caption: str) -> None:
    from modeling.figures import draw
    from modeling.forests import draw_counterfactual, draw_evasion, draw_slices
    from modeling.resampling import Metric

    metrics = {name: Metric(**metric) for name, metric in contents["metrics"]["metrics"].items()}
    draw(
        evaluation,
        measured.scores,
        measured.part.labels,
        metrics,
        measured.thresholds,
        contents["curves"],
        contents["reliability"],
        caption,
    )
    draw_slices(evaluation, contents["slices"], caption)
    draw_counterfactual(evaluation, contents["counterfactual"], caption)
    draw_evasion(evaluation, contents["evasion"], caption)


def _tell(say: Say, contents: Mapping[str, Any], count: int) -> None:
    facts, swapped = contents["metrics"], contents["counterfactual"]
    for name in ("roc_auc", "pr_auc", "ece"):
        figure = facts["metrics"][name]
        interval = f"[{figure['low']:.3f}, {figure['high']:.3f}]"
        say(f"{name} {figure['value']:.3f} {interval} on {facts['rows']:,} test rows")
    say(
        f"identity terms: largest change {swapped['largest_change']:.3f}, flip rate "
        f"{swapped['flip_rate']:.1%} of {swapped['pairs']:,} pairs"
    )
    drops = (f"{kind['name']} {kind['mean_drop']['value']:.2f}" for kind in contents["evasion"]["kinds"])
    say(f"mean score drop when written round: {', '.join(drops)}")
    say(f"evaluations on these test rows so far: {count}")


def _cost(measured: "Measured", comments: Path, bundle: Path) -> dict[str, Any]:
    """Latency on learning rows: so the test rows are scored once and no more."""
    from modeling.cost import cpu_milliseconds, machine

    texts = list(read_part(comments / "learning.csv")["text"])
    return {
        **cpu_milliseconds(measured.score, texts),
        "bundle_bytes": sum(path.stat().st_size for path in bundle.iterdir()),
        "requires": measured.training["requires"],
        "machine": machine(),
    }


def _histogram(measured: "Measured") -> dict[str, list[int]]:
    import numpy as np

    scores, labels = measured.scores, measured.part.labels
    return {
        name: np.histogram(scores[labels == label], bins=40, range=(0, 1))[0].tolist()
        for name, label in (("kept", 0), ("removed", 1))
    }


def _passport(
    manifest: Mapping[str, Any],
    measured: "Measured",
    contents: Mapping[str, Any],
    leaks: Mapping[str, Any],
    code: Mapping[str, str],
) -> dict[str, Any]:
    from modeling.policy import ATTRIBUTE

    training, facts = measured.training, contents["metrics"]
    return {
        **{name: training[name] for name in ("candidate", "family", "kind", "requires", "parameters", "fit")},
        "attributes": [ATTRIBUTE],
        "data": {**manifest["data"], "rows": manifest["counts"]["rows"], "used": manifest["counts"]["kept"]},
        "reading": manifest["reading"],
        "counts": manifest["counts"],
        "split": manifest["split"],
        "learned_keys_sha256": _learned(measured.part),
        "code": dict(code),
        "targets": training["targets"],
        "calibration": training["calibration"],
        "out_of_fold": training["out_of_fold"],
        "evaluation": {"resamples": measured.recipe.resamples, "seed": measured.recipe.seed},
        "metrics": facts["metrics"],
        "ece_by_chance": facts["ece_by_chance"],
        "slices": contents["slices"],
        "counterfactual": {
            name: found for name, found in contents["counterfactual"].items() if name != "terms"
        },
        "evasion": contents["evasion"],
        "leak_audit": leaks,
        "libraries": {name: version(name) for name in (*LIBRARIES, *training["requires"])},
    }


def _learned(part: "TestPart") -> str:
    from modeling.split import keys_sha256

    return keys_sha256(part.learned)


def caption(manifest: Mapping[str, Any], rows: int) -> str:
    """What stands under every picture: data, part, rows and split, and that the sample is the sample."""
    data = manifest["data"]
    label = " — the project's sample, says nothing about quality" if data["is_sample"] else ""
    return f"{data['name']}{label}; test part, {rows:,} rows, split {manifest['split']['id']}"
