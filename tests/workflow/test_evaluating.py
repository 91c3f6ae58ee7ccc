"""The evaluate step on real work: each file against what can be reckoned by hand, and what it refuses."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from safetensors import safe_open
from safetensors.numpy import load_file, save_file
from sklearn.metrics import average_precision_score, roc_auc_score

from modeling.exceptions import EvaluationError
from modeling.split import keys_sha256
from tests.workflow.processes import Home
from workflow.card import card
from workflow.local import run_step
from workflow.pipeline import step_named
from workflow.settings import Settings
from workflow.steps import read_json, read_part

WRITTEN = {
    *(f"{name}.json" for name in ("metrics", "slices", "reliability", "curves", "counterfactual", "evasion")),
    *("errors.json", "scores.csv", "cost.json", "touches.json", "report.html", "audit"),
}


@pytest.fixture
def folder(trained: Home) -> Path:
    return trained.settings.workdir / "evaluation"


def evaluated(settings: Settings) -> list[str]:
    said: list[str] = []
    run_step(step_named("evaluate"), settings.workdir, settings, said.append)
    return said


def scored(folder: Path) -> pd.DataFrame:
    return pd.read_csv(folder / "scores.csv", dtype={"key": str})


def refuse(constant: str) -> Any:
    raise AssertionError(f"{constant} is no JSON")


def test_every_file_is_there_and_holds_numbers_or_null(folder: Path) -> None:
    names = {path.name for path in folder.iterdir()}
    assert names >= WRITTEN
    for path in folder.glob("*.json"):
        json.loads(path.read_text(encoding="utf-8"), parse_constant=refuse)


def test_scores_are_those_of_the_test_rows_and_give_the_figures(trained: Home, folder: Path) -> None:
    rows, test = scored(folder), read_part(trained.settings.workdir / "comments" / "test.csv")
    assert list(test["key"]) == list(rows["key"])
    assert list(test["label"]) == list(rows["label"])
    facts = read_json(folder / "metrics.json")
    assert ("test", len(rows), int(rows["label"].sum())) == (facts["part"], facts["rows"], facts["removed"])
    metrics = facts["metrics"]
    assert roc_auc_score(rows["label"], rows["score"]) == pytest.approx(metrics["roc_auc"]["value"])
    assert average_precision_score(rows["label"], rows["score"]) == pytest.approx(metrics["pr_auc"]["value"])
    policy = read_json(trained.settings.workdir / "bundle" / "policy.json")["attributes"]["LIKELY_TO_REJECT"]
    kept = rows["score"][rows["label"] == 0]
    assert np.mean(kept >= policy["flag"]["value"]) == pytest.approx(metrics["kept_flagged"]["value"])


def test_slices_are_those_of_the_rows(trained: Home, folder: Path) -> None:
    test = read_part(trained.settings.workdir / "comments" / "test.csv")
    slices = {each["name"]: each for each in read_json_list(folder / "slices.json")}
    words = test["text"].str.split().str.len()
    assert int((words <= 10).sum()) == slices["words_1_10"]["rows"]
    assert int(test["text"].str.contains("?", regex=False).sum()) == slices["questions"]["rows"]
    assert len(test) == slices["artefact"]["rows"] + slices["artefact_free"]["rows"]
    assert None is slices["links"]["metrics"]["roc_auc"]


def read_json_list(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_worst_errors_are_the_worst_first(folder: Path) -> None:
    rows, errors = scored(folder), read_json(folder / "errors.json")
    kept = rows[rows["label"] == 0].sort_values("score", ascending=False).head(50)
    removed = rows[rows["label"] == 1].sort_values("score").head(50)
    assert list(kept["score"]) == pytest.approx([each["score"] for each in errors["false_positives"]])
    assert list(removed["score"]) == pytest.approx([each["score"] for each in errors["false_negatives"]])
    assert {"key", "row", "score", "label", "words"} == set(errors["false_positives"][0])


def test_bins_before_calibration_are_of_the_scores_that_were_not_calibrated(
    trained: Home, folder: Path
) -> None:
    calibration = read_json(trained.settings.workdir / "candidate" / "training.json")["calibration"]
    rows = scored(folder).sort_values("score", kind="stable")
    logit = np.log(rows["score"] / (1 - rows["score"]))
    raw = 1 / (1 + np.exp(-(logit - calibration["offset"]) / calibration["slope"]))
    expected = [float(part.mean()) for part in np.array_split(raw.to_numpy(), 10)]
    before = read_json(folder / "reliability.json")["before"]
    assert expected == pytest.approx([each["score"] for each in before], abs=1e-5)


def test_the_passport_states_how_it_was_read_learned_and_evaluated(trained: Home, folder: Path) -> None:
    work = trained.settings.workdir
    passport = read_json(work / "bundle" / "passport.json")
    learned = read_part(work / "comments" / "learning.csv")["key"]
    assert keys_sha256(learned) == passport["learned_keys_sha256"]
    assert {"text_column": "", "label_column": "", "max_text_chars": 100_000} == passport["reading"]
    assert {"resamples": 20, "seed": 0} == passport["evaluation"]
    assert read_json_list(folder / "slices.json") == passport["slices"]
    assert read_json(folder / "evasion.json") == passport["evasion"]
    swapped = read_json(folder / "counterfactual.json")
    assert {name: found for name, found in swapped.items() if name != "terms"} == passport["counterfactual"]
    assert read_json(work / "audit" / "audit.json") == passport["leak_audit"]
    assert not {"cost", "touches"} & set(passport)


def test_artefacts_of_the_raw_texts_are_noted_for_every_row_that_is_used(trained: Home) -> None:
    comments = trained.settings.workdir / "comments"
    with (comments / "artefacts.csv").open(encoding="utf-8") as file:
        noted = {row["key"]: row["artefact"] for row in csv.DictReader(file)}
    used = {*read_part(comments / "learning.csv")["key"], *read_part(comments / "test.csv")["key"]}
    assert used == set(noted)
    assert set(noted.values()) <= {"0", "1"}


def test_each_evaluation_is_counted_and_says_so(copied: Settings) -> None:
    for count in (1, 2):
        assert f"evaluations on these test rows so far: {count}" in evaluated(copied)
        assert count == read_json(copied.workdir / "evaluation" / "touches.json")["count"]


def cut(settings: Settings, rows: pd.DataFrame) -> None:
    rows.to_csv(settings.workdir / "comments" / "test.csv", index=False, lineterminator="\n")


def refused(settings: Settings) -> str:
    before = read_json(settings.workdir / "bundle" / "passport.json")
    with pytest.raises(EvaluationError) as caught:
        evaluated(settings)
    assert before == read_json(settings.workdir / "bundle" / "passport.json")
    return str(caught.value)


@pytest.mark.parametrize(
    ("choose", "found"),
    [
        (lambda test: test[test["label"] == 0], r"\d+ rows, \d+ kept \(label 0\) and 0 removed"),
        (lambda test: test[test["label"] == 1], r"\d+ rows, 0 kept \(label 0\) and \d+ removed"),
        (lambda test: test.sort_values("label").iloc[[*range(10), *range(-10, 0)]], "20 rows, 10 kept"),
    ],
    ids=["kept only", "removed only", "twenty rows"],
)
def test_a_test_part_that_says_nothing_is_refused(copied: Settings, choose: Any, found: str) -> None:
    cut(copied, choose(read_part(copied.workdir / "comments" / "test.csv")))
    told = refused(copied)
    assert re.search(f"test part: {found}", told)
    assert "at least 50 rows with 10 of each label are needed" in told
    assert told.endswith("bring more comments, a few hundred of each label")
    assert not (copied.home / "test_touches.csv").exists()


def test_rows_that_the_model_learned_from_are_refused_by_key(copied: Settings) -> None:
    comments = copied.workdir / "comments"
    test, learning = read_part(comments / "test.csv"), read_part(comments / "learning.csv")
    artefacts = pd.read_csv(comments / "artefacts.csv")
    assert set(learning["key"]) <= set(artefacts["key"])
    cut(copied, pd.concat([test, learning.head(2)]))
    told = refused(copied)
    assert f"2 of {len(test) + 2} rows are rows that the model learned from" in told
    assert learning["key"][0][:12] in told


def test_rows_that_only_the_candidate_knows_of_are_refused_too(copied: Settings) -> None:
    test = read_part(copied.workdir / "comments" / "test.csv")
    known = copied.workdir / "candidate" / "out_of_fold.csv"
    rows = known.read_text(encoding="utf-8")
    known.write_text(f"{rows}{test['key'][3]},0,1,0.5\n", encoding="utf-8")
    assert f"1 of {len(test)} rows" in refused(copied)


def test_scores_that_are_no_numbers_are_refused_with_the_candidate_and_how_many(copied: Settings) -> None:
    path = copied.workdir / "candidate" / "weights" / "weights.safetensors"
    with safe_open(path, "np") as file:
        told = file.metadata()
    save_file(load_file(path) | {"intercept": np.array([np.nan])}, path, told)
    rows = len(read_part(copied.workdir / "comments" / "test.csv"))
    expected = f"candidate hashed_linear: {rows} of {rows} scores are NaN and 0 outside 0..1"
    assert refused(copied).startswith(expected)


def test_the_card_says_what_it_is_for_and_what_not(trained: Home) -> None:
    bundle = trained.settings.workdir / "bundle"
    text = card(read_json(bundle / "passport.json"), read_json(bundle / "policy.json"))
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert headings == [
        "Intended use",
        "Data",
        "What it does",
        "Figures on the test part",
        "Slices",
        "Identity terms",
        "Writing round it",
        "Leak audit",
        "What it must not be used for",
    ]
    for part in (
        "toxicity in general",
        "where the action remove is off",
        "does not carry over",
        "up to 10 words",
    ):
        assert part in text
    assert re.search(r"\| HTML entities \| 0\.\d{3} \[", text)
