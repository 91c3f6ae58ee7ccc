"""MLflow runs, registry and aliases: the only MLflow here."""

import math
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import mlflow
from mlflow.environment_variables import MLFLOW_HTTP_REQUEST_MAX_RETRIES
from mlflow.exceptions import MlflowException
from mlflow.models import Model
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from modeling.bundle import digest_of
from workflow.card import card
from workflow.exceptions import TrackingError
from workflow.steps import read_json

MODEL_NAME: Final = "chat-moderation"
CHALLENGER: Final = "challenger"
DIGEST_TAG: Final = "bundle_digest"
SPLIT_TAG: Final = "split_id"
SAMPLE_TAG: Final = "is_sample"
REQUIREMENTS: Final = ("numpy", "safetensors", "pandas")  # and what the bundle requires
# MLflow's own 7 tries take four minutes to find out that nobody listens.
TRIES: Final = 3


@dataclass(frozen=True)
class Registered:
    """A registered version; ``test_touches`` counts how often this test part was evaluated on."""

    name: str
    version: int
    digest: str
    run_id: str
    test_touches: int
    is_new: bool


class _BundleFlavor:
    """MLflow's custom flavour: the model's root directory is the bundle with an MLmodel beside it."""

    @staticmethod
    def save_model(path: str, mlflow_model: Model, bundle: Path) -> None:
        shutil.copytree(bundle, path, dirs_exist_ok=True)
        needed = (*REQUIREMENTS, *read_json(bundle / "passport.json")["requires"])
        pinned = [f"{name}=={version(name)}" for name in needed]
        Path(path, "requirements.txt").write_text("\n".join(pinned) + "\n", encoding="utf-8")
        mlflow.pyfunc.add_to_model(mlflow_model, loader_module="modeling.bundle")
        mlflow_model.signature = ModelSignature(
            inputs=Schema([ColSpec(DataType.string, "text")]),
            outputs=Schema(
                [
                    ColSpec(DataType.double, "score"),
                    ColSpec(DataType.string, "action"),
                    ColSpec(DataType.string, "rule"),
                ]
            ),
        )
        mlflow_model.save(str(Path(path, "MLmodel")))


class Tracking:
    """One experiment on one tracking server or SQLite file."""

    def __init__(self, uri: str, experiment: str, artifacts: Path) -> None:
        self._uri, self._experiment, self._artifacts = uri, experiment, artifacts
        if not MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(TRIES)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        with self._named_errors():
            self._client = mlflow.MlflowClient()

    def register(self, bundle: Path, evaluation: Path, manifest: dict[str, Any]) -> Registered:
        """Log a run with the bundle, and register it unless the same bundle is registered already.

        Raises:
            TrackingError: MLflow cannot be reached or refuses; no version is left half-registered.

        """
        digest, passport = digest_of(bundle), read_json(bundle / "passport.json")
        with self._named_errors(), self._run(passport) as run:
            self._log(passport, evaluation, manifest)
            touches = int(read_json(evaluation / "touches.json")["count"])
            mlflow.log_metric("test_touches", touches)
            version, is_new = self._version_of(digest), False
            if version is None:
                version, is_new = self._new_version(bundle, digest, run.info.run_id), True
            self._client.set_registered_model_alias(MODEL_NAME, CHALLENGER, str(version))
        return Registered(MODEL_NAME, version, digest, run.info.run_id, touches, is_new)

    def _new_version(self, bundle: Path, digest: str, run_id: str) -> int:
        passport = read_json(bundle / "passport.json")
        sample = {SAMPLE_TAG: str(passport["data"]["is_sample"]).lower()}
        text = card(passport, read_json(bundle / "policy.json"))
        mlflow.log_text(text, "card.md")
        logged = Model.log(None, _BundleFlavor, name="bundle", bundle=bundle, tags=sample)
        try:
            self._client.create_registered_model(MODEL_NAME)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self._client.create_model_version(
            MODEL_NAME,
            logged.model_uri,
            run_id,
            tags={DIGEST_TAG: digest, **sample},
            description=text,
            model_id=logged.model_id,
        )
        return int(made.version)

    def _version_of(self, digest: str) -> int | None:
        found = self._client.search_model_versions(f"name='{MODEL_NAME}'")
        same = [int(version.version) for version in found if version.tags.get(DIGEST_TAG) == digest]
        return max(same, default=None)

    def _log(self, passport: dict[str, Any], evaluation: Path, manifest: dict[str, Any]) -> None:
        data = passport["data"]
        mlflow.log_params(
            {**passport["parameters"], **{f"target_{k}": v for k, v in passport["targets"].items()}}
        )
        mlflow.log_params(
            {
                "data_sha256": data["sha256"],
                "data_name": data["name"],
                "candidate": passport["candidate"],
                "kind": passport["kind"],
            }
        )
        figures: dict[str, float] = {}
        for name, metric in passport["metrics"].items():
            figures |= {name: metric["value"], f"{name}_low": metric["low"], f"{name}_high": metric["high"]}
        figures["ece_by_chance"] = passport["ece_by_chance"]
        for name, value in passport["out_of_fold"].items():
            figures[f"out_of_fold_{name}"] = value
        mlflow.log_metrics({name: value for name, value in figures.items() if math.isfinite(value)})
        mlflow.log_dict(manifest, "manifest.json")
        mlflow.log_artifacts(str(evaluation), "evaluation")

    @contextmanager
    def _run(self, passport: dict[str, Any]) -> Iterator[mlflow.ActiveRun]:
        data = passport["data"]
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is None:
            embedded = self._uri.startswith("sqlite:")
            place = self._artifacts.as_uri() if embedded else None
            self._client.create_experiment(self._experiment, artifact_location=place)
        mlflow.set_experiment(self._experiment)
        label = "sample (says nothing about quality)" if data["is_sample"] else data["name"]
        tags = {
            SPLIT_TAG: passport["split"]["id"],
            "data": label,
            "data_source": data["source"],
            SAMPLE_TAG: str(data["is_sample"]).lower(),
            "commit": passport["code"]["commit"],
        }
        with mlflow.start_run(run_name=f"{passport['candidate']} on {label}", tags=tags) as run:
            yield run

    @contextmanager
    def _named_errors(self) -> Iterator[None]:
        try:
            yield
        except MlflowException as error:
            raise self._error(error.message) from error
        except Exception as error:
            # Each store (SQL, S3, HTTP) raises kinds of its own; only this machine's disk is not MLflow's.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise self._error(f"{type(error).__name__}: {error}") from error

    def _error(self, reason: str) -> TrackingError:
        line = next(iter(reason.splitlines()), "no reason given")
        return TrackingError(
            f"CHATMOD_TRACKING_URI={self._uri!r}: {line}: check that MLflow runs there and lets you in, "
            "then run step register again"
        )
