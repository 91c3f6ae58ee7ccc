"""What every candidate can do, so that training, evaluation and gate need not know which one it is."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, Self

import numpy as np
import numpy.typing as npt

from modeling.hashing import Floats

Labels = npt.NDArray[np.int64]
Progress = Callable[[str], None]


class Rows(Protocol):
    """Cleaned texts as a candidate likes them best, made once and shared by all folds."""

    def __len__(self) -> int:
        """Number of texts."""

    def select(self, rows: npt.NDArray[np.bool_]) -> Self:
        """Those of the texts where ``rows`` (shape (len(self),)) is true."""


class Candidate(Protocol):
    """An estimator (scikit-learn's `BaseEstimator`, so that `clone` works) that becomes a bundle.

    Attributes:
        kind: what the bundle is called, and which loader of `modeling.bundle.LOADERS` reads it.
        requires: distributions that scoring needs beside the library's own (numpy, safetensors).
        calibration_folds: how many of the learning part's folds are held out in turn for calibration
            and thresholds; fewer where a fit is dear.

    """

    kind: str
    requires: tuple[str, ...]
    calibration_folds: int

    def get_params(self, deep: bool = True) -> dict[str, Any]:  # noqa: FBT001, FBT002 - scikit-learn's own
        """The parameters, as they stand in ``candidates.toml``."""

    def prepare(self, texts: Sequence[str], progress: Progress) -> Rows:
        """Cleaned texts, ready to be selected from and fitted on."""

    def fit(self, X: Any, y: Labels) -> Self:  # noqa: N803 - scikit-learn's own
        """Fit on prepared rows with one label each."""

    def decision_function(self, X: Any) -> Floats:  # noqa: N803 - scikit-learn's own
        """The logit of removal of each prepared row, not calibrated, shape (rows,)."""

    def files(self, slope: float, offset: float) -> Mapping[str, bytes]:
        """The bundle's weight files by name; the logit that they score is ``slope * logit + offset``."""

    def facts(self) -> Mapping[str, Any]:
        """What the passport says of the fit (iterations, epochs); nothing that two runs have differently."""


class Texts:
    """Rows for candidates that fit on the texts themselves."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts = list(texts)

    def __len__(self) -> int:
        """Number of texts."""
        return len(self.texts)

    def select(self, rows: npt.NDArray[np.bool_]) -> "Texts":
        """Those of the texts where ``rows`` is true."""
        return Texts([text for text, chosen in zip(self.texts, rows, strict=True) if chosen])
