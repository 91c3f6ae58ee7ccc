"""`python -m workflow status`: what it shows of a real MLflow, and every disagreement that it finds."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import mlflow
import pytest

from modeling import bundle as bundles
from tests.prediction_service.serving import Server, free_port
from tests.workflow.versions import Versions
from workflow.__main__ import main
from workflow.agreement import Found, Served, disagreements
from workflow.tracking.names import MODEL_NAME
from workflow.tracking.registry import Version

Status = Callable[..., tuple[int, str]]


@pytest.fixture
def status(versions: Versions, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Status:
    """Exit code and output; nobody listens at the service's port."""
    monkeypatch.setenv("CHATMOD_API_PORT", str(free_port()))

    def run(*arguments: str) -> tuple[int, str]:
        capsys.readouterr()
        code = main(["status", *arguments])
        return code, capsys.readouterr().out

    return run


def test_a_registry_with_nothing_in_it_says_so(status: Status) -> None:
    assert (0, "no version is registered yet: run make train\nnothing disagrees\n") == status()


def test_versions_are_shown_with_figures_verdicts_and_aliases(versions: Versions, status: Status) -> None:
    versions.judged("good")
    versions.judged("poor")
    code, said = status()
    head, first, second, *rest = said.splitlines()
    assert 0 == code
    assert ["", "nothing disagrees"] == rest
    assert head.split()[:4] == ["version", "alias", "candidate", "data"]
    tags = versions.version(2).tags
    for part in ("1", "champion", "hashed_linear", "corpus.csv", "promote"):
        assert part in first.split()
    for part in ("2", "-", "refuse", tags["receipt_id"], tags["bundle_digest"][:12], tags["split_id"]):
        assert part in second.split()
    assert "[0." in first
    assert len(set(map(len, (first, second)))) == 1


def test_a_forced_promotion_is_shown_with_who_and_why(versions: Versions, status: Status) -> None:
    versions.judged("good")
    versions.judged("poor")
    versions.gate(2, "--force", "--reason", "because", "--by", "ann", "--second", "bob")
    code, said = status()
    assert 0 == code
    assert "promote (forced)" in said
    assert "\nversion 2: forced by ann, second bob: because\n" in said


def test_programs_read_it_as_json(versions: Versions, status: Status) -> None:
    versions.judged("good")
    code, said = status("--json")
    document = json.loads(said)
    [entry] = document["versions"]
    assert (0, []) == (code, document["disagreements"])
    assert (1, ["champion"], "promote", "FINISHED") == tuple(
        entry[name] for name in ("version", "aliases", "verdict", "run_state")
    )
    assert {"roc_auc", "pr_auc", "ece"} == set(entry["metrics"])
    assert {"value", "low", "high"} == set(entry["metrics"]["roc_auc"])
    assert versions.version(1).tags["bundle_digest"] == entry["digest"]


def place_of(versions: Versions, number: int) -> Path:
    return Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{number}"))


def alter_files(versions: Versions) -> None:
    (place_of(versions, 1) / "policy.json").write_text("{}")


def lose_files(versions: Versions) -> None:
    (place_of(versions, 2) / "passport.json").unlink()


def alter_receipt(versions: Versions) -> None:
    version = versions.version(2)
    name = f"gate/{version.tags['receipt_id']}.json"
    text = Path(versions.client.download_artifacts(version.run_id, name)).read_text()
    versions.client.log_text(version.run_id, text.replace('"refuse"', '"promote"'), name)


def lose_receipt(versions: Versions) -> None:
    versions.client.set_model_version_tag(MODEL_NAME, "2", "receipt_id", "0" * 16)


def move_champion(versions: Versions) -> None:
    versions.client.set_registered_model_alias(MODEL_NAME, "champion", "2")


def move_challenger(versions: Versions) -> None:
    versions.client.set_registered_model_alias(MODEL_NAME, "challenger", "2")


def alter_tag(versions: Versions) -> None:
    versions.client.set_model_version_tag(MODEL_NAME, "2", "bundle_digest", "f" * 64)


def double(versions: Versions) -> None:
    first = versions.version(1)
    digest = {"bundle_digest": first.tags["bundle_digest"]}
    versions.client.create_model_version(MODEL_NAME, first.source, first.run_id, tags=digest)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        (alter_files, "version 1: its files have the digest "),
        (lose_files, "version 2: its bundle cannot be read ("),
        (alter_tag, "version 2: its files have the digest "),
        (alter_receipt, "has the sha256 "),
        (lose_receipt, "version 2: is tagged refuse, and its receipt 0000000000000000 is not there"),
        (move_champion, "version 2: is champion, and no receipt promotes it (verdict refuse)"),
        (move_challenger, "version 2: is challenger, and was refused: somebody moved the alias"),
        (double, "versions 1 and 3: are one bundle, "),
    ],
)
def test_what_disagrees_is_said_and_told_by_the_exit_code(
    versions: Versions, status: Status, harm: Callable[[Versions], None], expected: str
) -> None:
    versions.judged("good")
    versions.judged("poor")
    assert 0 == status()[0]
    harm(versions)
    code, said = status()
    assert 1 == code
    [line] = [line for line in said.splitlines() if expected in line]
    assert "nothing disagrees" not in said
    code, said = status("--json")
    assert (1, [line]) == (code, json.loads(said)["disagreements"])


def test_a_service_that_serves_another_version_is_said(
    versions: Versions, status: Status, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions.judged("good")
    with Server(tmp_path / "log", bundle=versions.work / "bundle", workers=1) as server:
        monkeypatch.setenv("CHATMOD_API_PORT", str(server.port))
        assert 0 == status()[0]
        versions.judged("good", reading="another")
        versions.gate(2, "--force", "--reason", "because", "--by", "ann", "--second", "bob")
        code, said = status()
    digest = versions.version(1).tags["bundle_digest"]
    assert 1 == code
    assert f"the service at http://127.0.0.1:{server.port} serves sha256:{digest[:12]} " in said
    assert "champion is version 2: start it again with make run" in said


def test_an_mlflow_that_is_away_is_an_error(
    versions: Versions, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("CHATMOD_TRACKING_URI", "http://127.0.0.1:9")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    assert 2 == main(["status"])
    assert capsys.readouterr().err.endswith("lets you in, then run status again\n")


GOOD = Found(
    Version(
        1,
        "run",
        {"bundle_digest": "a" * 64, "verdict": "promote", "receipt_id": "r", "receipt_sha256": "b" * 64},
        ("champion",),
        "FINISHED",
        {},
        {},
        "",
    ),
    "a" * 64,
    "",
    "b" * 64,
)


UNJUDGED = {"bundle_digest": "a" * 64}


def changed(found: Found, **version: Any) -> Found:
    return replace(found, version=replace(found.version, **version))


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (GOOD, []),
        (changed(GOOD, state=""), ["version 1: its run run is gone"]),
        (changed(GOOD, state="RUNNING"), ["version 1: its run has never ended"]),
        (replace(GOOD, digest="", trouble="no disk"), ["version 1: its bundle cannot be read (no disk)"]),
        (changed(GOOD, aliases=("challenger",)), []),
        (replace(changed(GOOD, tags=UNJUDGED), receipt_sha256=""), ["version 1: is champion"]),
    ],
)  # fmt: skip
def test_each_disagreement_by_itself(found: Found, expected: list[str]) -> None:
    said = disagreements([found], None)
    assert len(expected) == len(said)
    assert all(line.startswith(start) for line, start in zip(said, expected, strict=True))


def test_a_service_is_compared_by_digest_and_only_where_there_is_a_champion() -> None:
    same, other = Served("here", "1", "a" * 64), Served("here", "7", "c" * 64)
    assert [] == disagreements([GOOD], same)
    assert 1 == len(disagreements([GOOD], other))
    assert [] == disagreements([changed(GOOD, aliases=())], other)


def test_the_digest_that_a_passport_states_is_that_of_its_bundle(bundle_dir: Path, tmp_path: Path) -> None:
    (tmp_path / "passport.json").write_bytes((bundle_dir / "passport.json").read_bytes())
    assert bundles.digest_of(bundle_dir) == bundles.stated_digest(tmp_path)
