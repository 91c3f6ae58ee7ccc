"""python -m workflow on bad input: exit code 1, one clear message, no traceback, nothing half-written."""

import csv
import resource
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.workflow.processes import ROOT, Home, Ran, environment, workflow
from workflow.__main__ import main
from workflow.gate_command import exit_code
from workflow.pipeline import PIPELINE
from workflow.settings import Settings
from workflow.steps import read_json

Command = Callable[..., str]
Row = list[object]


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    home = tmp_path / "home"
    monkeypatch.setenv("CHATMOD_HOME", str(home))
    return home


@pytest.fixture
def refused(home: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Command:
    """Run a command that is refused; what it said on stderr, which is one message."""

    def run(*arguments: str, **variables: str) -> str:
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        code = main(list(arguments or ("run",)))
        said = Ran(code, *capfd.readouterr()).errors
        assert (1, 1) == (code, said.count("\n") + 1), said
        assert said.startswith("error: ")
        assert [] == [path.name for path in (home / "work").glob(".*-*")]
        return said.removeprefix("error: ")

    return run


def write(path: Path, *rows: Row) -> str:
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows(rows)
    return str(path)


def made(home: Path) -> set[str]:
    return {path.name for path in (home / "work").iterdir() if not path.name.startswith(".")}


def test_a_message_goes_to_stderr_with_exit_code_1_and_nothing_else() -> None:
    ran = workflow("run", CHATMOD_DATAS="x")
    assert (1, "") == (ran.returncode, ran.stdout)
    assert ran.stderr.startswith(
        "error: CHATMOD_DATAS='x' is no setting of the workflow: use one of CHATMOD_"
    )
    assert ran.stderr.count("\n") == 1


@pytest.mark.parametrize("command", ["run", "up"])
def test_an_unknown_setting_is_refused_before_anything_is_done(
    refused: Command, home: Path, command: str
) -> None:
    assert "CHATMOD_COLOUR='red' is no setting" in refused(command, CHATMOD_COLOUR="red")
    assert not home.exists()


@pytest.mark.parametrize("arguments", [[], ["walk"], ["step"], ["step", "walk"], ["up", "--only", "mlflow"]])
def test_a_command_that_is_none_is_refused_with_the_usage(
    arguments: list[str], capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capfd.readouterr().err.startswith("usage: python -m workflow")


@pytest.mark.parametrize(
    ("arguments", "choices"),
    [([], "{run,step,up,gate,status,verify,labels}"), (["labels"], "{export,count,forget}")],
)
def test_a_missing_command_is_asked_for_by_the_choices(
    arguments: list[str], choices: str, capfd: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(arguments)
    assert capfd.readouterr().err.endswith(f"error: the following arguments are required: {choices}\n")


def test_a_recipe_that_cannot_be_used_is_refused_before_anything_is_done(
    refused: Command, home: Path, tmp_path: Path
) -> None:
    (tmp_path / "mine.toml").write_text("[candidate]\nname = 3\n")
    assert "mine.toml: tables ['evaluation', 'targets'] are missing" in refused(
        CHATMOD_CONFIG=str(tmp_path / "mine.toml")
    )
    assert not home.exists()


GOOD: Row = ["body", "removed"]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([["words", "removed"], ["x", 0]], "no column named body or text in the header ('words', 'removed')"),
        ([["body", "gone"], ["x", 0]], "no column named removed in the header ('body', 'gone'): "),
        ([["body", "text", "removed"], ["x", "y", 0]], "more than one column named body or text"),
        ([GOOD, ["x", 0], ["y", "maybe"], ["z", 2]], "row 2: removed='maybe', and 1 more rows: a label must"),
        ([GOOD, ["x", ""]], "row 1: removed='', and 0 more rows"),
        ([GOOD, *[[f"comment {row}", 0] for row in range(60)]], "label 1 (removed): 0 of 60 usable rows"),
        ([GOOD, ["x" * 100_001, 0]], "row 1: body has 100,001 characters, more than 100,000"),
        ([GOOD, ["  ", 0], ["&nbsp;", 1]], "rows=0: no row has both a text and a label"),
        ([GOOD], "rows=0"),
    ],
)  # fmt: skip
def test_comments_that_cannot_be_used_are_refused_by_row_column_and_value(
    refused: Command, home: Path, tmp_path: Path, rows: list[Row], message: str
) -> None:
    assert message in refused(CHATMOD_DATA=write(tmp_path / "mine.csv", *rows))
    assert {"raw"} == made(home)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"body,removed\nx\0y,0\n", "mine.csv: NUL byte at offset 14"),
        ("body,removed\nx,0\n".encode("utf-16"), "mine.csv: encoding is UTF-16: convert it"),
        (b"body,removed\n\x81\x8d,0\n", "is neither UTF-8 nor Windows-1252"),
        (b'body,removed\nx,0\n"cut off in the midd', "mine.csv: not a complete CSV file"),
        (b"body,removed\nx,0\ny,0,1,2,3\n", "mine.csv: not a complete CSV file"),
    ],
)  # fmt: skip
def test_a_file_that_is_no_text_or_no_whole_csv_is_refused_by_name(
    refused: Command, home: Path, tmp_path: Path, content: bytes, message: str
) -> None:
    (tmp_path / "mine.csv").write_bytes(content)
    assert message in refused(CHATMOD_DATA=str(tmp_path / "mine.csv"))
    assert {"raw"} == made(home)


def test_a_10_mb_text_is_refused_with_the_setting_that_allows_it(refused: Command, tmp_path: Path) -> None:
    said = refused(CHATMOD_DATA=write(tmp_path / "mine.csv", GOOD, ["x" * 10_000_000, 0]))
    assert "has 10,000,000 characters" in said
    assert "CHATMOD_MAX_TEXT_CHARS" in said


def test_a_missing_file_is_refused_by_setting_and_path(refused: Command, home: Path) -> None:
    assert refused(CHATMOD_DATA="/nowhere/x.csv").startswith("CHATMOD_DATA='/nowhere/x.csv' cannot be read")
    assert set() == made(home)


@pytest.mark.parametrize(("name", "other"), [("TEXT", "LABEL"), ("LABEL", "TEXT")])
def test_a_column_that_is_not_there_is_refused_by_its_setting(
    refused: Command, tmp_path: Path, name: str, other: str
) -> None:
    data = write(tmp_path / "mine.csv", ["words", "gone"], ["x", 0])
    columns = {"TEXT": "words", "LABEL": "gone"}
    said = refused(
        CHATMOD_DATA=data,
        **{f"CHATMOD_{name}_COLUMN": "nope", f"CHATMOD_{other}_COLUMN": columns[other]},
    )
    assert f"mine.csv: CHATMOD_{name}_COLUMN='nope' is not in the header ('words', 'gone')" in said


def test_columns_named_by_settings_are_read(
    home: Path, tmp_path: Path, trained: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = Path(trained.settings.data).read_text(encoding="utf-8").replace("text,removed", "words,gone", 1)
    (tmp_path / "mine.csv").write_text(theirs, encoding="utf-8")
    monkeypatch.setenv("CHATMOD_DATA", str(tmp_path / "mine.csv"))
    monkeypatch.setenv("CHATMOD_TEXT_COLUMN", "words")
    monkeypatch.setenv("CHATMOD_LABEL_COLUMN", "gone")
    assert [0, 0] == [main(["step", name]) for name in ("download", "preprocess")]
    ours = (trained.settings.workdir / "comments" / "manifest.csv").read_bytes()
    assert ours == (home / "work" / "comments" / "manifest.csv").read_bytes()


def test_bad_comments_leave_the_work_of_the_run_before(
    copied: Settings, refused: Command, home: Path, tmp_path: Path
) -> None:
    before = files(home)
    refused(CHATMOD_DATA=write(tmp_path / "mine.csv", GOOD, ["x", "maybe"]))
    after = files(home)
    of_the_download = ("raw/", ".state/download")
    for name, content in before.items():
        assert name.startswith(of_the_download) or content == after[name], name
    assert ["raw/files/mine.csv"] == sorted(set(after) - set(before))


def test_a_step_without_its_input_names_the_step_before(refused: Command, home: Path) -> None:
    said = refused("step", "train")
    assert f"step train: 'comments' is not in {home / 'work'}: run step 'preprocess' first" == said


def test_a_bundle_with_one_flipped_byte_is_not_registered(
    copied: Settings, refused: Command, home: Path
) -> None:
    weights = copied.workdir / "bundle" / "weights.safetensors"
    content = bytearray(weights.read_bytes())
    content[-1] ^= 1
    weights.write_bytes(content)
    said = refused("step", "register")
    assert said.startswith(f"{weights}: sha256 ")
    assert "altered" in said
    assert not (home / "mlflow.db").exists()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mlflow.db", "CHATMOD_TRACKING_URI='sqlite:////{home}/mlflow.db': DatabaseError: "),
        ("artifacts", "step register: /{home}/artifacts/"),
    ],
)
def test_an_mlflow_that_cannot_be_written_is_said_and_registers_nothing(
    copied: Settings, name: str, message: str
) -> None:
    entry = copied.workdir / "registered" / "version.json"
    entry.write_text('{"version": 99}')
    (copied.home / name).write_text("this is neither a database nor a folder" * 50)
    ran = workflow("step", "register", CHATMOD_HOME=copied.home)
    assert ran.returncode == 1
    assert ran.errors.startswith("error: " + message.format(home=str(copied.home)[1:])), ran.errors
    assert "\n" not in ran.errors
    assert entry.read_text() == '{"version": 99}'
    (copied.home / name).unlink()
    again = workflow("step", "register", CHATMOD_HOME=copied.home)
    assert (0, "") == (again.returncode, again.errors)
    assert read_json(entry)["version"] == 1


def test_an_mlflow_that_is_away_is_said_within_seconds(copied: Settings) -> None:
    ran = workflow(
        "step", "register", within_s=60, CHATMOD_HOME=copied.home, CHATMOD_TRACKING_URI="http://127.0.0.1:9"
    )
    assert ran.returncode == 1
    last = ran.stderr.splitlines()[-1]
    assert last.startswith("error: CHATMOD_TRACKING_URI='http://127.0.0.1:9': ")
    assert last.endswith("check that MLflow runs there and lets you in, then run step register again")
    assert "Traceback" not in ran.stderr


def files(home: Path) -> dict[str, bytes]:
    work = home / "work"
    return {
        path.relative_to(work).as_posix(): path.read_bytes()
        for path in work.rglob("*")
        if path.is_file() and path.name != ".lock"
    }


@pytest.fixture
def small_disk(copied: Settings, tmp_path: Path, step: str) -> Iterator[Settings]:
    """A home on a disk of its own, all but full; where nobody may mount one, files may not grow."""
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=40m", "none", str(disk)]
    mounted = subprocess.run(mount, check=False, capture_output=True).returncode == 0
    shutil.copytree(copied.home, disk / "home")
    if step == "gate":
        assert workflow("step", "register", CHATMOD_HOME=disk / "home").returncode == 0
    if mounted:
        free = shutil.disk_usage(disk).free - 12 * 1024
        (disk / "ballast").write_bytes(b"\0" * free)
    yield Settings(data=copied.data, home=disk / "home", config=copied.config)
    if mounted:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.parametrize("step", [step.name for step in PIPELINE])
def test_a_full_disk_is_said_and_the_earlier_work_stays(small_disk: Settings, step: str) -> None:
    before = files(small_disk.home)
    variables = environment(
        CHATMOD_HOME=small_disk.home, CHATMOD_DATA=small_disk.data, CHATMOD_CONFIG=small_disk.config
    )
    full = (small_disk.home.parent / "ballast").exists()
    ran = subprocess.run(
        [sys.executable, "-m", "workflow", "step", step],
        cwd=ROOT,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
        preexec_fn=None if full else short_files,
    )
    assert ran.returncode == (2 if step == "gate" else 1), ran.stdout + ran.stderr
    said = [line for line in ran.stderr.splitlines() if line.startswith("error: ")]
    assert len(said) == 1, ran.stderr
    assert "Traceback" not in ran.stderr
    assert any(
        word in said[0] for word in ("No space left on device", "is full", "File too large", "disk I/O")
    ), said[0]
    assert str(small_disk.home) in said[0]
    after = files(small_disk.home)
    assert before == {name: content for name, content in after.items() if name in before}
    assert [] == [path.name for path in small_disk.workdir.glob(".*-*")]
    (small_disk.home.parent / "ballast").unlink(missing_ok=True)
    again = workflow(
        "step",
        step,
        CHATMOD_HOME=small_disk.home,
        CHATMOD_DATA=small_disk.data,
        CHATMOD_CONFIG=small_disk.config,
    )
    assert "" == again.errors
    assert again.returncode == (exit_code(small_disk.workdir) if step == "gate" else 0)


def short_files() -> None:
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (12 * 1024, 12 * 1024))
