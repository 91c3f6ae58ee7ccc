"""Encoders to start from: a directory that lacks something, a hub that is there, and one that is not."""

import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from modeling.candidates.pretrained import read_base, read_tokenizer
from modeling.exceptions import CandidateError

ROOT = Path(__file__).parents[2]
NAME = "somebody/tiny"
PROGRAM = """\
import sys
from modeling.candidates.pretrained import read_base
from modeling.exceptions import CandidateError
try:
    print(read_base(sys.argv[1], 32).digest())
except CandidateError as error:
    print(error)
"""


@pytest.fixture
def copy(encoder_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoder_dir, tmp_path / "copy"))


def refusal(name: str | Path, max_length: int = 32) -> str:
    with pytest.raises(CandidateError) as caught:
        read_base(str(name), max_length)
    return str(caught.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_directory_with_a_missing_file_names_it(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert refusal(copy) == (
        f"model={str(copy)!r}: {name} is missing there: give a directory with config.json, "
        "model.safetensors and tokenizer.json, as save_pretrained writes them"
    )


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
@pytest.mark.parametrize("content", [b"", b"{", b"\xff" * 40])
def test_a_directory_with_a_broken_file_is_refused(copy: Path, name: str, content: bytes) -> None:
    (copy / name).write_bytes(content)
    said = refusal(copy)
    assert said.startswith(f"model={str(copy)!r} cannot be read (")
    assert "give a directory with config.json, model.safetensors and tokenizer.json" in said
    assert "\n" not in said


def test_weights_of_another_encoder_are_refused(copy: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(copy / "model.safetensors")
    kept = {name: tensor for name, tensor in tensors.items() if ".layer.1." not in name}
    save_file(kept, copy / "model.safetensors", metadata={"format": "pt"})
    assert "bert.encoder.layer.1." in refusal(copy)
    assert "more weights are not in model.safetensors" in refusal(copy)


def test_a_head_of_other_labels_is_replaced(copy: Path) -> None:
    from transformers import AutoModelForSequenceClassification

    AutoModelForSequenceClassification.from_pretrained(
        copy, num_labels=5, ignore_mismatched_sizes=True
    ).save_pretrained(copy)
    assert (2, 64) == tuple(read_base(str(copy), 32).model.classifier.weight.shape)


@pytest.mark.parametrize("name", ["/nowhere/model", "./model", "../model", "~/model", "a/b/c"])
def test_a_path_to_nothing_is_no_name_on_the_hub(name: str) -> None:
    assert refusal(name).startswith(f"model={name!r} is no directory: give a directory with config.json")


def test_a_directory_of_nothing_is_refused(tmp_path: Path) -> None:
    assert "config.json is missing there" in refusal(tmp_path)


def test_more_tokens_than_the_encoder_reads_are_refused(encoder_dir: Path, copy: Path) -> None:
    assert f"max_length=65: {encoder_dir} reads 64 tokens at most: lower it" == refusal(encoder_dir, 65)
    told = json.loads((copy / "tokenizer_config.json").read_text())
    (copy / "tokenizer_config.json").write_text(json.dumps(told | {"model_max_length": 512}))
    assert f"max_length=65: {copy} has 64 positions: lower it" == refusal(copy, 65)


def test_a_tokenizer_that_does_not_pad_is_refused(copy: Path) -> None:
    told = json.loads((copy / "tokenizer_config.json").read_text())
    del told["pad_token"]
    (copy / "tokenizer_config.json").write_text(json.dumps(told))
    with pytest.raises(CandidateError, match="its tokenizer does not pad: use an encoder"):
        read_tokenizer(str(copy), 32)


class Hub(BaseHTTPRequestHandler):
    """The routes of the hub that loading one model asks for."""

    folder: ClassVar[Path]

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, *, body: bool) -> None:
        file = self.folder / self.path.removeprefix(f"/{NAME}/resolve/main/")
        found = self.path.startswith(f"/{NAME}/resolve/main/") and file.is_file()
        content = file.read_bytes() if found else b"{}"
        self.send_response(200 if found else 404)
        self.send_header("ETag", f'"{file.name}-{len(content)}"')
        self.send_header("X-Repo-Commit", "0" * 40)
        self.send_header("Content-Length", str(len(content)))
        if not found:
            self.send_header("X-Error-Code", "EntryNotFound")
        self.end_headers()
        if body:
            self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the tests' output is theirs."""


@pytest.fixture
def hub(encoder_dir: Path) -> Iterator[str]:
    handler = type("Here", (Hub,), {"folder": encoder_dir})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def asked(tmp_path: Path, **variables: str) -> str:
    """What a process of its own says, that has nothing of the hub on its disk."""
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, NAME],
        cwd=ROOT,
        env={"PATH": os.defpath, "HF_HOME": str(tmp_path), **variables},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    return done.stdout.strip()


def test_a_name_on_the_hub_is_fetched_and_is_the_same_encoder(
    hub: str, encoder_dir: Path, tmp_path: Path
) -> None:
    assert read_base(str(encoder_dir), 32).digest() == asked(tmp_path, HF_ENDPOINT=hub)


@pytest.mark.parametrize("variables", [{"HF_HUB_OFFLINE": "1"}, {"HF_ENDPOINT": "http://127.0.0.1:9"}])
def test_no_network_is_told_with_the_model_and_the_remedy(tmp_path: Path, variables: dict[str, str]) -> None:
    said = asked(tmp_path, **variables)
    assert said.startswith(f"model='{NAME}' cannot be had from the hub (")
    assert said.endswith("): go online, or give a local directory instead")


def test_a_hub_that_knows_no_such_model_is_told(hub: str, tmp_path: Path, encoder_dir: Path) -> None:
    (tmp_path / "empty").mkdir()
    program = PROGRAM.replace("sys.argv[1]", "'nobody/nothing'")
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={"PATH": os.defpath, "HF_HOME": str(tmp_path), "HF_ENDPOINT": hub},
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    )
    assert done.stdout.startswith("model='nobody/nothing' cannot be had from the hub (")
