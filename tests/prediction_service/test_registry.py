"""The registry's REST client against a stand-in: every way in which an answer can be wrong."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from modeling.bundle import digest_of
from prediction_service.exceptions import RegistryError, RegistryUnreachableError
from prediction_service.registry import Registry
from prediction_service.settings import Secret
from tests.prediction_service.registries import StandIn
from tests.prediction_service.serving import free_port

QUICK = (0.01, 0.01)


@pytest.fixture
def stand_in(bundle_dir: Path) -> Iterator[StandIn]:
    with StandIn(bundle_dir, digest_of(bundle_dir)) as server:
        yield server


@pytest.fixture
def registry(stand_in: StandIn) -> Iterator[Registry]:
    with Registry(stand_in.url, "chat-moderation", pauses_s=QUICK) as registry:
        yield registry


def test_the_promised_digest_is_read_from_the_versions_tag(stand_in: StandIn, registry: Registry) -> None:
    assert registry.bundle_digest("1") == stand_in.digest


def test_a_version_without_that_tag_promises_nothing(stand_in: StandIn, registry: Registry) -> None:
    stand_in.digest = None
    assert registry.bundle_digest("1") is None


def test_the_token_is_sent(stand_in: StandIn) -> None:
    with Registry(stand_in.url, "chat-moderation", Secret("s3cret")) as registry:
        registry.bundle_digest("1")
    assert stand_in.asked == [("version", None, "Bearer s3cret")]


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (403, r"refuses this client \(403, Invalid Host header .*--allowed-hosts"),
        (401, r"wants credentials \(401\): give a valid CHATMOD_API_REGISTRY_TOKEN"),
        (400, r"answers 400 for version 1 \(no\): see its log"),
        (302, r"answers 302"),
    ],
)
def test_a_refusal_names_the_setting_and_the_remedy(
    stand_in: StandIn, registry: Registry, status: int, said: str
) -> None:
    stand_in.script["version"] = [status]
    with pytest.raises(RegistryError, match=said) as refusal:
        registry.bundle_digest("1")
    assert f"CHATMOD_API_REGISTRY_URL={stand_in.url!r}" in str(refusal.value)
    assert len(stand_in.asked) == 1, "a refusal is not asked for twice"


def test_a_version_that_is_not_there_is_named(registry: Registry) -> None:
    with pytest.raises(RegistryError, match=r"has no version 9 of 'chat-moderation': register it"):
        registry.bundle_digest("9")


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_passing_fault_is_asked_again(stand_in: StandIn, registry: Registry, status: int) -> None:
    stand_in.script["version"] = [status, status]
    assert registry.bundle_digest("1") == stand_in.digest
    assert len(stand_in.asked) == 3


def test_a_fault_that_stays_makes_the_registry_unreachable(stand_in: StandIn, registry: Registry) -> None:
    stand_in.script["version"] = [500] * 9
    with pytest.raises(RegistryUnreachableError, match=r"does not answer \(500 for version 1: no\): start"):
        registry.bundle_digest("1")


def test_nobody_there_makes_the_registry_unreachable() -> None:
    with (
        Registry(f"http://127.0.0.1:{free_port()}", "chat-moderation", pauses_s=QUICK) as registry,
        pytest.raises(RegistryUnreachableError, match=r"does not answer .*: start the registry"),
    ):
        registry.bundle_digest("1")


@pytest.mark.parametrize("page", [b"<html>", b"[]", b"{}", b'{"model_version": null}'])
def test_something_else_at_the_address_is_said(stand_in: StandIn, registry: Registry, page: bytes) -> None:
    stand_in.script["version"] = [page]
    with pytest.raises(RegistryError, match=r"answers, and not as MLflow does: give the address"):
        registry.bundle_digest("1")


def test_a_transfer_that_is_cut_is_taken_up_where_it_stopped(
    stand_in: StandIn, registry: Registry, tmp_path: Path
) -> None:
    whole = stand_in.files["weights.safetensors"]
    stand_in.script["weights.safetensors"] = ["cut", "cut"]
    registry.fetch("1", "weights.safetensors", tmp_path / "weights")
    assert (tmp_path / "weights").read_bytes() == whole
    half = len(whole) // 2
    assert [one[1] for one in stand_in.asked] == [None, f"bytes={half}-", f"bytes={half + half // 2}-"]


def test_a_file_that_shrank_meanwhile_is_fetched_from_its_beginning(
    stand_in: StandIn, registry: Registry, tmp_path: Path
) -> None:
    (tmp_path / "policy").write_bytes(b"more than there is now" * 100)
    stand_in.script["policy.json"] = [416]
    registry.fetch("1", "policy.json", tmp_path / "policy")
    assert (tmp_path / "policy").read_bytes() == stand_in.files["policy.json"]
