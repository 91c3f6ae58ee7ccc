import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from modeling import bundle, onnx_scorer
from modeling.exceptions import BundleError
from modeling.policy import ATTRIBUTE


@pytest.fixture(scope="module")
def loaded(transformer_dir: Path) -> bundle.Bundle:
    return bundle.load(transformer_dir)


@pytest.fixture
def copy(transformer_dir: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(transformer_dir, tmp_path / "copy"))


def scores(loaded: bundle.Bundle, texts: list[str]) -> Any:
    return loaded.score(texts)[ATTRIBUTE]


def test_a_score_does_not_depend_on_the_batch_at_all(
    loaded: bundle.Bundle, sample_rows: list[tuple[str, int]]
) -> None:
    texts = [text for text, _ in sample_rows[:40]]
    alone = [scores(loaded, [text])[0] for text in texts]
    assert np.array_equal(scores(loaded, texts), alone)
    assert np.array_equal(scores(loaded, texts[::-1]), alone[::-1])


@given(texts=st.lists(st.text(max_size=80), max_size=4))
@settings(max_examples=40, deadline=None)
def test_any_texts_have_a_probability_each(loaded: bundle.Bundle, texts: list[str]) -> None:
    found = scores(loaded, texts)
    assert (len(texts),) == found.shape
    assert ((found > 0) & (found < 1)).all()


def test_raw_texts_are_scored_as_their_cleaned_selves(loaded: bundle.Bundle) -> None:
    raw, cleaned = scores(loaded, ["you &amp;\xa0idiot\r\nclown", "you & idiot clown"])
    assert raw == cleaned


def test_a_text_is_scored_in_the_reading_that_scores_highest(
    loaded: bundle.Bundle, sample_rows: list[tuple[str, int]]
) -> None:
    texts = [text for text, _ in sample_rows]
    ranked = [texts[row] for row in np.argsort(scores(loaded, texts))]
    civil, hidden, shown = scores(
        loaded, [f"{ranked[0]}.", f"{ranked[0]}. EDIT: {ranked[-1]}", f"{ranked[-1]}. EDIT: {ranked[0]}"]
    )
    assert civil < hidden
    assert scores(loaded, [f"{ranked[-1]}."])[0] <= shown


def test_a_transformer_cannot_explain_itself(loaded: bundle.Bundle) -> None:
    assert loaded.explain("you idiot") is None


def test_mlflows_wrapper_loads_such_a_bundle_too(transformer_dir: Path, loaded: bundle.Bundle) -> None:
    texts = ["you idiot clown, go away", "does figure 2 show the dose?"]
    told = bundle._load_pyfunc(str(transformer_dir)).predict(pd.DataFrame({"text": texts}))
    assert scores(loaded, texts).tolist() == told["score"].tolist()
    assert ["score", "action", "rule"] == list(told.columns)


def refusal(directory: Path) -> str:
    with pytest.raises(BundleError) as caught:
        onnx_scorer.load(directory, {})
    return str(caught.value)


FILES = [onnx_scorer.MODEL, onnx_scorer.TOKENIZER, onnx_scorer.FACTS]


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("content", [None, b"", b"\xff\xfe\x00", b"{}", b"[]"])
def test_a_file_that_is_missing_or_something_else_is_named(
    copy: Path, name: str, content: bytes | None
) -> None:
    (copy / name).unlink() if content is None else (copy / name).write_bytes(content)
    said = refusal(copy)
    assert said.startswith(f"{copy / name}: cannot be read (")
    assert said.endswith("fetch the bundle again")


@pytest.mark.parametrize("name", FILES)
def test_a_file_that_was_cut_off_is_named_by_the_bundle(copy: Path, name: str) -> None:
    (copy / name).write_bytes((copy / name).read_bytes()[:-1])
    with pytest.raises(BundleError, match=f"{name}: sha256"):
        bundle.load(copy)


@pytest.mark.parametrize(
    "change", [{"labels": ["removed", "kept"]}, {"max_length": 0}, {"slope": float("nan")}]
)
def test_facts_that_cannot_be_right_are_refused(copy: Path, change: dict[str, Any]) -> None:
    path = copy / onnx_scorer.FACTS
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert "transformer.json: " in refusal(copy)
    assert "train it again" in refusal(copy)


def test_an_onnx_file_of_something_else_is_refused(copy: Path) -> None:
    from onnx import TensorProto, helper

    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "other", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    (copy / onnx_scorer.MODEL).write_bytes(model.SerializeToString())
    assert "inputs ['x'] and outputs [2] are none of a classifier of two" in refusal(copy)
