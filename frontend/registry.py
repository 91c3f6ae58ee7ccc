"""MLflow's registered versions and their files, over its REST API. Knows no page and no file's shape."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import httpx

from frontend.exceptions import RegistryUnavailableError

MODEL_NAME: Final = "chat-moderation"
MODELS_PATH: Final = "/api/2.0/mlflow/registered-models/get"
VERSIONS_PATH: Final = "/api/2.0/mlflow/model-versions/search"
LISTING_PATH: Final = "/api/2.0/mlflow/artifacts/list"
ARTIFACT_PATH: Final = "/get-artifact"
FILE_PATH: Final = "/model-versions/get-artifact"
CONNECT_S: Final = 2.0
MAX_BYTES: Final = 32 * 2**20
MAX_VERSIONS: Final = 50
EXCERPT: Final = 120
UNKNOWN: Final = "RESOURCE_DOES_NOT_EXIST"
STRANGER: Final = "answers, and not as MLflow does: give the address of an MLflow server"
SETTING: Final = "CHATMOD_UI_MLFLOW_URL"


@dataclass(frozen=True)
class Version:
    """One registered version as the registry tells it."""

    number: int
    run_id: str
    aliases: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    created: datetime | None = None

    @property
    def title(self) -> str:
        """How a person calls it."""
        return f"version {self.number}"


class Registry:
    """One registered model on one MLflow server; any number of threads may ask."""

    def __init__(self, url: str, timeout_s: float, token: str = "", name: str = MODEL_NAME) -> None:
        """A reader that has not connected yet; an answer takes at most ``timeout_s`` altogether."""
        self.url = url
        self._name = name
        self._timeout_s = timeout_s
        self._http = httpx.Client(
            base_url=url,
            headers={"Authorization": f"Bearer {token}"} if token else {},
            timeout=httpx.Timeout(timeout_s, connect=min(timeout_s, CONNECT_S)),
            trust_env=False,  # MLflow is a neighbour, as the service is
        )

    def close(self) -> None:
        """Close the connections."""
        self._http.close()

    def versions(self) -> list[Version]:
        """The newest versions, newest first; none where nothing was registered yet.

        Raises:
            RegistryUnavailableError: MLflow does not tell.

        """
        model = self._json(MODELS_PATH, {"name": self._name})
        if model is None:
            return []
        params = {
            "filter": f"name='{self._name}'",
            "max_results": str(MAX_VERSIONS),
            "order_by": "version_number DESC",
        }
        found = self._json(VERSIONS_PATH, params) or {}
        try:
            aliases = _aliases(model["registered_model"].get("aliases", []))
            versions = [_version(one, aliases) for one in found.get("model_versions", [])]
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise self._error(STRANGER) from error
        return sorted(versions, key=lambda one: -one.number)

    def names(self, run_id: str, folder: str) -> frozenset[str]:
        """The names of the files that a run keeps in a folder; none where the run is gone.

        Raises:
            RegistryUnavailableError: MLflow does not tell.

        """
        listing = self._json(LISTING_PATH, {"run_id": run_id, "path": folder}) or {}
        try:
            return frozenset(
                str(one["path"]).removeprefix(f"{folder}/")
                for one in listing.get("files", [])
                if not one.get("is_dir")
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise self._error(STRANGER) from error

    def artifact(self, run_id: str, path: str) -> bytes | None:
        """A file that a run keeps; None where there is none.

        Raises:
            RegistryUnavailableError: MLflow does not give it.

        """
        return self._get(ARTIFACT_PATH, {"run_uuid": run_id, "path": path}, path)

    def file(self, version: int, path: str) -> bytes | None:
        """A file of a version's bundle; None where there is none.

        Raises:
            RegistryUnavailableError: MLflow does not give it.

        """
        params = {"name": self._name, "version": str(version), "path": path}
        return self._get(FILE_PATH, params, f"{path} of version {version}")

    def _json(self, path: str, params: Mapping[str, str]) -> dict[str, Any] | None:
        content = self._get(path, params, path)
        if content is None:
            return None
        try:
            answer = httpx.Response(200, content=content).json()
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict):
            raise self._error(STRANGER)
        return answer

    def _get(self, path: str, params: Mapping[str, str], what: str) -> bytes | None:
        until = time.monotonic() + self._timeout_s
        try:
            with self._http.stream("GET", path, params=params) as response:
                content = self._body(response, until, what)
        except httpx.TimeoutException as error:
            raise self._late() from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
            raise self._error(
                f"cannot be reached ({reason}): it takes up to half a minute to start; "
                "if it does not, start it, or correct the address"
            ) from error
        if response.is_success:
            return content
        self._check(response.status_code, content, what)
        return None

    def _body(self, response: httpx.Response, until: float, what: str) -> bytes:
        content = bytearray()
        for chunk in response.iter_bytes():
            content += chunk
            if len(content) > MAX_BYTES:
                raise self._error(
                    f"gives more than {MAX_BYTES // 2**20} MiB for {what}: that is no report of ours"
                )
            if time.monotonic() > until:
                raise self._late()
        return bytes(content)

    def _check(self, status: int, content: bytes, what: str) -> None:
        said = " ".join(content[: 4 * EXCERPT].decode(errors="replace").split())[:EXCERPT]
        if status == HTTPStatus.NOT_FOUND and UNKNOWN in said:
            return
        if status == HTTPStatus.UNAUTHORIZED:
            raise self._error("wants credentials (401): set CHATMOD_UI_MLFLOW_TOKEN to a valid one")
        if status == HTTPStatus.FORBIDDEN:
            raise self._error(
                "refuses this page (403): name its host in MLflow's --allowed-hosts, or set "
                "CHATMOD_UI_MLFLOW_TOKEN to one that may read"
            )
        if status == HTTPStatus.NOT_FOUND or status < HTTPStatus.BAD_REQUEST:
            raise self._error(f"answers {status} for {what}: give the address of an MLflow server")
        raise self._error(f"answers {status} for {what} ({said}): see its log, and try again")

    def _late(self) -> RegistryUnavailableError:
        return self._error(
            f"did not answer within {self._timeout_s:g} s: try again; if it stays so, see its log, "
            "or raise CHATMOD_UI_TIMEOUT_S"
        )

    def _error(self, what: str) -> RegistryUnavailableError:
        return RegistryUnavailableError(f"MLflow at {SETTING}={self.url} {what}")


def _aliases(entries: list[dict[str, str]]) -> dict[int, tuple[str, ...]]:
    by_version: dict[int, tuple[str, ...]] = {}
    for entry in entries:
        number = int(entry["version"])
        by_version[number] = (*by_version.get(number, ()), str(entry["alias"]))
    return by_version


def _version(entry: dict[str, Any], aliases: dict[int, tuple[str, ...]]) -> Version:
    number = int(entry["version"])
    made = entry.get("creation_timestamp")
    return Version(
        number,
        str(entry.get("run_id", "")),
        tuple(sorted(aliases.get(number, ()))),
        {str(tag["key"]): str(tag.get("value", "")) for tag in entry.get("tags", [])},
        datetime.fromtimestamp(int(made) / 1000, UTC) if made else None,
    )
