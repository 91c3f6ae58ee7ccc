import json
import math
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from modeling import bundle
from modeling.exceptions import BundleError
from modeling.hashing import SLOTS, ngram_slots
from modeling.policy import ATTRIBUTE, Policy, Threshold
from modeling.style import FEATURES
from tests.bundles import reseal
from tests.conftest import Messages

POLICY = Policy({ATTRIBUTE: {"flag": Threshold("flag", 0.7, 0.6)}})


@pytest.fixture
def copy(bundle_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(bundle_dir, tmp_path / "copy"))


def refusal(directory: Path) -> str:
    with pytest.raises(BundleError) as caught:
        bundle.load(directory)
    return str(caught.value)


def test_a_bundle_scores_raw_texts_as_their_cleaned_selves(bundle_dir: Path) -> None:
    loaded = bundle.load(bundle_dir)
    raw, cleaned = loaded.score(["you &amp;\xa0idiot\r\nclown", "you & idiot clown"])[ATTRIBUTE]
    assert raw == cleaned


def test_an_edit_mark_is_no_way_past_the_model(bundle_dir: Path, messages: Messages) -> None:
    loaded = bundle.load(bundle_dir)
    civil, hidden = f"{messages.civil}.", f"{messages.civil}. EDIT: {messages.removed}"
    low, high = loaded.score([civil, hidden])[ATTRIBUTE]
    assert low + 0.1 < high


def test_a_score_does_not_depend_on_the_batch(bundle_dir: Path, sample_rows: list[tuple[str, int]]) -> None:
    loaded, texts = bundle.load(bundle_dir), [text for text, _ in sample_rows[:50]]
    together = loaded.score(texts)[ATTRIBUTE]
    alone = [loaded.score([text])[ATTRIBUTE][0] for text in texts]
    assert np.array_equal(together, alone)


def test_no_texts_have_no_scores(bundle_dir: Path) -> None:
    assert (0,) == bundle.load(bundle_dir).score([])[ATTRIBUTE].shape


@pytest.mark.parametrize("name", bundle.FILES)
@pytest.mark.parametrize("place", [0.1, 0.5, 0.9])
def test_one_flipped_byte_is_refused_with_the_files_name(copy: Path, name: str, place: float) -> None:
    path = copy / name
    content = bytearray(path.read_bytes())
    content[int(len(content) * place)] ^= 0x01
    path.write_bytes(content)
    assert name in refusal(copy)


@pytest.mark.parametrize("name", [bundle.WEIGHTS, bundle.POLICY])
def test_a_missing_file_is_named(copy: Path, name: str) -> None:
    (copy / name).unlink()
    assert name in refusal(copy)


def test_a_truncated_file_is_named(copy: Path) -> None:
    path = copy / bundle.WEIGHTS
    path.write_bytes(path.read_bytes()[:-1])
    assert "weights.safetensors" in refusal(copy)


def test_no_bundle_at_all_says_how_to_get_one(tmp_path: Path) -> None:
    assert "no bundle there: train one" in refusal(tmp_path)


@pytest.mark.parametrize(
    "files",
    [{"../policy.json": "0"}, {"passport.json": "0"}, {}, {"/etc/passwd": "0", "policy.json": "0"}],
)
def test_a_passport_that_points_elsewhere_is_refused(copy: Path, files: dict[str, str]) -> None:
    reseal(copy, files=files)
    assert "is not a bundle's list" in refusal(copy)


def test_a_passport_without_a_seal_is_refused(copy: Path) -> None:
    passport = json.loads((copy / bundle.PASSPORT).read_text())
    del passport["seal"]
    (copy / bundle.PASSPORT).write_text(json.dumps(passport))
    assert "'seal'" in refusal(copy)


@given(place=st.floats(0, 1, exclude_max=True), bit=st.integers(0, 7))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
def test_any_flipped_bit_of_the_passport_is_noticed(copy: Path, place: float, bit: int) -> None:
    path = copy / bundle.PASSPORT
    before = path.read_bytes()
    content = bytearray(before)
    content[int(len(content) * place)] ^= 1 << bit
    path.write_bytes(content)
    assert "passport.json" in refusal(copy)
    path.write_bytes(before)


@pytest.mark.parametrize("content", ["", "[]", "{", '{"kind": "hashed-linear"}', '{"files": 3}'])
def test_a_passport_that_cannot_be_read_is_refused(copy: Path, content: str) -> None:
    (copy / bundle.PASSPORT).write_text(content)
    assert "passport.json" in refusal(copy)


def test_a_passport_in_another_encoding_is_refused(copy: Path) -> None:
    path = copy / bundle.PASSPORT
    path.write_bytes(path.read_text().encode("utf-16"))
    assert "passport.json" in refusal(copy)


def test_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    bundle.save(tmp_path / "odd", {bundle.WEIGHTS: b"weights"}, POLICY, {"kind": "oracle"})
    assert "kind='oracle' is none of hashed-linear" in refusal(tmp_path / "odd")


def test_weights_of_another_shape_are_refused(tmp_path: Path) -> None:
    bundle.save(
        tmp_path / "odd", {bundle.WEIGHTS: b"\x08\0\0\0\0\0\0\0{}      "}, POLICY, {"kind": "hashed-linear"}
    )
    assert "weights.safetensors: tensors {}" in refusal(tmp_path / "odd")


def weights_with(features: str | None, size: int = len(FEATURES)) -> bytes:
    tensors = {
        "table": np.zeros((SLOTS, 2), np.float32),
        "intercept": np.array([0.25]),
        "style": np.ones((3, size)),
    }
    return save(tensors, None if features is None else {"style": features})


@pytest.mark.parametrize(
    ("features", "size"),
    [(None, len(FEATURES)), ("length", 1), (" ".join(reversed(FEATURES)), len(FEATURES))],
)
def test_weights_of_other_features_of_style_are_refused(
    tmp_path: Path, features: str | None, size: int
) -> None:
    bundle.save(
        tmp_path / "odd", {bundle.WEIGHTS: weights_with(features, size)}, POLICY, {"kind": "hashed-linear"}
    )
    assert "train again" in refusal(tmp_path / "odd")


def test_weights_from_before_style_was_known_score_as_they_did(tmp_path: Path) -> None:
    table, text = np.zeros((SLOTS, 2), np.float32), "you idiot"
    table[ngram_slots(text)] = 0.5
    old = save({"table": table, "intercept": np.array([0.25])})
    bundle.save(tmp_path / "old", {bundle.WEIGHTS: old}, POLICY, {"kind": "hashed-linear"})
    [score] = bundle.load(tmp_path / "old").score([text])[ATTRIBUTE]
    # every n-gram once: n features of one half have length sqrt(n) / 2 and add n / 2
    logit = math.sqrt(len(ngram_slots(text))) + 0.25
    assert 1 / (1 + math.exp(-logit)) == pytest.approx(score, abs=1e-6)


@pytest.mark.parametrize("weights", [b"", b"short", b"\xff" * 64])
def test_weights_that_are_no_safetensors_are_refused(tmp_path: Path, weights: bytes) -> None:
    bundle.save(tmp_path / "odd", {bundle.WEIGHTS: weights}, POLICY, {"kind": "hashed-linear"})
    assert "weights.safetensors" in refusal(tmp_path / "odd")


def test_what_mlflow_adds_does_not_change_the_digest(copy: Path) -> None:
    before = bundle.digest_of(copy)
    (copy / "MLmodel").write_text("flavors: {}")
    assert before == bundle.load(copy).digest == bundle.digest_of(copy)


def test_the_same_content_has_the_same_digest_anywhere(tmp_path: Path) -> None:
    digests = {
        bundle.save(tmp_path / name, {bundle.WEIGHTS: b"w"}, POLICY, {"kind": "k"}) for name in ("a", "b")
    }
    assert 1 == len(digests)


def test_a_bundle_is_never_written_over(copy: Path) -> None:
    with pytest.raises(BundleError, match="exists already"):
        bundle.save(copy, {bundle.WEIGHTS: b"w"}, POLICY, {"kind": "k"})


@pytest.fixture
def full_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(place)], check=True)
    yield place
    subprocess.run(["umount", str(place)], check=True)


def test_a_full_disk_leaves_nothing_behind(full_disk: Path) -> None:
    with pytest.raises(BundleError, match="No space left on device: make room"):
        bundle.save(full_disk / "bundle", {bundle.WEIGHTS: b"w" * 1_000_000}, POLICY, {"kind": "k"})
    assert [] == list(full_disk.iterdir())


def test_mlflows_wrapper_gives_score_action_and_rule(bundle_dir: Path) -> None:
    wrapper, loaded = bundle._load_pyfunc(str(bundle_dir)), bundle.load(bundle_dir)
    texts = ["you idiot clown, go away", "does figure 2 show the dose?"]
    told = wrapper.predict(pd.DataFrame({"text": texts}))
    assert ["score", "action", "rule"] == list(told.columns)
    assert loaded.score(texts)[ATTRIBUTE].tolist() == told["score"].tolist()


def test_a_bundle_whose_needs_are_not_installed_is_refused_with_what_to_install(tmp_path: Path) -> None:
    passport = {"kind": "hashed-linear", "requires": ["numpy", "no-such-runtime"]}
    bundle.save(tmp_path / "needy", {bundle.WEIGHTS: b"w"}, POLICY, passport)
    said = refusal(tmp_path / "needy")
    assert "requires no-such-runtime, which is not installed here: pip install no-such-runtime" in said


@pytest.mark.parametrize("name", ["../weights", "policy.json", "passport.json", "a/b", "", ".", ".."])
def test_a_weight_file_cannot_have_a_name_that_means_something_else(tmp_path: Path, name: str) -> None:
    with pytest.raises(BundleError, match="is no name for a weight file"):
        bundle.save(tmp_path / "odd", {name: b"w"}, POLICY, {"kind": "k"})
    assert not list(tmp_path.iterdir())
