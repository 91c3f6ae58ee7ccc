"""The benchmark of the service runs: real servers, wrk and tables. What it measures is not judged here."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks.served.capacity import table

ROOT = Path(__file__).parents[2]


def serving(*arguments: object) -> str:
    command = [sys.executable, "-m", "benchmarks.serving", *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert 0 == done.returncode, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def results(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    place = tmp_path_factory.mktemp("serving") / "results.json"
    short = ("--seconds", 1, "--rounds", 1, "--connections", 4)
    rows = ("--only", "empty", "predict", "batch of 10")
    return serving("--bundle", bundle_dir, *short, *rows, "--json", place), place


def test_each_row_is_measured_and_shown_and_ratios_follow(results: tuple[str, Path]) -> None:
    said, place = results
    found = json.loads(place.read_text())
    assert {"empty", "predict", "batch of 10"} == set(found)
    for name, runs in found.items():
        [one] = runs["4"]
        assert one["rate"] > 0
        assert one["cpu_ms"] > 0
        assert one["memory_mib"] > 10
        assert f"\n| {name} | 4 |" in said
    assert "predict : empty, 4 connections: " in said


def test_a_page_of_capacity_follows_from_the_results(results: tuple[str, Path]) -> None:
    said = serving("--capacity", results[1])
    assert ["messages a request", "1", "10"] == [
        line.split(" | ")[0].removeprefix("| ") for line in said.splitlines() if "---" not in line
    ]


def test_pods_and_cost_follow_from_what_a_pod_answers() -> None:
    found = {"predict": {"64": [{"rate": 1.0}], "8": [{"rate": rate} for rate in (900.0, 1_000.0, 5_000.0)]}}
    head, row = table(found, price=0.05, headroom=0.6)
    assert "pods for 1,500/s" == head[3]
    # 600 messages a second planned for: 1,666.7 s of two cores a million
    assert ["1", "1,000", "2", "3", "0.046 $"] == row
