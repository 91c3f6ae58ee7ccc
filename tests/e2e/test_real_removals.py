"""The loop on real removals: trained by the steps, served by gunicorn, looked at in a browser."""

import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from modeling import bundle
from modeling.policy import ATTRIBUTE
from tests.frontend.browser import moderated_chat, outage
from tests.frontend.servers import gunicorn

STEPS = ("download", "preprocess", "audit", "train", "evaluate")
READABLE = slice(20, 300)


@pytest.fixture(scope="module")
def workdir(real_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the steps up to the evaluation make of the real file."""
    place = tmp_path_factory.mktemp("real")
    for step in STEPS:
        command = [sys.executable, "-m", "workflow", "step", step, "--workdir", str(place)]
        subprocess.run(["env", f"CHATMOD_DATA={real_data}", *command], check=True, timeout=300)
    return place


@pytest.fixture(scope="module")
def scored(workdir: Path) -> pd.DataFrame:
    """The test part's readable rows with their scores."""
    rows = pd.read_csv(workdir / "comments" / "test.csv", keep_default_na=False)
    rows["score"] = bundle.load(workdir / "bundle").score(list(rows["text"]))[ATTRIBUTE]
    return rows[rows["text"].str.len().between(READABLE.start, READABLE.stop)].sort_values("score")


def test_flag_is_reachable_and_remove_is_off_on_this_data(workdir: Path) -> None:
    thresholds = bundle.load(workdir / "bundle").policy.attributes[ATTRIBUTE]
    assert thresholds["flag"].reachable
    assert not thresholds["remove"].reachable
    assert "0.90" in thresholds["remove"].reason


def test_a_removed_row_is_hidden_from_two_browsers_until_one_peeks(
    workdir: Path, scored: pd.DataFrame, tmp_path: Path
) -> None:
    civil = scored[scored["label"] == 0].iloc[0]["text"]
    flagged = scored[scored["label"] == 1].iloc[-1]["text"]
    with gunicorn(workdir / "bundle", tmp_path) as (api_url, _):
        moderated_chat(api_url, civil, flagged, tmp_path)


def test_a_stopped_service_is_told_on_the_page(workdir: Path, scored: pd.DataFrame, tmp_path: Path) -> None:
    civil = scored[scored["label"] == 0].iloc[0]["text"]
    with gunicorn(workdir / "bundle", tmp_path) as (api_url, service):
        outage(api_url, service, civil, tmp_path)
