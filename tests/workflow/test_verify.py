"""`python -m workflow verify`: the same version made again, and what is said when it cannot be."""

import shutil
from pathlib import Path

import pytest

from modeling import bundle as bundles
from tests.workflow.processes import Home, workflow
from tests.workflow.versions import Versions
from workflow.__main__ import main
from workflow.steps import read_json


@pytest.fixture
def home(trained: Home, tmp_path: Path) -> Path:
    """A copy of the trained home, whose looks at the test rows may be counted."""
    return Path(shutil.copytree(trained.settings.home, tmp_path / "home"))


def test_a_fresh_process_makes_the_same_bundle_from_the_passport(trained: Home, home: Path) -> None:
    ran = workflow("verify", "1", CHATMOD_HOME=home, CHATMOD_DATA=trained.settings.data, PYTHONHASHSEED="7")
    assert (0, "") == (ran.returncode, ran.errors), ran.stdout
    digest = bundles.digest_of(home / "work" / "bundle")
    assert f"the same bundle: sha256:{digest[:12]}" == ran.stdout.splitlines()[-1]
    assert "evaluations on these test rows so far: 2" in ran.stdout


def test_verifying_leaves_work_and_registry_as_they_are(trained: Home, home: Path) -> None:
    before = {path: path.read_bytes() for path in (home / "work").rglob("*") if path.is_file()}
    ran = workflow("verify", "1", CHATMOD_HOME=home, CHATMOD_DATA=trained.settings.data)
    assert 0 == ran.returncode, ran.stderr
    assert before == {path: path.read_bytes() for path in (home / "work").rglob("*") if path.is_file()}
    status = workflow("status", CHATMOD_HOME=home, CHATMOD_API_PORT=1)
    assert (0, 1) == (status.returncode, status.stdout.count("hashed_linear")), status.stdout


def test_other_comments_are_refused_by_their_sha256(trained: Home, home: Path, tmp_path: Path) -> None:
    other = tmp_path / "other.csv"
    other.write_text(
        Path(trained.settings.data).read_text(encoding="utf-8") + "one more,0\n", encoding="utf-8"
    )
    ran = workflow("verify", "1", CHATMOD_HOME=home, CHATMOD_DATA=other)
    stated = read_json(home / "work" / "bundle" / "passport.json")["data"]["sha256"]
    assert 2 == ran.returncode
    assert "error: CHATMOD_DATA: other.csv has the sha256 " in ran.errors
    assert f"corpus.csv with {stated[:12]}…: name that file" in ran.errors


class Verify:
    """The command in this process, on versions registered here."""

    def __init__(
        self, versions: Versions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
    ) -> None:
        self.versions, self._capsys = versions, capsys
        monkeypatch.setenv("CHATMOD_DATA", versions.settings.data)

    def __call__(self, number: int) -> tuple[int, str, str]:
        self._capsys.readouterr()
        code = main(["verify", str(number)])
        said = self._capsys.readouterr()
        return code, said.out, said.err


@pytest.fixture
def verify(versions: Versions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Verify:
    return Verify(versions, monkeypatch, capsys)


def test_a_version_that_its_passport_does_not_make_differs_by_file_and_metric(verify: Verify) -> None:
    verify.versions.register("poor")
    code, said, _ = verify(1)
    assert 3 == code
    assert "files that differ: weights.safetensors, policy.json; in the passport:" in said
    assert "roc_auc" in said
    assert "it differs: its passport states no tolerance" == said.splitlines()[-1]


def test_metrics_within_the_tolerance_that_a_passport_states_count_as_the_same(verify: Verify) -> None:
    verify.versions.register("poor", fit={"verify": {"tolerance": 0.01}})
    code, said, _ = verify(1)
    assert (0, "the same within 0.01, the tolerance that its passport states") == (
        code,
        said.splitlines()[-1],
    )


def test_metrics_beyond_the_tolerance_differ(verify: Verify) -> None:
    stated = read_json(verify.versions.work / "bundle" / "passport.json")["metrics"]
    stated["roc_auc"]["value"] -= 0.02
    verify.versions.register("poor", fit={"verify": {"tolerance": 0.01}}, metrics=stated)
    code, said, _ = verify(1)
    assert (3, "it differs: its passport states a tolerance of 0.01") == (code, said.splitlines()[-1])
    assert "   +0.020000" in said


def test_a_version_that_does_not_exist_cannot_be_verified(verify: Verify) -> None:
    verify.versions.register("good")
    code, _, errors = verify(9)
    assert (2, True) == (code, "version 9: chat-moderation has none of this number" in errors)


def test_without_its_comments_a_version_cannot_be_verified(
    verify: Verify, monkeypatch: pytest.MonkeyPatch
) -> None:
    verify.versions.register("good")
    monkeypatch.delenv("CHATMOD_DATA")
    code, _, errors = verify(1)
    assert 2 == code
    assert "CHATMOD_DATA='': the version learned from corpus.csv (sha256 " in errors


def test_a_passport_that_does_not_say_how_it_was_made_is_refused(verify: Verify) -> None:
    verify.versions.register("good", evaluation={})
    code, _, errors = verify(1)
    assert (2, True) == (code, "passport.json: does not say " in errors)


def test_another_code_is_said_before_anything_is_compared(verify: Verify) -> None:
    verify.versions.register("good", code={"commit": "1" * 40, "digest": "2" * 64})
    _, said, _ = verify(1)
    assert "is not the version's (111111111111): what differs may come from that" in said.splitlines()[0]
