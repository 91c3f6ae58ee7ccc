"""Versions for the gate: real models of known quality, registered for real in a home of their own."""

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from mlflow.entities.model_registry import ModelVersion

from modeling import bundle as bundles
from modeling.candidates.hashed_linear import HashedLinearClassifier
from modeling.train import Trained, train
from workflow.__main__ import main
from workflow.settings import Settings
from workflow.steps import read_json, read_part, write_json
from workflow.tracking.names import MODEL_NAME
from workflow.tracking.runs import Registered, Tracking

# Within the rules' limits, whatever the tests' generated corpus gives.
WITHIN: Mapping[str, Mapping[str, Any]] = {
    "leak_audit": {"status": "passed"},
    "counterfactual": {"largest_change": 0.1, "flip_rate": 0.01},
}


def learned(comments: Path, wrong: float) -> Trained:
    """A model whose teachers were wrong about this share of the rows."""
    rows = read_part(comments / "learning.csv")
    labels = rows["label"].to_numpy()
    flipped = np.random.default_rng(0).random(len(labels)) < wrong
    texts, folds = list(rows["text"]), rows["fold"].to_numpy()
    taught = np.where(flipped, 1 - labels, labels)
    return train(texts, taught, folds, HashedLinearClassifier(), {"flag": 0.7, "remove": 0.9})


@dataclass
class Versions:
    """A home in which versions are registered and judged one after the other.

    ``passport`` is what those of all of them say beside the home's own.
    """

    settings: Settings
    models: Mapping[str, Trained]
    experiment: str = "versions"
    made: int = 0
    passport: dict[str, Any] = field(default_factory=dict)

    @property
    def work(self) -> Path:
        """Where the steps' outputs lie."""
        return self.settings.workdir

    @property
    def client(self) -> mlflow.MlflowClient:
        """MLflow as it is now."""
        return mlflow.MlflowClient(self.settings.tracking, self.settings.tracking)

    def register(self, model: str, *, cpu_ms: float = 0.3, **passport: Any) -> Registered:
        """Register a model with what its passport should say; it is the one registered last here."""
        self.make(model, cpu_ms=cpu_ms, **passport)
        return self.register_again()

    def make(self, model: str, *, cpu_ms: float = 0.3, **passport: Any) -> None:
        """Put a model's bundle into the work directory."""
        self.made += 1
        stated = read_json(self.work / "bundle" / "passport.json")
        stated |= {name: {**stated[name], **facts} for name, facts in WITHIN.items()}
        stated |= {"test": self.made, **self.passport, **passport}
        shutil.rmtree(self.work / "bundle")
        trained = self.models[model]
        bundles.save(self.work / "bundle", dict(trained.files), trained.policy, stated)
        cost = {"cpu_ms_p50": cpu_ms, "cpu_ms_p99": 2 * cpu_ms, "bundle_bytes": 8_000_000}
        write_json(self.work / "evaluation" / "cost.json", cost)

    def register_again(self) -> Registered:
        """Register what lies in the work directory."""
        tracking = Tracking(self.settings.tracking, self.experiment, self.settings.artifacts)
        entry = tracking.register(self.work / "bundle", self.work / "evaluation", self.work / "comments")
        write_json(self.work / "registered" / "version.json", entry.__dict__)
        return entry

    def gate(self, *arguments: object) -> int:
        """`python -m workflow gate` in this process; the test has set the environment."""
        return main(["gate", *map(str, arguments)])

    def judged(self, model: str, **passport: Any) -> tuple[int, int]:
        """Register a model and judge it: its version and the exit code."""
        entry = self.register(model, **passport)
        return entry.version, self.gate()

    def aliases(self) -> dict[str, int]:
        """Alias to version."""
        return {alias: int(of) for alias, of in self.client.get_registered_model(MODEL_NAME).aliases.items()}

    def version(self, number: int) -> ModelVersion:
        """A version as MLflow has it."""
        return self.client.get_model_version(MODEL_NAME, str(number))

    def receipts(self, number: int) -> dict[str, dict[str, Any]]:
        """Every receipt of a version, by the name of its file."""
        run, client = self.version(number).run_id, self.client
        kept = [entry.path for entry in client.list_artifacts(run, "gate")]
        return {
            Path(path).stem: json.loads(Path(client.download_artifacts(run, path)).read_text())
            for path in kept
            if path.endswith(".json")
        }

    def verdict(self) -> dict[str, Any]:
        """What the step wrote."""
        return read_json(self.work / "verdict" / "verdict.json")

    def at(self, tracking_uri: str) -> "Versions":
        """The same at another MLflow."""
        return replace(self, settings=replace(self.settings, tracking_uri=tracking_uri))
