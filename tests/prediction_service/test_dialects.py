"""What all dialects share: each can be switched off, and owns its paths and nothing else."""

import pytest
from flask.testing import FlaskClient

from prediction_service.app import create_app
from prediction_service.dialects.every import DIALECTS
from prediction_service.loader import Loader
from prediction_service.metrics import Metrics
from prediction_service.openapi import document
from prediction_service.settings import Settings


def never() -> object:
    raise AssertionError


def client_of(*names: str) -> FlaskClient:
    options = Settings(dialects=names)
    return create_app(options, Loader(never, retry=False), Metrics()).test_client()  # type: ignore[arg-type]


@pytest.mark.parametrize("name", DIALECTS)
def test_one_that_is_switched_off_is_gone_without_a_trace(name: str) -> None:
    others = tuple(one for one in DIALECTS if one != name)
    client = client_of(*others)
    page = client.get("/docs").text
    for operation in DIALECTS[name].operations:
        answer = client.open(operation.path, method=operation.method.upper())
        assert (answer.status_code, answer.content_type) == (404, "application/problem+json")
        assert operation.path not in document(Settings(dialects=others))["paths"]
        assert f"<code>{operation.path}</code>" not in page


@pytest.mark.parametrize("name", DIALECTS)
def test_one_that_is_alone_answers_and_describes_only_itself(name: str) -> None:
    client = client_of(name)
    own = {one.path for one in DIALECTS[name].operations if one.listed}
    operations = {"/healthz", "/readyz", "/metrics", "/openapi.json", "/docs"}
    assert set(client.get("/openapi.json").json["paths"]) == own | operations
    assert client.get("/docs").status_code == 200


@pytest.mark.parametrize("name", DIALECTS)
def test_each_owns_its_own_paths_and_no_other_dialect_does(name: str) -> None:
    for operation in DIALECTS[name].operations:
        assert [one.name for one in DIALECTS.values() if one.owns(operation.path)] == [name]


def test_a_prefix_is_whole_segments() -> None:
    records = DIALECTS["records"]
    assert records.owns("/predict")
    assert records.owns("/predict/more")
    assert not records.owns("/predictions")
