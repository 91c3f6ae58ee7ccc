"""Loads a bundle in the background and says how far it is; the port answers meanwhile. Knows no HTTP."""

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final, Literal

import structlog

from modeling import bundle as bundles
from modeling.exceptions import BundleError, ModelingError
from prediction_service.calibration import read as read_calibration
from prediction_service.exceptions import ServiceError
from prediction_service.score_cache import ScoreCache
from prediction_service.service import Moderator, self_test
from prediction_service.settings import PREFIX, Settings

SHORT_DIGEST: Final = 12
FIRST_PAUSE_S: Final = 1.0
LONGEST_PAUSE_S: Final = 30.0
PROMISE_S: Final = 5.0
LOOK_S: Final = 0.1

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Loaded:
    """A verified bundle, the version it is served under, and where it was taken from."""

    bundle: bundles.Bundle
    version: str
    source: Literal["registry", "cache", "disk"]


@dataclass(frozen=True)
class State:
    """How far loading is; a moderator and its bundle only when ready."""

    status: Literal["ready", "loading", "failed"]
    detail: str
    loaded: Loaded | None = None
    moderator: Moderator | None = None


class Loader:
    """One thread that obtains a bundle, tries it, and keeps trying where ``retry`` says so.

    ``promise`` is a file that the first ready worker of a server makes: from then on a worker that
    is not (a slower one, or one that replaces a killed one) hurries, and lets its clients wait for it.
    ``attributes`` maps names to heads that the bundle must have; ``calibration`` is a file that must be
    of that very bundle; ``cache`` is the moderator's.
    """

    def __init__(
        self,
        obtain: Callable[[], Loaded],
        *,
        retry: bool,
        on_ready: Callable[[Loaded], None] = lambda _loaded: None,
        timed: Callable[[float], None] = lambda _seconds: None,
        promise: Path | None = None,
        attributes: Mapping[str, str] | None = None,
        calibration: Path | None = None,
        cache: ScoreCache | None = None,
        first_pause_s: float = FIRST_PAUSE_S,
    ) -> None:
        self._obtain = obtain
        self._retry = retry
        self._on_ready = on_ready
        self._timed = timed
        self._promise = promise
        self._attributes = attributes or {}
        self._calibration = calibration
        self._cache = cache
        self._pause_s = first_pause_s
        self._settled = threading.Event()
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="loader", daemon=True)
        self.state = State("loading", "the bundle is being loaded")

    def start(self) -> None:
        """Begin to load; returns at once."""
        self._thread.start()

    def current(self) -> State:
        """The state to answer with, which is the state unless another worker has promised better."""
        if self.state.moderator is None and self._is_promised():
            self._settled.wait(PROMISE_S)
        return self.state

    def stop(self) -> None:
        """Give up waiting between two attempts."""
        self._stopped.set()

    def join(self, timeout_s: float | None = None) -> None:
        """Wait until nothing more will change."""
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopped.is_set():
            promised = self._is_promised()
            reason = self._attempt()
            if not reason:
                return
            if promised or not self._retry:
                self._settled.set()
            again = f"; next attempt in {self._pause_s:.0f} s" if self._retry else ""
            self.state = State("failed", reason + again)
            log.error("load failed", reason=reason, retry_in_s=self._pause_s if self._retry else None)
            if not self._retry:
                return
            self._rest(promised=promised)

    def _rest(self, *, promised: bool) -> None:
        until = time.monotonic() + self._pause_s
        while time.monotonic() < until and self._is_promised() == promised:
            if self._stopped.wait(min(LOOK_S, self._pause_s)):
                return
        self._pause_s = min(self._pause_s * 2, LONGEST_PAUSE_S)

    def _is_promised(self) -> bool:
        return self._promise is not None and self._promise.exists()

    def _attempt(self) -> str:
        try:
            loaded = self._obtain()
            calibration = read_calibration(self._calibration) if self._calibration else None
            tried = Moderator(
                loaded.bundle, loaded.version, mapping=self._attributes, calibration=calibration
            )
            self_test(tried)
        except (ModelingError, ServiceError) as error:
            return str(error)
        except Exception:
            # a dead thread would answer "loading" for ever
            log.exception("load failed unexpectedly")
            return "an unexpected error, see the log"
        self._on_ready(loaded)
        moderator = replace(tried, timed=self._timed, cache=self._cache)
        _ = moderator.attributes, moderator.links  # worked out here, or the first client would wait for it
        self.state = State("ready", "the self-test passed", loaded, moderator)
        self._settled.set()
        if self._promise is not None:
            with contextlib.suppress(OSError):  # on a full disk there is none, and others load all the same
                self._promise.touch()
        log.info("ready", version=loaded.version, digest=loaded.bundle.digest, source=loaded.source)
        return ""


def from_disk(path: Path, wanted: str | None = None) -> Loaded:
    """Load and verify the bundle of a directory.

    Raises:
        BundleError: it is missing, altered, or not the one with the digest that is wanted.

    """
    bundle = bundles.load(path)
    if wanted and bundle.digest != wanted:
        raise BundleError(
            f"{path} has the digest {bundle.digest} and {PREFIX}MODEL_DIGEST={wanted!r}: "
            "give the bundle with that digest, or its own digest"
        )
    return Loaded(bundle, f"sha256:{bundle.digest[:SHORT_DIGEST]}", "disk")


def source(settings: Settings) -> Callable[[], Loaded]:
    """What obtains the bundle that these settings name."""
    if settings.bundle is not None:
        return partial(from_disk, settings.bundle, settings.model_digest)
    # httpx costs a tenth of a second that a bundle from disk need not wait for
    from prediction_service.cache import obtain

    return partial(obtain, settings)
