"""The fast candidate: logistic regression on hashed character and word n-grams."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy import optimize
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from modeling import scorer
from modeling.bundle import WEIGHTS
from modeling.candidates.interface import Progress
from modeling.hashing import SLOTS, Floats, Weights, sigmoid
from modeling.ngrams import NgramCounts, count_ngrams
from modeling.split import FOLDS

# Corrections that L-BFGS keeps: more of them cost time a step and saved no steps here.
HISTORY = 5
Loss = Callable[[Floats], tuple[float, Floats]]


def build(params: dict[str, Any]) -> "HashedLinearClassifier":
    """The unfitted estimator."""
    return HashedLinearClassifier(**params)


class HashedLinearClassifier(ClassifierMixin, BaseEstimator):
    """L2-regularised logistic regression on sublinear, idf-weighted, hashed n-gram counts.

    Minimises the mean log loss plus ``|w|² / (2 C n)``, as scikit-learn's ``LogisticRegression``
    does, by L-BFGS, over counts that are never expanded to floats as a whole.

    Args:
        C: inverse strength of the regularisation.
        tol: largest component of the gradient at which the fit ends.
        max_iter: most L-BFGS iterations.

    """

    kind: Final = "hashed-linear"
    requires: Final[tuple[str, ...]] = ()
    calibration_folds: Final = FOLDS

    def __init__(self, C: float = 1.0, tol: float = 1e-4, max_iter: int = 300) -> None:  # noqa: N803
        self.C = C
        self.tol = tol
        self.max_iter = max_iter

    def prepare(self, texts: Sequence[str], progress: Progress = lambda _: None) -> NgramCounts:
        """The texts' n-gram counts, which all folds share."""
        counts = count_ngrams(texts, progress)
        progress(f"{len(counts):,} rows, {len(counts.slots):,} n-gram counts")
        return counts

    def fit(self, X: Sequence[str] | NgramCounts, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fit on cleaned texts, or on their counts, with one label each.

        Raises:
            ValueError: lengths differ, labels are not of two classes, or C is not positive.

        """
        counts, targets = _as_counts(X), self._encode(y)
        if len(counts) != len(targets):
            raise ValueError(f"X has {len(counts)} rows and y {len(targets)}: give one label a row")
        if not self.C > 0:
            raise ValueError(f"C={self.C!r} must be positive")
        rows = len(counts)
        self.idf_ = _idf(counts)
        inverse_lengths = _inverse_lengths(counts, self.idf_)
        seen = np.flatnonzero(self.idf_)
        idf = self.idf_[seen].astype(np.float64)

        def loss(point: Floats) -> tuple[float, Floats]:
            weights, intercept = point[:-1], point[-1]
            raw = counts.times(_spread(weights * idf, seen)) * inverse_lengths + intercept
            residual = (sigmoid(raw) - targets) / rows
            gradient = np.empty_like(point)
            gradient[:-1] = counts.transposed_times(residual * inverse_lengths)[seen] * idf
            gradient[:-1] += weights / (self.C * rows)
            gradient[-1] = residual.sum()
            penalty = weights @ weights / (2 * self.C * rows)
            return float(np.mean(np.logaddexp(0.0, raw) - targets * raw) + penalty), gradient

        point, self.n_iter_ = _minimise(loss, len(seen) + 1, self.tol, self.max_iter)
        self.coef_, self.intercept_ = _spread(point[:-1], seen), float(point[-1])
        return self

    def decision_function(self, X: Sequence[str] | NgramCounts) -> Floats:  # noqa: N803
        """The logit of the second class, shape (rows,)."""
        check_is_fitted(self)
        counts = _as_counts(X)
        raw = counts.times((self.coef_ * self.idf_).astype(np.float32))
        return np.asarray(raw * _inverse_lengths(counts, self.idf_) + self.intercept_)

    def predict_proba(self, X: Sequence[str] | NgramCounts) -> Floats:  # noqa: N803
        """The probability of each class, shape (rows, 2)."""
        second = sigmoid(self.decision_function(X))
        return np.column_stack((1 - second, second))

    def predict(self, X: Sequence[str] | NgramCounts) -> npt.NDArray[Any]:  # noqa: N803
        """The likelier class, shape (rows,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])

    def weights(self, slope: float = 1.0, offset: float = 0.0) -> Weights:
        """What the service needs; the calibrated logit is ``slope * logit + offset``."""
        check_is_fitted(self)
        table = np.column_stack((self.idf_, self.coef_ * self.idf_ * slope)).astype(np.float32)
        return Weights(table, self.intercept_ * slope + offset)

    def files(self, slope: float, offset: float) -> Mapping[str, bytes]:
        """The weights as safetensors, calibration included."""
        return {WEIGHTS: scorer.to_bytes(self.weights(slope, offset))}

    def facts(self) -> Mapping[str, Any]:
        """How long the fit took, in L-BFGS iterations."""
        return {"iterations": self.n_iter_}

    def _encode(self, y: npt.ArrayLike) -> Floats:
        labels = np.asarray(y)
        check_classification_targets(labels)
        self.classes_, encoded = np.unique(labels, return_inverse=True)
        if len(self.classes_) != 2:  # noqa: PLR2004
            found = f"y holds {len(self.classes_)} class(es)"
            raise ValueError(f"Only binary classification is supported. {found}: give rows of exactly two")
        return encoded.astype(np.float64)

    def __sklearn_tags__(self) -> Any:
        """Texts in, two classes out."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_class = False
        return tags


def _minimise(loss: Loss, size: int, tol: float, max_iter: int) -> tuple[Floats, int]:
    # One thread: sums come out the same on any number of cores, and short vectors come out sooner.
    with threadpool_limits(1, user_api="blas"):
        found = optimize.minimize(
            loss,
            np.zeros(size),
            jac=True,
            method="L-BFGS-B",
            options={
                "gtol": tol,
                "ftol": 64 * float(np.finfo(float).eps),
                "maxiter": max_iter,
                "maxcor": HISTORY,
            },
        )
    return found.x, int(found.nit)


def _idf(counts: NgramCounts) -> npt.NDArray[np.float32]:
    frequencies = counts.document_frequencies()
    idf = np.log((1 + len(counts)) / (1 + frequencies)) + 1
    return np.where(frequencies > 0, idf, 0).astype(np.float32)


def _spread(values: Floats, slots: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    everything = np.zeros(SLOTS, dtype=np.float32)
    everything[slots] = values
    return everything


def _inverse_lengths(counts: NgramCounts, idf: npt.NDArray[np.float32]) -> Floats:
    lengths = counts.lengths(idf)
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)


def _as_counts(rows: Sequence[str] | NgramCounts) -> NgramCounts:
    return rows if isinstance(rows, NgramCounts) else count_ngrams(rows)
