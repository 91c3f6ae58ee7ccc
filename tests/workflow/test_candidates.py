"""Another candidate by one setting: trained, evaluated, registered; and in one home beside the first."""

from pathlib import Path

import mlflow
import numpy as np
import pytest

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE
from tests.corpus import make_rows
from tests.workflow.processes import Home, Ran, workflow
from workflow.settings import Settings
from workflow.steps import read_json
from workflow.tracking.names import DIGEST_TAG, MODEL_NAME

ODD = ["", " ", "\0", "naïve ☃ 🙂", "<U+00E9>&amp;", "x" * 5000, 'a,b\n"c"', "NaN", "null", "Ok. EDIT: moron"]


def ran(corpus: Path, recipe: Path, home: Path, candidate: str) -> Ran:
    chosen = {"CHATMOD_CANDIDATE": candidate} if candidate else {}
    run = workflow("run", CHATMOD_HOME=home, CHATMOD_DATA=corpus, CHATMOD_CONFIG=recipe, **chosen)
    assert (0, "") == (run.returncode, run.errors), run.stderr
    return run


@pytest.fixture(scope="module")
def tfidf(corpus: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which the baseline was trained."""
    home = tmp_path_factory.mktemp("tfidf") / "home"
    return Home(Settings(data=str(corpus), home=home), ran(corpus, recipe, home, "tfidf").stdout)


def registered(home: Path) -> dict[str, object]:
    return read_json(home / "work" / "registered" / "version.json")


def test_the_candidate_that_a_setting_names_is_trained_and_said(tfidf: Home) -> None:
    passport = read_json(tfidf.settings.workdir / "bundle" / "passport.json")
    told = ("candidate", "family", "kind", "requires")
    assert ["tfidf", "tfidf", "tfidf-linear", ["scikit-learn", "scipy"]] == [passport[name] for name in told]
    assert {"C": 4.0, "max_iter": 1000, "min_df": 1} == passport["parameters"]
    assert {"iterations", "terms"} == set(passport["fit"])
    assert passport["metrics"]["roc_auc"]["value"] > 0.8
    assert "candidate tfidf (tfidf)" in tfidf.said


def test_mlflow_scores_500_messages_as_the_bundle_does_and_pins_what_it_needs(tfidf: Home) -> None:
    import pandas as pd

    mlflow.set_tracking_uri(tfidf.settings.tracking)
    mlflow.set_registry_uri(tfidf.settings.tracking)
    version = registered(tfidf.settings.home)["version"]
    messages = ODD + [text for text, _ in make_rows(490, seed=7)]
    loaded = bundles.load(tfidf.settings.workdir / "bundle")
    theirs = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version}").predict(
        pd.DataFrame({"text": messages})
    )
    assert np.abs(theirs["score"] - loaded.score(messages)[ATTRIBUTE]).max() < 1e-6
    root = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version}"))
    pinned = [line.split("==")[0] for line in (root / "requirements.txt").read_text().split()]
    assert ["numpy", "safetensors", "pandas", "scikit-learn", "scipy"] == pinned


def test_another_candidate_in_the_same_home_is_trained_and_registered_beside_it(
    tfidf: Home, corpus: Path, recipe: Path
) -> None:
    home = tfidf.settings.home
    first = registered(home)
    said = ran(corpus, recipe, home, "").stdout
    second = registered(home)
    assert "preprocess: unchanged" in said
    assert "candidate hashed_linear (hashed_linear)" in said
    back = ran(corpus, recipe, home, "tfidf").stdout
    third = registered(home)
    assert "candidate tfidf (tfidf)" in back
    assert (1, True) == (first["version"], first["is_new"])
    assert (2, True) == (second["version"], second["is_new"])
    assert (1, False) == (third["version"], third["is_new"])
    assert first["digest"] == third["digest"] != second["digest"]
    client = mlflow.MlflowClient(tfidf.settings.tracking, tfidf.settings.tracking)
    found = client.search_model_versions(f"name='{MODEL_NAME}'")
    expected = {"1": first["digest"], "2": second["digest"]}
    assert expected == {str(each.version): each.tags[DIGEST_TAG] for each in found}


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        (
            {"CHATMOD_CANDIDATE": "tfid"},
            "CHATMOD_CANDIDATE='tfid' is no candidate of candidates.toml: use tfidf",
        ),
        (
            {"CHATMOD_CANDIDATE": "oracle"},
            "CHATMOD_CANDIDATE='oracle' is no candidate of candidates.toml: use one of hashed_linear, ",
        ),
    ],
)
def test_a_candidate_that_does_not_exist_is_refused_before_anything_is_done(
    tmp_path: Path, variables: dict[str, str], message: str
) -> None:
    run = workflow("run", CHATMOD_HOME=tmp_path / "home", **variables)
    assert (1, "") == (run.returncode, run.stdout)
    assert run.stderr.startswith(f"error: {message}")
    assert 1 == run.stderr.count("\n")
    assert not (tmp_path / "home").exists()


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("min_dff = 2", "min_dff=2 is no parameter of tfidf: use min_df"),
        ("penalty = 2", "penalty=2 is no parameter of tfidf: use one of C, max_iter, min_df"),
        ("min_df = 0", "min_df=0: give a whole number from 1 to 1000000"),
        ("min_df = 0.5", "min_df=0.5: give a whole number from 1 to 1000000"),
        ('C = "4"', "C='4': give a number from 1e-06 to 1e+06"),
        ("max_iter = true", "max_iter=True: give a whole number from 1 to 1000000"),
    ],
)
def test_a_parameter_that_cannot_be_used_is_refused_with_file_and_candidate(
    tmp_path: Path, table: str, message: str
) -> None:
    candidates = tmp_path / "mine.toml"
    candidates.write_text(f'[hashed_linear]\nfamily = "hashed_linear"\n[base]\nfamily = "tfidf"\n{table}\n')
    home = tmp_path / "home"
    run = workflow("run", CHATMOD_HOME=home, CHATMOD_CANDIDATES=candidates, CHATMOD_CANDIDATE="base")
    assert (1, "", f"error: mine.toml: [base] {message}\n") == (run.returncode, run.stdout, run.stderr)
    assert not home.exists()


def test_a_parameter_that_leaves_no_term_is_refused_in_training_and_leaves_the_work_as_it_was(
    corpus: Path, recipe: Path, tmp_path: Path
) -> None:
    candidates, home = tmp_path / "mine.toml", tmp_path / "home"
    candidates.write_text('[hashed_linear]\nfamily = "tfidf"\nmin_df = 100000\n')
    told = {"CHATMOD_HOME": home, "CHATMOD_DATA": corpus, "CHATMOD_CONFIG": recipe}
    run = workflow("run", **told, CHATMOD_CANDIDATES=candidates)
    assert 1 == run.returncode
    assert run.stderr.startswith("error: min_df=100000: none of the words occurs in so many of ")
    assert not (home / "work" / "candidate").exists()
    assert not list((home / "work").glob(".train-*"))
