"""What the service raises on purpose: every message names the field, the value and the remedy."""


class ServiceError(Exception):
    """Base of every error that this package raises on purpose."""


class SettingsError(ServiceError):
    """A setting that is unknown, missing or cannot be read."""


class KeysError(ServiceError):
    """The file of API keys cannot be read or written, or holds no such key."""


class RegistryError(ServiceError):
    """The registry could not give the model version that was asked for."""


class RegistryUnreachableError(RegistryError):
    """The registry did not answer: a cached bundle may stand in."""


class CalibrationError(ServiceError):
    """Old scores that no map can be fitted to, or a map that cannot be served."""
