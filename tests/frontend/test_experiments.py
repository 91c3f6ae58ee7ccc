"""What is put together about a version from the registry's files."""

from collections.abc import Iterator

import pytest

from frontend import evidence
from frontend.exceptions import EvidenceError
from frontend.experiments import Experiments, about, thresholds
from frontend.registry import Registry, Version
from tests.frontend import registries
from tests.frontend.registries import MLflow, evaluation, passport, policy, receipt
from tests.frontend.servers import Answer


@pytest.fixture
def mlflow() -> Iterator[MLflow]:
    with registries.mlflow() as server:
        yield server


@pytest.fixture
def experiments(mlflow: MLflow) -> Experiments:
    return Experiments(Registry(mlflow.url, 5))


def only(experiments: Experiments) -> Version:
    [version] = experiments.versions()
    return version


def test_a_row_holds_passport_and_cost(mlflow: MLflow, experiments: Experiments) -> None:
    mlflow.add(1)
    row = experiments.row(only(experiments))
    assert row.passport
    assert row.cost
    assert ("hashed_linear", 8_400_000, "") == (row.passport.candidate, row.cost.bundle_bytes, row.trouble)


def test_a_broken_file_hides_nothing_else(mlflow: MLflow, experiments: Experiments) -> None:
    made = mlflow.add(1)
    made.artifacts["evaluation/cost.json"] = b"{"
    row = experiments.row(only(experiments))
    assert row.passport
    assert "evaluation/cost.json of version 1 is not what the pipeline writes" in row.trouble
    made.files["passport.json"] = {"kind": 1}
    row = experiments.row(only(experiments))
    assert row.passport is None
    assert "passport.json of version 1 is not what the pipeline writes" in row.trouble


def test_a_version_without_files_says_what_to_do(mlflow: MLflow, experiments: Experiments) -> None:
    mlflow.add(1, files={}, artifacts={})
    row = experiments.row(only(experiments))
    assert "version 1 has no passport.json in its bundle: train and register anew" == row.trouble
    assert experiments.policy(row.version) is None
    assert experiments.metrics(row.version) is None


def test_a_store_that_fails_for_what_it_lacks_is_asked_for_its_list_first(
    mlflow: MLflow, experiments: Experiments
) -> None:
    mlflow.add(1, artifacts={"evaluation/metrics.json": evaluation()["metrics.json"]})
    mlflow.script["/get-artifact"] = Answer(500, b"NoSuchKey")
    assert experiments.evaluation(only(experiments), "cost.json", evidence.COST) is None


def test_an_audit_is_read_with_its_reasons_and_else_as_the_passport_states_it(
    mlflow: MLflow, experiments: Experiments
) -> None:
    made = mlflow.add(1)
    stated = experiments.audit(only(experiments))
    assert stated
    assert ["entities", "length"] == [group.name for group in stated.groups]
    whole = {
        "status": "failed",
        "rows": 7,
        "groups": [{"name": "edit", "verdict": "failed", "reason": "leaks"}],
    }
    made.artifacts["evaluation/audit/audit.json"] = whole
    found = experiments.audit(only(experiments))
    assert found
    assert [("edit", "leaks")] == [(group.name, group.reason) for group in found.groups]
    del made.artifacts["evaluation/audit/audit.json"]
    made.files["passport.json"] = passport() | {"leak_audit": {"status": "not run"}}
    assert experiments.audit(only(experiments)) is None


def test_receipts_come_latest_first_and_each_needs_both_files(
    mlflow: MLflow, experiments: Experiments
) -> None:
    receipts = {
        "gate/aaaa.json": receipt(at="2026-11-20T10:00:00Z"),
        "gate/aaaa.md": b"# first",
        "gate/bbbb.json": receipt(at="2026-11-21T10:00:00Z", verdict="refuse"),
        "gate/bbbb.md": b"# second \xff",
        "gate/cccc.json": receipt(),
    }
    mlflow.add(1, artifacts=receipts)
    found = experiments.receipts(only(experiments))
    assert [("bbbb", "refuse"), ("aaaa", "promote")] == [(one.id, one.verdict.verdict) for one in found]
    assert "# second \ufffd" == found[0].markdown
    mlflow.versions[0].artifacts["gate/aaaa.json"] = {"verdict": 1}
    with pytest.raises(EvidenceError, match=r"gate/aaaa\.json of version 1"):
        experiments.receipts(only(experiments))


def test_thresholds_are_those_of_actions_that_can_fire() -> None:
    assert {"flag": 0.6} == thresholds(evidence.POLICY.validate_python(policy()))
    assert {} == thresholds(None)


def test_a_figure_says_data_part_and_n_and_whether_it_is_of_the_sample() -> None:
    version = Version(3, "run3")
    real = evidence.PASSPORT.validate_python(passport())
    sample = evidence.PASSPORT.validate_python(passport(sample=True))
    assert "version 3 · removals.csv (file) · test part, n = 1,111, 359 removed" == about(version, real)
    assert "version 3 · removals.csv (file) · learning part, n = 4,000" == about(
        version, real, "learning", 4000
    )
    assert about(version, sample).endswith(" · SAMPLE: says nothing about quality")
    assert "its data are unknown" in about(version, None)
