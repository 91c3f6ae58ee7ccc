"""The catalogue of attributes: a head under its own name, other names only where the operator says so."""

import re
from pathlib import Path

import pytest
from flask.testing import FlaskClient

from prediction_service.app import create_app
from prediction_service.attributes import catalogue
from prediction_service.exceptions import ServiceError
from prediction_service.metrics import Metrics
from prediction_service.settings import Settings
from tests.prediction_service.loaders import loaded_from

MAPPING = {"TOXICITY": "LIKELY_TO_REJECT", "INSULT": "LIKELY_TO_REJECT"}
BATCH = {"Records": [{"body": "hi", "message_id": 1}]}


def client_of(bundle_dir: Path, **attributes: str) -> FlaskClient:
    loader = loaded_from(bundle_dir, attributes=attributes)
    return create_app(Settings(attributes=attributes), loader, Metrics()).test_client()


def test_without_a_mapping_there_are_only_heads() -> None:
    assert catalogue({}, ["A", "B"]) == {"A": "A", "B": "B"}


def test_a_mapping_adds_names_and_may_repeat_what_is_so_anyway() -> None:
    assert catalogue({"X": "A", "A": "A"}, ["A"]) == {"A": "A", "X": "A"}


def test_a_mapping_never_hides_a_head() -> None:
    with pytest.raises(ServiceError, match=r"A=B' and this bundle has a head A of its own: remove"):
        catalogue({"A": "B"}, ["A", "B"])


def test_a_mapping_stands_in_readyz_in_a_header_and_on_the_docs_page(bundle_dir: Path) -> None:
    client = client_of(bundle_dir, **MAPPING)
    own = {"LIKELY_TO_REJECT": "LIKELY_TO_REJECT"}
    assert client.get("/readyz").json["attributes"] == own | MAPPING
    said = client.post("/predict", json=BATCH).headers["X-Chatmod-Attributes"]
    assert said == "TOXICITY=LIKELY_TO_REJECT,INSULT=LIKELY_TO_REJECT"
    assert client.post("/predict", json={}).headers["X-Chatmod-Attributes"] == said
    page = client.get("/docs").text
    for name, head in MAPPING.items():
        assert re.search(rf"<code>{name}</code>.{{0,60}}answered by <code>{head}</code>", page, re.DOTALL)


def test_no_mapping_is_said_where_there_is_none(bundle_dir: Path) -> None:
    client = client_of(bundle_dir)
    assert client.get("/readyz").json["attributes"] == {"LIKELY_TO_REJECT": "LIKELY_TO_REJECT"}
    assert "X-Chatmod-Attributes" not in client.post("/predict", json=BATCH).headers
    assert "No other name is mapped to a head" in client.get("/docs").text
