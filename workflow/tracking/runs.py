"""Runs in MLflow: what one of ours holds, and the version that is registered from it, once."""

import hashlib
import math
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from modeling.bundle import digest_of
from workflow.card import card
from workflow.steps import read_json
from workflow.tracking import flavor
from workflow.tracking.connection import Connection
from workflow.tracking.names import (
    DIGEST_TAG,
    EVALUATION,
    MANIFEST,
    MODEL_NAME,
    PLACE_TAG,
    SAMPLE_TAG,
    SPLIT_TAG,
)


@dataclass(frozen=True)
class Registered:
    """A registered version; ``test_touches`` counts how often this test part was evaluated on."""

    name: str
    version: int
    digest: str
    run_id: str
    test_touches: int
    is_new: bool


class Tracking:
    """One experiment on one tracking server or SQLite file."""

    def __init__(self, uri: str, experiment: str, artifacts: Path) -> None:
        self._connection = Connection(uri, "step register")
        self._experiment, self._artifacts = experiment, artifacts
        self._client = self._connection.client

    def register(self, bundle: Path, evaluation: Path, comments: Path) -> Registered:
        """Log a run with the bundle, and register it unless the same bundle is registered already.

        Raises:
            TrackingError: MLflow cannot be reached or refuses; no version is left half-registered.

        """
        digest, passport = digest_of(bundle), read_json(bundle / "passport.json")
        with self._connection.named_errors(), self._run(passport, digest) as run:
            self._log(passport, evaluation, comments)
            touches = int(read_json(evaluation / "touches.json")["count"])
            mlflow.log_metric("test_touches", touches)
            version, is_new = self._version_of(digest), False
            if version is None:
                version, is_new = self._new_version(bundle, digest, run.info.run_id), True
        return Registered(MODEL_NAME, version, digest, run.info.run_id, touches, is_new)

    def _new_version(self, bundle: Path, digest: str, run_id: str) -> int:
        passport = read_json(bundle / "passport.json")
        sample = {SAMPLE_TAG: str(passport["data"]["is_sample"]).lower()}
        text = card(passport, read_json(bundle / "policy.json"))
        mlflow.log_text(text, "card.md")
        logged = flavor.log(bundle, sample)
        try:
            self._client.create_registered_model(MODEL_NAME)
        except MlflowException as error:
            if error.error_code != "RESOURCE_ALREADY_EXISTS":
                raise
        made = self._client.create_model_version(
            MODEL_NAME,
            logged.model_uri,
            run_id,
            tags={DIGEST_TAG: digest, SPLIT_TAG: passport["split"]["id"], **sample},
            description=text,
            model_id=logged.model_id,
        )
        return int(made.version)

    def _version_of(self, digest: str) -> int | None:
        found = self._client.search_model_versions(f"name='{MODEL_NAME}'")
        same = [int(version.version) for version in found if version.tags.get(DIGEST_TAG) == digest]
        return max(same, default=None)

    def _log(self, passport: dict[str, Any], evaluation: Path, comments: Path) -> None:
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
        mlflow.log_metrics(_figures(passport, evaluation))
        mlflow.log_artifact(str(comments / "manifest.json"))
        mlflow.log_artifact(str(comments / MANIFEST))
        mlflow.log_artifacts(str(evaluation), EVALUATION)

    @contextmanager
    def _run(self, passport: dict[str, Any], digest: str) -> Iterator[mlflow.ActiveRun]:
        data = passport["data"]
        experiment = self._client.get_experiment_by_name(self._experiment)
        if experiment is None:
            embedded = self._connection.uri.startswith("sqlite:")
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
            DIGEST_TAG: digest,
            PLACE_TAG: self._place(),
        }
        if experiment is not None:
            self._bury(experiment.experiment_id, tags)
        with mlflow.start_run(run_name=f"{passport['candidate']} on {label}", tags=tags) as run:
            yield run

    def _bury(self, experiment_id: str, tags: Mapping[str, str]) -> None:
        """Mark runs of ours that were killed: nobody is left who could end them.

        Ours are those from this home, in which only one run works at a time, and those of this very
        bundle, which another machine may have begun. One that lives after all ends itself as FINISHED.
        """
        for tag in (PLACE_TAG, DIGEST_TAG):
            mine = f"attributes.status = 'RUNNING' and tags.{tag} = '{tags[tag]}'"
            for run in self._client.search_runs([experiment_id], mine):
                self._client.set_terminated(run.info.run_id, "KILLED")

    def _place(self) -> str:
        """This home on this machine, without telling either."""
        return hashlib.sha256(f"{platform.node()}\0{self._artifacts}".encode()).hexdigest()[:16]


def _figures(passport: Mapping[str, Any], evaluation: Path) -> dict[str, float]:
    """Every metric with its interval, and what a message costs: what versions are compared by."""
    figures: dict[str, float | None] = {"ece_by_chance": passport["ece_by_chance"]}
    for name, metric in passport["metrics"].items():
        figures |= {name: metric["value"], f"{name}_low": metric["low"], f"{name}_high": metric["high"]}
    for name, value in passport["out_of_fold"].items():
        figures[f"out_of_fold_{name}"] = value
    cost = evaluation / "cost.json"
    if cost.exists():
        measured = read_json(cost)
        figures |= {name: measured[name] for name in ("cpu_ms_p50", "cpu_ms_p99", "bundle_bytes")}
    return {name: value for name, value in figures.items() if value is not None and math.isfinite(value)}
