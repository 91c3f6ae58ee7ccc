"""A client generated from the served description, without a warning, against a real gunicorn."""

import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import Messages
from tests.prediction_service.serving import Server

PACKAGE = "generated_chat_moderation"
ROOT = Path(__file__).parents[2]
CONFIG = ROOT / "docs" / "openapi-client.yml"


@pytest.fixture(scope="module")
def server(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("generated") / "api.log"
    with Server(log, bundle=bundle_dir, workers=1, attributes="harassment=LIKELY_TO_REJECT") as server:
        yield server


@pytest.fixture(scope="module")
def described(server: Server) -> dict[str, Any]:
    status, _, body = server.ask("GET", "/openapi.json")
    assert 200 == status
    return dict(json.loads(body))


@pytest.fixture(scope="module")
def package(described: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    place = tmp_path_factory.mktemp("client")
    (place / "openapi.json").write_text(json.dumps(described))
    options = [
        "--path",
        "openapi.json",
        "--config",
        str(CONFIG),
        "--output-path",
        PACKAGE,
        "--meta",
        "none",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", "generate", *options, "--fail-on-warning"],
        cwd=place,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (0, f"Generating {PACKAGE}") == (done.returncode, done.stdout.strip()), done.stderr
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(place)
        yield place / PACKAGE


@pytest.fixture(scope="module")
def client(package: Path, described: dict[str, Any]) -> Any:
    [address] = described["servers"]
    return importlib.import_module(f"{PACKAGE}.client").Client(base_url=address["url"])


def operation(tag: str, name: str) -> Any:
    return importlib.import_module(f"{PACKAGE}.api.{tag}.{name}")


def model(name: str) -> Any:
    return getattr(importlib.import_module(f"{PACKAGE}.models"), name)


def test_every_operation_became_a_function(package: Path, described: dict[str, Any]) -> None:
    every = [one for methods in described["paths"].values() for one in methods.values()]
    functions = [one for one in package.glob("api/*/*.py") if one.name != "__init__.py"]
    assert len(every) == len(functions)
    assert {one["tags"][0].replace("-", "_") for one in every} == {one.parent.name for one in functions}


def test_the_command_of_the_manual_makes_a_client_without_a_warning(server: Server, tmp_path: Path) -> None:
    page = (ROOT / "docs" / "api.md").read_text()
    [command] = re.findall(r"^ {4}openapi-python-client (generate .+)$", page, re.MULTILINE)
    here = command.replace("127.0.0.1:9696", f"127.0.0.1:{server.port}").replace("docs/", f"{ROOT}/docs/")
    typed = shlex.split(here)
    done = subprocess.run(
        [sys.executable, "-m", "openapi_python_client", *typed],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
    )
    made = tmp_path / "chat-moderation-client"
    assert (0, f"Generating {made}") == (done.returncode, done.stdout.strip()), done.stderr
    assert "--fail-on-warning" in typed
    assert (made / "chat_moderation_client" / "client.py").exists()


def test_it_judges_a_batch(client: Any) -> None:
    records = [model("Record")(body="Thank you!", message_id=name) for name in ("a", 2)]
    answer = operation("records", "predict").sync(
        client=client, body=model("PredictRequest")(records=records)
    )
    assert ["a", 2] == [one.prediction.message_id for one in answer.predictions]
    assert all(0 <= one.prediction.moderate_message <= 1 for one in answer.predictions)


def test_it_analyzes_and_explains(client: Any) -> None:
    body = model("AnalyzeRequest")(text="you absolute idiot", explain=True)
    answer = operation("analyze", "analyze").sync(client=client, body=body)
    explained = answer.explanation
    total = explained.intercept + sum(one.contribution for one in [*explained.tokens, *explained.style])
    assert explained.logit == pytest.approx(total, abs=1e-9)
    assert {"LIKELY_TO_REJECT", "harassment"} == set(answer.scores.additional_properties)


def test_it_moderates_with_the_clients_names(client: Any, messages: Messages) -> None:
    body = model("ModerateRequest")(message=messages.civil, user_id="u1", channel_id=7)
    answer = operation("moderate", "moderate").sync(client=client, body=body)
    assert ("u1", 7, "allow") == (answer.user_id, answer.channel_id, answer.action)


def test_it_speaks_the_providers_dialects(client: Any) -> None:
    part = model("ModerationRequestModerationTextPart")(type_="text", text="Thank you!")
    for given, number in (("hi", 1), (["hi", "you idiot"], 2), ([part, part], 1)):
        body = model("ModerationRequest")(input_=given)
        answer = operation("openai", "create_moderation").sync(client=client, body=body)
        assert number == len(answer.results)
    asked = {"comment": {"text": "hi"}, "requestedAttributes": {"LIKELY_TO_REJECT": {}}}
    body = model("AnalyzeCommentRequest").from_dict(asked)
    answer = operation("perspective", "analyze_comment").sync(client=client, body=body)
    assert ["LIKELY_TO_REJECT"] == list(answer.attribute_scores.additional_properties)
    document = operation("perspective", "discover_perspective").sync(client=client)
    assert "commentanalyzer" == document["name"]


def test_it_asks_whether_the_service_is_ready(client: Any) -> None:
    answer = operation("operations", "get_readiness").sync(client=client)
    assert ("ready", "disk") == (answer.status, answer.model.source)
    assert "http_requests_total" in operation("operations", "get_metrics").sync(client=client)


def test_a_refusal_is_read_as_what_it_is(client: Any) -> None:
    request = model("PredictRequest")(records=[model("Record")(body="", message_id=1)])
    answer = operation("records", "predict").sync_detailed(client=client, body=request, x_request_id="mine-7")
    assert (422, "mine-7") == (answer.status_code, answer.headers["X-Request-ID"])
    assert ["Records[0].body"] == [one.field for one in answer.parsed.errors]
    body = model("ModerationRequest")(input_=[])
    fault = operation("openai", "create_moderation").sync(client=client, body=body)
    assert "empty_array" == fault.error.code
