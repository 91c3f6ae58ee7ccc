"""What MLflow keeps of a run, that everything scores alike from it, and a server that refuses half-way."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import mlflow
import numpy as np
import pytest
from mlflow.entities.model_registry import ModelVersion

from modeling import bundle as bundles
from modeling.policy import ATTRIBUTE, decide, policy_from_json
from tests.corpus import make_rows
from tests.prediction_service.registries import MLflow
from tests.prediction_service.serving import Server, free_port
from tests.settings import TEST
from tests.workflow.faulty_line import FaultyLine
from tests.workflow.processes import ROOT, Home, environment
from workflow.card import card
from workflow.exceptions import TrackingError
from workflow.steps import read_json
from workflow.tracking.names import DIGEST_TAG, MODEL_NAME
from workflow.tracking.runs import Tracking


@pytest.fixture(scope="module")
def client(trained: Home) -> mlflow.MlflowClient:
    """MLflow as the run of `trained` left it."""
    uri = trained.settings.tracking
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    return mlflow.MlflowClient(uri, uri)


@pytest.fixture(scope="module")
def version(client: mlflow.MlflowClient) -> ModelVersion:
    return client.get_model_version(MODEL_NAME, "1")


@pytest.fixture(scope="module")
def messages(trained: Home) -> list[str]:
    """500 messages: real ones where they are at hand, and a few that trip."""
    odd = ["", " ", "\0", "naïve ☃ 🙂", "<U+00E9>&amp;", "x" * 5000, 'a,b\n"c"', "NaN", "null", "1"]
    if TEST.data is None:
        texts = [text for text, _ in make_rows(490, seed=7)]
    else:
        from modeling.data import read_comments

        texts = list(read_comments([TEST.data]).used["text"][:490])
    return odd + texts


def test_a_run_is_logged_with_parameters_figures_and_where_it_came_from(
    trained: Home, client: mlflow.MlflowClient, version: ModelVersion
) -> None:
    passport = read_json(trained.settings.workdir / "bundle" / "passport.json")
    run = client.get_run(version.run_id)
    assert run.info.status == "FINISHED"
    expected = {
        "C": "2.0",
        "style": "True",
        "style_C": "0.001",
        "idf_power": "1.5",
        "tol": "0.0001",
        "max_iter": "300",
        "target_flag": "0.7",
        "target_remove": "0.9",
        "data_sha256": passport["data"]["sha256"],
        "data_name": "corpus.csv",
        "candidate": "hashed_linear",
        "kind": "hashed-linear",
    }
    assert expected == run.data.params
    for name, metric in passport["metrics"].items():
        logged = [run.data.metrics[f"{name}{end}"] for end in ("", "_low", "_high")]
        assert [metric["value"], metric["low"], metric["high"]] == logged
    assert run.data.metrics["test_touches"] == 1
    tags = {key: run.data.tags[key] for key in ("split_id", "data", "data_source", "is_sample", "commit")}
    assert tags == {
        "split_id": passport["split"]["id"],
        "data": "corpus.csv",
        "data_source": "file",
        "is_sample": "false",
        "commit": passport["code"]["commit"],
    }


def test_figures_and_manifest_are_kept_with_the_run(
    trained: Home, client: mlflow.MlflowClient, version: ModelVersion
) -> None:
    made = {f"evaluation/{path.name}" for path in (trained.settings.workdir / "evaluation").iterdir()}
    assert "evaluation/reliability.png" in made
    assert made == {entry.path for entry in client.list_artifacts(version.run_id, "evaluation")}
    for name in ("manifest.json", "manifest.csv"):
        kept = Path(client.download_artifacts(version.run_id, name))
        assert (trained.settings.workdir / "comments" / name).read_bytes() == kept.read_bytes()


def test_the_registered_models_root_is_the_bundle_with_an_mlmodel_beside_it(
    trained: Home, version: ModelVersion
) -> None:
    root = Path(mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{version.version}"))
    assert {*bundles.FILES, "MLmodel", "requirements.txt"} <= {path.name for path in root.iterdir()}
    digest = bundles.digest_of(root)
    assert digest == bundles.digest_of(trained.settings.workdir / "bundle")
    assert digest == version.tags[DIGEST_TAG]
    assert digest == read_json(trained.settings.workdir / "registered" / "version.json")["digest"]
    assert not list(root.rglob("*.pkl"))


def test_a_version_carries_its_card_and_says_whether_it_is_from_the_sample(version: ModelVersion) -> None:
    assert version.tags["is_sample"] == "false"
    assert version.description.startswith("# chat-moderation, hashed_linear (hashed-linear)\n")
    for part in ("Data: corpus.csv (file), 603 rows, 599 used", "no measure of toxicity", "| ROC-AUC | 0."):
        assert part in version.description
    assert "sample" not in version.description


def test_a_card_of_the_sample_says_so_beside_every_figure(trained: Home) -> None:
    bundle = trained.settings.workdir / "bundle"
    passport, policy = read_json(bundle / "passport.json"), read_json(bundle / "policy.json")
    text = card({**passport, "data": {**passport["data"], "is_sample": True}}, policy)
    assert "No figure here says anything about quality" in text
    assert "| test part (sample) | value |" in text
    for line in text.splitlines():
        assert "precision 0" not in line or line.endswith("(sample)")


def test_the_signature_says_a_text_in_and_score_action_and_rule_out(version: ModelVersion) -> None:
    signature = mlflow.models.get_model_info(f"models:/{MODEL_NAME}/{version.version}").signature
    assert [("text", "string")] == [(each.name, each.type.name) for each in signature.inputs]
    out = [("score", "double"), ("action", "string"), ("rule", "string")]
    assert out == [(each.name, each.type.name) for each in signature.outputs]


@pytest.fixture(scope="module")
def answers(trained: Home, messages: list[str]) -> list[tuple[float, str, str]]:
    """Score, action and rule of each message, by the bundle on disk."""
    bundle = bundles.load(trained.settings.workdir / "bundle")
    scores = bundle.score(messages)[ATTRIBUTE]
    assert len(set(np.round(scores, 6))) > 300
    return [(float(score), *decide({ATTRIBUTE: float(score)}, bundle.policy)) for score in scores]


def same(answers: list[tuple[float, str, str]], rows: list[dict[str, Any]]) -> None:
    assert 500 == len(answers) == len(rows)
    np.testing.assert_allclose([row["score"] for row in rows], [score for score, _, _ in answers], atol=1e-6)
    assert [(action, rule) for _, action, rule in answers] == [(row["action"], row["rule"]) for row in rows]


def test_pyfunc_answers_as_the_bundle_does(
    version: ModelVersion, messages: list[str], answers: list[tuple[float, str, str]]
) -> None:
    import pandas as pd

    model = mlflow.pyfunc.load_model(f"models:/{MODEL_NAME}/{version.version}")
    same(answers, model.predict(pd.DataFrame({"text": messages})).to_dict("records"))


@pytest.fixture(scope="module")
def scoring_server(
    trained: Home, version: ModelVersion, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """`mlflow models serve` on the registered version."""
    url = f"http://127.0.0.1:{(port := free_port())}"
    log = tmp_path_factory.mktemp("serve") / "log"
    options = ("--env-manager", "local", "--host", "127.0.0.1", "--port", str(port), "--workers", "1")
    place = str(Path(sys.executable).parent)
    with log.open("w") as output:
        server = subprocess.Popen(
            [sys.executable, "-m", "mlflow", "models", "serve", "-m", f"models:/{MODEL_NAME}/1", *options],
            env=environment(MLFLOW_TRACKING_URI=trained.settings.tracking)
            | {"PATH": f"{place}:{environment()['PATH']}"},
            cwd=ROOT,
            stdout=output,
            stderr=output,
            start_new_session=True,
        )
    try:
        wait_until(lambda: answers_200(f"{url}/ping"), log, server)
        yield url
    finally:
        server.send_signal(signal.SIGTERM)
        try:
            server.wait(20)
        finally:
            end_group(server)


def test_mlflows_own_server_answers_as_the_bundle_does(
    scoring_server: str, messages: list[str], answers: list[tuple[float, str, str]]
) -> None:
    body = {"dataframe_split": {"columns": ["text"], "data": [[text] for text in messages]}}
    answer = httpx.post(f"{scoring_server}/invocations", json=body, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    same(answers, answer.json()["predictions"])


@pytest.fixture(scope="module")
def our_server(trained: Home, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Our own service on the same bundle."""
    log = tmp_path_factory.mktemp("ours") / "log"
    with Server(log, bundle=trained.settings.workdir / "bundle", workers=1) as server:
        yield f"http://127.0.0.1:{server.port}"


def asked_of(server: str, content: bytes, kind: str = "application/json") -> tuple[int, Any]:
    answer = httpx.post(
        f"{server}/invocations", content=content, headers={"Content-Type": kind}, timeout=60, trust_env=False
    )
    return answer.status_code, answer.json()


def all_forms(messages: list[str]) -> dict[str, dict[str, Any]]:
    records = [{"id": number, "text": text} for number, text in enumerate(messages)]
    return {
        "split": {"dataframe_split": {"columns": ["text"], "data": [[text] for text in messages]}},
        "flat split": {"dataframe_split": {"columns": ["text"], "data": messages}},
        "records": {"dataframe_records": records},
        "instances": {"instances": messages},
        "instances as records": {"instances": records},
        "instances as columns": {"instances": {"text": messages}},
        "inputs": {"inputs": messages, "params": {"unused": 1}},
        "inputs as records": {"inputs": records},
        "inputs as columns": {"inputs": {"text": messages}},
        "no rows": {"inputs": []},
        "one text": {"inputs": {"text": "hi"}},
    }


def test_our_service_answers_every_form_as_mlflows_own_server_does(
    scoring_server: str, our_server: str, messages: list[str]
) -> None:
    for form, body in all_forms(messages).items():
        content = json.dumps(body).encode()
        (status, theirs), (our_status, ours) = (
            asked_of(scoring_server, content),
            asked_of(our_server, content),
        )
        assert (200, 200) == (status, our_status), form
        same_predictions(theirs, ours)


def test_our_service_reads_the_csv_of_pandas_as_mlflows_own_server_does(
    scoring_server: str, our_server: str, messages: list[str]
) -> None:
    import pandas as pd

    # pandas takes some texts in CSV for missing values, and judges the word nan
    texts = [text for text in messages if text not in ("", "\0", "NaN", "null")]
    frame = pd.DataFrame({"id": range(len(texts)), "text": texts})
    for content in (frame.to_csv().encode(), frame.to_csv(index=False, lineterminator="\r\n").encode()):
        (status, theirs), (our_status, ours) = (
            asked_of(server, content, "text/csv; charset=utf-8") for server in (scoring_server, our_server)
        )
        assert (200, 200) == (status, our_status)
        same_predictions(theirs, ours)


@pytest.mark.parametrize(
    "body",
    [
        {"dataframe_split": {"columns": ["body"], "data": [["hi"]]}},
        {"dataframe_split": {"columns": ["text"], "data": [["hi", "more"]]}},
        {"dataframe_split": {"columns": ["text"], "data": [["hi"]], "more": 1}},
        {"dataframe_split": [["hi"]]},
        {"dataframe_records": []},
        {"dataframe_records": ["hi"]},
        {"dataframe_records": {"text": ["hi"]}},
        {"instances": "hi"},
        {"inputs": {}},
        {"inputs": ["hi"], "instances": ["hi"]},
        {},
    ],
)
def test_our_service_refuses_what_mlflows_own_server_refuses(
    scoring_server: str, our_server: str, body: dict[str, Any]
) -> None:
    content = json.dumps(body).encode()
    (status, theirs), (our_status, ours) = asked_of(scoring_server, content), asked_of(our_server, content)
    assert (400, 400) == (status, our_status)
    assert theirs["error_code"] == ours["error_code"]


def test_both_servers_tell_the_same_version_and_are_up(scoring_server: str, our_server: str) -> None:
    for path in ("/ping", "/health", "/version"):
        theirs, ours = (httpx.get(server + path, trust_env=False) for server in (scoring_server, our_server))
        assert (200, 200, theirs.text) == (theirs.status_code, ours.status_code, ours.text)


def same_predictions(theirs: dict[str, Any], ours: dict[str, Any]) -> None:
    assert ["predictions"] == list(theirs) == list(ours)
    assert len(theirs["predictions"]) == len(ours["predictions"])
    for their_row, our_row in zip(theirs["predictions"], ours["predictions"], strict=True):
        assert list(their_row) == list(our_row)
        assert abs(their_row["score"] - our_row["score"]) < 1e-6
        assert (their_row["action"], their_row["rule"]) == (our_row["action"], our_row["rule"])


def answers_200(url: str) -> bool:
    try:
        return httpx.get(url, timeout=2, trust_env=False).status_code == 200
    except httpx.HTTPError:
        return False


def wait_until(
    condition: Callable[[], bool], log: Path, process: "subprocess.Popen[bytes]", within_s: float = 120
) -> None:
    deadline = time.monotonic() + within_s
    while not condition():
        assert process.poll() is None, log.read_text()
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def end_group(process: "subprocess.Popen[bytes]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)


@pytest.fixture(scope="module")
def line(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultyLine]:
    """A real MLflow server, and a line to it that can be told to refuse."""
    with MLflow(tmp_path_factory.mktemp("mlflow")) as server, FaultyLine(server.port) as line:
        yield line


@pytest.fixture
def at_the_line(
    line: FaultyLine,
    trained: Home,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    request: pytest.FixtureRequest,
) -> Callable[[], Any]:
    """Register a bundle of this test's own at that server."""
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    line.refuses = lambda _method, _path: None
    work = trained.settings.workdir
    bundle, passport = tmp_path / "bundle", read_json(work / "bundle" / "passport.json")
    policy = policy_from_json((work / "bundle" / "policy.json").read_text())
    bundles.save(
        bundle,
        {bundles.WEIGHTS: b"small, for MLflow does not look"},
        policy,
        {**passport, "test": request.node.name},
    )

    def register() -> Any:
        tracking = Tracking(line.url, request.node.name, tmp_path)
        return tracking.register(bundle, work / "evaluation", work / "comments")

    return register


def versions(line: FaultyLine, digest: str) -> list[ModelVersion]:
    found = mlflow.MlflowClient(line.url, line.url).search_model_versions(f"name='{MODEL_NAME}'")
    return [each for each in found if each.tags.get(DIGEST_TAG) == digest]


def aliases(line: FaultyLine) -> dict[str, str]:
    client = mlflow.MlflowClient(line.url, line.url)
    return dict(client.get_registered_model(MODEL_NAME).aliases)


def test_a_server_gets_run_bundle_and_version_and_no_alias_which_are_the_gates(
    line: FaultyLine, at_the_line: Callable[[], Any], tmp_path: Path
) -> None:
    entry = at_the_line()
    assert (MODEL_NAME, True, 1) == (entry.name, entry.is_new, entry.test_touches)
    assert {} == aliases(line)
    assert ["READY"] == [each.status for each in versions(line, entry.digest)]
    root = mlflow.artifacts.download_artifacts(f"models:/{MODEL_NAME}/{entry.version}")
    assert entry.digest == bundles.digest_of(Path(root)) == bundles.digest_of(tmp_path / "bundle")


def test_the_same_bundle_again_makes_no_second_version_and_is_no_second_look_at_the_test_rows(
    line: FaultyLine, at_the_line: Callable[[], Any]
) -> None:
    first, second = at_the_line(), at_the_line()
    assert (True, False) == (first.is_new, second.is_new)
    assert first.version == second.version
    assert first.run_id != second.run_id
    assert (1, 1) == (first.test_touches, second.test_touches)
    assert 1 == len(versions(line, first.digest))


def refusing(*wanted: str, status: int = 503) -> Callable[[str, str], int | None]:
    return lambda method, path: status if all(part in f"{method} {path}" for part in wanted) else None


@pytest.mark.parametrize(
    ("wanted", "status", "registered"),
    [
        (["GET", "experiments/get-by-name"], 403, 0),
        (["POST", "runs/log-batch"], 503, 0),
        (["PUT", "manifest.csv"], 503, 0),
        (["PUT", "roc.png"], 503, 0),
        (["POST", "logged-models"], 403, 0),
        (["PUT", "MLmodel"], 500, 0),
        (["PUT", "weights.safetensors"], 507, 0),
        (["POST", "registered-models/create"], 403, 0),
        (["POST", "model-versions/create"], 503, 0),
        (["POST", "runs/update"], 403, 1),
    ],
)
def test_a_server_that_refuses_half_way_leaves_no_half_version_and_a_retry_does_the_rest(
    line: FaultyLine,
    at_the_line: Callable[[], Any],
    tmp_path: Path,
    wanted: list[str],
    status: int,
    registered: int,
) -> None:
    line.refuses, before = refusing(*wanted, status=status), len(line.asked)
    with pytest.raises(TrackingError) as caught:
        at_the_line()
    assert any(all(part in asked for part in wanted) for asked in line.asked[before:])
    said = str(caught.value)
    assert said.startswith(f"CHATMOD_TRACKING_URI='{line.url}': ")
    assert said.endswith("check that MLflow runs there and lets you in, then run step register again")
    assert "\n" not in said
    line.refuses = lambda _method, _path: None
    digest = bundles.digest_of(tmp_path / "bundle")
    left = versions(line, digest)
    assert registered == len(left)
    entry = at_the_line()
    assert (digest, not registered) == (entry.digest, entry.is_new)
    assert [entry.version] == [int(each.version) for each in versions(line, digest)]
    assert {} == aliases(line)


def test_a_run_that_failed_is_not_left_running(
    line: FaultyLine, at_the_line: Callable[[], Any], request: pytest.FixtureRequest
) -> None:
    line.refuses = refusing("POST", "model-versions/create")
    with pytest.raises(TrackingError):
        at_the_line()
    client = mlflow.MlflowClient(line.url, line.url)
    experiment = client.get_experiment_by_name(request.node.name)
    assert ["FAILED"] == [run.info.status for run in client.search_runs([experiment.experiment_id])]
    assert mlflow.active_run() is None


def test_an_address_that_mlflow_does_not_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrackingError, match=r"^CHATMOD_TRACKING_URI='ftp://x': .*unsupported URI"):
        Tracking("ftp://x", "x", tmp_path)
