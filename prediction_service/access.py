"""What keys and limits add to an operation's description: where a key goes, and how its lack is told."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from prediction_service.dialects.dialect import Answer, Content, Described, Dialect
from prediction_service.problems import KEY_INVALID, KEY_MISSING, RATE_EXCEEDED, SCOPE_MISSING, Refusal
from prediction_service.settings import Settings


def _header(name: str) -> dict[str, str]:
    return {"type": "apiKey", "in": "header", "name": name}


SCHEMES: Final[dict[str, dict[str, str]]] = {
    "bearer": {"type": "http", "scheme": "bearer"},
    "header": _header("X-API-Key"),
    "google": _header("X-Goog-Api-Key"),
    "azure": _header("Ocp-Apim-Subscription-Key"),
    "query": {"type": "apiKey", "in": "query", "name": "key"},
}
EVERYWHERE: Final = ("bearer", "header", "google", "azure")
FAULTS: Final = (
    (HTTPStatus.UNAUTHORIZED, KEY_MISSING, "There is no API key."),
    (HTTPStatus.UNAUTHORIZED, KEY_INVALID, "The API key is not valid."),
    (HTTPStatus.FORBIDDEN, SCOPE_MISSING, "The API key is for something else."),
)
TOO_MANY: Final = (
    HTTPStatus.TOO_MANY_REQUESTS,
    RATE_EXCEEDED,
    "The limit is reached; RateLimit says more.",
)


def schemes(settings: Settings) -> dict[str, Any]:
    """The description's part on how keys are carried; nothing where nobody asks for one."""
    return {"securitySchemes": SCHEMES} if settings.keys else {}


def security(dialect: Dialect | None, one: Described, settings: Settings) -> dict[str, Any]:
    """An operation's part: any one of the carriers."""
    if not settings.keys or dialect is None or one.access == "open":
        return {}
    carriers = (*EVERYWHERE, "query") if dialect.name == "perspective" else EVERYWHERE
    return {"security": [{name: []} for name in carriers]}


def answers(dialect: Dialect | None, one: Described, settings: Settings) -> Mapping[str, Answer]:
    """The statuses with which this operation refuses a request for its key or its limit."""
    if dialect is None or one.access == "open":
        return {}
    faults = (*FAULTS, TOO_MANY) if settings.keys else (TOO_MANY,) if settings.rate_limit else ()
    told: dict[str, str] = {}
    for status, code, meaning in faults:
        refusal = Refusal(status, "", code=code)
        own = str((dialect.refuse(refusal)[0] if dialect.refuse else status).value)
        told[own] = f"{told[own]} {meaning}" if own in told else meaning
    return {status: Answer(text, (Content(one.refusal, one.refusal_type),)) for status, text in told.items()}
