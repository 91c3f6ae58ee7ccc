"""Refusals: what is wrong, where, and the remedy, as problem documents (RFC 9457). Knows no Flask."""

import json
from collections.abc import Mapping, Sequence
from http import HTTPStatus
from typing import Any, Final

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from prediction_service.wire import FieldError, Problem

CONTENT_TYPE: Final = "application/problem+json"
MAX_ERRORS: Final = 20
MAX_VALUE_CHARS: Final = 80
REMEDIES: Final = {
    "missing": "add it",
    "string_type": "give a string",
    "list_type": "give a list",
    "model_type": "give an object",
    "model_attributes_type": "give an object",
}
# what is wrong with a key, by the names that dialects translate (see guard.py)
KEY_MISSING: Final = "missing_api_key"
KEY_INVALID: Final = "invalid_api_key"
KEYS_DIFFER: Final = "several_api_keys"
SCOPE_MISSING: Final = "missing_scope"
RATE_EXCEEDED: Final = "rate_limit_exceeded"
IDS: Final = frozenset({"message_id", "user_id", "channel_id"})
ID_REMEDY: Final = "give a string of at most 512 characters, or a whole number of at most 64 bits"


class Refusal(Exception):  # noqa: N818 - a refusal is an answer, no failure of ours
    """A request that is answered with a problem document, or with the error of the dialect it came in.

    ``code`` is that dialect's own name for what is wrong.
    """

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        errors: Sequence[FieldError] = (),
        headers: Mapping[str, str] | None = None,
        code: str = "",
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.errors = list(errors[:MAX_ERRORS])
        self.headers = dict(headers or {})
        self.code = code

    def document(self, instance: str, request_id: str) -> Problem:
        """The document that a client reads."""
        return Problem(
            type="about:blank",
            title=self.status.phrase,
            status=self.status,
            detail=self.detail,
            instance=instance,
            request_id=request_id,
            errors=self.errors,
        )


def from_validation(error: ValidationError) -> Refusal:
    """The refusal of a request that has the wrong shape."""
    wrong: dict[str, FieldError] = {}
    for one in error.errors(include_url=False, include_context=False):
        named = _field_error(one)
        wrong.setdefault(named.field, named)
    return invalid(list(wrong.values()))


def invalid(errors: Sequence[FieldError]) -> Refusal:
    """The refusal of a request whose fields are wrong."""
    first = errors[0]
    more = f"; and {len(errors) - 1} more" if len(errors) > 1 else ""
    return Refusal(
        HTTPStatus.UNPROCESSABLE_ENTITY,
        f"{first.field} is {first.value}: {first.remedy}{more}",
        errors=errors,
    )


def shown(value: Any) -> str:
    """A value as a refusal names it: short, and never a whole message."""
    if isinstance(value, dict):
        return "an object"
    if isinstance(value, list):
        return f"a list of {len(value)}"
    text = json.dumps(value, ensure_ascii=False, default=repr)
    return text if len(text) <= MAX_VALUE_CHARS else text[:MAX_VALUE_CHARS] + "…"


def _field_error(one: ErrorDetails) -> FieldError:
    place = list(one["loc"])
    named = next((at for at, step in enumerate(place) if step in IDS), None)
    if named is not None:
        # a union reports each of its members: one line is enough
        place = place[: named + 1]
    missing = one["type"] == "missing"
    remedy = REMEDIES.get(one["type"], one["msg"])
    if named is not None and not missing:
        remedy = ID_REMEDY
    return FieldError(
        field=_dotted(place), value="missing" if missing else shown(one["input"]), remedy=remedy
    )


def _dotted(place: Sequence[int | str]) -> str:
    text = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in place)
    return text.lstrip(".") or "body"
