"""What the workflow raises on purpose: every message names the field, the value and the remedy."""


class WorkflowError(Exception):
    """Base of every error that the workflow raises on purpose."""


class SourceError(WorkflowError):
    """Comments that cannot be had: a path, a disk or a download that does not do."""


class KaggleError(SourceError):
    """Kaggle did not deliver; where nothing was chosen, the sample takes its place."""


class SettingsError(WorkflowError):
    """A setting that is unknown or cannot be used."""


class StepError(WorkflowError):
    """A step that cannot run: an input is missing, or another run is at work."""


class AuditError(WorkflowError):
    """Artefacts tell the label beyond a limit."""


class TrackingError(WorkflowError):
    """MLflow cannot be reached or refuses."""


class LabelsError(WorkflowError):
    """A journal of labels that cannot be used, or holds nothing of what was asked for."""


class StackError(WorkflowError):
    """A process of the local stack that cannot start or has died."""
