"""The steps with a tiny transformer as the chosen candidate, as a person types them."""

import signal
from pathlib import Path

import pytest

from modeling import bundle
from tests.workflow.processes import start, wait_for_text, workflow
from workflow.settings import Settings
from workflow.steps import read_json

CANDIDATES = """\
[tiny]
family = "transformer"
model = {model!r}
max_length = 48
epochs = {epochs}
patience = {epochs}
learning_rate = 2e-3
onnx = "int8"
"""


@pytest.fixture
def chosen(copied: Settings, encoder_dir: Path, tmp_path: Path) -> dict[str, object]:
    """Settings that choose the tiny encoder; what is temporary lies in a folder of this test."""
    candidates, scratch = tmp_path / "candidates.toml", tmp_path / "scratch"
    scratch.mkdir()
    candidates.write_text(CANDIDATES.format(model=str(encoder_dir), epochs=1), encoding="utf-8")
    return {
        "CHATMOD_HOME": copied.home,
        "CHATMOD_CONFIG": copied.config,
        "CHATMOD_CANDIDATES": candidates,
        "CHATMOD_CANDIDATE": "tiny",
        "TMPDIR": scratch,
    }


def everything(*folders: Path) -> dict[str, bytes]:
    return {str(path): path.read_bytes() for each in folders for path in each.rglob("*") if path.is_file()}


def test_the_steps_make_a_bundle_of_it_whose_metrics_are_of_eight_bits(
    copied: Settings, chosen: dict[str, object]
) -> None:
    for step in ("train", "evaluate"):
        ran = workflow("step", step, **chosen)
        assert (0, "") == (ran.returncode, ran.errors)
    loaded = bundle.load(copied.workdir / "bundle")
    assert ("onnx-transformer", "tiny", "transformer") == (
        loaded.kind,
        loaded.passport["candidate"],
        loaded.passport["family"],
    )
    assert ["onnxruntime", "tokenizers"] == loaded.passport["requires"]
    assert {"onnxruntime", "tokenizers"} < set(loaded.passport["libraries"])
    said = read_json(copied.workdir / "bundle" / "transformer.json")
    assert ("int8", "int8") == (loaded.passport["parameters"]["onnx"], said["precision"])
    assert loaded.passport["calibration"] == {name: said[name] for name in ("slope", "offset")}


def test_interrupted_training_leaves_nothing_behind(
    copied: Settings, chosen: dict[str, object], encoder_dir: Path, tmp_path: Path
) -> None:
    Path(str(chosen["CHATMOD_CANDIDATES"])).write_text(
        CANDIDATES.format(model=str(encoder_dir), epochs=90), encoding="utf-8"
    )
    before = everything(copied.workdir)
    log = tmp_path / "log"
    child = start("step", "train", log=log, **chosen)
    try:
        wait_for_text(log, "epoch 1 of 90", child)
        child.send_signal(signal.SIGTERM)
        assert 130 == child.wait(60)
    finally:
        child.kill()
        child.wait()
    assert before == everything(copied.workdir)
    assert [] == list(copied.workdir.glob(".train-*"))
    assert {} == everything(Path(str(chosen["TMPDIR"])))
    assert log.read_text().endswith("stopped\n")
    assert "Traceback" not in log.read_text()


def test_a_directory_with_a_missing_file_is_told_without_a_traceback(
    chosen: dict[str, object], tmp_path: Path
) -> None:
    (tmp_path / "half").mkdir()
    (tmp_path / "half" / "config.json").write_text("{}")
    Path(str(chosen["CHATMOD_CANDIDATES"])).write_text(
        CANDIDATES.format(model=str(tmp_path / "half"), epochs=1), encoding="utf-8"
    )
    ran = workflow("step", "train", **chosen)
    assert 1 == ran.returncode
    assert ran.errors.startswith(
        f"error: model={str(tmp_path / 'half')!r}: model.safetensors is missing there"
    )
    assert "Traceback" not in ran.stderr
