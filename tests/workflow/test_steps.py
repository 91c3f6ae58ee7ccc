"""The real steps: what each makes, that it makes the same anywhere, and what stays when it is killed."""

import csv
import json
import re
import signal
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from modeling import bundle as bundles
from modeling.split import fold_of, frozen_key, part_of
from tests.workflow.processes import ROOT, Home, start, workflow
from workflow.__main__ import main
from workflow.gate_command import exit_code
from workflow.pipeline import PIPELINE
from workflow.settings import Settings
from workflow.steps import read_json
from workflow.summary import summary

PICTURES = (
    "roc",
    "precision_recall",
    "reliability",
    "scores",
    "slices",
    "counterfactual",
    "evasion",
)
DETERMINED = ("raw", "comments", "audit", "candidate", "evaluation", "bundle")


def contents(workdir: Path, *folders: str) -> dict[str, bytes]:
    """Every file of these outputs by its relative name; counts of looks and CPU times differ by nature."""
    return {
        path.relative_to(workdir).as_posix(): path.read_bytes()
        for folder in folders
        for path in sorted((workdir / folder).rglob("*"))
        if path.is_file() and path.name not in ("touches.json", "cost.json", "report.html")
    }


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.fixture(scope="module")
def elsewhere(trained: Home, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work of a second run: other folders, another process, other hash seeds, paths said relatively."""
    folder = tmp_path_factory.mktemp("elsewhere")
    (folder / "data").mkdir()
    (folder / "data" / "corpus.csv").write_bytes(Path(trained.settings.data).read_bytes())
    ran = workflow(
        "run",
        cwd=folder,
        CHATMOD_HOME="mine",
        CHATMOD_DATA="data/corpus.csv",
        CHATMOD_CONFIG=trained.settings.config,
        PYTHONHASHSEED="2",
        TZ="Asia/Kathmandu",
    )
    assert (0, "") == (ran.returncode, ran.errors), ran.stderr
    return folder / "mine" / "work"


def test_two_runs_in_two_folders_make_the_same_to_the_byte(trained: Home, elsewhere: Path) -> None:
    here = contents(trained.settings.workdir, *DETERMINED)
    assert here == contents(elsewhere, *DETERMINED)
    for name in ("comments/manifest.csv", "evaluation/metrics.json", "evaluation/roc.png"):
        assert name in here


def test_two_runs_in_two_folders_have_one_bundle_digest(trained: Home, elsewhere: Path) -> None:
    first = bundles.load(trained.settings.workdir / "bundle").digest
    assert first == bundles.load(elsewhere / "bundle").digest
    assert first == read_json(trained.settings.workdir / "registered" / "version.json")["digest"]


def test_a_relative_home_lies_where_the_command_was_given(elsewhere: Path) -> None:
    assert {"work", "mlflow.db", "artifacts"} <= {path.name for path in elsewhere.parent.iterdir()}
    assert not (ROOT / "mine").exists()


def test_the_counts_of_the_manifest_add_up(trained: Home) -> None:
    facts = read_json(trained.settings.workdir / "comments" / "manifest.json")
    counts, split = facts["counts"], facts["split"]
    assert 603 == counts["rows"] == len(rows(Path(trained.settings.data)))
    assert (1, 1, 2) == (counts["empty"], counts["duplicates_merged"], counts["conflicts_dropped"])
    lost = counts["empty"] + counts["duplicates_merged"] + counts["conflicts_dropped"]
    assert counts["rows"] - lost == counts["kept"] == split["learning"]["rows"] + split["test"]["rows"]


def test_every_row_is_in_the_manifest_with_what_became_of_it(trained: Home) -> None:
    folder = trained.settings.workdir / "comments"
    counts = read_json(folder / "manifest.json")["counts"]
    manifest, raw = rows(folder / "manifest.csv"), rows(Path(trained.settings.data))
    assert [str(number) for number in range(1, len(raw) + 1)] == [entry["row"] for entry in manifest]
    for entry, row in zip(manifest, raw, strict=True):
        key = frozen_key(row["text"])
        assert (key, str(fold_of(key)), row["removed"]) == (entry["key"], entry["fold"], entry["label"])
        assert entry["part"] == (part_of(key) if entry["outcome"] == "used" else "")
    outcomes = Counter(entry["outcome"] for entry in manifest)
    names = {"used": "kept", "empty": "empty", "repeat": "duplicates_merged", "conflict": "conflicts_dropped"}
    assert {outcome: counts[name] for outcome, name in names.items()} == outcomes


def test_the_parts_hold_the_used_rows_of_the_manifest_and_share_none(trained: Home) -> None:
    folder = trained.settings.workdir / "comments"
    used = [entry for entry in rows(folder / "manifest.csv") if entry["outcome"] == "used"]
    assert len(used) == len({entry["key"] for entry in used})
    for part in ("learning", "test"):
        expected = [entry for entry in used if entry["part"] == part]
        assert expected
        columns = ("row", "key", "fold", "label")
        assert [tuple(entry[name] for name in columns) for entry in expected] == [
            tuple(row[name] for name in columns) for row in rows(folder / f"{part}.csv")
        ]


def test_no_column_but_the_text_reaches_a_model(trained: Home) -> None:
    with (trained.settings.workdir / "comments" / "learning.csv").open(encoding="utf-8") as file:
        assert file.readline().strip() == "row,key,fold,label,text"


def leaves(content: Any, name: str = "") -> Iterator[tuple[str, Any]]:
    if isinstance(content, dict):
        for key, value in content.items():
            yield from leaves(value, f"{name}.{key}")
    elif isinstance(content, list):
        for value in content:
            yield from leaves(value, name)
    else:
        yield name, content


def test_the_passport_tells_no_path_time_run_or_version_number(trained: Home) -> None:
    work = trained.settings.workdir
    text = (work / "bundle" / "passport.json").read_text(encoding="utf-8")
    assert read_json(work / "registered" / "version.json")["run_id"] not in text
    assert not re.search(r"\d{4}-\d\d-\d\d|\d\d:\d\d", text)
    for name, value in leaves(json.loads(text)):
        assert not (isinstance(value, str) and "/" in value), name
        assert not re.search(r"time|(?<!candi)date$|run_id|version", name), name


def test_the_passport_tells_where_the_bundle_came_from(trained: Home) -> None:
    work = trained.settings.workdir
    passport = read_json(work / "bundle" / "passport.json")
    facts = read_json(work / "comments" / "manifest.json")
    assert {**facts["data"], "rows": 603, "used": facts["counts"]["kept"]} == passport["data"]
    assert ("corpus.csv", "file", False) == tuple(
        passport["data"][name] for name in ("name", "source", "is_sample")
    )
    assert facts["split"] == passport["split"]
    chosen = {"C": 2.0, "style": True, "style_C": 0.001, "idf_power": 1.5}
    assert {**chosen, "max_iter": 300, "tol": 0.0001} == passport["parameters"]
    told = ("candidate", "family", "kind", "requires")
    assert ["hashed_linear", "hashed_linear", "hashed-linear", []] == [passport[name] for name in told]
    assert read_json(work / "evaluation" / "metrics.json")["metrics"] == passport["metrics"]
    assert {"numpy", "scipy", "scikit-learn", "pandas"} == set(passport["libraries"])


def test_each_figure_has_an_interval_and_each_picture_is_one(trained: Home) -> None:
    folder = trained.settings.workdir / "evaluation"
    metrics = read_json(folder / "metrics.json")["metrics"]
    assert {"roc_auc", "pr_auc", "f1", "brier", "ece"} <= set(metrics)
    for name, metric in metrics.items():
        assert metric["low"] <= metric["value"] <= metric["high"] or name == "ece", name
    pictures = {path.name for path in folder.glob("*.png")}
    assert {f"{name}.png" for name in PICTURES} == pictures
    for name in pictures:
        assert (folder / name).read_bytes().startswith(b"\x89PNG")


def test_a_run_ends_with_rows_figures_actions_and_version(trained: Home) -> None:
    said = trained.said
    for number, step in enumerate(PIPELINE, start=1):
        assert f"[{number}/{len(PIPELINE)}] {step.name}\n" in said
    assert re.search(r"data +corpus.csv \(file\), 603 rows, 599 used: \d+ learning, \d+ test", said)
    assert re.search(r"ROC-AUC 0\.\d{3} \[0\.\d{3}, [01]\.\d{3}\]", said)
    assert re.search(r"flag: from LIKELY_TO_REJECT 0\.\d{3}; precision", said)
    assert re.search(
        r"model +chat-moderation version 1( \((champion|challenger)\))?, sha256:[0-9a-f]{12}", said
    )
    assert re.search(r"gate +(promoted|refused|inconclusive): version 1 is .*; receipt [0-9a-f]{16}", said)
    assert "sample" not in said


def test_an_action_that_is_off_is_said_with_its_reason(copied: Settings) -> None:
    path = copied.workdir / "bundle" / "policy.json"
    policy = read_json(path)
    policy["attributes"]["LIKELY_TO_REJECT"]["remove"] |= {"value": None, "reason": "no threshold reaches it"}
    path.write_text(json.dumps(policy), encoding="utf-8")
    assert "remove: off, no threshold reaches it\n" in summary(copied)


def test_steps_run_one_by_one_in_a_new_folder_and_twice_in_a_row(
    trained: Home, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CHATMOD_HOME", str(tmp_path / "never made before"))
    monkeypatch.setenv("CHATMOD_DATA", trained.settings.data)
    monkeypatch.setenv("CHATMOD_CONFIG", str(trained.settings.config))
    workdir = tmp_path / "apart"
    for step in PIPELINE:
        for _ in range(2):
            code = main(["step", step.name, "--workdir", str(workdir)])
            assert code == (exit_code(workdir) if step.name == "gate" else 0)
            assert {name for each in PIPELINE[: PIPELINE.index(step) + 1] for name in each.outputs} == {
                path.name for path in workdir.iterdir() if not path.name.startswith(".")
            }
    assert contents(trained.settings.workdir, *DETERMINED) == contents(workdir, *DETERMINED)
    entry = read_json(workdir / "registered" / "version.json")
    assert (1, False, 2) == (entry["version"], entry["is_new"], entry["test_touches"])


def wait_for(condition: Callable[[], bool], within_s: float = 120.0) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGKILL, -9), (signal.SIGTERM, 130), (signal.SIGINT, 130)]
)
def test_a_run_ended_in_the_middle_of_a_step_leaves_the_earlier_work_whole(
    copied: Settings, tmp_path: Path, number: signal.Signals, code: int
) -> None:
    settings = {"CHATMOD_HOME": copied.home, "CHATMOD_CONFIG": copied.config}
    before = contents(copied.workdir, *DETERMINED, "registered")
    log = tmp_path / "log"
    child = start("step", "evaluate", log=log, **settings)
    try:
        wait_for(lambda: any(copied.workdir.glob(".evaluate-*/evaluation/*.png")))
        child.send_signal(number)
        assert code == child.wait(60)
    finally:
        child.kill()
        child.wait()
    assert before == contents(copied.workdir, *DETERMINED, "registered")
    assert (code != -9) == (not list(copied.workdir.glob(".evaluate-*")))
    assert log.read_text().endswith("" if code == -9 else "stopped\n")
    assert "Traceback" not in log.read_text()
    again = workflow("step", "evaluate", **settings)
    assert (0, "") == (again.returncode, again.errors)
    assert before == contents(copied.workdir, *DETERMINED, "registered")
    assert [] == list(copied.workdir.glob(".evaluate-*"))
