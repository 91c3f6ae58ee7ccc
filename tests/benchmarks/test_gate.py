"""The gate's simulation runs, and its table counts what it found."""

import json
from collections import Counter
from pathlib import Path

import pytest

from benchmarks.gate import GAINS, QUICK, cell, main, table


def test_the_quick_simulation_judges_every_gain_and_prints_a_line_a_size(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["--quick", "--processes", "1", "--json", str(tmp_path / "found.json")])
    found = json.loads((tmp_path / "found.json").read_text())
    by_cell = {(one.pop("correlation"), one.pop("rows"), one.pop("gain")): sum(one.values()) for one in found}
    assert {(*cell, gain): 6 for cell in QUICK for gain in GAINS} == by_cell
    first, second = capsys.readouterr().out.split("\n\n")
    [head, _, *lines] = first.splitlines()
    assert head.startswith("| test rows | correlation | pairs, equal / each gain | equal: promoted % |")
    assert [["400", "0.95", "6 / 6"], ["400", "0.75", "6 / 6"]] == [
        line.strip("| ").split(" | ")[:3] for line in lines
    ]
    assert ["1.25", "1.5", "2.0"] == [line.split(" | ")[0].strip("| ") for line in second.splitlines()[2:]]


def test_the_share_promoted_is_told_with_its_standard_error() -> None:
    found = Counter({"promote by rank": 15, "promote by calibration": 5, "inconclusive": 70, "refuse": 10})
    assert "20.0 ± 4.0" == cell(found)
    [_, _, line] = table({(0.95, 400): dict.fromkeys(GAINS, found)}).splitlines()
    gains = " | ".join(["20.0 ± 4.0"] * 4)
    assert f"| 400 | 0.95 | 100 / 100 | 20.0 ± 4.0 | 5.0 | 10.0 | {gains} |" == line


def test_the_same_seed_gives_the_same_verdicts(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--quick", "--processes", "1"])
    first = capsys.readouterr().out
    main(["--quick", "--processes", "2"])
    assert first == capsys.readouterr().out


def test_two_candidates_that_are_correlated_by_label_are_measured(
    capsys: pytest.CaptureFixture[str], sample_csv: Path
) -> None:
    main(["--correlation", str(sample_csv)])
    kept, removed = capsys.readouterr().out.splitlines()
    assert kept.startswith("kept: correlation 0.")
    assert removed.startswith("removed: correlation 0.")


@pytest.fixture
def sample_csv(sample_rows: list[tuple[str, int]], tmp_path: Path) -> Path:
    import csv

    place = tmp_path / "comments.csv"
    with place.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([("body", "removed"), *sample_rows])
    return place
