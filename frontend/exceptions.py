"""What can go wrong in the chat; each message says what failed and what to do."""


class FrontendError(Exception):
    """Anything the chat raises by itself."""


class SettingsError(FrontendError):
    """A setting is unknown or its value cannot be used."""


class RoomUnavailableError(FrontendError):
    """The room's database cannot be reached, read or written; nothing was half-written."""


class ServiceUnavailableError(FrontendError):
    """The prediction service gave no decision: unreachable, too slow, not ready or not understood."""


class MessageRefusedError(FrontendError):
    """The prediction service refuses this message itself; asking again would not help."""


class RegistryUnavailableError(FrontendError):
    """MLflow does not tell what it holds: unreachable, refusing or not understood."""


class EvidenceError(FrontendError):
    """A file of a version is there and is not what the pipeline writes."""
