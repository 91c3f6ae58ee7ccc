"""How often the gate promotes what is not better, and how often it sees what is: simulated pairs of models.

Usage: python -m benchmarks.gate [--quick] [--rows 400 1131] [--processes 2] [--json PLACE]
       python -m benchmarks.gate --correlation [CSV]   (default: CHATMOD_TEST_DATA, else the sample)

Each pair is judged by the whole gate under the reviewed rules of workflow/config/gate.toml: 2,000 resamples,
slices of the sizes that r/science has, both ways to be better. Scores are binormal and calibrated, the
champion's ROC-AUC is .80, 30.5 % of the rows are removed; within a label the two models' logits correlate
as those of two real candidates do, which --correlation measures on out-of-fold scores.
"""

import argparse
import json
import math
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np

from modeling.evaluate import expected_calibration_error
from modeling.gate import Evidence, judge
from modeling.hashing import Floats, sigmoid
from tests.evidence import AT, DATA, REMOVED, made, rules
from tests.settings import TEST

CHAMPION = 0.80
GAINS = (0.0, 0.005, 0.01, 0.02, 0.04)
# By correlation of the two models' logits within a label, and by test rows: pairs of equal models, and of
# each gain. .95 is what --correlation measures of the hashed linear candidate and TF-IDF with logistic
# regression; .75 stands for a model of another kind. Large tests cost a CPU second a pair.
PAIRS = {
    (0.95, 400): (500, 200),
    (0.95, 1_131): (500, 200),
    (0.95, 5_000): (200, 25),
    (0.95, 20_000): (60, 10),
    (0.75, 400): (500, 200),
    (0.75, 1_131): (500, 200),
}
QUICK = {(0.95, 400): (6, 6), (0.75, 400): (6, 6)}
# The champion's logits stretched by so much: it ranks as well as the candidate, and is too sure of itself.
STRETCHED = (1.25, 1.5, 2.0)
STRETCHED_ROWS, STRETCHED_PAIRS = 1_131, 100
# Shares of r/science's test rows, of which each bundle's evaluation tells the figures.
SLICES = {
    "words_1_10": 0.16,
    "words_11_30": 0.38,
    "words_31_100": 0.34,
    "words_101_up": 0.12,
    "links": 0.08,
    "questions": 0.34,
    "profanity": 0.06,
    "moderation": 0.04,
    "artefact": 0.10,
}
ROWS_A_PIECE = 25_000
SIZES = sorted({rows for _, rows in PAIRS})
Pairs = Mapping[tuple[float, int], tuple[int, int]]
Job = tuple[float, int, float, int, int]
Found = dict[tuple[float, int], dict[float, Counter[str]]]


def strength(area: float) -> float:
    """How far apart two normal scores of unit variance must lie for an area under the curve."""
    from scipy.stats import norm

    return float(math.sqrt(2) * norm.ppf(area))


def pair(rows: int, alike: float, gain: float, random: np.random.Generator) -> tuple[Evidence, Evidence]:
    """Candidate and champion on freshly drawn test rows."""
    labels = np.zeros(rows, dtype=np.int64)
    labels[: round(rows * REMOVED)] = 1
    shared, *own = random.normal(size=(3, rows))
    scores = [
        made(labels, math.sqrt(alike) * shared + math.sqrt(1 - alike) * noise, strength(area))
        for noise, area in zip(own, (CHAMPION + gain, CHAMPION), strict=True)
    ]
    slices = {name: random.random(rows) < share for name, share in SLICES.items()}
    candidate = Evidence(
        name="version 2",
        digest="2",
        keys=tuple(f"{row:08x}" for row in range(rows)),
        labels=labels,
        scores=scores[0],
        slices={**slices, "artefact_free": ~slices["artefact"]},
        cpu_ms=0.1,
        bundle_bytes=10_000,
        leak_audit={"status": "passed"},
        counterfactual={"largest_change": 0.0, "flip_rate": 0.0},
    )
    return candidate, replace(candidate, name="version 1", digest="1", scores=scores[1])


def verdicts(job: Job) -> tuple[Job, Counter[str]]:
    """Verdicts on some pairs, and by which way those that were promoted were better."""
    alike, rows, gain, first, count = job
    found: Counter[str] = Counter()
    for number in range(first, first + count):
        random = np.random.default_rng([rows, round(alike * 100), round(gain * 10_000), number])
        receipt = judge(*pair(rows, alike, gain, random), rules(), who="simulation", at=AT, data=DATA)
        by_rank = any(one.name == "better" and one.verdict == "passed" for one in receipt.rules)
        way = "" if receipt.verdict != "promote" else " by rank" if by_rank else " by calibration"
        found[receipt.verdict + way] += 1
    return job, found


def jobs(pairs: Pairs) -> Iterator[Job]:
    """All pairs in pieces that take about as long."""
    for (alike, rows), (equal, others) in pairs.items():
        piece = max(1, min(25, ROWS_A_PIECE // rows))
        for gain in GAINS:
            count = others if gain else equal
            for first in range(0, count, piece):
                yield alike, rows, gain, first, min(piece, count - first)


def simulate(pairs: Pairs, processes: int) -> Found:
    """Verdicts by correlation and test size, and by gain."""
    found: Found = {cell: {gain: Counter() for gain in GAINS} for cell in pairs}
    begun, todo = time.monotonic(), list(jobs(pairs))
    with ProcessPoolExecutor(processes) as pool:
        for number, (job, counts) in enumerate(pool.map(verdicts, todo), 1):
            alike, rows, gain, *_ = job
            found[alike, rows][gain] += counts
            done = f"{number} of {len(todo)} pieces, {time.monotonic() - begun:.0f} s"
            print(f"\r{done}: {rows:,} rows, gain {gain:<5}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    return found


def cell(counts: Counter[str]) -> str:
    """The share that was promoted, in percent, with its standard error."""
    pairs = counts.total()
    share = sum(count for name, count in counts.items() if name.startswith("promote")) / pairs
    return f"{100 * share:.1f} ± {100 * math.sqrt(share * (1 - share) / pairs):.1f}"


def table(found: Found) -> str:
    """Percent promoted (and, of equal models, percent refused), one line a test size."""
    head = [
        "test rows",
        "correlation",
        "pairs, equal / each gain",
        "equal: promoted %",
        "by calibration %",
        "refused %",
        *(f"+{gain}: promoted %" for gain in GAINS if gain),
    ]
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    for (alike, rows), by_gain in found.items():
        equal = by_gain[0.0]
        figures = [
            f"{rows:,}",
            f"{alike}",
            f"{equal.total()} / {by_gain[GAINS[-1]].total()}",
            cell(equal),
            f"{100 * equal['promote by calibration'] / equal.total():.1f}",
            f"{100 * equal['refuse'] / equal.total():.1f}",
            *(cell(by_gain[gain]) for gain in GAINS if gain),
        ]
        lines.append(f"| {' | '.join(figures)} |")
    return "\n".join(lines)


def stretched(rows: int, pairs: int) -> str:
    """What becomes of candidates that are better calibrated alone: percent promoted, a line a stretch."""
    lines = ["| champion's logits times | its calibration error | promoted % |", "| --- | --- | --- |"]
    for times in STRETCHED:
        found, errors = Counter[str](), []
        for number in range(pairs):
            candidate, champion = pair(rows, 0.95, 0.0, np.random.default_rng([rows, number]))
            odds = np.log(champion.scores / (1 - champion.scores))
            champion = replace(champion, scores=sigmoid(times * odds))
            errors.append(expected_calibration_error(champion.scores, champion.labels))
            found[judge(candidate, champion, rules(), who="simulation", at=AT, data=DATA).verdict] += 1
        lines.append(f"| {times} | {np.mean(errors):.3f} | {cell(found)} |")
    return "\n".join(lines)


def correlation(path: Path | None) -> None:
    """Print how two real candidates' logits correlate within each label, out of fold."""
    from modeling.candidates.catalogue import build
    from modeling.data import read_comments
    from modeling.train import out_of_fold

    sample = sorted(Path(__file__).parent.parent.glob("workflow/sample/*.csv"))
    frame = read_comments([path] if path else sample).used
    labels, folds, raw = frame["label"].to_numpy(), frame["fold"].to_numpy(), []
    for candidate in (build("hashed_linear", {}), build("tfidf", {"C": 4.0})):
        rows = candidate.prepare(list(frame["text"]), _tell)
        raw.append(out_of_fold(candidate, rows, labels, folds, _tell))
    for label, name in ((0, "kept"), (1, "removed")):
        told = within(np.array(raw)[:, labels == label], random=np.random.default_rng(0))
        print(f"{name}: correlation {told} of {int((labels == label).sum()):,} rows")


def _tell(line: str) -> None:
    print(line, file=sys.stderr, flush=True)


def within(raw: Floats, random: np.random.Generator) -> str:
    """Pearson's correlation with its bootstrap interval."""
    drawn = [np.corrcoef(raw[:, random.integers(0, raw.shape[1], raw.shape[1])])[0, 1] for _ in range(500)]
    low, high = np.percentile(drawn, [2.5, 97.5])
    return f"{np.corrcoef(raw)[0, 1]:.3f} [{low:.3f}, {high:.3f}]"


def main(arguments: Sequence[str] | None = None) -> None:
    """Simulate and print, or measure the correlation."""
    parser = argparse.ArgumentParser(description="False promotions and power of the gate.")
    parser.add_argument("--quick", action="store_true", help="a few pairs on 400 rows, to see that it runs")
    parser.add_argument("--rows", type=int, nargs="+", default=SIZES, choices=SIZES, help="test sizes")
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--json", type=Path, help="where to write the counts")
    parser.add_argument("--correlation", nargs="?", type=Path, const=Path(), metavar="CSV")
    given = parser.parse_args(arguments)
    if given.correlation is not None:
        correlation(given.correlation if given.correlation != Path() else TEST.data)
        return
    pairs = QUICK if given.quick else {cell: PAIRS[cell] for cell in PAIRS if cell[1] in given.rows}
    found = simulate(pairs, given.processes)
    if given.json:
        plain = [
            {"correlation": alike, "rows": rows, "gain": gain, **counts}
            for (alike, rows), by_gain in found.items()
            for gain, counts in by_gain.items()
        ]
        given.json.write_text(json.dumps(plain, indent=2) + "\n", encoding="utf-8")
    print(table(found))
    if given.quick or STRETCHED_ROWS in given.rows:
        print(f"\n{stretched(*((400, 3) if given.quick else (STRETCHED_ROWS, STRETCHED_PAIRS)))}")


if __name__ == "__main__":
    main()
