"""The OpenAPI document against a live server: schemathesis asks every operation, rightly and wrongly."""

from collections.abc import Iterator
from pathlib import Path

import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from schemathesis import APIOperation, Case, GenerationMode
from schemathesis.specs.openapi.checks import positive_data_acceptance

from prediction_service import openapi
from prediction_service.settings import Settings
from tests.fuzz.targets import ATTRIBUTES
from tests.prediction_service.serving import Server

MAPPING = dict(pair.split("=") for pair in ATTRIBUTES.split(","))
DESCRIBED = schemathesis.openapi.from_dict(openapi.document(Settings(attributes=MAPPING)))
OPERATIONS = [found.ok() for found in DESCRIBED.get_all_operations()]
JUDGING = [one for one in OPERATIONS if one.body]
STEADY = settings(max_examples=25, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
# a text of unseen characters, a name without a head, a tensor of another length than its shape: refused,
# with a status that is described, and no JSON schema can say so
BEYOND_SCHEMAS = [positive_data_acceptance]


@pytest.fixture(scope="module")
def address(bundle_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    place = tmp_path_factory.mktemp("described")
    labels = f"sqlite:///{place}/labels.db"
    with Server(place / "log", bundle=bundle_dir, attributes=ATTRIBUTES, labels=labels) as server:
        yield f"http://127.0.0.1:{server.port}"


def ask(address: str, operation: APIOperation, mode: GenerationMode) -> None:
    """Send requests of one operation; every check of schemathesis's own holds for each answer."""

    @STEADY
    @given(operation.as_strategy(generation_mode=mode))
    def answered_as_described(case: Case) -> None:
        beyond = BEYOND_SCHEMAS if operation.body else []
        case.call_and_validate(base_url=address, timeout=15, excluded_checks=beyond)

    answered_as_described()


@pytest.mark.parametrize("operation", OPERATIONS, ids=lambda operation: operation.label)
def test_what_is_described_is_answered_as_described(address: str, operation: APIOperation) -> None:
    ask(address, operation, GenerationMode.POSITIVE)


@pytest.mark.parametrize("operation", JUDGING, ids=lambda operation: operation.label)
def test_what_is_not_described_is_refused_as_described(address: str, operation: APIOperation) -> None:
    ask(address, operation, GenerationMode.NEGATIVE)
