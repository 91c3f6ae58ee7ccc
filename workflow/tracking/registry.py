"""Registered versions in MLflow: their tags, files, receipts and aliases."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import mlflow
from mlflow.exceptions import MlflowException

from workflow.exceptions import TrackingError
from workflow.tracking.connection import Connection
from workflow.tracking.names import MODEL_NAME, RECEIPTS

UNKNOWN: Final = "RESOURCE_DOES_NOT_EXIST"


@dataclass(frozen=True)
class Version:
    """A registered version, and what its run holds.

    Attributes:
        number: in the registry.
        run_id: of the run that it was registered from.
        tags: of the version.
        aliases: that point to it.
        state: of its run: FINISHED, FAILED, KILLED, or RUNNING; empty where the run is gone.
        params: of its run.
        metrics: of its run.
        artifacts: where its run keeps files.

    """

    number: int
    run_id: str
    tags: Mapping[str, str]
    aliases: tuple[str, ...]
    state: str
    params: Mapping[str, str]
    metrics: Mapping[str, float]
    artifacts: str


class Registry:
    """The registered versions on one tracking server or SQLite file.

    Args:
        uri: of MLflow.
        again: the command that is to be given again once MLflow is back, for messages.

    """

    def __init__(self, uri: str, again: str) -> None:
        self._connection = Connection(uri, again)
        self._client = self._connection.client

    def versions(self) -> list[Version]:
        """Every version, oldest first.

        Raises:
            TrackingError: MLflow cannot be reached.

        """
        with self._connection.named_errors():
            aliases = self.aliases()
            found = self._client.search_model_versions(f"name='{MODEL_NAME}'")
            return sorted((self._version(each, aliases) for each in found), key=lambda each: each.number)

    def version(self, number: int) -> Version:
        """One version.

        Raises:
            TrackingError: there is none of that number, or MLflow cannot be reached.

        """
        with self._connection.named_errors():
            try:
                found = self._client.get_model_version(MODEL_NAME, str(number))
            except MlflowException as error:
                if error.error_code != UNKNOWN:
                    raise
                raise TrackingError(
                    f"version {number}: {MODEL_NAME} has none of this number: "
                    "`.venv/bin/python -m workflow status` lists them"
                ) from error
            return self._version(found, self.aliases())

    def aliases(self) -> dict[str, int]:
        """Alias to version; empty where nothing is registered yet.

        Raises:
            TrackingError: MLflow cannot be reached.

        """
        with self._connection.named_errors():
            try:
                model = self._client.get_registered_model(MODEL_NAME)
            except MlflowException as error:
                if error.error_code != UNKNOWN:
                    raise
                return {}
            return {alias: int(number) for alias, number in model.aliases.items()}

    def move(self, alias: str, number: int | None) -> None:
        """Let an alias point to a version, or to none.

        Raises:
            TrackingError: MLflow cannot be reached or refuses.

        """
        with self._connection.named_errors():
            before = self.aliases().get(alias)
            if before == number:
                return
            if number is None:
                self._client.delete_registered_model_alias(MODEL_NAME, alias)
            else:
                self._client.set_registered_model_alias(MODEL_NAME, alias, str(number))

    def tag(self, number: int, tags: Mapping[str, str]) -> None:
        """Write tags of a version.

        Raises:
            TrackingError: MLflow cannot be reached or refuses.

        """
        with self._connection.named_errors():
            for name, value in tags.items():
                self._client.set_model_version_tag(MODEL_NAME, str(number), name, value)

    def bundle(self, number: int, into: Path) -> Path:
        """Fetch a version's files into a new directory, and say which.

        Raises:
            TrackingError: they are not there, or MLflow cannot be reached.

        """
        with self._connection.named_errors():
            into.mkdir(parents=True)
            source = f"models:/{MODEL_NAME}/{number}"
            return Path(mlflow.artifacts.download_artifacts(source, dst_path=str(into)))

    def passport(self, number: int, into: Path) -> Path:
        """Fetch a version's passport alone.

        Raises:
            TrackingError: it is not there, or MLflow cannot be reached.

        """
        with self._connection.named_errors():
            into.mkdir(parents=True)
            source = f"models:/{MODEL_NAME}/{number}/passport.json"
            return Path(mlflow.artifacts.download_artifacts(source, dst_path=str(into)))

    def file(self, version: Version, path: str, into: Path) -> Path | None:
        """Fetch one file of a version's run into a directory, None where there is none.

        Raises:
            TrackingError: MLflow cannot be reached.

        """
        folder = str(Path(path).parent)
        with self._connection.named_errors():
            there = self._client.list_artifacts(version.run_id, None if folder == "." else folder)
            if path not in {entry.path for entry in there}:
                return None
            into.mkdir(parents=True, exist_ok=True)
            # By the client's own method, MLflow would not say why it failed (a full disk, say).
            source = f"{version.artifacts}/{path}"
            return Path(mlflow.artifacts.download_artifacts(source, dst_path=str(into)))

    def receipts(self, version: Version, into: Path) -> dict[str, Path]:
        """Fetch every receipt (JSON) of a version, by id.

        Raises:
            TrackingError: MLflow cannot be reached.

        """
        with self._connection.named_errors():
            there = [entry.path for entry in self._client.list_artifacts(version.run_id, RECEIPTS)]
        found: dict[str, Path] = {}
        for path in sorted(path for path in there if path.endswith(".json")):
            file = self.file(version, path, into)
            if file is not None:
                found[Path(path).stem] = file
        return found

    def keep_receipt(self, version: Version, name: str, content: Mapping[str, str]) -> None:
        """Log a receipt, by suffix, with the version's run; JSON first, which is what is looked for.

        Raises:
            TrackingError: MLflow cannot be reached or refuses.

        """
        with self._connection.named_errors():
            for suffix in sorted(content):
                self._client.log_text(version.run_id, content[suffix], f"{RECEIPTS}/{name}.{suffix}")

    def count(self, version: Version, name: str, value: float) -> None:
        """Log a figure with a version's run.

        Raises:
            TrackingError: MLflow cannot be reached or refuses.

        """
        with self._connection.named_errors():
            self._client.log_metric(version.run_id, name, value)

    def _version(self, found: Any, aliases: Mapping[str, int]) -> Version:
        number = int(found.version)
        try:
            run = self._client.get_run(found.run_id)
        except MlflowException as error:
            if error.error_code != UNKNOWN:
                raise
            run = None
        return Version(
            number,
            found.run_id,
            dict(found.tags),
            tuple(sorted(alias for alias, of in aliases.items() if of == number)),
            run.info.status if run else "",
            dict(run.data.params) if run else {},
            dict(run.data.metrics) if run else {},
            run.info.artifact_uri if run else "",
        )
