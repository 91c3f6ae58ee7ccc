"""The insight page in a real browser: its own address, the slider, hostile receipts, a phone's width."""

from pathlib import Path

from playwright.sync_api import expect

from tests.frontend import registries
from tests.frontend.browser import PATIENCE_MS, chat, chromium
from tests.frontend.registries import HOSTILE_MARKDOWN, RECEIPT, evaluation, receipt
from tests.frontend.servers import StandIn


def test_a_stranger_comes_by_the_pages_address_moves_the_slider_and_reads_a_hostile_receipt(
    api: StandIn, tmp_path: Path
) -> None:
    gate = {f"gate/{RECEIPT}.json": receipt(), f"gate/{RECEIPT}.md": HOSTILE_MARKDOWN.encode()}
    files = {f"evaluation/{name}": content for name, content in evaluation(texts=True).items()}
    wrong: list[str] = []
    with (
        registries.mlflow() as mlflow,
        chat(api.url, tmp_path, CHATMOD_UI_MLFLOW_URL=mlflow.url) as (url, _),
        chromium() as browser,
    ):
        mlflow.add(3, artifacts=files | gate)
        page = browser.new_context(viewport={"width": 390, "height": 844}).new_page()
        page.set_default_timeout(PATIENCE_MS)
        page.on("pageerror", lambda error: wrong.append(str(error)))
        page.on("dialog", lambda dialog: wrong.append(dialog.message))
        page.on("request", lambda sent: None if url in sent.url else wrong.append(sent.url))
        page.goto(f"{url}/insight")
        sections = page.get_by_test_id("stMain").get_by_test_id("stButtonGroup").first
        sections.get_by_text("Curves", exact=True).click()
        page.locator(".cm-at", has_text="0.683").wait_for()
        slider = page.get_by_role("slider", name="Threshold")
        for _ in range(3):
            slider.press("ArrowRight")
        page.locator(".cm-at", has_text="0.701").wait_for()
        sections.get_by_text("Receipts", exact=True).click()
        shown = page.locator(".st-key-cm-receipt")
        expect(shown.get_by_role("heading")).to_contain_text("<script>alert(1)</script>", timeout=PATIENCE_MS)
        expect(shown.locator("td").last).to_contain_text("![see](http:\u2060//192.0.2.1/x.png)")
        assert 0 == shown.locator("a[href]:not([href^='#']), img, script, .katex").count()
        assert 0 == page.get_by_text("Page not found").count()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390
    assert [] == wrong
