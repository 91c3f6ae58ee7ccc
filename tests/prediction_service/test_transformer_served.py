"""A fine-tuned transformer behind the real server, in an environment without torch and transformers."""

import json
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from modeling import bundle
from modeling.candidates import fine_tuning
from modeling.hashing import Floats, sigmoid
from modeling.text import clean
from modeling.tokens import Tokenizer
from tests.linked import linked
from tests.prediction_service.serving import Server


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment of api.lock and onnx.lock alone."""
    return linked(tmp_path_factory.mktemp("environments") / "serving", "api.lock", "onnx.lock")


@pytest.fixture(scope="module")
def server(python: Path, transformer_dir: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    log = tmp_path_factory.mktemp("served") / "log"
    with Server(log, bundle=transformer_dir, workers=1, python=[str(python)]) as server:
        yield server


@pytest.mark.parametrize("name", ["torch", "transformers", "onnx", "sklearn", "pandas", "mlflow"])
def test_the_serving_environment_has_nothing_that_trains(python: Path, name: str) -> None:
    done = subprocess.run([python, "-c", f"import {name}"], capture_output=True, text=True, check=False)
    assert (1, True) == (done.returncode, f"No module named '{name}'" in done.stderr)


def test_the_service_scores_as_torch_does(
    server: Server, transformer_dir: Path, sample_rows: list[tuple[str, int]]
) -> None:
    texts = [text for text, _ in sample_rows[:60]]
    rows = [{"body": text, "message_id": number} for number, text in enumerate(texts)]
    status, _, body = server.ask("POST", "/predict", json.dumps({"Records": rows}).encode())
    served = [each["prediction"]["moderate_message"] for each in json.loads(body)["predictions"]]
    assert 200 == status
    assert max(abs(by_torch(transformer_dir, texts) - served)) < 1e-4
    assert max(served) - min(served) > 0.2


def by_torch(directory: Path, texts: list[str]) -> Floats:
    """What the process that trained would say: the safetensors through `transformers`."""
    from transformers import AutoModelForSequenceClassification

    facts = json.loads((directory / "transformer.json").read_text())
    tokenizer = Tokenizer((directory / "tokenizer.json").read_text(), facts["max_length"])
    model = AutoModelForSequenceClassification.from_pretrained(directory)
    machine = fine_tuning.Machine("cpu", "float32")
    raw = fine_tuning.logits(model, tokenizer([clean(text) for text in texts]), machine)
    return sigmoid(facts["slope"] * raw + facts["offset"])


def test_one_text_is_judged_and_an_explanation_is_not_offered(server: Server) -> None:
    asked = {"text": "you idiot clown, go away"}
    status, _, body = server.ask("POST", "/analyze", json.dumps(asked).encode())
    assert (200, True) == (status, 0 < json.loads(body)["scores"]["LIKELY_TO_REJECT"] < 1)
    status, _, body = server.ask("POST", "/analyze", json.dumps(asked | {"explain": True}).encode())
    assert (422, True) == (status, "models of the kind onnx-transformer cannot be explained" in body.decode())


def test_a_service_without_the_runtime_says_what_to_install(transformer_dir: Path, tmp_path: Path) -> None:
    python = linked(tmp_path / "bare", "api.lock")
    with Server(
        tmp_path / "log", bundle=transformer_dir, workers=1, python=[str(python)], wait=False
    ) as server:
        give_up = time.monotonic() + 30
        while "load failed" not in server.log.read_text():
            assert time.monotonic() < give_up, server.log.read_text()
            time.sleep(0.05)
        status, _, body = server.ask("GET", "/readyz")
    assert 503 == status
    assert "requires onnxruntime, tokenizers, which is not installed here" in body.decode()


def test_the_same_bundle_has_the_same_digest_where_it_is_served(python: Path, transformer_dir: Path) -> None:
    program = "import sys, pathlib, modeling.bundle as b; print(b.load(pathlib.Path(sys.argv[1])).digest)"
    command = [python, "-c", program, transformer_dir]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert bundle.load(transformer_dir).digest == done.stdout.strip()


def test_what_trains_says_there_how_it_is_installed(python: Path) -> None:
    program = "from modeling.candidates.pretrained import check_installed; check_installed()"
    done = subprocess.run([python, "-c", program], capture_output=True, text=True, check=False)
    assert 1 == done.returncode
    assert "the transformer needs torch, transformers, onnx, onnxscript, not installed here: " in done.stderr
    assert 'pip install torch==2.13.0 "chat-moderation[transformer]"' in done.stderr
