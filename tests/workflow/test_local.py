"""The local runner: what runs again and what does not, and what a run that ends badly leaves behind."""

import errno
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest

from modeling.exceptions import DataError
from workflow import local
from workflow.exceptions import StepError
from workflow.local import run_pipeline, run_step
from workflow.pipeline import PIPELINE, Step
from workflow.settings import Settings


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


def test_a_registered_version_whose_files_somebody_has_deleted_is_registered_again(
    toys: Toys, settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = Step("register", toys.steps()[0].run, (), ("registered",), ())
    monkeypatch.setattr(local, "PIPELINE", (last,))
    settings.artifacts.mkdir(parents=True)
    settings.database.touch()
    assert [True, False] == [run_pipeline(settings, str) for _ in range(2)]
    settings.database.unlink()
    assert run_pipeline(settings, str)
    settings.database.touch()
    settings.artifacts.rmdir()
    assert run_pipeline(settings, str)
    elsewhere = replace(settings, tracking_uri="http://mlflow:5000")
    assert not run_pipeline(elsewhere, str)


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
