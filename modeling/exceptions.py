"""What the library raises: every message names the field, the value and the remedy."""


class ModelingError(Exception):
    """Base of every error that this library raises on purpose."""


class DataError(ModelingError):
    """Comments or labels that cannot be used."""


class PolicyError(ModelingError):
    """A policy that is incomplete or contradicts itself."""


class BundleError(ModelingError):
    """A bundle that is missing, incomplete, altered or of an unknown kind."""


class CandidateError(ModelingError):
    """A candidate or a parameter of it that does not exist or cannot be used."""


class GateError(ModelingError):
    """Rules, evidence or a receipt that nothing can be judged by."""


class EvaluationError(ModelingError):
    """A test part that can say nothing, or scores that are no probabilities."""
