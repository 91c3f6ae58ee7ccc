"""Lets scikit-learn's own checks, which bring numbers and skip what wants texts, try an estimator."""

from typing import Any, Self

from sklearn.utils.validation import check_is_fitted, validate_data


class NumbersAsTexts:
    """Comes before an estimator of texts, and writes rows of numbers as texts."""

    def fit(self, X: Any, y: Any) -> Self:  # noqa: N803
        X, y = validate_data(self, X, y)  # noqa: N806
        fitted: Self = super().fit(self._written(X), y)  # type: ignore[misc]
        return fitted

    def decision_function(self, X: Any) -> Any:  # noqa: N803
        check_is_fitted(self)
        return super().decision_function(self._written(validate_data(self, X, reset=False)))  # type: ignore[misc]

    @staticmethod
    def _written(X: Any) -> list[str]:  # noqa: N803
        return [" ".join(f"c{column}v{round(2 * value)}" for column, value in enumerate(row)) for row in X]

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()  # type: ignore[misc]
        tags.input_tags.string, tags.input_tags.two_d_array = False, True
        return tags
