"""The local runner: what runs again and what does not, and what a run that ends badly leaves behind."""

import errno
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from modeling.exceptions import DataError
from tests.workflow.processes import Home
from workflow import fingerprint, local
from workflow.exceptions import StepError
from workflow.local import is_current, run_pipeline, run_step, scalars
from workflow.pipeline import PIPELINE, Step, step_named
from workflow.settings import Settings

Change = Callable[[Settings], Settings]


@dataclass
class Toys:
    """Steps with edges like the pipeline's, quick to run: fetch -> sort -> (cut, pair)."""

    ran: list[str]
    source: str = "b,a"
    fault: Callable[[Path], None] = lambda _: None

    def steps(self) -> tuple[Step, ...]:
        return (
            Step("fetch", self._fetch, (), ("raw",), (), always=True),
            Step("sort", self._sort, ("raw",), ("sorted",), ("text_column",)),
            Step("cut", self._cut, ("sorted",), ("short",), ("experiment",)),
            Step("pair", self._pair, ("sorted", "short"), ("left", "right"), ("label_column", "code")),
        )

    def _fetch(self, raw: Path, **_: object) -> None:
        self._write("fetch", raw, self.source)

    def _sort(self, raw: Path, made: Path, *, text_column: str, **_: object) -> None:
        self._write("sort", made, ",".join(sorted((raw / "it").read_text().split(","))) + text_column)

    def _cut(self, ready: Path, made: Path, **_: object) -> None:
        self._write("cut", made, (ready / "it").read_text()[:1])

    def _pair(self, *places: Path, label_column: str, **_: object) -> None:
        self._write("pair", places[2], label_column)
        self.fault(places[2])
        (places[3] / "it").write_text(label_column)

    def _write(self, name: str, folder: Path, content: str) -> None:
        self.ran.append(name)
        (folder / "it").write_text(content)


@pytest.fixture
def toys(monkeypatch: pytest.MonkeyPatch) -> Toys:
    toys = Toys([])
    monkeypatch.setattr(local, "PIPELINE", toys.steps())
    return toys


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(home=tmp_path / "home", label_column="x")


@pytest.fixture
def again(toys: Toys, settings: Settings) -> Callable[..., list[str]]:
    """Run once; then each call runs again with changes and says which steps worked."""
    run_pipeline(settings, str)

    def run(**changes: Any) -> list[str]:
        toys.ran.clear()
        run_pipeline(replace(settings, **changes), str)
        return list(toys.ran)

    return run


def outputs(workdir: Path) -> dict[str, str]:
    """Every file under a final name, with what it holds; the runner's own records do not count."""
    files = [path for path in sorted(workdir.rglob("*")) if path.is_file() and path.name != ".lock"]
    return {
        str(path.relative_to(workdir)): path.read_bytes().hex()
        for path in files
        if local.STATE not in path.parts
    }


def litter(workdir: Path) -> list[str]:
    return [path.name for path in workdir.glob(".*") if path.name not in (".lock", local.STATE)]


def test_the_first_run_runs_every_step_in_order_and_says_so(toys: Toys, settings: Settings) -> None:
    said: list[str] = []
    assert run_pipeline(settings, said.append)
    assert ["fetch", "sort", "cut", "pair"] == toys.ran
    assert ["[1/4] fetch", "[2/4] sort", "[3/4] cut", "[4/4] pair"] == [
        line for line in said if line.startswith("[")
    ]


def test_the_second_run_only_looks_whether_the_world_has_changed(toys: Toys, settings: Settings) -> None:
    run_pipeline(settings, str)
    toys.ran.clear()
    said: list[str] = []
    assert not run_pipeline(settings, said.append)
    assert ["fetch"] == toys.ran
    assert said[-3:] == ["[2/4] sort: unchanged", "[3/4] cut: unchanged", "[4/4] pair: unchanged"]


def test_fresh_runs_every_step(again: Callable[..., list[str]]) -> None:
    assert ["fetch", "sort", "cut", "pair"] == again(fresh=True)


def test_a_changed_scalar_runs_the_steps_that_take_it_and_none_behind_the_same_output(
    again: Callable[..., list[str]],
) -> None:
    assert ["fetch", "cut"] == again(experiment="other")
    assert ["fetch", "pair"] == again(experiment="other", label_column="y")


def test_a_changed_output_runs_the_steps_behind_it(toys: Toys, again: Callable[..., list[str]]) -> None:
    toys.source = "b,c"
    assert ["fetch", "sort", "cut", "pair"] == again()
    toys.source = "c,b"
    assert ["fetch", "sort"] == again()


@pytest.mark.parametrize("harm", ["alter", "add", "remove", "move away"])
def test_an_output_that_somebody_touched_is_made_again_and_nothing_else(
    settings: Settings, again: Callable[..., list[str]], harm: str
) -> None:
    file = settings.workdir / "left" / "it"
    before = outputs(settings.workdir)
    if harm == "alter":
        file.write_text("altered")
    elif harm == "add":
        (file.parent / "more").write_text("")
    elif harm == "remove":
        file.unlink()
    else:
        file.parent.rename(settings.home / "elsewhere")
    assert ["fetch", "pair"] == again()
    assert before == outputs(settings.workdir)


@pytest.mark.parametrize("record", ["", "[]", "{}", '{"told": "x", "outputs": {}}', "\xff"])
def test_a_step_without_a_readable_record_runs_again(
    settings: Settings, again: Callable[..., list[str]], record: str
) -> None:
    (settings.workdir / local.STATE / "cut.json").write_text(record, encoding="latin-1")
    assert ["fetch", "cut"] == again()


def test_whoever_waits_before_a_step_waits_only_for_one_that_runs(toys: Toys, settings: Settings) -> None:
    waited: list[str] = []
    run_pipeline(settings, str, lambda step: waited.append(step.name))
    assert ["fetch", "sort", "cut", "pair"] == waited
    waited.clear()
    run_pipeline(replace(settings, label_column="y"), str, lambda step: waited.append(step.name))
    assert ["fetch", "pair"] == waited


def failing(error: BaseException) -> Callable[[Path], None]:
    def fault(_: Path) -> None:
        raise error

    return fault


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (DataError("label: no"), DataError),
        (KeyboardInterrupt(), KeyboardInterrupt),
        (ZeroDivisionError(), ZeroDivisionError),
        (OSError(errno.EIO, "Input/output error", "disk"), StepError),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_step_that_fails_half_way_leaves_what_was_there(
    toys: Toys, settings: Settings, again: Callable[..., list[str]], error: Exception, raised: type[Exception]
) -> None:
    before = outputs(settings.workdir)
    toys.fault = failing(error)
    with pytest.raises(raised):
        again(label_column="y")
    assert before == outputs(settings.workdir)
    assert [] == litter(settings.workdir)
    toys.fault = lambda _: None
    assert ["fetch", "pair"] == again(label_column="y")
    assert (settings.workdir / "right" / "it").read_text() == "y"


def test_a_failing_disk_is_said_with_step_place_and_remedy(toys: Toys, settings: Settings) -> None:
    toys.fault = failing(OSError(errno.ENOSPC, "No space left on device", "from.csv", None, "to.csv"))
    with pytest.raises(StepError) as caught:
        run_pipeline(settings, str)
    assert str(caught.value) == (
        "step pair: to.csv: No space left on device: make room or give access, and run it again; "
        "nothing was replaced"
    )


def test_what_a_killed_run_left_is_taken_away_by_the_next(toys: Toys, settings: Settings) -> None:
    left = settings.workdir / ".pair-abc" / "left"
    left.mkdir(parents=True)
    (left / "it").write_text("half")
    run_pipeline(settings, str)
    assert [] == litter(settings.workdir)


def test_a_step_that_lacks_an_input_names_the_step_to_run_first(toys: Toys, settings: Settings) -> None:
    with pytest.raises(StepError) as caught:
        run_step(toys.steps()[3], settings.workdir, settings, str)
    expected = f"step pair: 'sorted' is not in {settings.workdir}: run step 'sort' first"
    assert expected == str(caught.value)
    assert [] == litter(settings.workdir)


@pytest.mark.parametrize("number", range(1, len(PIPELINE)))
def test_each_step_of_the_pipeline_names_the_one_before_it(settings: Settings, number: int) -> None:
    with pytest.raises(StepError, match=r"run step '(\w+)' first") as caught:
        run_step(PIPELINE[number], settings.workdir, settings, str)
    makers = {name: step.name for step in PIPELINE for name in step.outputs}
    assert f"run step {makers[PIPELINE[number].inputs[0]]!r} first" in str(caught.value)


def test_of_two_runs_at_once_the_second_is_refused_and_the_first_goes_on(
    toys: Toys, settings: Settings
) -> None:
    refused: list[str] = []

    def second(_: Path) -> None:
        with pytest.raises(StepError) as caught:
            run_pipeline(settings, str)
        refused.append(str(caught.value))
        with pytest.raises(StepError, match=r"another run is at work"):
            run_step(toys.steps()[0], settings.workdir, settings, str)

    toys.fault = second
    run_pipeline(settings, str)
    assert ["fetch", "sort", "cut", "pair"] == toys.ran
    assert [
        f"{settings.workdir}: another run is at work there: wait for it, or set CHATMOD_HOME to another place"
    ] == refused
    run_pipeline(settings, str)


@pytest.mark.parametrize("obstacle", ["home", "home/work", "home/work/.lock/x"])
def test_a_home_that_cannot_be_used_is_refused(tmp_path: Path, toys: Toys, obstacle: str) -> None:
    path = tmp_path / obstacle
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("in the way")
    with pytest.raises(StepError, match=r"home/work: .*: name another place in CHATMOD_HOME"):
        run_pipeline(Settings(home=tmp_path / "home"), str)
    assert [] == toys.ran


# What follows is about the real pipeline, on the work of a real run.


def stale(settings: Settings) -> list[str]:
    """The steps that would run now, the download aside, which always does."""
    values = scalars(settings)
    return [step.name for step in PIPELINE[1:] if not is_current(step, settings.workdir, values)]


def other_recipe(settings: Settings) -> Settings:
    path = settings.home.parent / "other.toml"
    path.write_text(settings.config.read_text().replace("C = 1.0", "C = 2.0"))
    return replace(settings, config=path)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda settings: settings, ["register"]),  # the copy has another MLflow
        (lambda settings: replace(settings, text_column="text"), ["preprocess", "register"]),
        (lambda settings: replace(settings, label_column="removed"), ["preprocess", "register"]),
        (lambda settings: replace(settings, max_text_chars=99), ["preprocess", "register"]),
        (lambda settings: replace(settings, data="elsewhere"), ["register"]),
        (other_recipe, ["train", "evaluate", "register"]),
        (lambda settings: replace(settings, api_port=1, mlflow_port=2, fresh=True), ["register"]),
    ],
)
def test_each_setting_makes_the_steps_stale_that_take_it(
    copied: Settings, change: Change, expected: list[str]
) -> None:
    assert expected == stale(change(copied))


@pytest.mark.parametrize(
    "change",
    [
        lambda settings: replace(settings, tracking_uri="http://mlflow:5000"),
        lambda settings: replace(settings, experiment="other"),
    ],
)
def test_another_mlflow_makes_only_register_stale(trained: Home, change: Change) -> None:
    assert [] == stale(trained.settings)
    assert ["register"] == stale(change(trained.settings))


@pytest.mark.parametrize(
    ("touched", "expected"),
    [
        ("raw/files/corpus.csv", ["download", "preprocess"]),
        ("comments/manifest.csv", ["preprocess", "train", "evaluate", "register"]),
        ("candidate/policy.json", ["train", "evaluate"]),
        ("evaluation/roc.png", ["evaluate", "register"]),
        ("bundle/weights.safetensors", ["evaluate", "register"]),
        ("registered/version.json", ["register"]),
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
    assert ["preprocess", "train", "evaluate", "register"] == stale(trained.settings)
    monkeypatch.undo()
    assert [] == stale(trained.settings)
    monkeypatch.setattr(fingerprint, "of_code", lambda: "other code")
    assert ["preprocess", "train", "evaluate", "register"] == stale(trained.settings)


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
