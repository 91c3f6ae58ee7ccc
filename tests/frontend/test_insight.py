"""The insight page's states, without a browser."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import streamlit as st
from streamlit.runtime.context import ContextProxy
from streamlit.testing.v1 import AppTest
from streamlit.util import calc_hash

from frontend.receipts import tamed
from tests.frontend import registries
from tests.frontend.registries import RECEIPT, MLflow, evaluation, passport, policy, receipt
from tests.frontend.servers import ROOT, Answer, StandIn, free_port
from tests.frontend.test_client import PROBLEM


@pytest.fixture
def mlflow() -> Iterator[MLflow]:
    with registries.mlflow() as server:
        yield server


@pytest.fixture
def chosen(
    api: StandIn, mlflow: MLflow, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> pytest.MonkeyPatch:
    """Settings for a page on the scripted API and the scripted MLflow, with a memory of nothing."""
    st.cache_data.clear()
    monkeypatch.setenv("CHATMOD_UI_API_URL", api.url)
    monkeypatch.setenv("CHATMOD_UI_MLFLOW_URL", mlflow.url)
    monkeypatch.setenv("CHATMOD_UI_ROOM_URL", f"sqlite:///{tmp_path / 'chat.db'}")
    monkeypatch.setattr(ContextProxy, "cookies", {})  # AppTest has no browser whose cookies it could give
    return monkeypatch


def visit(section: str = "Versions", beside: tuple[int, ...] = ()) -> AppTest:
    page = AppTest.from_file(str(ROOT / "frontend/app.py"), default_timeout=30)
    page._page_hash = calc_hash("insight")  # switch_page knows pages that are files only
    page.run()
    if beside:
        page.multiselect(key="insight-beside").set_value(list(beside))
    if section != "Versions":
        page.button_group(key="insight-section").set_value(section)
    return page.run()


def said(page: AppTest) -> str:
    assert not page.exception, page.exception[0].stack_trace
    assert not page.error
    bodies = [element.proto.body for element in page.main if element.type == "html"]
    return "\n".join(body for body in bodies if "<style>" not in body)


def charts(page: AppTest) -> list[Any]:
    return [json.loads(one.proto.spec) for one in page.get("vega_lite_chart")]


def test_without_an_address_of_mlflow_the_page_says_how_to_set_one(chosen: pytest.MonkeyPatch) -> None:
    chosen.delenv("CHATMOD_UI_MLFLOW_URL")
    assert "No MLflow address is set." in said(visit())
    assert "CHATMOD_UI_MLFLOW_URL" in said(visit())


@pytest.mark.usefixtures("chosen")
def test_before_the_first_version_the_page_says_how_to_train_one(mlflow: MLflow) -> None:
    assert "train and register a version with make train" in said(visit())


def test_a_server_that_is_away_is_told_with_a_way_to_try_again(
    chosen: pytest.MonkeyPatch, mlflow: MLflow
) -> None:
    mlflow.add(3)
    chosen.setenv("CHATMOD_UI_MLFLOW_URL", f"http://127.0.0.1:{free_port()}")
    page = visit()
    assert "The versions cannot be read." in said(page)
    assert "cannot be reached" in said(page)
    assert "insight-again" in [button.key for button in page.button]


@pytest.mark.usefixtures("chosen")
@pytest.mark.parametrize(
    ("end", "answer", "remedy"),
    [
        ("registered-models/get", Answer(403, b"Invalid Host header"), "--allowed-hosts"),
        ("registered-models/get", Answer(500, b"database is locked"), "see its log, and try again"),
        ("/get-artifact", Answer(500, b"no such bucket"), "see its log, and try again"),
        ("registered-models/get", Answer(200, b"<html>"), "give the address of an MLflow server"),
    ],
)
def test_a_server_that_fails_is_told_on_the_page(
    mlflow: MLflow, end: str, answer: Answer, remedy: str
) -> None:
    mlflow.add(3)
    mlflow.script[end] = answer
    page = visit()
    assert "The versions cannot be read." in said(page)
    assert remedy in said(page)
    mlflow.script.clear()
    assert "removals.csv" in said(page.button(key="insight-again").click().run())


@pytest.mark.usefixtures("chosen")
def test_versions_stand_side_by_side_and_are_not_asked_for_again_at_once(mlflow: MLflow) -> None:
    mlflow.aliases = {"champion": 3}
    mlflow.add(4, tags={"verdict": "refuse"})
    mlflow.add(3)
    mlflow.add(1, files={"passport.json": passport(sample=True, split="other")}, artifacts={})
    page = visit()
    text = said(page)
    assert "champion" in text
    assert "cm-gate-refuse" in text
    assert "Not comparable." in text
    assert "SAMPLE, says nothing about quality: version 1." in text
    assert 1 == len(charts(page))
    asked = len(mlflow.asked)
    page.run()
    assert asked == len(mlflow.asked)
    page.selectbox(key="insight-version").set_value(1).run()
    assert "Sample data." in said(page)


LACKS = {
    "Curves": "evaluation/curves.json",
    "Reliability": "evaluation/reliability.json",
    "Slices": "evaluation/slices.json",
    "Swapped terms": "evaluation/counterfactual.json",
    "Evasion": "evaluation/evasion.json",
    "Worst errors": "evaluation/errors.json",
    "Leak audit": "leak audit",
}


@pytest.mark.usefixtures("chosen")
def test_a_version_without_these_files_says_so_in_every_section(mlflow: MLflow) -> None:
    old = passport() | {"leak_audit": {"status": "not run"}}
    mlflow.add(1, files={"passport.json": old, "policy.json": policy()}, artifacts={})
    page = visit()
    for section, file in LACKS.items():
        text = said(page.button_group(key="insight-section").set_value(section).run())
        assert f"Version 1 has no {file}: an earlier pipeline registered it" in text
    text = said(page.button_group(key="insight-section").set_value("Receipts").run())
    assert "run .venv/bin/python -m workflow gate 1" in text


@pytest.mark.usefixtures("chosen")
def test_a_file_that_is_no_json_is_told_in_its_section(mlflow: MLflow) -> None:
    broken = {f"evaluation/{name}": b"{" for name in evaluation()}
    mlflow.add(1, artifacts=broken)
    page = visit()
    assert "evaluation/cost.json of version 1 is not what the pipeline writes" in said(page)
    for section in [one for one in LACKS if one != "Leak audit"]:
        text = said(page.button_group(key="insight-section").set_value(section).run())
        assert "This cannot be shown." in text
        assert "is not what the pipeline writes" in text


@pytest.mark.usefixtures("chosen")
def test_the_threshold_can_be_moved_and_curves_be_laid_over_each_other(mlflow: MLflow) -> None:
    mlflow.add(4)
    mlflow.add(3, files={"passport.json": passport(split="other"), "policy.json": policy()})
    page = visit("Curves", beside=(3,))
    assert "<b>0.683</b><span>precision</span><span>[0.629, 0.732]</span>" in said(page)
    assert "The policy never uses: remove." in said(page)
    assert "Not comparable." in said(page)
    assert 3 == len(charts(page))
    assert "version 3" in str(charts(page)[1])
    page.slider(key="insight-threshold-4").set_value(0.9).run()
    assert "<b>0.863</b><span>precision</span>" in said(page)


DRAWN = {"Reliability": 1, "Slices": 1, "Swapped terms": 1, "Evasion": 2, "Leak audit": 1}


@pytest.mark.usefixtures("chosen")
def test_every_figure_says_which_data_and_part_it_is_of(mlflow: MLflow) -> None:
    mlflow.add(4)
    page = visit()
    for section, number in DRAWN.items():
        text = said(page.button_group(key="insight-section").set_value(section).run())
        part = "learning part, n = 4,444" if section == "Leak audit" else "test part, n = 1,111"
        assert text.count(f"version 4 · removals.csv (file) · {part}, ") == number
        assert number == len(charts(page))


@pytest.mark.usefixtures("chosen")
def test_texts_of_errors_are_shown_only_where_the_report_has_them(mlflow: MLflow) -> None:
    mlflow.add(3)
    page = visit("Worst errors")
    assert "CHATMOD_REPORT_TEXTS=1" in said(page)
    assert "&lt;b&gt;message" not in said(page)
    with_texts = {f"evaluation/{name}": content for name, content in evaluation(texts=True).items()}
    mlflow.add(4, artifacts=with_texts)
    st.cache_data.clear()
    page = visit("Worst errors")
    assert "&lt;b&gt;message&lt;/b&gt; number 1" in said(page)
    page.button_group(key="insight-errors").set_value("false_negatives").run()
    assert "&lt;b&gt;message&lt;/b&gt; number 3" in said(page)


@pytest.mark.usefixtures("chosen")
def test_a_text_is_explained_by_what_is_served(mlflow: MLflow, api: StandIn) -> None:
    mlflow.add(3)
    page = visit("Why this score")
    page.text_area(key="insight-text").set_value("so <b>bad</b>").run()
    assert '">so</span> <span class="cm-token cm-less"' in said(page)
    assert "&lt;b&gt;bad&lt;/b&gt;</span>" in said(page)
    assert "Answered by the service, which serves v7: flag" in said(page)
    assert 1 == len(charts(page))
    page.text_area(key="insight-text").set_value(" ").run()
    assert "Write a text" in said(page)
    api.script = [Answer(422, PROBLEM)]
    page.text_area(key="insight-text").set_value("odd").run()
    assert "This text cannot be explained." in said(page)
    assert "shorten it to 20,000" in said(page)


def test_a_service_that_is_away_is_told_where_it_is_needed(
    chosen: pytest.MonkeyPatch, mlflow: MLflow
) -> None:
    mlflow.add(3)
    chosen.setenv("CHATMOD_UI_API_URL", f"http://127.0.0.1:{free_port()}")
    text = said(visit("Why this score"))
    assert "The service cannot be asked." in text
    assert "Start it." in text


@pytest.mark.usefixtures("chosen")
def test_receipts_are_shown_tamed_and_a_forced_one_says_who_and_why(mlflow: MLflow) -> None:
    forced = {"reason": "the <b>old</b> one is broken", "by": "dana", "second": "kim"}
    receipts = {
        f"gate/{RECEIPT}.json": receipt(forced=forced, verdict="refuse"),
        f"gate/{RECEIPT}.md": registries.HOSTILE_MARKDOWN.encode(),
    }
    mlflow.add(3, artifacts=receipts)
    page = visit("Receipts")
    assert "by dana with kim, because: the &lt;b&gt;old&lt;/b&gt; one is broken" in said(page)
    assert [tamed(registries.HOSTILE_MARKDOWN).strip()] == [one.value for one in page.main.markdown]
    assert not page.main.markdown[0].allow_html
    assert ["refuse · 2026-11-21T10:00:00Z · " + RECEIPT] == page.selectbox(key="insight-receipt").options
