"""The report: whole without anything else, inert whatever a message holds, and readable in a browser."""

import re
import shutil
from dataclasses import replace

import pytest

from tests.frontend.browser import chromium
from tests.workflow.processes import Home
from workflow.local import run_step
from workflow.pipeline import step_named
from workflow.settings import Settings
from workflow.steps import read_json, read_part, write_json
from workflow.summary import summary

HOSTILE = (
    "<script>document.title='owned'</script>",
    '"><img src=x onerror="document.title=\'owned\'">',
    "</td></table><style>body{display:none}</style>",
    "{{ 7 * 191 }} {% raw %}",
    "<svg onload=\"document.title='owned'\"><a href='javascript:alert(1)'>look</a>",
    "\u202egnirts desrever\u202c and more",
)


def report_of(settings: Settings) -> str:
    return (settings.workdir / "evaluation" / "report.html").read_text(encoding="utf-8")


def evaluated(settings: Settings) -> str:
    run_step(step_named("evaluate"), settings.workdir, settings, str)
    return report_of(settings)


@pytest.fixture(scope="module")
def hostile(trained: Home, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home whose removed test messages are hostile, with texts asked for."""
    home = tmp_path_factory.mktemp("hostile") / "home"
    shutil.copytree(trained.settings.workdir, home / "work")
    path = home / "work" / "comments" / "test.csv"
    test = read_part(path)
    removed = test.index[test["label"] == 1][: len(HOSTILE)]
    test.loc[removed, "text"] = list(HOSTILE)
    test.to_csv(path, index=False, lineterminator="\n")
    settings = replace(trained.settings, home=home, report_texts=True)
    evaluated(settings)
    return settings


def test_the_report_needs_nothing_else_and_runs_nothing(trained: Home) -> None:
    page = report_of(trained.settings)
    assert page.lstrip().startswith("<!doctype html>")
    for word in ("<script", "<link", "<img", "<iframe", "@import", "url(", "http://", "https://", "srcset"):
        assert word not in page
    assert "default-src 'none'" in page


def test_the_header_says_data_part_rows_split_commit_and_candidate(trained: Home) -> None:
    page, work = report_of(trained.settings), trained.settings.workdir
    passport, facts = (
        read_json(work / "bundle" / "passport.json"),
        read_json(work / "evaluation" / "metrics.json"),
    )
    header = page[: page.index("<main>")]
    for part in (
        "corpus.csv (file)",
        f"test: {facts['rows']} messages, {facts['removed']} removed",
        passport["split"]["id"],
        passport["code"]["commit"][:12],
        "hashed_linear (hashed-linear)",
        "1 so far",
        "bootstrap of 20 resamples, seed 0",
    ):
        assert part in header


def test_every_figure_names_its_data_axes_n_and_intervals(trained: Home) -> None:
    page = report_of(trained.settings)
    source = r"corpus\.csv, (?:test|learning) part, [\d,]+ messages, split [0-9a-f]{12}\."
    cards = re.findall(r'<(figure|div|details) class="card">(.*?)</\1>\s*(?=<|$)', page, re.DOTALL)
    pictures = [body for kind, body in cards if kind == "figure"]
    assert 4 == len(pictures)
    for body in pictures:
        assert re.search(source, body)
        assert 10 <= body.count('<path class="grid"')
        assert body.count('text-anchor="middle"') == 7  # five ticks and two axes
        assert "95 %" in body or "Counts, so without intervals" in body
    assert 4 + 6 + 2 + 1 <= len(re.findall(source, page))
    assert len(re.findall(r"n = \d", page)) > 40


def test_texts_are_left_out_unless_they_are_asked_for(trained: Home) -> None:
    work = trained.settings.workdir
    texts = set(read_part(work / "comments" / "test.csv")["text"])
    page = report_of(trained.settings)
    errors = (work / "evaluation" / "errors.json").read_text(encoding="utf-8")
    assert not [text for text in texts if text in page or text in errors]
    assert "CHATMOD_REPORT_TEXTS=1" in page


def test_hostile_texts_stand_in_the_report_as_text(hostile: Settings) -> None:
    page = report_of(hostile)
    assert "<script" not in page
    assert "<img" not in page
    assert "&lt;script&gt;document.title=" in page
    assert "{{ 7 * 191 }}" in page
    assert "1337" not in re.sub(r"[0-9a-f]{12,}", "", page)
    texts = {
        row["text"] for row in read_json(hostile.workdir / "evaluation" / "errors.json")["false_negatives"]
    }
    assert set(HOSTILE) <= texts


@pytest.mark.parametrize("width", [1280, 390])
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_opens_in_a_browser_and_stays_inert(hostile: Settings, width: int, scheme: str) -> None:
    path = hostile.workdir / "evaluation" / "report.html"
    wrong: list[str] = []
    with chromium() as browser:
        context = browser.new_context(viewport={"width": width, "height": 900}, color_scheme=scheme)  # type: ignore[arg-type]
        page = context.new_page()
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda sent: None if sent.url == path.as_uri() else wrong.append(sent.url))
        page.goto(path.as_uri())
        for summary_line in page.locator("summary").all():
            summary_line.click()
        assert "Evaluation of hashed_linear on corpus.csv" == page.title()
        assert page.locator("td.text", has_text="<script>document.title='owned'</script>").is_visible()
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert 4 == page.locator("figure svg[role=img]").count()
        assert page.locator("h1").is_visible()
        ink, ground = (
            page.evaluate(f"getComputedStyle(document.body).{each}") for each in ("color", "backgroundColor")
        )
    assert [] == wrong
    light = sum(map(int, re.findall(r"\d+", ground)[:3])) > sum(map(int, re.findall(r"\d+", ink)[:3]))
    assert (scheme == "light") is light


def test_the_sample_is_labelled_at_every_heading(copied: Settings) -> None:
    manifest = copied.workdir / "comments" / "manifest.json"
    facts = read_json(manifest)
    facts["data"]["is_sample"] = True
    write_json(manifest, facts)
    page = evaluated(copied)
    assert "No figure here says anything about quality." in page
    headings = re.findall(r"<h[123]>(.*?)</h[123]>", page)
    free = [each for each in headings if "sample" not in each]
    assert ["What does it cost?", "What it must not be used for"] == free
    assert "(sample)" in page[: page.index("</title>")]


def test_the_summary_of_a_run_names_the_report(trained: Home) -> None:
    path = trained.settings.workdir / "evaluation" / "report.html"
    assert path.exists()
    assert f"report   {path}\n" in summary(trained.settings)
    assert str(path) in trained.said
