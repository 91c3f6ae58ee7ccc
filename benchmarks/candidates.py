"""Every candidate on the same folds: one table of quality, cost and gain over the baseline, with intervals.

Usage: python -m benchmarks.candidates [--data CSV] [--only NAME …] [--transformer DIRECTORY] [--json FILE]
Without --data: CHATMOD_TEST_DATA, else the project's own sample, from which figures say nothing of quality.
Candidates are those of candidates.toml, on 5 stratified folds by 5 seeds; those whose fits are dear on 3
folds of one seed. Scores stay in --json and bundles beside it, so that the same command goes on where it was
stopped; --again NAME … measures anew. docs/candidates.md explains each figure.
"""

import argparse
import difflib
import hashlib
import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.compared.cost import measure, save_bundle
from benchmarks.compared.kept import Kept
from benchmarks.compared.quality import Plan, held_out_scores
from benchmarks.compared.table import tables
from modeling.candidates.catalogue import build
from modeling.candidates.interface import Candidate
from modeling.data import read_comments
from modeling.exceptions import ModelingError
from modeling.split import FOLDS
from tests.settings import TEST
from workflow.exceptions import SettingsError, WorkflowError
from workflow.fingerprint import of_code
from workflow.recipe import candidate, read_toml
from workflow.settings import Settings

DEAR = Plan(seeds=(0,), folds=3)
TRANSFORMER = "transformer"


@dataclass(frozen=True)
class Size:
    """How much is measured: rows, resamples of the bootstrap, messages on their own and in a batch."""

    rows: int | None = None
    resamples: int = 500
    single: int = 1_000
    batch: int = 500


QUICK = Size(rows=600, resamples=20, single=40, batch=100)


class Rows:
    """Cleaned texts with labels and frozen-key folds, read once."""

    def __init__(self, data: Path | None, size: Size) -> None:
        chosen = data or TEST.data
        paths = [chosen] if chosen else sorted(Path(__file__).parent.parent.glob("workflow/sample/*.csv"))
        frame = read_comments(paths).used
        if size.rows:  # by key, so that they are of both labels: files often hold one after the other
            frame = frame.sort_values("key").head(size.rows).sort_index()
        self.texts, self.labels = list(frame["text"]), frame["label"].to_numpy()
        self.folds = frame["fold"].to_numpy()
        self.name = chosen.name if chosen else "the sample (says nothing about quality)"
        told = json.dumps([self.texts, self.labels.tolist()])
        self.sha256 = hashlib.sha256(told.encode()).hexdigest()
        removed = int(self.labels.sum())
        print(f"{self.name}: {len(self.texts):,} rows used, {removed:,} removed", flush=True)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, and print the tables; 1 for what cannot be used."""
    chosen = _parser().parse_args(arguments)
    try:
        _compare(chosen)
    except (ModelingError, WorkflowError) as error:
        sys.stderr.write(f"error: {error}\n")
        return 1
    return 0


def _compare(chosen: argparse.Namespace) -> None:
    found = candidates_of(chosen)
    size = QUICK if chosen.quick else Size()
    rows = Rows(chosen.data, size)
    with tempfile.TemporaryDirectory() as own:
        kept = Kept(chosen.json, own)
        for name, one in found.items():
            _score(name, one, rows, kept, chosen)
        _cost(found, rows, kept, size)
    results = {name: kept.results[name] for name in found}
    print(f"\n{rows.name}, {len(rows.texts):,} rows; {_machine()}\n")
    print(tables(results, rows.labels, size.resamples), end="")


def candidates_of(chosen: argparse.Namespace) -> dict[str, Candidate]:
    """What was asked for, built before anything is measured: a bad parameter is met before hours of work."""
    path = chosen.candidates
    names = list(read_toml(path, "--candidates"))
    found = {name: candidate(path, name, "--only") for name in chosen.only or names}
    dear = [name for name, (family, _) in found.items() if family == TRANSFORMER]
    if chosen.transformer and not dear:
        raise SettingsError(
            f"--transformer: none of {', '.join(found)} is one: name such a candidate in --only"
        )
    for name in dear:
        if chosen.transformer:
            found[name][1]["model"] = str(chosen.transformer)
        elif chosen.only:
            raise SettingsError(
                f"--only {name!r} is a transformer: name its model with --transformer DIRECTORY"
            )
        else:
            del found[name]
    unknown = [name for name in chosen.again or () if name not in found]
    if unknown:
        near = difflib.get_close_matches(unknown[0], found, n=1) or [f"one of {', '.join(found)}"]
        raise SettingsError(f"--again={unknown[0]!r} is not among what is measured: use {near[0]}")
    return {name: build(*one) for name, one in found.items()}


def _score(name: str, one: Candidate, rows: Rows, kept: Kept, chosen: argparse.Namespace) -> None:
    plan = plan_of(one, chosen)
    told = {"parameters": one.get_params(), "data": rows.sha256, "seeds": plan.seeds, "folds": plan.folds}
    result = kept.begin(name, told, again=name in (chosen.again or ()))
    parts = list(plan.parts(rows.labels))
    done = result.setdefault("done", 0)
    if done == len(parts):
        print(f"{name}: kept", flush=True)
        return
    result |= {"code": of_code(), "machine": _machine()}
    scores = np.array(result.get("scores") or np.zeros((len(plan.seeds), len(rows.texts))))
    started = time.process_time()
    prepared = one.prepare(rows.texts, lambda line: print(f"{name}: {line}", flush=True))
    result["prepare_s"] = time.process_time() - started
    for number, (seed, _, held_out) in enumerate(parts[done:], start=done + 1):
        scores[seed][held_out], taken = held_out_scores(one, prepared, rows.labels, rows.folds, held_out)
        result.setdefault("fit_s", []).append(taken)
        result |= {"scores": scores.tolist(), "done": number}
        kept.write()
        print(f"{name}: part {number} of {len(parts)}, one fit {taken:.1f} CPU s", flush=True)


def _cost(found: Mapping[str, Candidate], rows: Rows, kept: Kept, size: Size) -> None:
    for name, one in found.items():
        if not kept.bundle(name).exists():
            print(f"{name}: a bundle of all rows", flush=True)
            prepared = one.prepare(rows.texts, lambda _: None)
            save_bundle(one, prepared, rows.labels, kept.bundle(name))
    places = {name: kept.bundle(name) for name in found}
    for name, cost in measure(places, rows.texts[: size.single], size.batch).items():
        kept.results[name]["cost"] = {**cost, "machine": _machine()}
    kept.write()


def plan_of(one: Candidate, chosen: argparse.Namespace) -> Plan:
    """Folds and seeds: those that were asked for, else by what a fit costs."""
    if chosen.quick:
        return Plan(seeds=(0,), folds=2)
    usual = Plan(seeds=tuple(range(5)), folds=5) if one.calibration_folds == FOLDS else DEAR
    seeds = tuple(range(chosen.seeds)) if chosen.seeds else usual.seeds
    return Plan(seeds, chosen.folds or usual.folds)


def _machine() -> str:
    return f"{os.cpu_count()} cores, load average {os.getloadavg()[0]:.1f}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.candidates", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--data", type=Path, help="a CSV file of comments")
    ours = Settings().candidates
    parser.add_argument("--candidates", type=Path, metavar="FILE", default=ours, help="another file of them")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="these candidates alone")
    parser.add_argument("--again", nargs="+", metavar="NAME", help="measure these anew")
    parser.add_argument("--folds", type=int, choices=range(2, 11), help="folds of each seed")
    parser.add_argument("--seeds", type=int, choices=range(1, 11), help="how many seeds")
    parser.add_argument("--transformer", type=Path, metavar="DIRECTORY", help="measure it too, from this one")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep results there")
    parser.add_argument("--quick", action="store_true", help="few rows and folds: whether it runs at all")
    return parser


if __name__ == "__main__":
    sys.exit(main())
