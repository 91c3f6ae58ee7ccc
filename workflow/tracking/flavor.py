"""A bundle as MLflow's custom flavour: the model's root is the bundle, with an MLmodel beside it."""

import shutil
from importlib.metadata import version
from pathlib import Path
from typing import Any, Final

import mlflow
from mlflow.models import Model
from mlflow.models.signature import ModelSignature
from mlflow.types import ColSpec, DataType, Schema

from workflow.steps import read_json

REQUIREMENTS: Final = ("numpy", "safetensors", "pandas")  # and what the bundle requires


class BundleFlavor:
    """What `Model.log` calls."""

    @staticmethod
    def save_model(path: str, mlflow_model: Model, bundle: Path) -> None:
        """Copy the bundle and say how to load it."""
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


def log(bundle: Path, tags: dict[str, str]) -> Any:
    """Log the bundle as a model of the active run."""
    return Model.log(None, BundleFlavor, name="bundle", bundle=bundle, tags=tags)
