"""The gate over a real MLflow: what is judged, recorded and moved, and what it refuses to judge."""

import hashlib
import json
import shutil
from pathlib import Path

import mlflow
import pytest

from modeling import bundle as bundles
from modeling.receipt import receipt_from_json
from tests.bundles import reseal
from tests.workflow.versions import Versions
from workflow.gating import plain_words
from workflow.settings import Settings
from workflow.steps import read_json
from workflow.tracking.names import MODEL_NAME

FORCE = ("--force", "--reason", "the old one is broken", "--by", "ann", "--second", "bob")


def test_the_first_version_that_keeps_every_budget_is_promoted_with_its_receipt(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    number, code = versions.judged("good")
    assert (1, 0, {"champion": 1}) == (number, code, versions.aliases())
    tags = versions.version(1).tags
    [(name, receipt)] = versions.receipts(1).items()
    text = (versions.work / "verdict" / "receipt.json").read_text()
    assert ("promote", name) == (tags["verdict"], tags["receipt_id"])
    assert hashlib.sha256(text.encode()).hexdigest() == tags["receipt_sha256"]
    assert receipt == json.loads(text)
    assert receipt_from_json(text, name).at == tags["judged_at"]
    assert ("ann", None, "version 1") == (receipt["who"], receipt["champion"], receipt["candidate"]["name"])
    assert "forced" not in tags
    said = capsys.readouterr().out
    assert f"promoted: version 1 is the first champion; receipt {name}\n" in said


def test_a_receipt_says_which_rows_and_models_it_is_about(versions: Versions) -> None:
    versions.judged("good")
    [receipt] = versions.receipts(1).values()
    facts = read_json(versions.work / "comments" / "manifest.json")
    data = receipt["data"]
    assert (facts["data"]["sha256"], facts["split"]["id"]) == (data["sha256"], data["split"])
    assert facts["split"]["test"] == {name: data[name] for name in ("rows", "removed")}
    assert ("test", 1) == (data["part"], data["test_touches"])
    assert bundles.digest_of(versions.work / "bundle") == receipt["candidate"]["digest"]
    assert facts["split"]["learning"]["rows"] == receipt["candidate"]["learned_rows"]
    assert 0.3 == receipt["candidate"]["cpu_ms"]


def test_the_receipt_for_people_lies_beside_that_for_machines(versions: Versions) -> None:
    versions.judged("good")
    run = versions.version(1).run_id
    [name] = versions.receipts(1)
    kept = {entry.path for entry in versions.client.list_artifacts(run, "gate")}
    assert {f"gate/{name}.json", f"gate/{name}.md"} == kept
    text = Path(versions.client.download_artifacts(run, f"gate/{name}.md")).read_text()
    assert text == (versions.work / "verdict" / "receipt.md").read_text()
    assert text.startswith("# Promote: version 1 ")


def test_a_worse_model_is_refused_and_the_refusal_is_recorded_like_a_pass(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions.judged("good")
    number, code = versions.judged("poor")
    assert (2, 3, {"champion": 1}) == (number, code, versions.aliases())
    tags = versions.version(2).tags
    [(name, receipt)] = versions.receipts(2).items()
    assert ("refuse", name) == (tags["verdict"], tags["receipt_id"])
    assert ["version 1", "version 2"] == [receipt[role]["name"] for role in ("champion", "candidate")]
    assert "refused: version 2 is not promoted, version 1 stays champion; receipt" in capsys.readouterr().out
    assert (2, 1, 1) == tuple(
        versions.verdict()[f"{name}_version{when}"]
        for name, when in (("candidate", ""), ("champion", "_before"), ("champion", "_after"))
    )


def test_equal_models_leave_the_champion_and_the_newer_is_challenger(versions: Versions) -> None:
    versions.judged("good")
    assert (2, 4) == versions.judged("good")
    assert {"champion": 1, "challenger": 2} == versions.aliases()
    assert "inconclusive" == versions.version(2).tags["verdict"]


def test_a_better_model_takes_the_champions_place_which_becomes_challenger(versions: Versions) -> None:
    assert (1, 0) == versions.judged("poor")
    assert (2, 0) == versions.judged("good")
    assert {"champion": 2, "challenger": 1} == versions.aliases()
    verdict = versions.verdict()
    assert (1, 2) == (verdict["champion_version_before"], verdict["champion_version_after"])
    assert versions.version(2).tags["bundle_digest"] == verdict["champion_digest_after"]


def test_of_equal_challengers_the_quicker_is_chosen_and_never_a_refused_one(versions: Versions) -> None:
    versions.judged("good")
    for model, cpu_ms in (("good", 3.0), ("good", 0.2), ("good", 0.4), ("poor", 0.1)):
        versions.judged(model, cpu_ms=cpu_ms)
    assert {"champion": 1, "challenger": 3} == versions.aliases()


def test_the_same_question_has_the_same_answer_and_no_second_receipt(versions: Versions) -> None:
    versions.judged("good")
    versions.judged("poor")
    before = versions.verdict()
    assert 3 == versions.gate(2) == versions.gate()
    assert before == versions.verdict()
    assert 1 == len(versions.receipts(2))


def test_the_champion_is_not_judged_again_and_shows_how_it_became_one(versions: Versions) -> None:
    versions.judged("poor")
    versions.judged("good")
    before = versions.verdict()
    assert 0 == versions.gate(2)
    assert before == versions.verdict()
    assert 1 == len(versions.receipts(2))


def test_another_champion_or_rule_is_another_question(
    versions: Versions, rules: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions.judged("poor")
    versions.judged("good")
    assert 3 == versions.gate(1)
    assert 2 == len(versions.receipts(1))
    stricter = tmp_path / "gate.toml"
    stricter.write_text(rules.read_text().replace("worse = 0.03", "worse = 0.02"))
    monkeypatch.setenv("CHATMOD_GATE", str(stricter))
    assert 3 == versions.gate(1)
    assert 3 == len(versions.receipts(1))
    assert {"champion": 2} == versions.aliases()


def test_a_forced_promotion_moves_the_alias_and_is_marked_for_ever(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions.judged("good")
    versions.judged("poor")
    assert 0 == versions.gate(2, *FORCE)
    mark = "forced by ann, second bob: the old one is broken"
    assert mark in capsys.readouterr().out
    assert (2, mark) == (versions.aliases()["champion"], versions.version(2).tags["forced"])
    forced = {"reason": "the old one is broken", "by": "ann", "second": "bob", "verdict": "refuse"}
    assert [None, forced] == sorted((each["forced"] for each in versions.receipts(2).values()), key=bool)
    assert 0 == versions.gate(2, *FORCE)
    assert 2 == len(versions.receipts(2))
    assert 0 == versions.gate(1)
    assert 3 == versions.gate(2)
    assert mark == versions.version(2).tags["forced"]
    assert ("refuse", 1) == (versions.version(2).tags["verdict"], versions.aliases()["champion"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--force", "--by", "ann", "--second", "bob"], "--reason='': a forced promotion is recorded"),
        (["--force", "--reason", "x", "--second", "bob"], "--by='': a forced promotion is recorded"),
        (["--force", "--reason", "x", "--by", "ann"], "--second='': a forced promotion is recorded"),
        (["--force", "--reason", " ", "--by", "ann", "--second", "bob"], "--reason=' ': a forced"),
        (["--force", "--reason", "x", "--by", "ann", "--second", "ANN"], "second='ANN' is the same name"),
        (["--by", "ann"], "--by='ann': is for a forced promotion: add --force"),
        ([9], "version 9: chat-moderation has none of this number"),
    ],
)
def test_what_cannot_be_judged_or_forced_is_an_error_and_changes_nothing(
    versions: Versions, arguments: list[object], message: str, capsys: pytest.CaptureFixture[str]
) -> None:
    versions.judged("good")
    versions.judged("poor")
    before, aliases, tags = versions.verdict(), versions.aliases(), versions.version(2).tags
    assert 2 == versions.gate(*arguments)
    assert f"error: {message}" in capsys.readouterr().err
    assert (before, aliases, tags) == (versions.verdict(), versions.aliases(), versions.version(2).tags)
    assert 1 == len(versions.receipts(2))


@pytest.mark.parametrize("text", ["0", "-1", "one", "1.0", "²"])
def test_a_version_that_is_no_number_is_refused_with_the_usage(
    versions: Versions, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        versions.gate("--", text)
    assert 2 == ended.value.code
    assert f"{text!r} is no version: give a number such as 3" in capsys.readouterr().err


def files_of(versions: Versions, number: int) -> Path:
    """Where MLflow keeps a version's bundle."""
    return Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{number}"))


@pytest.mark.parametrize("harm", ["alter", "remove", "all", "another"])
def test_a_champion_that_cannot_be_read_is_an_error_and_never_a_promotion(
    versions: Versions, harm: str, capsys: pytest.CaptureFixture[str]
) -> None:
    versions.judged("poor")
    place = files_of(versions, 1)
    if harm == "alter":
        (place / "weights.safetensors").write_bytes(b"altered")
    elif harm == "remove":
        (place / "policy.json").unlink()
    elif harm == "all":
        shutil.rmtree(place)
    else:
        reseal(place, test="not what was registered")
    number, code = versions.judged("good")
    assert (2, 2, {"champion": 1}) == (number, code, versions.aliases())
    said = capsys.readouterr().err
    assert "error: the champion, version 1, cannot be read (" in said
    assert "Traceback" not in said
    assert {} == versions.receipts(2)
    assert "verdict" not in versions.version(2).tags


def test_a_receipt_that_was_altered_is_an_error(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions.judged("good")
    versions.judged("poor")
    [name] = versions.receipts(2)
    uri = versions.client.get_run(versions.version(2).run_id).info.artifact_uri
    path = Path(uri.removeprefix("file://").replace("%20", " ")) / "gate" / f"{name}.json"
    path.write_text(path.read_text().replace('"refuse"', '"promote"'))
    assert 2 == versions.gate(2)
    assert f"receipt '{name}' has the content of" in capsys.readouterr().err
    assert {"champion": 1} == versions.aliases()


def test_a_receipt_that_was_cut_off_while_it_was_written_does_not_count(versions: Versions) -> None:
    versions.judged("good")
    entry = versions.register("poor")
    versions.client.log_text(entry.run_id, '{"verdict": "prom', f"gate/{'0' * 16}.json")
    assert 3 == versions.gate(2)
    assert "0" * 16 != versions.version(2).tags["receipt_id"]


def test_an_alias_that_somebody_moved_by_hand_is_said(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    versions.judged("good")
    versions.judged("poor")
    versions.client.set_registered_model_alias(MODEL_NAME, "champion", "2")
    assert 2 == versions.gate(2)
    assert "version 2: has the alias champion without a receipt that promotes it" in capsys.readouterr().err


def test_a_version_of_other_test_rows_is_not_judged_on_these(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    split = {**read_json(versions.work / "comments" / "manifest.json")["split"], "id": "0123456789ab"}
    assert (1, 2) == versions.judged("good", split=split)
    assert (
        "was evaluated on the test rows of split 0123456789ab, here are those of" in capsys.readouterr().err
    )
    assert {} == versions.aliases()


def test_what_a_version_learned_from_is_read_from_its_run_and_said_where_it_is_not_known(
    versions: Versions,
) -> None:
    versions.judged("poor")
    uri = versions.client.get_run(versions.version(1).run_id).info.artifact_uri
    (Path(uri.removeprefix("file://").replace("%20", " ")) / "manifest.csv").unlink()
    versions.judged("good")
    [receipt] = versions.receipts(2).values()
    assert "unknown" == receipt["champion"]["learned_rows"]
    assert isinstance(receipt["candidate"]["learned_rows"], int)


def test_a_champion_that_learned_from_test_rows_is_refused_by_key(
    versions: Versions, capsys: pytest.CaptureFixture[str]
) -> None:
    manifest = versions.work / "comments" / "manifest.csv"
    honest = manifest.read_text()
    manifest.write_text(honest.replace(",used,test,", ",used,learning,", 1))
    assert honest != manifest.read_text()
    versions.register("poor")
    manifest.write_text(honest)
    assert 2 == versions.gate()
    assert "version 1 learned from 1 of the" in capsys.readouterr().err


def test_whoever_asks_is_who_was_set_or_the_systems_user_and_no_variable_of_the_shell(
    versions: Versions, monkeypatch: pytest.MonkeyPatch
) -> None:
    import os
    import pwd

    monkeypatch.delenv("CHATMOD_WHO")
    for name in ("USER", "LOGNAME", "USERNAME"):
        monkeypatch.setenv(name, "mallory")
    versions.judged("good")
    [receipt] = versions.receipts(1).values()
    assert pwd.getpwuid(os.getuid()).pw_name == receipt["who"]


def test_a_user_without_a_name_is_told_by_number(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.getuid", lambda: 4_000_000_001)
    assert "user 4000000001" == Settings().judge


def test_the_step_ends_with_the_same_codes(versions: Versions) -> None:
    from workflow.__main__ import main

    versions.judged("good")
    versions.register("poor")
    assert 3 == main(["step", "gate"])
    shutil.rmtree(files_of(versions, 1))
    versions.register("good")
    assert 2 == main(["step", "gate"])


FACTS = {
    "verdict": "inconclusive",
    "reason": "why",
    "receipt_id": "abc",
    "forced": None,
    "candidate_version": 3,
    "champion_version_before": 2,
}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"champion_version_before": None},
            "inconclusive: version 3 is not promoted, there is no champion yet; receipt abc",
        ),
        ({"verdict": "refuse"}, "refused: version 3 is not promoted, version 2 stays champion; receipt abc"),
        ({"verdict": "promote"}, "promoted: version 3 is champion in place of version 2; receipt abc"),
    ],
)
def test_a_verdict_is_said_in_plain_words(changes: dict[str, object], expected: str) -> None:
    assert [expected, "why"] == plain_words({**FACTS, **changes})
