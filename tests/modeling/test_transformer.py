"""The transformer as a candidate: a fit becomes a bundle, and what is measured is what is served."""

import json
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.metrics import roc_auc_score

from modeling import bundle, onnx_scorer
from modeling.candidates import fine_tuning
from modeling.candidates.catalogue import FAMILIES, build, check
from modeling.candidates.transformer import LIBRARIES, TransformerClassifier
from modeling.exceptions import CandidateError
from modeling.hashing import sigmoid
from modeling.policy import ATTRIBUTE
from modeling.text import clean
from tests.corpus import make_rows
from tests.tiny_encoder import MAX_LENGTH, candidate

ROWS = make_rows(400, seed=5)
TEXTS = [clean(text) for text, _ in ROWS]
LABELS = np.array([label for _, label in ROWS])
FILES = [
    "config.json",
    "model.onnx",
    "model.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "transformer.json",
]


@pytest.fixture(scope="module")
def small(encoder_dir: Path) -> TransformerClassifier:
    """Fine-tuned and quantised."""
    return candidate(encoder_dir, onnx="int8", epochs=2).fit(TEXTS, LABELS)


def test_a_fine_tuned_encoder_ranks_what_it_never_saw(
    transformer_dir: Path, sample_rows: list[tuple[str, int]]
) -> None:
    seen = {text for text, _ in sample_rows}
    rows = [(text, label) for text, label in make_rows(300, seed=9, noise=0) if text not in seen]
    found = bundle.load(transformer_dir).score([text for text, _ in rows])[ATTRIBUTE]
    assert roc_auc_score([label for _, label in rows], found) > 0.85


def test_a_bundle_has_the_files_of_which_training_can_go_on(transformer_dir: Path) -> None:
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    assert [*FILES, *bundle.FILES[1:]] == sorted(
        (path.name for path in transformer_dir.iterdir()), key=[*FILES, *bundle.FILES[1:]].index
    )
    model = AutoModelForSequenceClassification.from_pretrained(transformer_dir)
    assert {0: "kept", 1: "removed"} == model.config.id2label
    assert MAX_LENGTH < AutoTokenizer.from_pretrained(transformer_dir).model_max_length


def test_no_path_of_the_training_machine_is_in_a_bundle(transformer_dir: Path, encoder_dir: Path) -> None:
    known = [str(encoder_dir), str(Path(onnx_scorer.__file__).parents[1]), "site-packages", "/tmp"]  # noqa: S108
    for name in FILES:
        content = (transformer_dir / name).read_bytes()
        assert [] == [path for path in known if path.encode() in content], name


def test_the_passport_tells_the_course_the_base_and_the_tolerance(transformer_dir: Path) -> None:
    fit = json.loads((transformer_dir / "passport.json").read_text())["fit"]
    areas = fit["held_out"]["roc_auc"]
    assert areas.index(max(areas)) + 1 == fit["epochs"]
    assert 80 == fit["held_out"]["rows"]
    assert 64 == len(fit["base"]["sha256"])
    assert 0 < fit["verify"]["tolerance"] < 0.02
    assert set(LIBRARIES) == set(fit["libraries"])


def test_what_training_scores_is_the_file_that_is_served(
    small: TransformerClassifier, tmp_path: Path
) -> None:
    for name, content in small.files(0.5, -0.25).items():
        (tmp_path / name).write_bytes(content)
    served = onnx_scorer.load(tmp_path, {}).score(TEXTS[:30])[ATTRIBUTE]
    assert np.array_equal(sigmoid(0.5 * small.decision_function(TEXTS[:30]) - 0.25), served)


def test_eight_bits_score_for_themselves_and_near_their_original(
    small: TransformerClassifier, tmp_path: Path
) -> None:
    from transformers import AutoModelForSequenceClassification

    files = small.files(1.0, 0.0)
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    exact = fine_tuning.logits(
        AutoModelForSequenceClassification.from_pretrained(tmp_path),
        small.prepare(TEXTS).tokens,
        fine_tuning.Machine("cpu", "float32"),
    )
    quantised = small.decision_function(TEXTS)
    assert 1e-5 < np.abs(sigmoid(exact) - sigmoid(quantised)).max() < 0.05
    assert abs(roc_auc_score(LABELS, exact) - roc_auc_score(LABELS, quantised)) < 0.02
    assert "int8" == json.loads(files["transformer.json"])["precision"]
    assert len(files["model.onnx"]) < len(files["model.safetensors"]) / 2


def test_eight_bits_do_not_make_a_score_depend_on_its_neighbours(small: TransformerClassifier) -> None:
    together = small.decision_function(TEXTS[:10])
    alone = np.concatenate([small.decision_function([text]) for text in TEXTS[:10]])
    assert np.array_equal(together, alone)


def test_a_clone_is_unfitted_and_has_the_same_parameters(small: TransformerClassifier) -> None:
    again = clone(small)
    assert small.get_params() == again.get_params()
    assert set(FAMILIES["transformer"]) == set(again.get_params())
    assert not hasattr(again, "files_")


@pytest.mark.parametrize(
    ("name", "value", "wanted"),
    [
        ("model", " ", "a text"),
        ("model", 3, "a text"),
        ("max_length", 4, "a whole number from 8 to 8192"),
        ("max_length", 64.0, "a whole number from 8 to 8192"),
        ("epochs", 0, "a whole number from 1 to 100"),
        ("batch_size", True, "a whole number from 1 to 1024"),
        ("learning_rate", 1, "a number from 1e-07 to 0.01"),
        ("learning_rate", float("nan"), "a number from 1e-07 to 0.01"),
        ("warmup", -0.1, "a number from 0 to 0.9"),
        ("patience", -1, "a whole number from 0 to 100"),
        ("held_out", 0.9, "a number from 0.01 to 0.5"),
        ("calibration_folds", 6, "a whole number from 1 to 5"),
        ("onnx", "int4", "one of float32, int8"),
        ("seed", "x", "a whole number from 0 to 2147483647"),
    ],
)
def test_a_wrong_parameter_is_refused_with_what_would_do(name: str, value: object, wanted: str) -> None:
    with pytest.raises(CandidateError) as caught:
        check("transformer", {name: value})
    assert f"{name}={value!r}: give {wanted}" == str(caught.value)


def test_an_unknown_parameter_is_refused_with_the_one_that_was_meant() -> None:
    with pytest.raises(
        CandidateError, match="learning_rat=1 is no parameter of transformer: use learning_rate"
    ):
        build("transformer", {"learning_rat": 1})


@pytest.mark.parametrize("labels", [LABELS[:-1], np.zeros(len(LABELS), dtype=int), LABELS * 2])
def test_labels_that_do_not_fit_are_refused(
    encoder_dir: Path, labels: "np.ndarray[tuple[int], np.dtype[np.int64]]"
) -> None:
    with pytest.raises(CandidateError, match="give one a text, and both 0 and 1"):
        candidate(encoder_dir).fit(TEXTS, labels)


def test_too_few_rows_to_hold_some_out_are_refused(encoder_dir: Path) -> None:
    with pytest.raises(CandidateError, match=r"held_out=0.1: 0 of 4 learning rows .* or set patience = 0"):
        candidate(encoder_dir).fit(TEXTS[:8], np.array([0, 1] * 4))


def test_without_patience_every_row_is_learned_from_and_else_the_same_share_of_each_label(
    encoder_dir: Path,
) -> None:
    assert not candidate(encoder_dir, patience=0)._apart(LABELS).any()
    apart = candidate(encoder_dir, held_out=0.25)._apart(LABELS)
    assert [round(0.25 * int((LABELS == label).sum())) for label in (0, 1)] == [
        int(apart[LABELS == label].sum()) for label in (0, 1)
    ]
