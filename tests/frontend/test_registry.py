"""Reading MLflow, against a real HTTP server: what is understood, and what every failure says."""

from collections.abc import Iterator

import pytest

from frontend.exceptions import RegistryUnavailableError
from frontend.registry import MAX_BYTES, Registry
from tests.frontend import registries
from tests.frontend.registries import API, MLflow
from tests.frontend.servers import Answer, free_port

STRANGER = "answers, and not as MLflow does: give the address of an MLflow server"


@pytest.fixture
def mlflow() -> Iterator[MLflow]:
    with registries.mlflow() as server:
        yield server


@pytest.fixture
def registry(mlflow: MLflow) -> Iterator[Registry]:
    opened = Registry(mlflow.url, 5)
    yield opened
    opened.close()


def test_versions_come_newest_first_with_their_aliases_and_tags(mlflow: MLflow, registry: Registry) -> None:
    mlflow.add(2, tags={"verdict": "promote"})
    mlflow.add(10)
    mlflow.aliases = {"champion": 2, "challenger": 10, "best": 2}
    newest, older = registry.versions()
    assert (10, 2) == (newest.number, older.number)
    assert (("challenger",), ("best", "champion")) == (newest.aliases, older.aliases)
    assert {"verdict": "promote"} == older.tags
    assert ("run2", "version 2") == (older.run_id, older.title)
    assert older.created
    assert 2025 == older.created.year


def test_a_model_that_nobody_registered_has_no_versions(registry: Registry) -> None:
    assert [] == registry.versions()


def test_files_are_found_by_run_and_by_version_and_missing_ones_are_none(
    mlflow: MLflow, registry: Registry
) -> None:
    mlflow.add(
        1, files={"a.json": b"of the bundle"}, artifacts={"gate/b.md": b"of the run", "gate/c.md": b""}
    )
    assert frozenset({"b.md", "c.md"}) == registry.names("run1", "gate")
    assert frozenset() == registry.names("run9", "gate")
    assert b"of the run" == registry.artifact("run1", "gate/b.md")
    assert b"of the bundle" == registry.file(1, "a.json")
    assert (None, None) == (registry.artifact("run1", "gate/z.md"), registry.file(1, "z.json"))


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (401, "wants credentials (401): set CHATMOD_UI_MLFLOW_TOKEN to a valid one"),
        (403, "refuses this page (403): name its host in MLflow's --allowed-hosts, or set"),
        (404, f"answers 404 for {API}/registered-models/get: give the address of an MLflow server"),
        (302, f"answers 302 for {API}/registered-models/get: give the address of an MLflow server"),
        (429, "(too much <b>): see its log, and try again"),
        (500, f"answers 500 for {API}/registered-models/get (too much <b>): see its log, and try again"),
    ],
)
def test_a_refusal_says_what_to_do(mlflow: MLflow, registry: Registry, status: int, said: str) -> None:
    mlflow.script["registered-models/get"] = Answer(status, b"too  much <b>")
    with pytest.raises(RegistryUnavailableError) as caught:
        registry.versions()
    assert str(caught.value).startswith(f"MLflow at CHATMOD_UI_MLFLOW_URL={mlflow.url} ")
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("registered-models/get", b"<html>welcome</html>"),
        ("registered-models/get", b"[" * 100_000),
        ("registered-models/get", b"\xff\xfe"),
        ("registered-models/get", b"[]"),
        ("registered-models/get", {}),
        ("registered-models/get", {"registered_model": []}),
        ("registered-models/get", {"registered_model": {"aliases": [{"alias": "champion"}]}}),
        ("model-versions/search", {"model_versions": [{"version": "one"}]}),
        ("model-versions/search", {"model_versions": 7}),
        ("model-versions/search", {"model_versions": [{"version": "1", "creation_timestamp": "9" * 40}]}),
        ("model-versions/search", {"model_versions": [{"version": "1", "tags": [{"value": "x"}]}]}),
    ],
)
def test_what_is_no_answer_of_mlflow_is_told(
    mlflow: MLflow, registry: Registry, path: str, body: object
) -> None:
    mlflow.add(1)
    mlflow.script[path] = Answer(200, body)
    with pytest.raises(RegistryUnavailableError, match=STRANGER):
        registry.versions()


def test_a_listing_that_is_none_is_told(mlflow: MLflow, registry: Registry) -> None:
    mlflow.script["artifacts/list"] = Answer(200, {"files": [{"is_dir": False}]})
    with pytest.raises(RegistryUnavailableError, match=STRANGER):
        registry.names("run1", "gate")


def test_nobody_at_the_address_a_slow_server_and_one_that_hangs_up_are_told_apart(mlflow: MLflow) -> None:
    with pytest.raises(
        RegistryUnavailableError, match=r"cannot be reached .*start it, or correct the address"
    ):
        Registry(f"http://127.0.0.1:{free_port()}", 1).versions()
    mlflow.script["registered-models/get"] = Answer(200, {}, delay_s=1)
    with pytest.raises(
        RegistryUnavailableError, match=r"did not answer within 0.2 s: .*CHATMOD_UI_TIMEOUT_S"
    ):
        Registry(mlflow.url, 0.2).versions()
    mlflow.script["registered-models/get"] = Answer(cut=True)
    with pytest.raises(RegistryUnavailableError, match="cannot be reached"):
        Registry(mlflow.url, 1).versions()


def test_a_file_of_any_size_does_not_fill_the_memory(mlflow: MLflow, registry: Registry) -> None:
    mlflow.add(1, artifacts={"evaluation/errors.json": b" " * (MAX_BYTES + 1)})
    with pytest.raises(RegistryUnavailableError, match=r"gives more than 32 MiB for evaluation/errors\.json"):
        registry.artifact("run1", "evaluation/errors.json")


def test_a_token_is_sent_and_never_told(mlflow: MLflow) -> None:
    registry = Registry(mlflow.url, 5, "secret-token")
    mlflow.script["registered-models/get"] = Answer(401, b"no")
    with pytest.raises(RegistryUnavailableError) as caught:
        registry.versions()
    assert ["Bearer secret-token"] == mlflow.keys
    assert "secret-token" not in str(caught.value) + repr(registry)
