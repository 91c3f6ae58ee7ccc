"""What candidates that read texts share as scikit-learn's estimators: two classes in, probabilities out."""

from typing import Any

import numpy as np
import numpy.typing as npt
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted

from modeling.hashing import Floats, sigmoid


class TextClassifier(ClassifierMixin, BaseEstimator):
    """A binary classifier of texts with a ``decision_function`` of its own."""

    def predict_proba(self, X: Any) -> Floats:  # noqa: N803
        """The probability of each class, shape (rows, 2)."""
        second = sigmoid(self.decision_function(X))
        return np.column_stack((1 - second, second))

    def predict(self, X: Any) -> npt.NDArray[Any]:  # noqa: N803
        """The likelier class, shape (rows,)."""
        check_is_fitted(self)
        return np.asarray(self.classes_[(self.decision_function(X) > 0).astype(int)])

    def _encode(self, y: npt.ArrayLike, rows: int) -> Floats:
        """0 for the first and 1 for the second class of each label, shape (rows,)."""
        labels = np.asarray(y)
        check_classification_targets(labels)
        self.classes_, encoded = np.unique(labels, return_inverse=True)
        if len(self.classes_) != 2:  # noqa: PLR2004
            found = f"y holds {len(self.classes_)} class(es)"
            raise ValueError(f"Only binary classification is supported. {found}: give rows of exactly two")
        if rows != len(encoded):
            raise ValueError(f"X has {rows} rows and y {len(encoded)}: give one label a row")
        return encoded.astype(np.float64)

    def __sklearn_tags__(self) -> Any:
        """Texts in, two classes out."""
        tags = super().__sklearn_tags__()
        tags.input_tags.string = True
        tags.input_tags.two_d_array = False
        tags.classifier_tags.multi_class = False
        return tags
