"""The comparison of candidates: no figure knows its held-out rows, differences are paired, a run goes on."""

import argparse
import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from benchmarks.candidates import candidates_of, main, plan_of
from benchmarks.compared.cost import percentile
from benchmarks.compared.quality import METRICS, Plan, figures, fold_areas, held_out_scores, interval
from benchmarks.compared.table import tables
from modeling.candidates.tfidf import TfidfClassifier
from modeling.hashing import sigmoid
from modeling.split import fold_of, frozen_key
from modeling.train import calibrate, out_of_fold
from tests.corpus import make_rows

Compare = Callable[..., str]
ROWS = make_rows(500, noise=0.1)
TEXTS = [text for text, _ in ROWS]
LABELS = np.array([label for _, label in ROWS])
FOLDS = np.array([fold_of(frozen_key(text)) for text in TEXTS])


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "corpus.csv"
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "removed"), *ROWS])
    return path


@pytest.fixture
def compare(corpus: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Compare:
    """Run the command; what it printed."""

    def run(*arguments: object, code: int = 0) -> str:
        told = ("--quick", "--data", corpus, "--json", tmp_path / "kept.json", *arguments)
        assert code == main([str(one) for one in told])
        said = capsys.readouterr()
        return said.err if code else said.out

    return run


def rows_of(said: str) -> dict[str, list[list[str]]]:
    """Cells of the tables by the row's first."""
    found: dict[str, list[list[str]]] = {}
    for line in said.splitlines():
        if line.startswith("| "):
            name, *cells = line.strip("| ").split(" | ")
            found.setdefault(name, []).append(cells)
    return found


def test_one_command_gives_each_candidate_its_figures_and_what_it_gains_on_the_baseline(
    compare: Compare,
) -> None:
    said = compare("--only", "hashed_linear", "tfidf")
    assert "corpus.csv: 500 rows used, " in said
    found = rows_of(said)
    assert {"candidate", "---", "hashed_linear", "tfidf"} == set(found)
    assert (2, 1) == (len(found["hashed_linear"]), len(found["tfidf"]))
    head = ["folds by seeds", "ROC-AUC", "PR-AUC", "Brier score", "ECE", "fit, CPU s", "CPU ms a message"]
    assert head == found["candidate"][0][:7]
    for name in ("hashed_linear", "tfidf"):
        own = found[name][0]
        assert "2 by 1" == own[0]
        value, low, high = numbers(own[1])
        assert 0.7 < low < value < high <= 1
        assert all(0 < figure for cell in own[5:] for figure in numbers(cell))
    gain = numbers(found["hashed_linear"][1][0])
    mine, theirs = (numbers(found[name][0][1])[0] for name in ("hashed_linear", "tfidf"))
    assert abs(mine - theirs - gain[0]) < 2e-4
    assert gain[1] <= gain[0] <= gain[2]


def numbers(cell: str) -> list[float]:
    return [float(part.strip("[],").replace(",", "")) for part in cell.split()]


def test_what_was_measured_is_kept_and_an_interrupted_run_goes_on(compare: Compare, tmp_path: Path) -> None:
    first = rows_of(compare("--only", "tfidf"))
    path = tmp_path / "kept.json"
    assert (tmp_path / "kept.bundles" / "tfidf" / "passport.json").exists()
    again = compare("--only", "tfidf")
    assert "tfidf: kept" in again
    assert "a bundle of all rows" not in again
    assert first["tfidf"][0][:6] == rows_of(again)["tfidf"][0][:6]
    interrupted = json.loads(path.read_text())
    result = interrupted["tfidf"]
    held_out = next(mask for _, fold, mask in Plan((0,), 2).parts(LABELS) if fold == 1)
    scores = np.array(result["scores"])
    scores[0][held_out] = 0.0
    result |= {"scores": scores.tolist(), "done": 1, "fit_s": result["fit_s"][:1]}
    path.write_text(json.dumps(interrupted))
    rest = compare("--only", "tfidf")
    assert "tfidf: part 2 of 2" in rest
    assert "part 1 of 2" not in rest
    assert first["tfidf"][0][:5] == rows_of(rest)["tfidf"][0][:5]


def test_it_is_measured_anew_when_asked_or_when_parameters_or_rows_are_others(
    compare: Compare, tmp_path: Path
) -> None:
    path = tmp_path / "kept.json"
    compare("--only", "tfidf")
    assert "tfidf: part 1 of 2" in compare("--only", "tfidf", "--again", "tfidf")
    for field, other in (("parameters", {"C": 1.0}), ("data", "0" * 64), ("folds", 5), ("seeds", [1])):
        kept = json.loads(path.read_text())
        kept["tfidf"][field] = other
        path.write_text(json.dumps(kept))
        assert "tfidf: part 1 of 2" in compare("--only", "tfidf")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "tfid"], "error: --only='tfid' is no candidate of candidates.toml: use tfidf\n"),
        (["--again", "tfid"], "error: --again='tfid' is not among what is measured: use tfidf\n"),
        (["--data", "nowhere.csv"], "error: nowhere.csv: No such file or directory: name a CSV file"),
        (["--only", "tfidf", "--transformer", "x"], "error: --transformer: none of tfidf is one: name such"),
    ],
)
def test_what_cannot_be_measured_is_refused(compare: Compare, arguments: list[str], message: str) -> None:
    assert compare(*arguments, code=1).startswith(message)


def test_a_transformer_is_among_them_where_its_model_is_named(compare: Compare, tmp_path: Path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('[big]\nfamily = "transformer"\nmax_length = 32\n[small]\nfamily = "tfidf"\n')
    asked = argparse.Namespace(candidates=path, only=None, again=None, transformer=None)
    assert ["small"] == list(candidates_of(asked))
    found = candidates_of(argparse.Namespace(**vars(asked) | {"transformer": Path("models/minilm")}))
    assert ["big", "small"] == list(found)
    told = found["big"].get_params()
    assert ("models/minilm", 32) == (told["model"], told["max_length"])
    said = compare("--candidates", path, "--only", "big", code=1)
    assert said == "error: --only 'big' is a transformer: name its model with --transformer DIRECTORY\n"


def test_candidates_whose_fits_are_dear_have_three_folds_of_one_seed() -> None:
    class Dear(TfidfClassifier):
        calibration_folds = 1

    usual = argparse.Namespace(quick=False, seeds=None, folds=None)
    assert Plan((0, 1, 2, 3, 4), 5) == plan_of(TfidfClassifier(), usual)
    assert Plan((0,), 3) == plan_of(Dear(), usual)
    said = argparse.Namespace(quick=False, seeds=2, folds=4)
    assert Plan((0, 1), 4) == plan_of(Dear(), said) == plan_of(TfidfClassifier(), said)


def test_each_row_is_held_out_once_a_seed_and_the_parts_are_stratified() -> None:
    plan = Plan((0, 1), 5)
    for number in (0, 1):
        held = [mask for seed, _, mask in plan.parts(LABELS) if seed == number]
        assert 5 == len(held)
        assert np.array_equal(np.ones(len(LABELS)), np.sum(held, axis=0))
        assert max(LABELS[mask].sum() for mask in held) - min(LABELS[mask].sum() for mask in held) <= 1


def test_held_out_rows_tell_neither_the_fit_nor_its_calibration_anything() -> None:
    _, _, held_out = next(Plan((0,), 5).parts(LABELS))
    candidate = TfidfClassifier()
    counts = candidate.prepare(TEXTS)
    scores, taken = held_out_scores(candidate, counts, LABELS, FOLDS, held_out)
    turned = np.where(held_out, 1 - LABELS, LABELS)
    again, _ = held_out_scores(candidate, counts, turned, FOLDS, held_out)
    assert np.array_equal(scores, again)
    assert taken > 0
    known = np.array(TEXTS)[~held_out].tolist()
    alone = candidate.prepare(known)
    slope, offset = calibrate(
        out_of_fold(candidate, alone, LABELS[~held_out], FOLDS[~held_out]), LABELS[~held_out]
    )
    fitted = TfidfClassifier().fit(known, LABELS[~held_out])
    expected = sigmoid(slope * fitted.decision_function(np.array(TEXTS)[held_out].tolist()) + offset)
    assert expected == pytest.approx(scores, abs=1e-9)


def test_a_figure_is_the_mean_over_seeds_and_never_of_their_mean_scores() -> None:
    rng = np.random.default_rng(0)
    scores = sigmoid(LABELS + rng.normal(size=(5, len(LABELS))))
    found = figures(scores, LABELS, resamples=3)
    areas = [roc_auc_score(LABELS, one) for one in scores]
    assert np.mean(areas) == pytest.approx(found["roc_auc"][0])
    assert roc_auc_score(LABELS, scores.mean(axis=0)) > found["roc_auc"][0] + 0.05
    assert set(METRICS) == set(found)
    assert all((4,) == values.shape for values in found.values())


def test_all_candidates_meet_the_same_resampled_rows() -> None:
    rng = np.random.default_rng(1)
    scores = sigmoid(LABELS + rng.normal(size=(1, len(LABELS))))
    # a map that keeps the order changes no area, on no resample
    mine, theirs = (figures(one, LABELS, resamples=20)["roc_auc"] for one in (scores, scores**2))
    assert np.array_equal(mine, theirs)
    assert 1 < len(set(mine[1:]))


def test_an_interval_holds_95_of_100_values() -> None:
    assert (2.5, 97.5) == pytest.approx(interval(np.arange(101.0)))


def test_areas_are_within_folds() -> None:
    plan = Plan((0,), 2)
    shift = np.zeros((1, len(LABELS)))
    for _, fold, mask in plan.parts(LABELS):
        shift[0][mask] = 10.0 * fold
    areas = fold_areas(LABELS[None, :] + shift, LABELS, plan)
    assert [1.0, 1.0] == areas.tolist()


def test_a_percentile_of_times_has_the_interval_of_other_messages() -> None:
    value, low, high = percentile([1.0] * 90 + [5.0] * 10, 50)
    assert (1.0, 1.0, 1.0) == (value, low, high)
    value, low, high = percentile(list(np.linspace(0, 1, 500)), 50)
    assert 0.4 < low < value < high < 0.6


def result(scores: Any, **more: Any) -> dict[str, Any]:
    cost = {"ms": [1.0, 2.0], "rate": 100.0, "bundle_bytes": 2_000_000}
    return {
        "scores": scores,
        "seeds": [0],
        "folds": 2,
        "prepare_s": 1.0,
        "fit_s": [2.0, 3.0],
        "cost": cost,
    } | more


def test_folds_of_another_number_are_not_compared_one_by_one() -> None:
    scores = sigmoid(LABELS + np.random.default_rng(2).normal(size=(1, len(LABELS)))).tolist()
    said = tables({"tfidf": result(scores), "dear": result(scores, folds=3)}, LABELS, resamples=5)
    assert ["other folds", "1.0"] == rows_of(said)["dear"][1][-2:]
    own = rows_of(said)["dear"][0]
    assert ("3.5 [3.0, 4.0]", "2.0") == (own[5], own[-1])


def test_without_the_baseline_there_is_nothing_to_gain_on() -> None:
    scores = sigmoid(LABELS + np.random.default_rng(2).normal(size=(1, len(LABELS)))).tolist()
    said = tables({"dear": result(scores)}, LABELS, resamples=5)
    assert 1 == len(rows_of(said)["dear"])
    assert "Chance alone gives a calibrated model an ECE of 0." in said
