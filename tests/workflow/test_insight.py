"""What a run registers is what the insight page shows: real pipeline, MLflow, service, chat and browser."""

import json
import re
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.frontend.browser import PATIENCE_MS, chat, chromium
from tests.frontend.servers import Process, free_port, gunicorn
from tests.workflow.processes import Home
from workflow import stack

JUDGED = re.compile("Receipt as JSON|-m workflow gate 1")  # or the way to have it judged
# Each section, words that it alone shows, and how many charts it draws.
SECTIONS = (
    ("Versions", "own test part, n below its name", 1),
    ("Curves", "Dashed: the share removed.", 3),
    ("Reliability", "bins of equal mass", 1),
    ("Slices", "Hollow: too few rows", 1),
    ("Swapped terms", "that differ in this term", 1),
    ("Evasion", "and then disguised", 2),
    ("Worst errors", "worst first", 0),
    ("Why this score", "Answered by the service", 1),
    ("Leak audit", "A model of each group alone", 1),
    ("Receipts", JUDGED, 0),
)


@pytest.fixture
def mlflow(trained: Home, tmp_path: Path) -> Iterator[str]:
    """The address of MLflow's server, as the local stack starts it on a trained home."""
    part = stack.mlflow(replace(trained.settings, mlflow_port=free_port()))
    impatient = part.command[part.command.index(sys.executable) :]  # the stack starts it at low priority
    process = Process(impatient, dict(part.environ), part.health, tmp_path / "mlflow.log")
    process.start(seconds=180)
    try:
        yield part.page
    finally:
        process.stop()


class Insight:
    """The page in a browser; notes every script error and every request to somewhere else."""

    def __init__(self, page: Page, url: str) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: self.wrong.append(str(error)))
        page.on("request", lambda sent: None if url in sent.url else self.wrong.append(sent.url))
        page.goto(f"{url}/insight")
        self.main = page.get_by_test_id("stMain")

    def open(self, section: str, first_words: "str | re.Pattern[str]") -> None:
        self.main.get_by_test_id("stButtonGroup").first.get_by_text(section, exact=True).click()
        self.main.get_by_text(first_words).first.wait_for()

    def drawn(self, number: int) -> None:
        """Wait until so many charts are drawn, and no other is there."""
        charts = self.main.get_by_test_id("stVegaLiteChart")
        expect(charts).to_have_count(number, timeout=PATIENCE_MS)
        expect(charts.locator("svg.marks, canvas.marks")).to_have_count(number, timeout=PATIENCE_MS)

    def fits(self, width: int) -> bool:
        return int(self.page.evaluate("document.documentElement.scrollWidth")) <= width


def test_every_section_shows_what_a_run_registered(trained: Home, mlflow: str, tmp_path: Path) -> None:
    work = trained.settings.workdir
    measured = json.loads((work / "evaluation" / "metrics.json").read_text())
    area = measured["metrics"]["roc_auc"]
    with (
        gunicorn(work / "bundle", tmp_path) as (api_url, _),
        chat(api_url, tmp_path, CHATMOD_UI_MLFLOW_URL=mlflow, CHATMOD_UI_TIMEOUT_S="30") as (url, _),
        chromium() as browser,
    ):
        page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
        insight = Insight(page, url)
        insight.main.get_by_text(f"{area['value']:.3f}{area['low']:.3f} to {area['high']:.3f}").wait_for()
        for section, words, number in SECTIONS:
            insight.open(section, words)
            insight.drawn(number)
            assert insight.fits(390), section
            assert 0 == insight.main.locator(".cm-error").count(), section
            assert 0 == insight.main.get_by_text("Nothing to show").count(), section
        assert [] == insight.wrong
