"""`make run` as a newcomer meets it: trained, served, shown, stopped; and again without training."""

import re
import signal
import subprocess
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE, decide
from tests.corpus import make_rows
from tests.prediction_service.serving import free_port
from tests.workflow.processes import ROOT, environment, start, wait_for_text
from workflow.pipeline import PIPELINE

LAST_LINE = "Ctrl-C stops everything"
STEPS = tuple(step.name for step in PIPELINE)
# What the docs and whoever tries the chat send first; none of it stands in the sample.
CIVIL = (
    "Thank you!",
    "hi",
    "hello",
    "Good morning everyone",
    "Great paper!",
    "I love this",
    "Thank you, that paper answers my question.",
)
RUDE = ("you absolute idiot, delete your account", "you absolute idiot", "you idiot, go away")


@dataclass
class Stack:
    """`python -m workflow up`, started where the operator is, and every process that it ever had."""

    folder: Path
    log: Path
    variables: dict[str, object]
    process: "subprocess.Popen[str]" = field(init=False)
    descendants: set[psutil.Process] = field(default_factory=set)
    code: int = -1

    def start(self) -> None:
        self.process = start("up", cwd=self.folder, log=self.log, **self.variables)
        deadline = time.monotonic() + 240
        while LAST_LINE not in self.said:
            self.note()
            assert self.process.poll() is None, self.said
            assert time.monotonic() < deadline, self.said
            time.sleep(0.1)
        self.note()

    def note(self) -> None:
        try:
            self.descendants.update(psutil.Process(self.process.pid).children(recursive=True))
        except psutil.NoSuchProcess:
            return

    def stop(self, number: signal.Signals) -> None:
        self.note()
        self.process.send_signal(number)
        self.code = self.process.wait(60)

    @property
    def said(self) -> str:
        return self.log.read_text()

    def left(self) -> list[str]:
        """What still runs of it; psutil knows a process by id and time of birth."""
        deadline = time.monotonic() + 5
        while True:
            running = [each for each in self.descendants if is_alive(each)]
            if not running or time.monotonic() > deadline:
                return [str(each) for each in running]
            time.sleep(0.05)

    def end(self) -> None:
        if self.process.poll() is None:
            self.stop(signal.SIGTERM)
        for each in self.descendants:
            if is_alive(each):
                each.kill()


def is_alive(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


@dataclass(frozen=True)
class Evidence:
    """What was seen of a stack while it ran."""

    stack: Stack
    statuses: dict[str, int]
    ready: dict[str, object]
    predictions: list[dict[str, object]]


@pytest.fixture(scope="module")
def variables(tmp_path_factory: pytest.TempPathFactory) -> dict[str, object]:
    """The sample, a short bootstrap, a home said relatively, and a proxy that leads nowhere."""
    recipe = tmp_path_factory.mktemp("recipe") / "quick.toml"
    ours = (ROOT / "workflow" / "config" / "pipeline.toml").read_text()
    recipe.write_text(ours.replace("resamples = 500", "resamples = 20"))
    nowhere = f"http://127.0.0.1:{free_port()}"
    return {
        "CHATMOD_DATA": "sample",
        "CHATMOD_CONFIG": recipe,
        "CHATMOD_HOME": "kept here",
        "CHATMOD_API_PORT": free_port(),
        "CHATMOD_UI_PORT": free_port(),
        "CHATMOD_MLFLOW_PORT": free_port(),
        "HTTP_PROXY": nowhere,
        "http_proxy": nowhere,
    }


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("operator")


@pytest.fixture(scope="module")
def messages() -> list[str]:
    return [text for text, _ in make_rows(500, seed=3)]


def observe(stack: Stack, messages: list[str]) -> Evidence:
    addresses = re.findall(r"http://127\.0\.0\.1:\d+[a-z/_]*", stack.said)
    statuses = {url: httpx.get(url, timeout=20, trust_env=False).status_code for url in set(addresses)}
    api = f"http://127.0.0.1:{stack.variables['CHATMOD_API_PORT']}"
    rows = [{"body": text, "message_id": number} for number, text in enumerate(messages)]
    answer = httpx.post(f"{api}/predict", json={"Records": rows}, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    ready = httpx.get(f"{api}/readyz", timeout=20, trust_env=False).json()
    return Evidence(stack, statuses, ready, answer.json()["predictions"])


def run(
    folder: Path, name: str, variables: dict[str, object], messages: list[str], number: signal.Signals
) -> Iterator[Evidence]:
    stack = Stack(folder, folder / f"{name}.log", variables)
    try:
        stack.start()
        evidence = observe(stack, messages)
        stack.stop(number)
        yield evidence
    finally:
        stack.end()


@pytest.fixture(scope="module")
def first(folder: Path, variables: dict[str, object], messages: list[str]) -> Iterator[Evidence]:
    yield from run(folder, "first", variables, messages, signal.SIGINT)


@pytest.fixture(scope="module")
def second(
    first: Evidence, folder: Path, variables: dict[str, object], messages: list[str]
) -> Iterator[Evidence]:
    yield from run(folder, "second", variables, messages, signal.SIGTERM)


def test_the_first_start_runs_every_step_where_one_can_watch(first: Evidence) -> None:
    places = [
        first.stack.said.index(f"[{number}/{len(STEPS)}] {step}\n")
        for number, step in enumerate(STEPS, start=1)
    ]
    assert sorted(places) == places
    assert re.search(r"fold 5 of 5: ROC-AUC 0\.\d+ on \d+ held-out rows \(sample\)", first.stack.said)


def test_api_chat_and_mlflow_answer_where_the_summary_says(
    first: Evidence, variables: dict[str, object]
) -> None:
    said = first.stack.said
    for name, label in (("API", "API"), ("UI", "chat"), ("MLFLOW", "MLflow")):
        assert re.search(
            rf"^  {label} +http://127\.0\.0\.1:{variables[f'CHATMOD_{name}_PORT']}\b", said, re.MULTILINE
        )
    pages = {f"http://127.0.0.1:{variables[f'CHATMOD_{name}_PORT']}" for name in ("UI", "MLFLOW")}
    pages.add(f"http://127.0.0.1:{variables['CHATMOD_API_PORT']}/docs")
    assert dict.fromkeys(pages, 200) == {url: first.statuses[url] for url in pages}


def test_the_summary_comes_once_with_rows_figures_version_and_the_samples_banner(first: Evidence) -> None:
    said = first.stack.said
    for once in (
        r"^  data     sample \(sample\), [\d,]+ rows, [\d,]+ used: [\d,]+ learning, [\d,]+ test$",
        r"^  test     \(sample\) ROC-AUC \d\.\d{3} \[\d\.\d{3}, \d\.\d{3}\], PR-AUC .* 95 % intervals$",
        r"^  - flag: ",
        r"^  - remove: ",
        r"^  model    chat-moderation version 1( \((champion|challenger)\))?, sha256:[0-9a-f]{12}$",
        r"^  This model is trained on the project's own sample: [\d,]+ invented messages",
        r"^      CHATMOD_DATA=comments.csv CHATMOD_TEXT_COLUMN=… CHATMOD_LABEL_COLUMN=… make run$",
    ):
        assert 1 == len(re.findall(once, said, re.MULTILINE)), once
    for line in said.splitlines():
        assert not re.search(r"(roc_auc|pr_auc|ece|AUC) \d", line) or "(sample)" in line, line


def test_the_service_serves_the_registered_version_and_decides_as_the_bundle_does(
    first: Evidence, folder: Path, messages: list[str]
) -> None:
    bundle = bundles.load(folder / "kept here" / "work" / "bundle")
    model = first.ready["model"]
    assert isinstance(model, dict)
    assert ("1", bundle.digest) == (model["version"], model["digest"])
    assert model["source"] in ("registry", "cache")  # one worker fetches, the other finds it
    scores = bundle.score(messages)[ATTRIBUTE]
    assert 500 == len(first.predictions)
    for number, (prediction, score) in enumerate(zip(first.predictions, scores, strict=True)):
        inner = prediction["prediction"]
        assert isinstance(inner, dict)
        assert abs(inner["moderate_message"] - score) < 1e-6
        assert number == inner["message_id"]
        assert decide({ATTRIBUTE: float(score)}, bundle.policy) == (inner["action"], inner["rule"])


@pytest.mark.parametrize(("said", "fitting"), [(CIVIL, {"allow"}), (RUDE, {"flag", "remove"})])
def test_the_docs_examples_are_decided_as_a_reader_expects(
    first: Evidence, folder: Path, said: tuple[str, ...], fitting: set[str]
) -> None:
    bundle = bundles.load(folder / "kept here" / "work" / "bundle")
    scores = bundle.score(list(said))[ATTRIBUTE]
    actions = [decide({ATTRIBUTE: float(score)}, bundle.policy)[0] for score in scores]
    assert [] == [(text, action) for text, action in zip(said, actions, strict=True) if action not in fitting]


def test_what_it_keeps_lies_where_the_operator_was(first: Evidence, folder: Path) -> None:
    kept = {path.name for path in (folder / "kept here").iterdir()}
    assert {"work", "logs", "cache", "mlflow.db", "artifacts"} <= kept
    assert not (ROOT / "kept here").exists()
    assert not (folder / ".chatmod").exists()


def test_ctrl_c_ends_everything_with_code_0(first: Evidence) -> None:
    assert 0 == first.stack.code
    assert first.stack.said.endswith("stopping\n")
    assert len(first.stack.descendants) >= 6
    assert [] == first.stack.left()


def test_a_second_start_says_that_nothing_changed_and_trains_nothing(
    first: Evidence, second: Evidence
) -> None:
    said = second.stack.said
    for number, step in list(enumerate(STEPS, start=1))[1:]:
        assert f"[{number}/{len(STEPS)}] {step}: unchanged\n" in said
    assert "data, parameters and code are unchanged: nothing was trained again (FRESH=1 forces it)" in said
    assert "fold 1" not in said
    model = re.compile(r"^  model .*$", re.MULTILINE)
    assert model.findall(first.stack.said) == model.findall(said)
    assert first.ready["policy"] == second.ready["policy"]


def test_a_second_start_shows_the_samples_banner_and_all_addresses_again(second: Evidence) -> None:
    assert "This model is trained on the project's own sample" in second.stack.said
    assert 3 == len(re.findall(r"^(?:api|chat|mlflow) is up after", second.stack.said, re.MULTILINE))
    assert set(second.statuses.values()) <= {200, 302}


def test_sigterm_ends_everything_with_code_0(second: Evidence) -> None:
    assert 0 == second.stack.code
    assert second.stack.said.endswith("stopping\n")
    assert [] == second.stack.left()


def test_ctrl_c_while_it_trains_leaves_nothing_half_written(
    tmp_path: Path, variables: dict[str, object]
) -> None:
    stack = Stack(tmp_path, tmp_path / "log", variables)
    stack.process = start("up", cwd=tmp_path, log=stack.log, **variables)
    try:
        wait_for_text(stack.log, f"[{STEPS.index('train') + 1}/{len(STEPS)}] train", stack.process)
        stack.stop(signal.SIGINT)
    finally:
        stack.end()
    assert 0 == stack.code
    assert [] == stack.left()
    work = tmp_path / "kept here" / "work"
    assert {"raw", "comments", "audit", ".state", ".lock"} == {path.name for path in work.iterdir()}


def make(*arguments: str) -> str:
    command = ["make", "--no-print-directory", *arguments]
    done = subprocess.run(command, cwd=ROOT, env=environment(), capture_output=True, text=True, check=True)
    return done.stdout


def test_make_help_lists_every_target_once_with_a_line_of_help() -> None:
    said = make("help")
    names = re.findall(r"^  make (\w+) +\S", said, re.MULTILINE)
    assert len(said.splitlines()) == len(names) == len(set(names))
    assert {"run", "test", "train", "serve", "ui", "lint", "ci", "help"} <= set(names)
    assert said == make()


@pytest.mark.parametrize(
    ("target", "does"),
    [
        ("run", "-m workflow up"),
        ("train", "-m workflow run"),
        ("serve", "-m workflow up --only api"),
        ("ui", "-m workflow up --only ui"),
        ("test", "-m pytest"),
        ("lint", "ruff check"),
        ("ci", "-m pytest"),
    ],
)
def test_each_target_makes_the_environment_and_does_its_one_thing(target: str, does: str) -> None:
    for line in (make("-n", target), make("-n", "-W", "pyproject.toml", target)):
        assert does in line
    assert "uv pip sync" in make("-n", "-W", "pyproject.toml", target)
