"""An MLflow that goes away, and processes that are killed, half-way: a retry does the rest, once."""

import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import mlflow
import pytest
from mlflow.exceptions import MlflowException

from tests.prediction_service.registries import MLflow
from tests.workflow.faulty_line import FaultyLine
from tests.workflow.processes import start
from tests.workflow.versions import Versions
from workflow.tracking.names import MODEL_NAME

if TYPE_CHECKING:
    import subprocess

WRITES = ("POST", "PUT", "PATCH", "DELETE")
READS = ("search", "get")  # which MLflow asks for with POST


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyLine]:
    """A real MLflow server, and a line to it that can be told to refuse."""
    with MLflow(tmp_path_factory.mktemp("mlflow")) as server, FaultyLine(server.port) as line:
        yield line


@pytest.fixture
def versions(
    versions: Versions, line: FaultyLine, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Versions:
    """Versions at that server, with an experiment of this test's own and no alias."""
    monkeypatch.setenv("CHATMOD_TRACKING_URI", line.url)
    monkeypatch.setenv("CHATMOD_EXPERIMENT", request.node.name)
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    line.refuses = lambda _method, _path: None
    client = mlflow.MlflowClient(line.url, line.url)
    with suppress(MlflowException):
        for alias in client.get_registered_model(MODEL_NAME).aliases:
            client.delete_registered_model_alias(MODEL_NAME, alias)
    at_the_line = versions.at(line.url)
    return replace(at_the_line, experiment=request.node.name, passport={"name": request.node.name})


def is_write(method: str, path: str) -> bool:
    return method in WRITES and not any(part in path.rsplit("/", 1)[-1] for part in READS)


@dataclass
class Refusing:
    """Refuses the write of this number, counted from 0."""

    number: int
    seen: int = 0

    def __call__(self, method: str, path: str) -> int | None:
        if not is_write(method, path):
            return None
        self.seen += 1
        return 503 if self.seen > self.number else None


def test_whichever_write_of_the_gate_is_refused_no_alias_moves_before_its_receipt_and_a_retry_does_the_rest(
    versions: Versions, line: FaultyLine, capsys: pytest.CaptureFixture[str]
) -> None:
    number = versions.register("good").version
    codes = []
    while not codes or codes[-1] == 2:
        line.refuses = Refusing(len(codes))
        codes.append(versions.gate())
        line.refuses = lambda _method, _path: None
        receipts, tags = versions.receipts(number), versions.version(number).tags
        if versions.aliases().get("champion") == number:
            assert tags["receipt_id"] in receipts
        if "receipt_id" in tags:
            assert [tags["receipt_id"]] == list(receipts)
    assert [2] * (len(codes) - 1) + [0] == codes
    assert len(codes) > 6  # receipt twice, four tags, alias
    said = capsys.readouterr().err
    assert len(codes) - 1 == said.count("lets you in, then run the gate again\n")
    assert number == versions.aliases()["champion"]
    assert 1 == len(versions.receipts(number))
    digest = versions.version(number).tags["bundle_digest"]
    found = versions.client.search_model_versions(f"name='{MODEL_NAME}'")
    assert [number] == [int(each.version) for each in found if each.tags["bundle_digest"] == digest]


@dataclass
class Killing:
    """Ends the process at the first request with all these parts; a signal that asks lets it through."""

    wanted: tuple[str, ...]
    number: signal.Signals
    process: "subprocess.Popen[str] | None" = None
    done: bool = False

    def __call__(self, method: str, path: str) -> int | None:
        if self.done or not all(part in f"{method} {path}" for part in self.wanted):
            return None
        assert self.process is not None
        self.done = True
        os.kill(self.process.pid, self.number)
        return 503 if self.number == signal.SIGKILL else None


def ended(versions: Versions, line: FaultyLine, killing: Killing, log: Path, step: str) -> int:
    """The exit code of a step that is ended in the middle."""
    settings = versions.settings
    line.refuses = lambda _method, _path: None
    killing.process = start(
        "step",
        step,
        log=log,
        CHATMOD_HOME=settings.home,
        CHATMOD_TRACKING_URI=line.url,
        CHATMOD_GATE=settings.gate,
        CHATMOD_EXPERIMENT=versions.experiment,
        MLFLOW_HTTP_REQUEST_MAX_RETRIES=0,
    )
    line.refuses = killing
    try:
        code = killing.process.wait(120)
    finally:
        killing.process.kill()
        killing.process.wait()
        line.refuses = lambda _method, _path: None
    assert killing.done, log.read_text()
    return code


@pytest.mark.parametrize(
    "wanted", [("PUT", "/gate/", ".json"), ("POST", "set-tag"), ("POST", "registered-models/alias")]
)
def test_a_killed_gate_leaves_no_alias_without_receipt_and_the_next_one_no_second_receipt(
    versions: Versions, line: FaultyLine, tmp_path: Path, wanted: tuple[str, ...]
) -> None:
    number = versions.register("good").version
    assert -9 == ended(versions, line, Killing(wanted, signal.SIGKILL), tmp_path / "log", "gate")
    assert versions.aliases().get("champion") is None
    kept = versions.receipts(number)
    assert ("PUT" not in wanted) == bool(kept)
    assert 0 == versions.gate()
    assert number == versions.aliases()["champion"]
    assert 1 == len(versions.receipts(number))
    assert kept.keys() <= versions.receipts(number).keys()


def states(versions: Versions) -> list[str]:
    """How the runs of this test ended, oldest first."""
    experiment = versions.client.get_experiment_by_name(versions.experiment)
    runs = versions.client.search_runs([experiment.experiment_id], order_by=["attributes.start_time ASC"])
    return [run.info.status for run in runs]


@pytest.mark.parametrize(
    ("number", "code", "left"),
    [
        (signal.SIGKILL, -9, "RUNNING"),
        (signal.SIGTERM, 130, "FAILED"),
        (signal.SIGINT, 130, "FAILED"),
    ],
)
def test_a_registration_that_is_ended_leaves_no_run_running_once_there_is_a_next_one(
    versions: Versions, line: FaultyLine, tmp_path: Path, number: signal.Signals, code: int, left: str
) -> None:
    versions.make("good")
    at_the_model = ("PUT", "MLmodel")
    assert code == ended(versions, line, Killing(at_the_model, number), tmp_path / "log", "register")
    assert [left] == states(versions)
    assert "Traceback" not in (tmp_path / "log").read_text()
    entry = versions.register_again()
    assert entry.is_new
    assert [left.replace("RUNNING", "KILLED"), "FINISHED"] == states(versions)


def test_a_registration_killed_after_its_version_was_made_is_taken_on_with_the_same_version(
    versions: Versions, line: FaultyLine, tmp_path: Path
) -> None:
    versions.make("good")
    at_its_end = ("POST", "runs/update")
    assert -9 == ended(versions, line, Killing(at_its_end, signal.SIGKILL), tmp_path / "log", "register")
    entry = versions.register_again()
    assert not entry.is_new
    assert ["KILLED", "FINISHED"] == states(versions)
    found = versions.client.search_model_versions(f"name='{MODEL_NAME}'")
    assert [entry.version] == [
        int(each.version) for each in found if each.tags["bundle_digest"] == entry.digest
    ]
    assert 0 == versions.gate()


def test_a_run_of_another_home_and_bundle_is_left_alone(versions: Versions) -> None:
    versions.register("good")
    experiment = versions.client.get_experiment_by_name(versions.experiment)
    other = versions.client.create_run(experiment.experiment_id, tags={"chatmod_place": "elsewhere"})
    versions.register("like")
    assert "RUNNING" == versions.client.get_run(other.info.run_id).info.status
