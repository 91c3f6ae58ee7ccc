"""The loader: its states, its retries, and the promise that workers of one server share."""

import shutil
import threading
import time
from pathlib import Path

import pytest

from modeling import bundle as bundles
from modeling.exceptions import BundleError
from prediction_service.exceptions import RegistryUnreachableError
from prediction_service.loader import Loaded, Loader, from_disk
from tests.prediction_service.loaders import loaded_from, settled


@pytest.fixture
def copy(bundle_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_dir, tmp_path / "copy"))


def test_it_is_loading_until_the_bundle_is_there(bundle_dir: Path) -> None:
    go = threading.Event()

    def slow() -> Loaded:
        go.wait(10)
        return from_disk(bundle_dir)

    loader = Loader(slow, retry=False)
    loader.start()
    assert (loader.current().status, loader.current().moderator) == ("loading", None)
    go.set()
    loader.join(10)
    assert loader.current().status == "ready"


def test_a_bundle_from_disk_is_served_under_its_digest(bundle_dir: Path) -> None:
    state = loaded_from(bundle_dir).current()
    assert state.loaded is not None
    assert state.loaded.version == f"sha256:{bundles.digest_of(bundle_dir)[:12]}"
    assert state.loaded.source == "disk"
    assert state.moderator is not None


def test_no_bundle_at_all_is_a_failure_with_its_remedy(tmp_path: Path) -> None:
    state = loaded_from(tmp_path / "nothing").current()
    assert state.status == "failed"
    assert "nothing/passport.json: no bundle there: train one" in state.detail


@pytest.mark.parametrize("name", ["weights.safetensors", "policy.json"])
def test_one_flipped_byte_is_a_failure_that_names_the_file(copy: Path, name: str) -> None:
    data = bytearray((copy / name).read_bytes())
    data[len(data) // 2] ^= 1
    (copy / name).write_bytes(data)
    state = loaded_from(copy).current()
    assert (state.status, state.moderator) == ("failed", None)
    assert f"{name}: sha256" in state.detail


def test_a_flipped_byte_of_the_passport_is_found_by_its_seal(copy: Path) -> None:
    passport = copy / "passport.json"
    passport.write_text(passport.read_text().replace("corpus.csv", "corpus.csw"))
    state = loaded_from(copy).current()
    assert state.status == "failed"
    assert "passport.json: the seal does not match" in state.detail


def test_another_bundle_than_the_promised_one_is_refused(bundle_dir: Path) -> None:
    with pytest.raises(BundleError, match=r"has the digest .* CHATMOD_API_MODEL_DIGEST='0000"):
        from_disk(bundle_dir, "0" * 64)


def test_the_promised_bundle_is_taken(bundle_dir: Path) -> None:
    assert from_disk(bundle_dir, bundles.digest_of(bundle_dir)).source == "disk"


def test_a_failure_is_tried_again_where_that_may_help(bundle_dir: Path) -> None:
    attempts: list[str] = []

    def flaky() -> Loaded:
        attempts.append(loader.state.status)
        if len(attempts) < 3:
            raise RegistryUnreachableError("no answer")
        return from_disk(bundle_dir)

    loader = Loader(flaky, retry=True, first_pause_s=0.01)
    assert settled(loader).current().status == "ready"
    assert attempts == ["loading", "failed", "failed"]


def test_a_failure_says_that_it_will_be_tried_again() -> None:
    def never() -> Loaded:
        raise RegistryUnreachableError("no answer")

    loader = Loader(never, retry=True, first_pause_s=30)
    loader.start()
    give_up = time.monotonic() + 10
    while loader.current().status == "loading" and time.monotonic() < give_up:
        time.sleep(0.01)
    assert loader.current().detail == "no answer; next attempt in 30 s"
    loader.stop()
    loader.join(5)


def test_an_unexpected_error_is_a_failure_too_and_keeps_its_detail_in_the_log() -> None:
    def broken() -> Loaded:
        raise ZeroDivisionError("private")

    state = settled(Loader(broken, retry=False)).current()
    assert (state.status, state.detail) == ("failed", "an unexpected error, see the log")


def test_whoever_is_ready_first_promises_it_and_others_let_clients_wait(
    bundle_dir: Path, tmp_path: Path
) -> None:
    promise = tmp_path / "ready"
    loaded_from(bundle_dir, promise=promise)
    assert promise.exists()
    go = threading.Event()

    def slow() -> Loaded:
        go.wait(10)
        return from_disk(bundle_dir)

    second = Loader(slow, retry=False, promise=promise)
    second.start()
    threading.Timer(0.2, go.set).start()
    assert second.current().status == "ready"


def test_a_worker_that_waits_to_try_again_hurries_once_another_is_ready(
    bundle_dir: Path, tmp_path: Path
) -> None:
    promise = tmp_path / "ready"

    def obtain() -> Loaded:
        if not promise.exists():
            raise RegistryUnreachableError("no answer")
        return from_disk(bundle_dir)

    loader = Loader(obtain, retry=True, promise=promise, first_pause_s=60)
    loader.start()
    give_up = time.monotonic() + 10
    while loader.current().status == "loading" and time.monotonic() < give_up:
        time.sleep(0.01)
    assert loader.current().status == "failed"
    promise.touch()
    assert loader.current().status == "ready"


def test_what_is_called_when_ready_sees_the_bundle(bundle_dir: Path) -> None:
    seen: list[Loaded] = []
    loader = loaded_from(bundle_dir, on_ready=seen.append)
    assert seen == [loader.current().loaded]


def test_an_attribute_of_a_head_that_is_there_is_ready(bundle_dir: Path) -> None:
    mapping = {"TOXICITY": "LIKELY_TO_REJECT"}
    state = loaded_from(bundle_dir, attributes=mapping).current()
    assert state.moderator is not None
    assert state.moderator.attributes == {
        "LIKELY_TO_REJECT": "LIKELY_TO_REJECT",
        "TOXICITY": "LIKELY_TO_REJECT",
    }


def test_an_attribute_of_a_head_that_the_bundle_lacks_is_a_failure_with_its_remedy(bundle_dir: Path) -> None:
    mapping = {"TOXICITY": "TOXIC"}
    state = loaded_from(bundle_dir, attributes=mapping).current()
    assert (state.status, state.moderator) == ("failed", None)
    assert state.detail == (
        "CHATMOD_API_ATTRIBUTES='TOXICITY=TOXIC' and this bundle has no head TOXIC: "
        "map TOXICITY to one of LIKELY_TO_REJECT, or serve a bundle with that head"
    )
