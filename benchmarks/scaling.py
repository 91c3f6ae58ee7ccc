"""Seconds and memory of preprocess, audit, train and evaluate by rows, with the growth exponent.

Usage: python -m benchmarks.scaling [CSV] [ROWS ...]   (default: CHATMOD_TEST_DATA, else the sample)
Rows are varied from real ones: two halves of different comments of one label, with a number of its own.
Each size runs in a process of its own. Memory is the peak above that of a process holding the data.
"""

import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pandas as pd

from modeling.data import read_comments
from tests.settings import TEST
from workflow import auditing, evaluating, steps
from workflow.leak_limits import read as read_limits
from workflow.recipe import read as read_recipe
from workflow.settings import Settings

SIZES = (5_000, 50_000, 200_000)
MIB = 1024


def vary(frame: pd.DataFrame, rows: int, seed: int = 0) -> pd.DataFrame:
    """Rows that are all different, each made of two halves of comments with its label."""
    rng = random.Random(seed)
    words = {label: [text.split() for text in group["text"]] for label, group in frame.groupby("label")}
    made = []
    for number in range(rows):
        label = int(rng.random() < frame["label"].mean())
        first, second = rng.choice(words[label]), rng.choice(words[label])
        half = first[: len(first) // 2 + 1] + second[len(second) // 2 :] + [f"n{number}"]
        made.append((" ".join(half), label))
    return pd.DataFrame(made, columns=["text", "removed"])


def memory_mib(entry: str) -> float:
    """What the kernel says of this process alone: VmRSS is now, VmHWM the most since it was started."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return int(next(line.split()[1] for line in lines if line.startswith(f"{entry}:"))) / MIB


def measure(directory: Path, recipe_path: Path) -> None:
    """In a process of its own: all steps on directory/raw, figures as JSON on the last line."""
    paths = [directory / "raw" / "files" / "rows.csv"]
    held = pd.read_csv(paths[0], keep_default_na=False)
    baseline, rows = memory_mib("VmRSS"), len(held)
    del held
    for output in ("comments", "audit", "candidate", "evaluation", "bundle"):
        (directory / output).mkdir()
    seconds = {}
    for name, run in {
        "preprocess": lambda: steps.preprocess(
            directory / "raw",
            directory / "comments",
            say=print,
            text_column="",
            label_column="",
            max_text_chars=100_000,
            cleaned=True,
        ),
        "audit": lambda: auditing.audit(
            *(directory / name for name in ("raw", "comments", "audit")),
            say=print,
            text_column="",
            label_column="",
            max_text_chars=100_000,
            limits=read_limits(Settings().leakage),
            failed_audits=directory / "audit-failed",
        ),
        "train": lambda: steps.train(
            *(directory / name for name in ("comments", "audit", "candidate")),
            say=print,
            recipe=read_recipe(recipe_path, Settings().candidates),
        ),
        "evaluate": lambda: evaluating.evaluate(
            *(directory / name for name in ("comments", "audit", "candidate", "evaluation", "bundle")),
            say=print,
            recipe=read_recipe(recipe_path, Settings().candidates),
            code={},
            touches=directory / "touches.csv",
        ),
    }.items():
        started = time.monotonic()
        run()
        seconds[name] = time.monotonic() - started
    counts = steps.read_json(directory / "comments" / "manifest.json")["counts"]
    peak = memory_mib("VmHWM")
    print(json.dumps({"rows": rows, "counts": counts, "seconds": seconds, "above_mib": peak - baseline}))


def main() -> None:
    """Print a line for each size, and the exponent between them."""
    arguments = [argument for argument in sys.argv[1:] if not argument.isdigit()]
    sizes = [int(argument) for argument in sys.argv[1:] if argument.isdigit()] or SIZES
    if arguments[:1] == ["--measure"]:
        measure(Path(arguments[1]), Settings().config)
        return
    sample = sorted(Path(__file__).parent.parent.glob("workflow/sample/*.csv"))
    chosen = Path(arguments[0]) if arguments else TEST.data
    frame = read_comments([chosen] if chosen else sample).used
    points = []
    for rows in sizes:
        with tempfile.TemporaryDirectory() as place:
            files = Path(place) / "raw" / "files"
            files.mkdir(parents=True)
            vary(frame, rows).to_csv(files / "rows.csv", index=False)
            source = {
                "source": "file",
                "name": "rows.csv",
                "sha256": "",
                "files": ["rows.csv"],
                "is_sample": False,
            }
            (files.parent / "source.json").write_text(json.dumps(source))
            command = [sys.executable, "-m", "benchmarks.scaling", "--measure", place]
            done = subprocess.run(command, capture_output=True, text=True, check=True)
        told = json.loads(done.stdout.splitlines()[-1])
        total = sum(told["seconds"].values())
        points.append((rows, total))
        kept, read = told["counts"]["kept"], told["counts"]["rows"]
        print(
            f"{rows:>7,} rows ({read:,} read, {kept:,} used): "
            f"{', '.join(f'{name} {seconds:.1f} s' for name, seconds in told['seconds'].items())}, "
            f"total {total:.1f} s, {told['above_mib']:,.0f} MiB above the data",
            flush=True,
        )
    if len(points) > 1:
        logs = np.log(np.array(points))
        print(f"growth exponent {np.polyfit(logs[:, 0], logs[:, 1], 1)[0]:.3f} (aim 1.05)")


if __name__ == "__main__":
    main()
