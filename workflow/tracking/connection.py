"""The line to MLflow: which server or file, how long it is tried, and what its errors are called."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import mlflow
from mlflow.environment_variables import MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR, MLFLOW_HTTP_REQUEST_MAX_RETRIES
from mlflow.exceptions import MlflowException

from workflow.exceptions import TrackingError

# MLflow's own 7 tries take four minutes to find out that nobody listens.
TRIES: Final = 3
GONE: Final = ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE")


class Connection:
    """One tracking server or SQLite file.

    Args:
        uri: its address.
        again: the command that is to be given again once MLflow is back, for messages.

    Raises:
        TrackingError: MLflow does not know such an address.

    """

    def __init__(self, uri: str, again: str) -> None:
        self.uri, self._again = uri, again
        if not MLFLOW_HTTP_REQUEST_MAX_RETRIES.is_set():
            MLFLOW_HTTP_REQUEST_MAX_RETRIES.set(TRIES)
        MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR.set(False)
        mlflow.set_tracking_uri(uri)
        mlflow.set_registry_uri(uri)
        with self.named_errors():
            self.client = mlflow.MlflowClient()

    @contextmanager
    def named_errors(self) -> Iterator[None]:
        """Whatever MLflow raises becomes a `TrackingError` with address, reason and remedy."""
        try:
            yield
        except TrackingError:
            raise
        except MlflowException as error:
            raise self._error(error.message) from error
        except Exception as error:
            # Each store (SQL, S3, HTTP) raises kinds of its own; only this machine's disk is not MLflow's.
            if isinstance(error, OSError) and error.errno is not None:
                raise
            raise self._error(f"{type(error).__name__}: {error}") from error

    def _error(self, reason: str) -> TrackingError:
        lines = [line for line in reason.splitlines() if line.strip()] or ["no reason given"]
        # Of several files that failed, MLflow names the first on a later line.
        line = " ".join([lines[0], *[each for each in lines[1:] if each.startswith("[Errno")][:1]])
        return TrackingError(
            f"CHATMOD_TRACKING_URI={self.uri!r}: {line}: check that MLflow runs there and lets you in, "
            f"then run {self._again} again"
        )
