"""Verified bundles on disk: from a real MLflow server, and what becomes of every fault on the way."""

import resource
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from modeling.bundle import FILES, digest_of
from modeling.exceptions import BundleError
from prediction_service.cache import obtain
from prediction_service.exceptions import RegistryError, RegistryUnreachableError
from prediction_service.settings import Settings
from tests.bundles import reseal
from tests.prediction_service.registries import MLflow, StandIn
from tests.prediction_service.serving import Server, free_port, records

if TYPE_CHECKING:
    from prediction_service.loader import Loaded


@pytest.fixture(scope="module")
def mlflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MLflow]:
    with MLflow(tmp_path_factory.mktemp("mlflow")) as server:
        yield server


@pytest.fixture(scope="module")
def version(mlflow: MLflow, bundle_dir: Path) -> str:
    return mlflow.register(bundle_dir, digest_of(bundle_dir))


@pytest.fixture
def stand_in(bundle_dir: Path) -> Iterator[StandIn]:
    with StandIn(bundle_dir, digest_of(bundle_dir)) as server:
        yield server


@pytest.fixture
def other(bundle_dir: Path, tmp_path: Path) -> Path:
    """A whole bundle with another digest."""
    place = Path(shutil.copytree(bundle_dir, tmp_path / "other"))
    reseal(place, commit="another")
    return place


def settings(url: str, tmp_path: Path, version: str = "1", digest: str | None = None) -> Settings:
    return Settings(
        model_version=version, registry_url=url, cache_dir=tmp_path / "cache", model_digest=digest
    )


def nowhere() -> str:
    return f"http://127.0.0.1:{free_port()}"


def held(tmp_path: Path) -> set[str]:
    return {path.name for path in (tmp_path / "cache" / "chat-moderation").iterdir()} - {".lock"}


def test_a_registered_version_is_fetched_verified_and_kept(
    mlflow: MLflow, version: str, bundle_dir: Path, tmp_path: Path
) -> None:
    first = obtain(settings(mlflow.url, tmp_path, version))
    digest = digest_of(bundle_dir)
    assert (first.bundle.digest, first.version, first.source) == (digest, version, "registry")
    place = tmp_path / "cache" / "chat-moderation" / f"{version}-{digest[:12]}"
    assert {path.name for path in place.iterdir()} == set(FILES)
    assert obtain(settings(mlflow.url, tmp_path, version)).source == "cache"


def test_a_version_without_the_digest_tag_is_fetched_too(
    mlflow: MLflow, bundle_dir: Path, tmp_path: Path
) -> None:
    version = mlflow.register(bundle_dir, None)
    assert obtain(settings(mlflow.url, tmp_path, version)).bundle.digest == digest_of(bundle_dir)


def test_a_version_that_mlflow_does_not_have_is_named(mlflow: MLflow, tmp_path: Path) -> None:
    with pytest.raises(RegistryError, match=r"has no version 999 of 'chat-moderation'"):
        obtain(settings(mlflow.url, tmp_path, "999"))
    assert held(tmp_path) == set()


def test_a_file_that_was_altered_in_the_store_is_refused_by_name(
    mlflow: MLflow, bundle_dir: Path, tmp_path: Path
) -> None:
    before = set(mlflow.folder.rglob("weights.safetensors"))
    version = mlflow.register(bundle_dir, digest_of(bundle_dir))
    [stored] = set(mlflow.folder.rglob("weights.safetensors")) - before
    data = bytearray(stored.read_bytes())
    data[-1] ^= 1
    stored.write_bytes(data)
    with pytest.raises(BundleError, match=r"weights.safetensors: sha256"):
        obtain(settings(mlflow.url, tmp_path, version))
    assert held(tmp_path) == set()


def test_gunicorn_serves_a_registered_version_and_its_workers_fetch_it_once(
    mlflow: MLflow, version: str, tmp_path: Path
) -> None:
    options = {"model_version": version, "registry_url": mlflow.url, "cache_dir": tmp_path / "cache"}
    with Server(tmp_path / "log", **options) as server:
        assert server.ask("POST", "/predict", records(3))[0] == 200
        until, ready = time.monotonic() + 20, []
        while len(ready) < 2 and time.monotonic() < until:  # the slower worker may be asked later
            time.sleep(0.1)
            ready = [line for line in server.lines() if line["event"] == "ready"]
    assert sorted(line["source"] for line in ready) == ["cache", "registry"]
    assert {line["version"] for line in ready} == {version}


def test_an_unreachable_registry_is_no_matter_once_the_bundle_is_cached(
    stand_in: StandIn, tmp_path: Path
) -> None:
    obtain(settings(stand_in.url, tmp_path))
    assert obtain(settings(nowhere(), tmp_path)).source == "cache"


def test_an_unreachable_registry_and_no_cached_bundle_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(RegistryUnreachableError, match=r"start the registry, or correct its address"):
        obtain(settings(nowhere(), tmp_path))


def test_a_pinned_and_cached_bundle_asks_nobody(stand_in: StandIn, tmp_path: Path) -> None:
    obtain(settings(stand_in.url, tmp_path))
    asked = len(stand_in.asked)
    assert obtain(settings(stand_in.url, tmp_path, digest=stand_in.digest)).source == "cache"
    assert len(stand_in.asked) == asked


def test_another_bundle_than_the_pinned_one_is_not_served(stand_in: StandIn, tmp_path: Path) -> None:
    obtain(settings(stand_in.url, tmp_path))
    with pytest.raises(RegistryError, match=r"MODEL_DIGEST='ffff.* differ: correct the setting"):
        obtain(settings(stand_in.url, tmp_path, digest="f" * 64))
    with pytest.raises(RegistryUnreachableError):
        obtain(settings(nowhere(), tmp_path, digest="f" * 64))


def test_a_cached_bundle_gives_way_when_the_registry_promises_another(
    stand_in: StandIn, other: Path, tmp_path: Path
) -> None:
    obtain(settings(stand_in.url, tmp_path))
    with StandIn(other, digest_of(other)) as changed:
        loaded = obtain(settings(changed.url, tmp_path))
    assert (loaded.bundle.digest, loaded.source) == (digest_of(other), "registry")
    assert len(held(tmp_path)) == 2


def test_a_version_that_was_altered_after_its_registration_is_refused(
    stand_in: StandIn, other: Path, tmp_path: Path
) -> None:
    with (
        StandIn(other, stand_in.digest) as altered,
        pytest.raises(BundleError, match=r"was altered after it was registered"),
    ):
        obtain(settings(altered.url, tmp_path))
    assert held(tmp_path) == set()


def test_a_damaged_cached_bundle_is_fetched_again(stand_in: StandIn, tmp_path: Path) -> None:
    obtain(settings(stand_in.url, tmp_path))
    [place] = (tmp_path / "cache" / "chat-moderation").glob("1-*")
    (place / "weights.safetensors").write_bytes(b"half")
    assert obtain(settings(stand_in.url, tmp_path)).source == "registry"
    assert obtain(settings(nowhere(), tmp_path)).source == "cache"
    assert held(tmp_path) == {place.name}


def test_a_damaged_cached_bundle_is_never_served(stand_in: StandIn, tmp_path: Path) -> None:
    obtain(settings(stand_in.url, tmp_path))
    [place] = (tmp_path / "cache" / "chat-moderation").glob("1-*")
    (place / "policy.json").unlink()
    with pytest.raises(RegistryUnreachableError):
        obtain(settings(nowhere(), tmp_path))


def test_many_at_once_fetch_once(stand_in: StandIn, tmp_path: Path) -> None:
    stand_in.script["weights.safetensors"] = ["slow"]
    found: list[Loaded] = []
    threads = [
        threading.Thread(target=lambda: found.append(obtain(settings(stand_in.url, tmp_path))))
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert sorted(one.source for one in found) == ["cache"] * 5 + ["registry"]
    assert [name for name, *_ in stand_in.asked].count("weights.safetensors") == 1


@pytest.mark.parametrize("name", ["../outside", "/etc/outside", "a/../../outside", ".hidden"])
def test_a_passport_that_names_files_elsewhere_is_refused(
    stand_in: StandIn, tmp_path: Path, name: str
) -> None:
    stand_in.files["passport.json"] = b'{"files": {"%s": "0"}}' % name.encode()
    with pytest.raises(BundleError, match=r"a bundle's files lie inside it"):
        obtain(settings(stand_in.url, tmp_path))
    assert held(tmp_path) == set()


@pytest.mark.parametrize("passport", [b"", b"[]", b"{}", b'{"files": 3}', b"\xff"])
def test_a_passport_that_is_none_is_refused(stand_in: StandIn, tmp_path: Path, passport: bytes) -> None:
    stand_in.files["passport.json"] = passport
    with pytest.raises(BundleError, match=r"passport.json of version 1 lists no files"):
        obtain(settings(stand_in.url, tmp_path))


def test_what_a_killed_process_left_half_fetched_is_cleared(stand_in: StandIn, tmp_path: Path) -> None:
    leftover = tmp_path / "cache" / "chat-moderation" / ".fetch-old"
    leftover.mkdir(parents=True)
    (leftover / "weights.safetensors").write_bytes(b"half")
    obtain(settings(stand_in.url, tmp_path))
    assert not leftover.exists()


def test_a_cache_that_cannot_be_made_is_said(stand_in: StandIn, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the directory should be")
    with pytest.raises(RegistryError, match=r"CHATMOD_API_CACHE_DIR='.*' cannot be written .*: make room"):
        obtain(settings(stand_in.url, tmp_path))


def test_a_disk_that_fills_up_is_said_and_leaves_nothing_behind(stand_in: StandIn, tmp_path: Path) -> None:
    code = (
        "import sys; from pathlib import Path\n"
        "from prediction_service.cache import obtain; from prediction_service.settings import Settings\n"
        "try: obtain(Settings(model_version='1', registry_url=sys.argv[1], cache_dir=Path(sys.argv[2])))\n"
        "except Exception as error: sys.exit(f'{type(error).__name__}: {error}')\n"
    )
    full = subprocess.run(
        [sys.executable, "-c", code, stand_in.url, str(tmp_path / "cache")],
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (1_000_000, 1_000_000)),
        capture_output=True,
        text=True,
        check=False,
    )
    assert full.returncode == 1
    assert full.stderr.splitlines()[-1].startswith("RegistryError: CHATMOD_API_CACHE_DIR=")
    assert held(tmp_path) == set()
