"""The candidate everyone knows: scikit-learn's TF-IDF of words and characters with logistic regression."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfTransformer
from sklearn.linear_model import LogisticRegression
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from modeling.candidates.classifier import TextClassifier
from modeling.candidates.interface import Progress
from modeling.exceptions import CandidateError
from modeling.hashing import Floats
from modeling.split import FOLDS
from modeling.tfidf_scorer import BLOCKS, Block, to_files

Columns = npt.NDArray[np.intp]


def build(params: dict[str, Any]) -> "TfidfClassifier":
    """The unfitted estimator."""
    return TfidfClassifier(**params)


@dataclass(frozen=True)
class TermCounts:
    """How often each text has each term, counted once for all folds.

    Attributes:
        counters: by block, the vectoriser whose columns these are.
        blocks: by block, counts of shape (len(self), terms).

    """

    counters: Mapping[str, CountVectorizer]
    blocks: Mapping[str, sparse.csr_matrix[np.int32]]

    def __len__(self) -> int:
        """Number of texts."""
        return next(int(block.shape[0]) for block in self.blocks.values())

    def select(self, rows: npt.NDArray[np.bool_]) -> "TermCounts":
        """Those of the texts where ``rows`` is true."""
        return TermCounts(self.counters, {name: block[rows] for name, block in self.blocks.items()})


class TfidfClassifier(TextClassifier):
    """What ``make_pipeline(FeatureUnion([TfidfVectorizer, TfidfVectorizer]), LogisticRegression)`` fits.

    Words (1-2) and characters within words (2-5), sublinear counts, idf. Terms are counted once and
    chosen anew in each fit, from its own rows alone.

    Args:
        C: inverse strength of the regularisation.
        max_iter: most L-BFGS iterations.
        min_df: in how many rows a term must occur to count.

    """

    kind: Final = "tfidf-linear"
    requires: Final[tuple[str, ...]] = ("scikit-learn", "scipy")
    calibration_folds: Final = FOLDS

    def __init__(self, C: float = 4.0, max_iter: int = 1_000, min_df: int = 1) -> None:  # noqa: N803
        self.C = C
        self.max_iter = max_iter
        self.min_df = min_df

    def prepare(self, texts: Sequence[str], progress: Progress = lambda _: None) -> TermCounts:
        """The texts' term counts, which all folds share."""
        counts = _count(texts)
        terms = sum(int(block.shape[1]) for block in counts.blocks.values())
        progress(f"{len(counts):,} rows, {terms:,} terms")
        return counts

    def fit(self, X: Sequence[str] | TermCounts, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fit on cleaned texts, or on their counts, with one label each.

        Raises:
            ValueError: lengths differ, labels are not of two classes, or a parameter is out of range.
            CandidateError: no term occurs in ``min_df`` rows.

        """
        counts = X if isinstance(X, TermCounts) else _count(X)
        targets = self._encode(y, len(counts))
        self.counters_ = counts.counters
        self.columns_, self.weighting_ = dict[str, Columns](), dict[str, TfidfTransformer]()
        for name, block in counts.blocks.items():
            self.columns_[name] = self._often_enough(name, block)
            self.weighting_[name] = TfidfTransformer(sublinear_tf=True).fit(block[:, self.columns_[name]])
        # One thread: sums come out the same on any number of cores.
        with threadpool_limits(1, user_api="blas"):
            self.model_ = LogisticRegression(C=self.C, max_iter=self.max_iter)
            self.model_.fit(self._features(counts), targets)
        self.n_iter_ = int(self.model_.n_iter_[0])
        return self

    def decision_function(self, X: Sequence[str] | TermCounts) -> Floats:  # noqa: N803
        """The logit of the second class, shape (rows,).

        Raises:
            ValueError: counts that were not made together with those of the fit.

        """
        check_is_fitted(self)
        counts = X if isinstance(X, TermCounts) else _count_known(self.counters_, X)
        if counts.counters is not self.counters_:
            raise ValueError("X was counted apart from the rows of the fit: give its texts")
        return np.asarray(self.model_.decision_function(self._features(counts)), dtype=np.float64)

    def files(self, slope: float, offset: float) -> Mapping[str, bytes]:
        """Vocabularies as JSON and weights as safetensors, calibration included."""
        check_is_fitted(self)
        sizes = [len(columns) for columns in self.columns_.values()]
        shares = np.split(self.model_.coef_[0] * slope, np.cumsum(sizes)[:-1])
        blocks = {
            name: Block(
                self.counters_[name].get_feature_names_out()[columns].tolist(),
                self.weighting_[name].idf_,
                coefficients,
            )
            for (name, columns), coefficients in zip(self.columns_.items(), shares, strict=True)
        }
        return to_files(blocks, float(self.model_.intercept_[0]) * slope + offset)

    def facts(self) -> Mapping[str, Any]:
        """How long the fit took, in L-BFGS iterations, and how many terms it weighs."""
        terms = sum(len(columns) for columns in self.columns_.values())
        return {"iterations": self.n_iter_, "terms": terms}

    def _often_enough(self, name: str, block: Any) -> Columns:
        frequencies = np.bincount(block.indices, minlength=block.shape[1])
        columns = np.flatnonzero(frequencies >= max(self.min_df, 1))
        if not len(columns):
            raise CandidateError(
                f"min_df={self.min_df!r}: none of the {name} occurs in so many of {block.shape[0]} rows: "
                "lower it"
            )
        return columns

    def _features(self, counts: TermCounts) -> Any:
        return sparse.hstack(
            [
                self.weighting_[name].transform(block[:, self.columns_[name]])
                for name, block in counts.blocks.items()
            ],
            format="csr",
        )


def _count(texts: Sequence[str]) -> TermCounts:
    counters = {name: CountVectorizer(**settings, dtype=np.int32) for name, settings in BLOCKS.items()}
    try:
        return TermCounts(
            counters, {name: counter.fit_transform(texts) for name, counter in counters.items()}
        )
    except ValueError as error:
        raise CandidateError(f"tfidf: {error}: bring texts with words of two or more letters") from error


def _count_known(counters: Mapping[str, CountVectorizer], texts: Sequence[str]) -> TermCounts:
    return TermCounts(counters, {name: counter.transform(texts) for name, counter in counters.items()})
