"""Verified bundles on local disk, by registered version; fetches what is missing, once for all workers."""

import fcntl
import json
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import structlog

from modeling import bundle as bundles
from modeling.exceptions import BundleError
from prediction_service.exceptions import RegistryError, RegistryUnreachableError
from prediction_service.loader import SHORT_DIGEST, Loaded
from prediction_service.registry import DIGEST_TAG, Registry
from prediction_service.settings import PREFIX, Settings

PASSPORT: Final = "passport.json"
ALWAYS: Final = ("policy.json",)
UNFINISHED: Final = ".fetch-"
FILE_NAME: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*")

log = structlog.get_logger(__name__)


def obtain(settings: Settings) -> Loaded:
    """The bundle of CHATMOD_API_MODEL_VERSION, from the cache where that is known to be right.

    Raises:
        RegistryError: the registry cannot give it, or the cache cannot hold it.
        BundleError: what the registry gave was altered.

    """
    if settings.model_version is None:
        raise RegistryError(f"{PREFIX}MODEL_VERSION='' names no version: set it to a registered version")
    folder = settings.cache_dir / settings.model_name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with _locked(folder / ".lock"), _registry(settings) as registry:
            return _obtain(settings, settings.model_version, folder, registry)
    except OSError as error:
        raise RegistryError(
            f"{PREFIX}CACHE_DIR={str(settings.cache_dir)!r} cannot be written ({error}): "
            "make room there, or name another directory"
        ) from error


def _registry(settings: Settings) -> Registry:
    return Registry(settings.registry_url, settings.model_name, settings.registry_token)


def _obtain(settings: Settings, version: str, folder: Path, registry: Registry) -> Loaded:
    pinned = settings.model_digest
    if pinned and (found := _cached(folder, version, pinned)):
        return found
    try:
        promised = registry.bundle_digest(version)
    except RegistryUnreachableError as error:
        if not pinned and (found := _newest(folder, version)):
            log.warning("registry unreachable, cached bundle used", version=version, reason=str(error))
            return found
        raise
    if pinned and promised and pinned != promised:
        raise RegistryError(
            f"{PREFIX}MODEL_DIGEST={pinned!r} and the registry's tag {DIGEST_TAG}={promised!r} of version "
            f"{version} differ: correct the setting, or find out who changed the version"
        )
    wanted = pinned or promised
    if wanted and (found := _cached(folder, version, wanted)):
        return found
    return _fetch(registry, version, folder, wanted)


def _cached(folder: Path, version: str, digest: str) -> Loaded | None:
    path = folder / f"{version}-{digest[:SHORT_DIGEST]}"
    found = _verified(path, version)
    return found if found and found.bundle.digest == digest else None


def _newest(folder: Path, version: str) -> Loaded | None:
    paths = sorted(folder.glob(f"{version}-*"), key=lambda path: path.stat().st_mtime, reverse=True)
    return next((found for path in paths if (found := _verified(path, version))), None)


def _verified(path: Path, version: str) -> Loaded | None:
    if not path.is_dir():
        return None
    try:
        return Loaded(bundles.load(path), version, "cache")
    except BundleError as error:
        log.warning("cached bundle refused", path=str(path), reason=str(error))
        return None


def _fetch(registry: Registry, version: str, folder: Path, wanted: str | None) -> Loaded:
    for leftover in folder.glob(f"{UNFINISHED}*"):
        shutil.rmtree(leftover, ignore_errors=True)
    scratch = Path(tempfile.mkdtemp(prefix=UNFINISHED, dir=folder))
    try:
        _download(registry, version, scratch)
        bundle = bundles.load(scratch)
        if wanted and bundle.digest != wanted:
            raise BundleError(
                f"version {version} has the digest {bundle.digest} where {wanted} was promised: "
                "it was altered after it was registered; register it again"
            )
        path = folder / f"{version}-{bundle.digest[:SHORT_DIGEST]}"
        _publish(scratch, path)
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
    return Loaded(bundles.load(path), version, "registry")


def _download(registry: Registry, version: str, scratch: Path) -> None:
    registry.fetch(version, PASSPORT, scratch / PASSPORT)
    try:
        names = set(json.loads((scratch / PASSPORT).read_bytes())["files"]) | set(ALWAYS)
    except (ValueError, KeyError, TypeError) as error:
        raise BundleError(
            f"{PASSPORT} of version {version} lists no files ({error}): register the bundle again"
        ) from error
    for name in sorted(names):
        if not FILE_NAME.fullmatch(name):
            raise BundleError(
                f"{PASSPORT} of version {version} names {name!r}: a bundle's files lie inside it"
            )
        target = scratch / name
        target.parent.mkdir(parents=True, exist_ok=True)
        registry.fetch(version, name, target)


def _publish(scratch: Path, path: Path) -> None:
    for one in (*scratch.rglob("*"), scratch):
        _sync(one)
    if path.exists():
        # a damaged copy under the same digest: moved away first, since a rename replaces no full directory
        path.replace(path.parent / f"{UNFINISHED}damaged")
        shutil.rmtree(path.parent / f"{UNFINISHED}damaged", ignore_errors=True)
    scratch.replace(path)
    _sync(path.parent)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    with path.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
