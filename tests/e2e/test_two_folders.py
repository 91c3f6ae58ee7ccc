"""The same code in two checkouts gives the same split, figures and bundle."""

import csv
import subprocess
import sys
from pathlib import Path

import pytest

from modeling.bundle import digest_of
from tests.corpus import make_rows
from workflow.fingerprint import ROOT

SAME = ("comments/manifest.csv", "evaluation/metrics.json", "bundle/passport.json", "bundle/policy.json")


def run(checkout: Path, data: Path, hash_seed: str) -> Path:
    subprocess.run(["git", "clone", "-q", "--no-hardlinks", str(ROOT), str(checkout)], check=True)
    # A commit of something else than the code must not make another bundle.
    (checkout / "NEWS.md").write_text(f"checkout {hash_seed}\n")
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    subprocess.run(["git", "-C", str(checkout), "add", "NEWS.md"], check=True)
    subprocess.run(["git", "-C", str(checkout), *identity, "commit", "-qm", hash_seed], check=True)
    variables = [f"CHATMOD_DATA={data}", f"PYTHONHASHSEED={hash_seed}", "MLFLOW_DISABLE_TELEMETRY=true"]
    command = ["env", *variables, sys.executable, "-m", "workflow", "run"]
    subprocess.run(command, cwd=checkout, check=True, capture_output=True, timeout=240)
    return checkout / ".chatmod" / "work"


@pytest.fixture(scope="module")
def workdirs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    place = tmp_path_factory.mktemp("folders")
    data = place / "corpus.csv"
    with data.open("w", newline="") as file:
        csv.writer(file).writerows([("text", "removed"), *make_rows(600)])
    return run(place / "one", data, "1"), run(place / "another", data, "2")


@pytest.mark.parametrize("name", SAME)
def test_split_figures_and_passport_are_the_same_in_two_checkouts(
    workdirs: tuple[Path, Path], name: str
) -> None:
    first, second = workdirs
    assert (first / name).read_bytes() == (second / name).read_bytes()


def measured(workdir: Path) -> dict[str, bytes]:
    """Files of the evaluation by name, without the CPU time, and the page that shows it."""
    return {
        path.name: path.read_bytes()
        for path in sorted((workdir / "evaluation").rglob("*"))
        if path.is_file() and path.name not in ("cost.json", "report.html")
    }


def test_the_bundle_and_the_pictures_are_the_same_in_two_checkouts(workdirs: tuple[Path, Path]) -> None:
    first, second = workdirs
    assert digest_of(first / "bundle") == digest_of(second / "bundle")
    assert measured(first) == measured(second)
    assert {"slices.json", "roc.png", "audit.json", "leakage.png"} <= set(measured(first))
