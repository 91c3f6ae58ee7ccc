"""`python -m workflow verify`: a version made anew from its passport, by real steps, and compared."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from modeling import bundle as bundles
from tests.workflow.processes import Home, workflow
from workflow import rebuild, verify
from workflow.__main__ import main
from workflow.settings import Settings
from workflow.steps import read_json, write_json
from workflow.tracking.names import MODEL_NAME
from workflow.tracking.runs import Tracking

Verify = Callable[..., tuple[int, str, str]]


@pytest.fixture
def home(copied: Settings, empty_mlflow: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """A home with the real version 1 in an MLflow of its own."""
    shutil.copyfile(empty_mlflow, copied.database)
    monkeypatch.setenv("CHATMOD_HOME", str(copied.home))
    register(copied)
    return copied


def restate(home: Settings, *gone: str, **changes: object) -> None:
    """Let the bundle's passport say something else, written as the pipeline writes it."""
    bundle = home.workdir / "bundle"
    passport, policy = read_json(bundle / "passport.json"), bundles.load(bundle).policy
    weights = {
        name: (bundle / name).read_bytes() for name in passport["files"] if not name.startswith("policy")
    }
    shutil.rmtree(bundle)
    stated = {name: value for name, value in {**passport, **changes}.items() if name not in gone}
    bundles.save(bundle, weights, policy, stated)


def register(home: Settings) -> int:
    work = home.workdir
    tracking = Tracking(home.tracking, "verify", home.artifacts)
    return tracking.register(work / "bundle", work / "evaluation", work / "comments").version


@pytest.fixture
def verified(home: Settings, capsys: pytest.CaptureFixture[str]) -> Verify:
    def run(number: int = 1) -> tuple[int, str, str]:
        capsys.readouterr()
        code = main(["verify", str(number)])
        said = capsys.readouterr()
        return code, said.out, said.err

    return run


def test_a_version_made_anew_in_a_fresh_process_is_the_same_bundle_to_the_byte(trained: Home) -> None:
    settings = trained.settings
    before = {path: path.stat().st_mtime_ns for path in settings.workdir.rglob("*") if path.is_file()}
    looks = (settings.home / "test_touches.csv").read_text().count("\n")
    ran = workflow("verify", "1", CHATMOD_HOME=settings.home, PYTHONHASHSEED="5")
    assert (0, "") == (ran.returncode, ran.errors), ran.stdout
    digest = read_json(settings.workdir / "registered" / "version.json")["digest"][:12]
    assert f"bundle  {digest}  {digest}  same\n" in ran.stdout
    assert "version 1: the same bundle to the byte\n" in ran.stdout
    assert "code: that of the version (commit" in ran.stdout
    assert "DIFFERS" not in ran.stdout
    for name in read_json(settings.workdir / "evaluation" / "metrics.json")["metrics"]:
        assert f"\n{name} " in ran.stdout
    assert looks + 1 == (settings.home / "test_touches.csv").read_text().count("\n")
    after = {path: path.stat().st_mtime_ns for path in settings.workdir.rglob("*") if path.is_file()}
    assert before == {path: time for path, time in after.items() if path.name != ".lock"} | {
        path: time for path, time in before.items() if path.name == ".lock"
    }


def test_a_version_that_does_not_follow_from_its_passport_is_told_from_one_that_does(
    home: Settings, verified: Verify
) -> None:
    passport = read_json(home.workdir / "bundle" / "passport.json")
    better = {**passport["metrics"]["roc_auc"], "value": 0.999}
    restate(home, metrics={**passport["metrics"], "roc_auc": better})
    code, said, _ = verified(register(home))
    assert 3 == code
    assert any(line.startswith("roc_auc ") and line.endswith("DIFFERS") for line in said.splitlines())
    assert "differs: metrics.roc_auc.value 0.999 here 0." in said
    assert "version 2: NOT the same: what was registered does not follow from its passport here" in said


def test_another_parameter_in_the_passport_gives_other_weights(home: Settings, verified: Verify) -> None:
    parameters = read_json(home.workdir / "bundle" / "passport.json")["parameters"]
    restate(home, parameters={**parameters, "C": 0.01})
    code, said, _ = verified(register(home))
    assert 3 == code
    assert "differs: files.weights.safetensors " in said


def test_a_kind_that_states_a_tolerance_is_compared_by_it(home: Settings, verified: Verify) -> None:
    passport = read_json(home.workdir / "bundle" / "passport.json")
    near = {
        name: {end: value + 0.001 for end, value in metric.items()}
        for name, metric in passport["metrics"].items()
    }
    fit = {**passport["fit"], "verify": {"tolerance": 0.002}}
    restate(home, metrics=near, fit=fit)
    code, said, _ = verified(register(home))
    assert 0 == code
    assert "version 2: the same figures within 0.002, which is what its kind states" in said
    restate(home, metrics=near, fit={**fit, "verify": {"tolerance": 0.0005}})
    assert 3 == verified(register(home))[0]


def test_data_that_are_not_at_hand_are_asked_for(
    home: Settings, verified: Verify, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.rmtree(home.workdir / "raw")
    code, _, said = verified()
    assert 2 == code
    assert "the data of this version (corpus.csv, file, sha256 " in said
    assert said.endswith("name them in CHATMOD_DATA\n")
    other = tmp_path / "corpus.csv"
    other.write_text(Path(home.data).read_text() + "one more,0\n")
    monkeypatch.setenv("CHATMOD_DATA", str(other))
    code, _, said = verified()
    assert (2, True) == (code, f"CHATMOD_DATA='{other}' has the sha256 " in said)
    monkeypatch.setenv("CHATMOD_DATA", home.data)
    assert 0 == verified()[0]


def test_a_passport_that_does_not_tell_how_it_was_made_is_said(home: Settings, verified: Verify) -> None:
    restate(home, "reading")
    code, _, said = verified(register(home))
    assert (2, True) == (code, "the passport does not tell 'reading': the version is older" in said)


def test_other_test_rows_are_told(home: Settings, verified: Verify) -> None:
    split = read_json(home.workdir / "bundle" / "passport.json")["split"]
    restate(home, split={**split, "id": "0" * 12})
    code, _, said = verified(register(home))
    assert 2 == code
    assert "split 000000000000: the same data give the split " in said


def test_a_checkout_that_is_not_the_versions_is_told_and_does_not_make_it_differ(
    home: Settings, verified: Verify
) -> None:
    restate(home, code={"commit": "0" * 40, "digest": "1" * 64})
    code, said, _ = verified(register(home))
    assert 0 == code
    assert "is not the version's (commit 000000000000): a difference may come from there" in said


def test_a_version_that_is_not_there_or_was_altered_cannot_be_verified(
    home: Settings, verified: Verify
) -> None:
    import mlflow

    assert "version 9: chat-moderation has none of this number" in verified(9)[2]
    client = mlflow.MlflowClient(home.tracking, home.tracking)
    client.set_model_version_tag(MODEL_NAME, "1", "bundle_digest", "0" * 64)
    code, _, said = verified()
    assert 2 == code
    assert "which is not its tag's: they were altered" in said


def test_a_version_that_does_not_exist_cannot_be_verified_and_a_number_is_asked_for(
    verified: Verify,
) -> None:
    assert 2 == verified(9)[0]
    with pytest.raises(SystemExit) as ended:
        main(["verify", "two"])
    assert 2 == ended.value.code


def test_nothing_is_registered_and_no_run_is_made(home: Settings, verified: Verify) -> None:
    import mlflow

    client = mlflow.MlflowClient(home.tracking, home.tracking)

    def made() -> tuple[int, int, dict[str, str]]:
        experiments = [each.experiment_id for each in client.search_experiments()]
        model = client.get_registered_model(MODEL_NAME)
        versions = client.search_model_versions(f"name='{MODEL_NAME}'")
        return len(client.search_runs(experiments)), len(versions), dict(model.aliases)

    before = made()
    assert 0 == verified()[0]
    assert before == made()


def test_what_differs_between_two_passports_is_named_with_both_values() -> None:
    first = {"a": {"b": 1, "c": [1, 2]}, "seal": "x", "long": "y" * 100}
    second = {"a": {"b": 2, "c": [1, 2]}, "seal": "z", "long": "n" * 100}
    said = verify.differences(first, second)
    assert "a.b 1 here 2" == said[0]
    assert said[1].startswith("long 'yyy")
    assert len(said) == 2
    assert all(len(line) < 100 for line in said)


def test_the_last_runs_files_are_taken_only_where_they_are_the_very_same(home: Settings) -> None:
    data = read_json(home.workdir / "bundle" / "passport.json")["data"]
    assert rebuild._is(home.workdir / "raw", data)
    write_json(home.workdir / "raw" / "files" / "more.csv", {})
    assert not rebuild._is(home.workdir / "raw", data)
    assert not rebuild._is(home.home / "nowhere", data)
