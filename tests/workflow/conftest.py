"""Fixtures of the workflow's tests: Kaggle's stand-in, a clean environment, and one trained home for all."""

import csv
import re
import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from modeling.train import Trained
from tests import settings as test_settings
from tests.corpus import make_rows
from tests.workflow.kaggle_stand_in import CONTENT, Get, Shelf, newcomer, standing_in
from tests.workflow.processes import Home, workflow
from tests.workflow.versions import Versions, learned
from workflow import kaggle_source
from workflow.kaggle_source import Patience, fetch
from workflow.settings import Settings
from workflow.tracking.connection import Connection


@pytest.fixture(autouse=True)
def _nothing_chosen(monkeypatch: pytest.MonkeyPatch) -> None:
    """What whoever runs the tests has set for the product is no part of a test."""
    for name in test_settings.of_the_product():
        monkeypatch.delenv(name)


@pytest.fixture
def at_kaggles_test_port(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Kaggle's client as a newcomer has it, sent to the stand-in's port, and in a hurry."""
    monkeypatch.setattr(kaggle_source, "FIRST_WAIT_S", 0.01)
    with newcomer(monkeypatch, tmp_path / "home"):
        yield


@pytest.fixture
def shelf() -> Iterator[Shelf]:
    with standing_in(Shelf(files=dict(CONTENT))) as shelf:
        yield shelf


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def get(folder: Path, told: list[str]) -> Get:
    return lambda: fetch("reddit", folder, Patience.endless(2.0), told.append)


@pytest.fixture(scope="session")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CSV file of 600 generated comments, some of which a run cannot use."""
    path = tmp_path_factory.mktemp("data") / "corpus.csv"
    rows = make_rows(600)
    unusable = [(rows[0][0].upper(), rows[0][1]), (rows[1][0], 1 - rows[1][1]), ("&nbsp; ", 0)]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("text", "removed"), *rows, *unusable])
    return path


@pytest.fixture(scope="session")
def recipe(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's recipe with a short bootstrap."""
    ours = Settings().config.read_text(encoding="utf-8")
    assert "resamples = 500" in ours
    path = tmp_path_factory.mktemp("recipe") / "quick.toml"
    path.write_text(ours.replace("resamples = 500", "resamples = 20"), encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def trained(corpus: Path, recipe: Path, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """A home in which `python -m workflow run` has run once; nobody changes it."""
    home = tmp_path_factory.mktemp("trained") / "a home, über all"
    run = workflow("run", CHATMOD_HOME=home, CHATMOD_DATA=corpus, CHATMOD_CONFIG=recipe, PYTHONHASHSEED="1")
    assert (0, "") == (run.returncode, run.errors), run.stderr
    return Home(Settings(data=str(corpus), home=home, config=recipe), run.stdout)


@pytest.fixture
def copied(trained: Home, tmp_path: Path) -> Settings:
    """Settings of a home with the same work in it, to be changed; its MLflow is empty."""
    home = tmp_path / "home"
    shutil.copytree(trained.settings.workdir, home / "work")
    return Settings(data=trained.settings.data, home=home, config=trained.settings.config)


@pytest.fixture(scope="session")
def models(trained: Home) -> dict[str, Trained]:
    """A good model, one much like it, and one that learned from wrong labels."""
    comments = trained.settings.workdir / "comments"
    return {name: learned(comments, wrong) for name, wrong in (("good", 0.0), ("like", 0.02), ("poor", 0.42))}


@pytest.fixture(scope="session")
def rules(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The project's rules for test parts as small as the tests'."""
    ours = Settings().gate.read_text(encoding="utf-8")
    path = tmp_path_factory.mktemp("rules") / "gate.toml"
    looser, changes = re.subn(r"^ece = \S+", "ece = 0.4", ours, flags=re.MULTILINE)
    assert 1 == changes
    path.write_text(looser, encoding="utf-8")
    return path


@pytest.fixture(scope="session")
def empty_mlflow(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MLflow's database with its tables and nothing in them; making one takes seconds."""
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    Connection(f"sqlite:///{path}", "the tests").client.search_experiments()
    return path


@pytest.fixture
def versions(
    copied: Settings,
    empty_mlflow: Path,
    models: dict[str, Trained],
    rules: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> Versions:
    """A home with an MLflow of its own (SQLite) and nothing registered yet."""
    monkeypatch.setenv("CHATMOD_HOME", str(copied.home))
    monkeypatch.setenv("CHATMOD_GATE", str(rules))
    monkeypatch.setenv("CHATMOD_WHO", "ann")
    shutil.copyfile(empty_mlflow, copied.database)
    for made in ("registered", "verdict"):
        shutil.rmtree(copied.workdir / made)
        (copied.workdir / made).mkdir()
    return Versions(replace(copied, gate=rules), models)
