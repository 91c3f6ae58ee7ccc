"""Others that serve a model: MLflow with scikit-learn's pipeline and with our bundle, and BentoML."""

import json
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.served.servers import Contender

WORKERS = 2
SERVICE = """
import bentoml
import joblib


@bentoml.service(workers={workers})
class Tfidf:
    def __init__(self):
        self.model = joblib.load({model!r})

    @bentoml.api
    def predict(self, texts: list[str]) -> list[float]:
        return self.model.predict_proba(texts)[:, 1].tolist()
"""


def pipeline(texts: Sequence[str], labels: Sequence[int], place: Path) -> Path:
    """scikit-learn's TF-IDF pipeline, fitted and saved once for all that serve it."""
    import joblib
    from sklearn.feature_extraction.text import TfidfVectorizer
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import FeatureUnion, make_pipeline

    from modeling.tfidf_scorer import BLOCKS

    parts = [(name, TfidfVectorizer(**settings, sublinear_tf=True)) for name, settings in BLOCKS.items()]
    model = make_pipeline(FeatureUnion(parts), LogisticRegression(C=4.0, max_iter=1_000))
    path = place / "tfidf.joblib"
    joblib.dump(model.fit(list(texts), list(labels)), path)
    return path


def mlflow_tfidf(model: Path, place: Path) -> Contender:
    """`mlflow models serve` of the pipeline."""
    import joblib
    import mlflow.sklearn

    saved = place / "mlflow-tfidf"
    mlflow.sklearn.save_model(
        joblib.load(model),
        str(saved),
        serialization_format="cloudpickle",
        pyfunc_predict_fn="predict_proba",
        pip_requirements=["scikit-learn"],
    )
    return _mlflow("mlflow-tfidf", saved, lambda texts: json.dumps({"inputs": list(texts)}))


def mlflow_bundle(bundle: Path, place: Path) -> Contender:
    """`mlflow models serve` of our bundle, with an MLmodel beside it, as in the registry."""
    import mlflow.pyfunc
    from mlflow.models import Model

    saved, model = place / "mlflow-bundle", Model()
    shutil.copytree(bundle, saved)
    mlflow.pyfunc.add_to_model(model, loader_module="modeling.bundle")
    model.save(str(saved / "MLmodel"))

    def body(texts: Sequence[str]) -> str:
        return json.dumps({"dataframe_split": {"columns": ["text"], "data": [[text] for text in texts]}})

    return _mlflow("mlflow-bundle", saved, body)


def bentoml(model: Path, place: Path, cache: Path) -> Contender:
    """BentoML with the same pipeline, in an environment of its own that is kept for the next time.

    Raises:
        subprocess.CalledProcessError: it cannot be installed.

    """
    import sklearn

    environment = cache / f"bentoml-sklearn-{sklearn.__version__}"
    if not (environment / "bin" / "bentoml").exists():
        venv.create(environment, with_pip=True, clear=True)
        wanted = ("bentoml", f"scikit-learn=={sklearn.__version__}")
        install = [str(environment / "bin" / "python"), "-m", "pip", "install", "-q", *wanted]
        subprocess.run(install, check=True, capture_output=True, text=True, timeout=600)
    directory = place / "bentoml"
    directory.mkdir()
    (directory / "service.py").write_text(SERVICE.format(workers=WORKERS, model=str(model)))
    command = [str(environment / "bin" / "bentoml"), "serve", "service:Tfidf", "--host", "127.0.0.1"]
    return Contender(
        "bentoml-tfidf",
        lambda port: [*command, "--port", str(port)],
        body=lambda texts: json.dumps({"texts": list(texts)}),
        environment={"BENTOML_HOME": str(directory), "DO_NOT_TRACK": "1"},
        directory=directory,
    )


def _mlflow(name: str, model: Path, body: Callable[[Sequence[str]], str]) -> Contender:
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", str(model), "--env-manager", "local"]
    return Contender(
        name,
        lambda port: [*command, "-h", "127.0.0.1", "-p", str(port), "-w", str(WORKERS)],
        path="/invocations",
        body=body,
        ready="/ping",
        environment={"MLFLOW_DISABLE_TELEMETRY": "true"},
    )
