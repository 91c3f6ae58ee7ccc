"""What the decision core raises on purpose: every message names the place, the cause and the remedy."""


class ModerationError(Exception):
    """Base of every error that this package raises on purpose."""


class LabelsUnavailableError(ModerationError):
    """The journal of labels cannot be opened, read or written now."""


class NoLabelsError(ModerationError):
    """There is no journal yet, or nothing in it that was asked for."""


class NothingNamedError(ModerationError):
    """Rows were to go without a word about which."""


class ReusedKeyError(ModerationError):
    """An idempotency key came again with another request."""
