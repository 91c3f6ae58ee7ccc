"""What makes a step of the real pipeline stale, on the work of a real run, and what counts as code."""

import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.workflow.processes import Home
from workflow import fingerprint, local
from workflow.exceptions import StepError
from workflow.local import is_current, run_step, scalars
from workflow.pipeline import PIPELINE, step_named
from workflow.settings import Settings

Change = Callable[[Settings], Settings]


LAST = ["register", "gate"]


def stale(settings: Settings) -> list[str]:
    """The steps that would run now, the download aside, which always does."""
    values = scalars(settings)
    return [step.name for step in PIPELINE[1:] if not is_current(step, settings.workdir, values)]


def other_recipe(settings: Settings) -> Settings:
    path = settings.home.parent / "other.toml"
    path.write_text(settings.config.read_text().replace("flag = 0.70", "flag = 0.75"))
    return replace(settings, config=path)


def other_parameters(settings: Settings) -> Settings:
    path = settings.home.parent / "candidates.toml"
    path.write_text(settings.candidates.read_text().replace("C = 2.0", "C = 1.0"))
    return replace(settings, candidates=path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda settings: settings, LAST),  # the copy has another MLflow
        (lambda settings: replace(settings, text_column="text"), ["preprocess", "audit", *LAST]),
        (lambda settings: replace(settings, label_column="removed"), ["preprocess", "audit", *LAST]),
        (lambda settings: replace(settings, max_text_chars=99), ["preprocess", "audit", *LAST]),
        (lambda settings: replace(settings, data="elsewhere"), LAST),
        (other_recipe, ["train", "evaluate", *LAST]),
        (other_parameters, ["train", "evaluate", *LAST]),
        (lambda settings: replace(settings, api_port=1, mlflow_port=2, fresh=True), LAST),
    ],
)
def test_each_setting_makes_the_steps_stale_that_take_it(
    copied: Settings, change: Change, expected: list[str]
) -> None:
    assert expected == stale(change(copied))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda settings: replace(settings, tracking_uri="http://mlflow:5000"), LAST),
        (lambda settings: replace(settings, experiment="other"), ["register"]),
    ],
)
def test_another_mlflow_makes_only_what_asks_it_stale(
    trained: Home, change: Change, expected: list[str]
) -> None:
    assert [] == stale(trained.settings)
    assert expected == stale(change(trained.settings))


def test_another_rule_makes_only_the_gate_stale_and_another_judge_nothing(
    trained: Home, tmp_path: Path
) -> None:
    rules = tmp_path / "gate.toml"
    rules.write_text(trained.settings.gate.read_text().replace("worse = 0.03", "worse = 0.04"))
    assert ["gate"] == stale(replace(trained.settings, gate=rules))
    assert [] == stale(replace(trained.settings, who="somebody else"))


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        ("raw/files/corpus.csv", ["download", "preprocess", "audit"]),
        ("comments/manifest.csv", ["preprocess", "audit", "train", "evaluate", *LAST]),
        ("audit/audit.json", ["audit", "train", "evaluate"]),
        ("candidate/policy.json", ["train", "evaluate"]),
        ("evaluation/roc.png", ["evaluate", *LAST]),
        ("bundle/weights.safetensors", ["evaluate", *LAST]),
        ("registered/version.json", LAST),
        ("verdict/verdict.json", ["gate"]),
    ],
)
def test_an_altered_file_makes_its_maker_and_its_takers_stale(
    trained: Home, tmp_path: Path, touched: str, expected: list[str]
) -> None:
    home = tmp_path / "home"
    shutil.copytree(trained.settings.workdir, home / "work")
    with (home / "work" / touched).open("ab") as file:
        file.write(b" ")
    values = scalars(trained.settings)
    assert expected == [step.name for step in PIPELINE if not is_current(step, home / "work", values)]


def test_other_code_or_another_library_makes_every_step_stale(
    trained: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "version", lambda name: "0" if name == "scipy" else "1")
    assert ["preprocess", "audit", "train", "evaluate", *LAST] == stale(trained.settings)
    monkeypatch.undo()
    assert [] == stale(trained.settings)
    monkeypatch.setattr(fingerprint, "of_code", lambda: "other code")
    assert ["preprocess", "audit", "train", "evaluate", *LAST] == stale(trained.settings)


def test_another_commit_of_the_same_code_makes_nothing_stale(
    trained: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(fingerprint, "commit", lambda: "another")
    assert [] == stale(trained.settings)


@pytest.fixture
def a_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A few of the files that results depend on, and one that they do not, elsewhere."""
    for name in ("modeling/candidates/a.py", "workflow/steps.py", "workflow/stack.py", "README.md"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("x = 1\n")
    monkeypatch.setattr(fingerprint, "ROOT", tmp_path)
    fingerprint.of_code.cache_clear()
    yield tmp_path
    fingerprint.of_code.cache_clear()


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        ("modeling/candidates/a.py", True),
        ("workflow/steps.py", True),
        ("workflow/stack.py", False),
        ("README.md", False),
    ],
)
def test_only_code_that_makes_results_counts_as_code(a_repository: Path, name: str, counts: bool) -> None:  # noqa: FBT001
    before = fingerprint.of_code()
    (a_repository / name).write_text("x = 2\n")
    fingerprint.of_code.cache_clear()
    assert counts == (before != fingerprint.of_code())


def test_without_git_the_commit_is_unknown(a_repository: Path) -> None:
    assert fingerprint.commit() == "unknown"


def test_a_record_that_is_no_json_names_the_file(copied: Settings) -> None:
    (copied.workdir / "comments" / "manifest.json").write_text("{")
    with pytest.raises(StepError, match=r"manifest.json: is not what a step wrote .*: run the step"):
        run_step(step_named("evaluate"), copied.workdir, copied, str)


def test_the_runners_record_tells_digests_and_no_setting(trained: Home) -> None:
    state = json.loads((trained.settings.workdir / local.STATE / "train.json").read_text())
    assert {"told", "outputs"} == set(state)
    assert 64 == len(state["told"]) == len(state["outputs"]["candidate"])


def test_another_content_of_a_model_that_is_fine_tuned_makes_it_train_again(
    copied: Settings, tmp_path: Path
) -> None:
    model, candidates = tmp_path / "model", tmp_path / "candidates.toml"
    model.mkdir()
    (model / "config.json").write_text("{}")
    candidates.write_text(f'[tuned]\nfamily = "transformer"\nmodel = "{model}"\n')
    values = scalars(replace(copied, candidates=candidates, candidate="tuned"))
    told = [
        local._told(step_named(name), copied.workdir, values) for name in ("train", "evaluate", "register")
    ]
    (model / "config.json").write_text('{"layers": 2}')
    again = [
        local._told(step_named(name), copied.workdir, values) for name in ("train", "evaluate", "register")
    ]
    assert [True, True, False] == [one != other for one, other in zip(told, again, strict=True)]
