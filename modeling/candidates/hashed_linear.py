"""The fast candidate: logistic regression on hashed character and word n-grams and on style."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Self

import numpy as np
import numpy.typing as npt
from scipy import optimize
from sklearn.utils.validation import check_is_fitted
from threadpoolctl import threadpool_limits

from modeling import scorer
from modeling.bundle import WEIGHTS
from modeling.candidates.classifier import TextClassifier
from modeling.candidates.interface import Progress
from modeling.candidates.styled import StyledCounts, styled_counts
from modeling.hashing import SLOTS, Floats, Weights, sigmoid
from modeling.ngrams import NgramCounts
from modeling.split import FOLDS
from modeling.style import StyleWeights

# Corrections that L-BFGS keeps: more of them cost time a step and saved no steps here.
HISTORY = 5
Loss = Callable[[Floats], tuple[float, Floats]]
Data = Sequence[str] | StyledCounts


def build(params: dict[str, Any]) -> "HashedLinearClassifier":
    """The unfitted estimator."""
    return HashedLinearClassifier(**params)


class HashedLinearClassifier(TextClassifier):
    """L2-regularised logistic regression on sublinear, idf-weighted, hashed n-gram counts and style.

    Minimises the mean log loss plus ``|w|² / (2 C n)``, as scikit-learn's ``LogisticRegression``
    does, by L-BFGS, over counts that are never expanded to floats as a whole.

    Args:
        C: inverse strength of the regularisation of n-grams.
        style: whether the features of `modeling.style` are fitted beside the n-grams.
        style_C: the same strength for those features, in standard deviations: they are few, and real.
        idf_power: exponent of the idf; above 1, frequent n-grams count for less.
        tol: largest component of the gradient at which the fit ends.
        max_iter: most L-BFGS iterations.

    """

    kind: Final = "hashed-linear"
    requires: Final[tuple[str, ...]] = ()
    calibration_folds: Final = FOLDS

    def __init__(
        self,
        C: float = 2.0,  # noqa: N803
        *,
        style: bool = True,
        style_C: float = 1e-3,  # noqa: N803
        idf_power: float = 1.5,
        tol: float = 1e-4,
        max_iter: int = 300,
    ) -> None:
        self.C = C
        self.style = style
        self.style_C = style_C
        self.idf_power = idf_power
        self.tol = tol
        self.max_iter = max_iter

    def prepare(self, texts: Sequence[str], progress: Progress = lambda _: None) -> StyledCounts:
        """The texts' n-gram counts and style, which all folds share."""
        rows = styled_counts(texts, with_style=self.style, progress=progress)
        progress(f"{len(rows):,} rows, {len(rows.counts.slots):,} n-gram counts")
        return rows

    def fit(self, X: Data, y: npt.ArrayLike) -> Self:  # noqa: N803
        """Fit on cleaned texts, or on their counts and style, with one label each.

        Raises:
            ValueError: lengths differ, labels are not of two classes, a strength is not positive, or rows
                were prepared by an estimator with another ``style``.

        """
        data = self._rows(X)
        targets = self._encode(y, len(data))
        for name in ("C", "style_C"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name}={getattr(self, name)!r} must be positive")
        self.idf_ = _idf(data.counts, self.idf_power)
        self.style_mean_, self.style_scale_ = data.spread()
        seen = np.flatnonzero(self.idf_)
        # scaled, so that one penalty on all weights is C's on n-grams and style_C's on features
        features = data.standardised(self.style_mean_, self.style_scale_)
        unit = float(np.sqrt(self.style_C / self.C))
        features *= unit
        loss = _loss(data.counts, self.idf_, features, targets, self.C)
        point, self.n_iter_ = _minimise(loss, len(seen) + features.shape[1] + 1, self.tol, self.max_iter)
        self.coef_, self.intercept_ = _spread(point[: len(seen)], seen), float(point[-1])
        self.style_coef_ = point[len(seen) : -1] * unit
        return self

    def decision_function(self, X: Data) -> Floats:  # noqa: N803
        """The logit of the second class, shape (rows,)."""
        check_is_fitted(self)
        data = self._rows(X)
        raw = data.counts.times((self.coef_ * self.idf_).astype(np.float32))
        raw *= _inverse_lengths(data.counts, self.idf_)
        features = data.standardised(self.style_mean_, self.style_scale_)
        return np.asarray(raw + features @ self.style_coef_ + self.intercept_)

    def weights(self, slope: float = 1.0, offset: float = 0.0) -> Weights:
        """What the service needs; the calibrated logit is ``slope * logit + offset``."""
        check_is_fitted(self)
        table = np.column_stack((self.idf_, self.coef_ * self.idf_ * slope)).astype(np.float32)
        style = StyleWeights(self.style_mean_, self.style_scale_, self.style_coef_ * slope)
        return Weights(table, self.intercept_ * slope + offset, style if self.style else None)

    def files(self, slope: float, offset: float) -> Mapping[str, bytes]:
        """The weights as safetensors, calibration included."""
        return {WEIGHTS: scorer.to_bytes(self.weights(slope, offset))}

    def facts(self) -> Mapping[str, Any]:
        """How long the fit took, in L-BFGS iterations."""
        return {"iterations": self.n_iter_}

    def _rows(self, rows: Data) -> StyledCounts:
        if not isinstance(rows, StyledCounts):
            return styled_counts(rows, with_style=self.style)
        if bool(rows.style.shape[1]) != self.style:
            how = "with" if self.style else "without"
            raise ValueError(
                f"style={self.style} needs rows that were prepared {how} style: prepare them anew"
            )
        return rows


def _loss(
    counts: NgramCounts, all_idf: npt.NDArray[np.float32], features: Floats, targets: Floats, strength: float
) -> Loss:
    """Mean log loss and penalty with their gradient, of weights of seen slots, of features, and intercept."""
    rows, seen = len(targets), np.flatnonzero(all_idf)
    inverse_lengths, idf = _inverse_lengths(counts, all_idf), all_idf[seen].astype(np.float64)

    def loss(point: Floats) -> tuple[float, Floats]:
        ngrams, style, weights = point[: len(seen)], point[len(seen) : -1], point[:-1]
        raw = counts.times(_spread(ngrams * idf, seen)) * inverse_lengths + features @ style + point[-1]
        residual = (sigmoid(raw) - targets) / rows
        gradient = np.empty_like(point)
        gradient[: len(seen)] = counts.transposed_times(residual * inverse_lengths)[seen] * idf
        gradient[len(seen) : -1] = residual @ features
        gradient[:-1] += weights / (strength * rows)
        gradient[-1] = residual.sum()
        penalty = weights @ weights / (2 * strength * rows)
        return float(np.mean(np.logaddexp(0.0, raw) - targets * raw) + penalty), gradient

    return loss


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


def _idf(counts: NgramCounts, power: float) -> npt.NDArray[np.float32]:
    frequencies = counts.document_frequencies()
    idf = (np.log((1 + len(counts)) / (1 + frequencies)) + 1) ** power
    return np.where(frequencies > 0, idf, 0).astype(np.float32)


def _spread(values: Floats, slots: npt.NDArray[np.intp]) -> npt.NDArray[np.float32]:
    everything = np.zeros(SLOTS, dtype=np.float32)
    everything[slots] = values
    return everything


def _inverse_lengths(counts: NgramCounts, idf: npt.NDArray[np.float32]) -> Floats:
    lengths = counts.lengths(idf)
    return np.divide(1.0, lengths, out=np.zeros_like(lengths), where=lengths > 0)
