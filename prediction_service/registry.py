"""MLflow's model registry, read over its REST API. Knows no bundle format, no cache and no mlflow package."""

import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self, TypeVar

import httpx

from prediction_service.exceptions import RegistryError, RegistryUnreachableError
from prediction_service.settings import PREFIX, Secret

PAUSES_S: Final = (0.2, 0.8, 2.0)
TIMEOUT: Final = httpx.Timeout(30.0, connect=3.0)
VERSION_PATH: Final = "/api/2.0/mlflow/model-versions/get"
ARTIFACT_PATH: Final = "/model-versions/get-artifact"
DIGEST_TAG: Final = "bundle_digest"
EXCERPT: Final = 200
Answer = TypeVar("Answer")


class _TransientError(Exception):
    """Worth another attempt."""


class Registry:
    """One registered model on one tracking server."""

    def __init__(
        self, url: str, name: str, token: Secret | None = None, *, pauses_s: tuple[float, ...] = PAUSES_S
    ) -> None:
        headers = {"Authorization": f"Bearer {token.reveal()}"} if token else {}
        self._url = url
        self._name = name
        self._pauses_s = pauses_s
        # trust_env off: only settings.py reads the environment, and a registry is inside the house
        self._http = httpx.Client(base_url=url, headers=headers, timeout=TIMEOUT, trust_env=False)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the connections."""
        self._http.close()

    def bundle_digest(self, version: str) -> str | None:
        """The digest that the version's tag promises, or None where it has no such tag.

        Raises:
            RegistryError: there is no such version, or the registry refuses to tell.

        """

        def ask() -> dict[str, Any]:
            response = self._http.get(VERSION_PATH, params={"name": self._name, "version": version})
            self._check(response, f"version {version}")
            try:
                return dict(response.json()["model_version"])
            except (ValueError, KeyError, TypeError) as error:
                raise RegistryError(
                    f"{PREFIX}REGISTRY_URL={self._url!r} answers, and not as MLflow does: "
                    "give the address of an MLflow server"
                ) from error

        tags = {tag.get("key"): tag.get("value") for tag in self._attempts(ask).get("tags", [])}
        return tags.get(DIGEST_TAG)

    def fetch(self, version: str, path: str, target: Path) -> None:
        """Download one file of a version; a transfer that was cut is taken up where it stopped.

        Raises:
            RegistryError: the registry does not give the file.

        """
        self._attempts(lambda: self._download(version, path, target))

    def _download(self, version: str, path: str, target: Path) -> None:
        done = target.stat().st_size if target.exists() else 0
        params = {"name": self._name, "version": version, "path": path}
        headers = {"Range": f"bytes={done}-", "Accept-Encoding": "identity"} if done else {}
        with self._http.stream("GET", ARTIFACT_PATH, params=params, headers=headers) as response:
            if not response.is_success:
                response.read()
            if response.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
                target.unlink()
                raise _TransientError(f"{path} changed while it was fetched")
            self._check(response, f"file {path!r} of version {version}")
            resumed = response.headers.get("Content-Range", "").startswith(f"bytes {done}-")
            with target.open("ab" if done and resumed else "wb") as file:
                for chunk in response.iter_bytes():
                    file.write(chunk)

    def _attempts(self, ask: Callable[[], Answer]) -> Answer:
        reason: Exception | None = None
        for pause in (*self._pauses_s, None):
            try:
                return ask()
            except (httpx.TransportError, _TransientError) as error:
                reason = error
            if pause is not None:
                time.sleep(pause)
        raise RegistryUnreachableError(
            f"{PREFIX}REGISTRY_URL={self._url!r} does not answer ({reason}): start the registry, or correct "
            "its address"
        ) from reason

    def _check(self, response: httpx.Response, what: str) -> None:
        status = response.status_code
        if status == httpx.codes.TOO_MANY_REQUESTS or status >= httpx.codes.INTERNAL_SERVER_ERROR:
            raise _TransientError(f"{status} for {what}: {_excerpt(response)}")
        if response.is_success:
            return
        where = f"{PREFIX}REGISTRY_URL={self._url!r}"
        if status == httpx.codes.NOT_FOUND:
            raise RegistryError(
                f"{where} has no {what} of {self._name!r}: register it, or correct {PREFIX}MODEL_VERSION "
                f"and {PREFIX}MODEL_NAME"
            )
        if status == httpx.codes.UNAUTHORIZED:
            raise RegistryError(f"{where} wants credentials (401): give a valid {PREFIX}REGISTRY_TOKEN")
        if status == httpx.codes.FORBIDDEN:
            raise RegistryError(
                f"{where} refuses this client (403, {_excerpt(response)}): name this host in the "
                f"server's --allowed-hosts, or give a {PREFIX}REGISTRY_TOKEN that may read"
            )
        raise RegistryError(f"{where} answers {status} for {what} ({_excerpt(response)}): see its log")


def _excerpt(response: httpx.Response) -> str:
    try:
        text = response.text
    except httpx.ResponseNotRead:
        return ""
    return " ".join(text.split())[:EXCERPT]
