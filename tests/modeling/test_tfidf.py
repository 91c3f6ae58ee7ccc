"""scikit-learn's own TF-IDF and logistic regression as a candidate: what it fits, its files, its scorer."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from sklearn.feature_extraction.text import TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import FeatureUnion, make_pipeline
from sklearn.utils.estimator_checks import check_array_api_input, parametrize_with_checks

from modeling import bundle
from modeling.candidates.catalogue import build
from modeling.candidates.tfidf import TfidfClassifier
from modeling.exceptions import BundleError, CandidateError
from modeling.hashing import sigmoid
from modeling.policy import ATTRIBUTE
from modeling.text import clean, readings
from modeling.tfidf_scorer import VOCABULARY
from tests.bundles import trained
from tests.corpus import make_rows
from tests.modeling.estimators import NumbersAsTexts

ROWS = make_rows(300)
TEXTS = [text for text, _ in ROWS]
LABELS = np.array([label for _, label in ROWS])
ODD = ["", " ", "a", "naïve ☃ 🙂 Straße İI", "x" * 500, 'a,b\n"c"', "\0", "never seen before", "I I I"]


class OnNumbers(NumbersAsTexts, TfidfClassifier):
    pass


@parametrize_with_checks([OnNumbers()])
def test_scikit_learns_own_checks_pass(estimator: Any, check: Any) -> None:
    if check.func is check_array_api_input:
        return  # needs a variable that SciPy reads at import; the estimator claims no array API
    check(estimator)


def pipeline(C: float = 4.0, min_df: int = 1) -> Any:  # noqa: N803
    """What everyone writes."""
    words = TfidfVectorizer(ngram_range=(1, 2), sublinear_tf=True, min_df=min_df)
    characters = TfidfVectorizer(analyzer="char_wb", ngram_range=(2, 5), sublinear_tf=True, min_df=min_df)
    union = FeatureUnion([("words", words), ("characters", characters)])
    return make_pipeline(union, LogisticRegression(C=C, max_iter=1_000))


@pytest.mark.parametrize("parameters", [{}, {"C": 0.5}, {"min_df": 3}])
def test_it_is_scikit_learns_own_pipeline(parameters: dict[str, Any]) -> None:
    ours = build("tfidf", parameters).fit(TEXTS[:200], LABELS[:200])
    theirs = pipeline(**parameters).fit(TEXTS[:200], LABELS[:200])
    unseen = TEXTS[200:] + ODD
    assert theirs.decision_function(unseen) == pytest.approx(ours.decision_function(unseen), abs=1e-9)


def test_a_selection_is_fitted_as_if_the_other_rows_were_not_there() -> None:
    chosen = np.arange(300) % 3 > 0
    counts = TfidfClassifier().prepare(TEXTS)
    selected = TfidfClassifier().fit(counts.select(chosen), LABELS[chosen])
    alone = TfidfClassifier().fit([TEXTS[row] for row in np.flatnonzero(chosen)], LABELS[chosen])
    others = selected.decision_function(counts.select(~chosen))
    assert others == pytest.approx(alone.decision_function(np.array(TEXTS)[~chosen]), abs=1e-9)
    assert selected.files(1.0, 0.0) == alone.files(1.0, 0.0)


def test_rows_that_were_counted_apart_are_refused() -> None:
    fitted = TfidfClassifier().fit(TEXTS, LABELS)
    with pytest.raises(ValueError, match="counted apart from the rows of the fit: give its texts"):
        fitted.decision_function(TfidfClassifier().prepare(TEXTS))


def test_the_counts_are_told_with_rows_and_terms_and_the_fit_with_iterations() -> None:
    told: list[str] = []
    counts = TfidfClassifier().prepare(TEXTS, told.append)
    facts = TfidfClassifier().fit(counts, LABELS).facts()
    assert [f"300 rows, {facts['terms']:,} terms"] == told
    assert 1 < facts["iterations"] < 1_000


@pytest.mark.parametrize(
    ("texts", "labels", "parameters", "error", "message"),
    [
        (TEXTS, LABELS[:-1], {}, ValueError, "X has 300 rows and y 299: give one label a row"),
        (TEXTS, np.zeros(300, dtype=int), {}, ValueError, r"1 class\(es\)"),
        (TEXTS, np.arange(300) % 3, {}, ValueError, r"3 class\(es\)"),
        (TEXTS, LABELS, {"C": 0.0}, ValueError, "'C'"),
        (
            TEXTS,
            LABELS,
            {"min_df": 301},
            CandidateError,
            "min_df=301: none of the words occurs in so",
        ),
        (["a", "b"], [0, 1], {}, CandidateError, "empty vocabulary.*: bring texts with words of two or more"),
    ],
)
def test_what_cannot_be_fitted_is_refused(
    texts: list[str], labels: Any, parameters: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error, match=message):
        TfidfClassifier(**parameters).fit(texts, labels)


@pytest.fixture(scope="module")
def fitted() -> TfidfClassifier:
    return TfidfClassifier().fit([clean(text) for text in TEXTS], LABELS)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A real bundle, trained through the library."""
    return trained(tmp_path_factory.mktemp("bundles") / "tfidf", make_rows(600), TfidfClassifier())


def written(files: Any, place: Path) -> Path:
    place.mkdir()
    for name, content in files.items():
        (place / name).write_bytes(content)
    return place


def scores_of(place: Path, texts: list[str]) -> Any:
    return bundle.scorer_of(place, {"kind": "tfidf-linear"}).score(texts)[ATTRIBUTE]


def test_the_scorer_gives_the_calibrated_scores_of_the_fitted_estimator(
    fitted: TfidfClassifier, tmp_path: Path
) -> None:
    place = written(fitted.files(1.7, -0.4), tmp_path / "weights")
    texts = [*TEXTS, *ODD]
    expected = sigmoid(1.7 * fitted.decision_function([clean(text) for text in texts]) - 0.4)
    assert np.abs(expected - scores_of(place, texts)).max() < 1e-9


@given(text=st.text(max_size=60), slope=st.floats(0, 5), offset=st.floats(-3, 3))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40, deadline=None)
def test_any_text_has_the_score_of_its_higher_reading(
    fitted: TfidfClassifier, text: str, slope: float, offset: float, tmp_path_factory: pytest.TempPathFactory
) -> None:
    place = written(fitted.files(slope, offset), tmp_path_factory.mktemp("any") / "weights")
    expected = max(slope * fitted.decision_function(readings(text)) + offset)
    assert abs(sigmoid(np.array(expected)) - scores_of(place, [text])[0]) < 1e-9


def test_an_edit_mark_is_no_way_past_the_model(saved: Path) -> None:
    loaded = bundle.load(saved)
    civil = "does figure 2 show the dose before or after the signal?"
    low, high = loaded.score([civil, f"{civil} EDIT: hey moron, 2 people laugh at your model"])[ATTRIBUTE]
    assert low + 0.1 < high


def test_a_score_does_not_depend_on_the_batch_and_no_texts_have_none(saved: Path) -> None:
    loaded = bundle.load(saved)
    together = loaded.score(TEXTS[:50])[ATTRIBUTE]
    assert [loaded.score([text])[ATTRIBUTE][0] for text in TEXTS[:50]] == together.tolist()
    assert (0,) == loaded.score([])[ATTRIBUTE].shape


def test_the_bundle_says_what_it_requires_and_holds_json_and_numbers_only(saved: Path) -> None:
    loaded = bundle.load(saved)
    assert ("tfidf-linear", ["scikit-learn", "scipy"]) == (loaded.kind, loaded.passport["requires"])
    assert {VOCABULARY, *bundle.FILES} == {path.name for path in saved.iterdir()}
    assert loaded.explain("you idiot") is None


SAVES = """
import sys, numpy as np
from pathlib import Path
from modeling.candidates.tfidf import TfidfClassifier
from tests.bundles import trained
from tests.corpus import make_rows
from modeling import bundle
print(bundle.digest_of(trained(Path(sys.argv[1]), make_rows(600), TfidfClassifier())))
"""


def test_two_folders_and_hash_seeds_have_one_digest(saved: Path, tmp_path: Path) -> None:
    digests = {bundle.digest_of(saved)}
    for seed in ("1", "2"):
        done = subprocess.run(
            [sys.executable, "-c", SAVES, str(tmp_path / seed)],
            cwd=Path(__file__).parents[2],
            env={"PATH": os.defpath, "PYTHONHASHSEED": seed, "OPENBLAS_NUM_THREADS": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        digests.add(done.stdout.strip())
    assert 1 == len(digests)


Change = Callable[[dict[str, bytes]], bytes]


def terms_changed(change: Callable[[Any], Any]) -> Change:
    return lambda files: json.dumps(change(json.loads(files[VOCABULARY]))).encode()


def tensors_changed(change: Callable[[dict[str, Any]], Any]) -> Change:
    return lambda files: save(change(load(files[bundle.WEIGHTS])))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files[VOCABULARY][:-9], "cannot be read (Unterminated string"),
        (lambda _: b"", "cannot be read (Expecting value"),
        (lambda _: b"\xff\xfe", "cannot be read ('utf-8' codec"),
        (lambda _: b"[]", "holds list, not ['characters', 'words']"),
        (
            terms_changed(lambda terms: {"words": terms["words"]}),
            "holds ['words'], not ['characters', 'words']",
        ),
        (terms_changed(lambda terms: terms | {"more": []}), "holds ['characters', 'more', 'words'], not"),
        (terms_changed(lambda terms: terms | {"words": "abc"}), "words is no list of terms"),
        (terms_changed(lambda terms: terms | {"words": []}), "words is no list of terms"),
        (terms_changed(lambda terms: terms | {"words": [1, 2]}), "words is no list of terms"),
        (terms_changed(lambda terms: terms | {"words": ["b", "a"]}), "words: 'a' does not come after 'b'"),
        (terms_changed(lambda terms: terms | {"words": ["b", "b"]}), "words: 'b' does not come after 'b'"),
    ],
)
def test_a_vocabulary_that_is_none_is_refused_by_file_and_fault(
    fitted: TfidfClassifier, tmp_path: Path, change: Change, message: str
) -> None:
    files = fitted.files(1.0, 0.0)
    said = refusal(written({**files, VOCABULARY: change(dict(files))}, tmp_path / "weights"))
    assert f"{VOCABULARY}: {message}" in said


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda files: files[bundle.WEIGHTS][:-1], "cannot be read ("),
        (lambda _: b"", "cannot be read ("),
        (lambda _: b"\xff" * 64, "cannot be read ("),
        (
            tensors_changed(lambda tensors: {"intercept": tensors["intercept"]}),
            "tensors {'intercept': [1]} are not",
        ),
        (
            tensors_changed(lambda tensors: tensors | {"words.idf": tensors["words.idf"][:-1]}),
            "which vocabulary.json asks for",
        ),
        (
            tensors_changed(lambda tensors: tensors | {"words.idf": tensors["words.idf"].astype("f4")}),
            "words.idf holds something else than finite numbers of 64 bits",
        ),
        (
            tensors_changed(lambda tensors: tensors | {"intercept": np.array([np.nan])}),
            "intercept holds something else than finite numbers",
        ),
    ],
)
def test_weights_that_are_none_are_refused_by_file_and_fault(
    fitted: TfidfClassifier, tmp_path: Path, change: Change, message: str
) -> None:
    files = fitted.files(1.0, 0.0)
    said = refusal(written({**files, bundle.WEIGHTS: change(dict(files))}, tmp_path / "weights"))
    assert f"{bundle.WEIGHTS}: " in said
    assert message in said


@pytest.mark.parametrize("name", [VOCABULARY, bundle.WEIGHTS])
def test_a_missing_file_is_named(fitted: TfidfClassifier, tmp_path: Path, name: str) -> None:
    place = written(fitted.files(1.0, 0.0), tmp_path / "weights")
    (place / name).unlink()
    assert f"{name}: cannot be read (" in refusal(place)


def refusal(place: Path) -> str:
    with pytest.raises(BundleError) as caught:
        bundle.scorer_of(place, {"kind": "tfidf-linear"})
    return str(caught.value)
