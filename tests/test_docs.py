"""What the documentation shows is run: snippets against a real service, commands, settings and links."""

import csv
import io
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path

import pytest

from frontend import settings as frontend_settings
from prediction_service import settings as service_settings
from tests.frontend.browser import chromium
from tests.prediction_service.old_scores import old_scores, write_export
from tests.prediction_service.serving import Server
from workflow import settings as workflow_settings
from workflow.__main__ import main
from workflow.pipeline import PIPELINE

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [ROOT / "README.md", ROOT / "CHANGELOG.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("*/**/README.md")]
)
PAGES = [page for page in PAGES if not {".venv", ".chatmod"} & set(page.parts)]
API = ROOT / "docs" / "api.md"
FENCED = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ADDRESS = "127.0.0.1:9696"
# whose shapes the service speaks: what is shown against it is run against ours
PERSPECTIVE = "https://commentanalyzer.googleapis.com"
COMMENTS = 'text\nThank you!\n"you idiot, go away"\n'


def blocks(*languages: str) -> list[tuple[str, str]]:
    return [
        (page.relative_to(ROOT).as_posix(), code)
        for page in PAGES
        for language, code in FENCED.findall(page.read_text(encoding="utf-8"))
        if language in languages
    ]


@pytest.fixture(scope="module")
def address(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    log = tmp_path_factory.mktemp("docs") / "api.log"
    [attributes] = re.findall(
        r"^ {4}CHATMOD_API_ATTRIBUTES=(\S+,\S+) make serve$", API.read_text(), re.MULTILINE
    )
    with Server(log, bundle=bundle_dir, workers=1, attributes=attributes) as server:
        yield f"127.0.0.1:{server.port}"


@pytest.mark.parametrize(("page", "code"), blocks("python"))
def test_python_snippets_run(page: str, code: str, address: str, tmp_path: Path) -> None:
    (tmp_path / "comments.csv").write_text(COMMENTS)
    done = subprocess.run(
        [sys.executable, "-c", code.replace(ADDRESS, address).replace(PERSPECTIVE, f"http://{address}")],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == done.returncode, f"{page}: {done.stderr}"


def test_the_export_of_old_scores_waits_for_its_quota_and_goes_on_where_it_was(
    bundle_dir: Path, tmp_path: Path
) -> None:
    [code] = [code for _, code in blocks("python") if "old_scores.csv" in code]
    (tmp_path / "comments.csv").write_text(COMMENTS + 'Thank you!\n"two\nlines"\n')
    before = 'text,score\r\n"you idiot, go away",0.123\r\n'
    (tmp_path / "old_scores.csv").write_text(before, newline="")
    limits = {"attributes": "TOXICITY=LIKELY_TO_REJECT", "rate_limit": "1/second"}
    with Server(tmp_path / "api.log", bundle=bundle_dir, workers=1, **limits) as server:
        here = code.replace(PERSPECTIVE, f"http://127.0.0.1:{server.port}").replace(
            "wait = 1\n", "wait = 0.1\n"
        )
        first, second = (
            subprocess.run(
                [sys.executable, "-c", here],
                cwd=tmp_path,
                capture_output=True,
                text=True,
                check=True,
                timeout=60,
            ).stdout
            for _ in range(2)
        )
    assert "429: asking again in" in first
    assert "" == second
    export = (tmp_path / "old_scores.csv").read_bytes().decode()
    assert export.startswith(before)
    assert ["you idiot, go away", "Thank you!", "two\nlines"] == [
        row["text"] for row in csv.DictReader(io.StringIO(export, newline=""))
    ]


@pytest.mark.parametrize(("page", "code"), blocks("bash"))
def test_shell_snippets_run_and_none_is_answered_with_an_error(
    page: str, code: str, address: str, tmp_path: Path
) -> None:
    strict = code.replace(ADDRESS, address).replace("curl ", "curl --fail-with-body ")
    done = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", strict],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == done.returncode, f"{page}: {done.stdout}{done.stderr}"


@pytest.mark.parametrize(("page", "code"), blocks("js"))
def test_javascript_snippets_run_in_a_browser(page: str, code: str, address: str) -> None:
    with chromium() as browser:
        tab = browser.new_context(bypass_csp=True).new_page()  # the page is only a place to run it
        said: list[str] = []
        tab.on("console", lambda line: said.append(line.text))
        tab.goto(f"http://{address}/healthz")
        tab.evaluate(f"(async () => {{ {code.replace(ADDRESS, address)} }})()")
        assert 0 <= float(said[-1]) <= 1, f"{page}: {said}"


def calibrations() -> list[tuple[str, str]]:
    return [
        (page.relative_to(ROOT).as_posix(), command)
        for page in PAGES
        for command in re.findall(
            r"^ {4}\S+ -m prediction_service (calibrate .+)$", page.read_text(), re.MULTILINE
        )
    ]


@pytest.mark.parametrize(("page", "command"), calibrations())
def test_calibrate_commands_work_on_an_export(
    page: str, command: str, bundle_dir: Path, sample_rows: list[tuple[str, int]], tmp_path: Path
) -> None:
    texts = [text for text, _ in sample_rows]
    (tmp_path / ".chatmod").mkdir()
    write_export(tmp_path / "old_scores.csv", texts, old_scores(bundle_dir, texts))
    typed = shlex.split(command.replace(".chatmod/work/bundle", str(bundle_dir)))
    done = subprocess.run(
        [sys.executable, "-m", "prediction_service", *typed],
        env={"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert 0 == done.returncode, f"{page}: {done.stderr}"
    made = {one.name for one in (tmp_path / ".chatmod").iterdir()}
    assert {"calibration.json", "calibration.svg"} == made


def make_commands() -> list[tuple[str, str]]:
    found = re.compile(r"(?:^ {4}|^|`)((?:[A-Z_]+=\S+ )*make [a-z]+)", re.MULTILINE)
    return sorted(
        {
            (page.relative_to(ROOT).as_posix(), match[1])
            for page in PAGES
            for match in found.finditer(page.read_text())
        }
    )


@pytest.mark.parametrize(("page", "command"), make_commands())
def test_make_commands_exist(page: str, command: str) -> None:
    target = shlex.split(command)[-1]
    done = subprocess.run(["make", "-n", target], cwd=ROOT, capture_output=True, text=True, check=False)
    assert 0 == done.returncode, f"{page}: {done.stderr}"


def test_steps_that_are_named_exist() -> None:
    named = {step for page in PAGES for step in re.findall(r"-m workflow step ([a-z]+)", page.read_text())}
    assert named
    assert named <= {step.name for step in PIPELINE}


def test_parts_of_the_labels_command_that_are_named_exist(capsys: pytest.CaptureFixture[str]) -> None:
    named = {part for page in PAGES for part in re.findall(r"-m workflow labels ([a-z]+)", page.read_text())}
    with pytest.raises(SystemExit):
        main(["labels", "--help"])
    usage = capsys.readouterr().out
    assert {"export", "count", "forget"} == named
    assert "{export,count,forget}" in usage


def known_settings() -> set[str]:
    workflow = {
        entry.metadata["key"] or f"CHATMOD_{entry.name.upper()}"
        for entry in fields(workflow_settings.Settings)
    }
    service = {f"CHATMOD_API_{entry.name.upper()}" for entry in fields(service_settings.Settings)}
    chat = {f"CHATMOD_UI_{entry.name.upper()}" for entry in fields(frontend_settings.Settings)}
    return workflow | service | chat | {"CHATMOD_TEST_DATA"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_settings_that_are_named_exist(page: Path) -> None:
    named = set(re.findall(r"CHATMOD_[A-Z_]*[A-Z]\b(?![_*])", page.read_text(encoding="utf-8")))
    assert set() == named - known_settings()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    for target, anchor in re.findall(r"\]\((?!https?:)([^)#]*)#?([^)]*)\)", page.read_text(encoding="utf-8")):
        file = page.parent / target if target else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), f"{target}#{anchor}"


def anchors(page: Path) -> set[str]:
    """The names under which GitHub knows a page's headings."""
    headings = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_commands_name_the_environment_that_make_makes() -> None:
    typed = re.compile(r"(?:^ {4}|\\\n +|`)(?:[A-Z_]+=\S+ )*(python -m .+)", re.MULTILINE)
    pages = [page for page in PAGES if page.name != "CHANGELOG.md"]
    assert [] == [(page.name, command) for page in pages for command in typed.findall(page.read_text())]
