"""OpenAI's dialect: `POST /v1/moderations`, its thirteen categories and its errors."""

import re
from collections.abc import Iterator
from http import HTTPStatus
from typing import Annotated, Any, Final, Literal

from flask import Blueprint, Response
from pydantic import ConfigDict, Field, StrictStr, WithJsonSchema

from modeling.policy import Decision
from prediction_service.dialects import body
from prediction_service.dialects.dialect import Described, Dialect, Limits, Service
from prediction_service.problems import Refusal, shown
from prediction_service.service import Moderator
from prediction_service.wire import FieldError, Score, Wire

DEFAULT_MODEL: Final = "omni-moderation-latest"
# text-moderation-* is retired at OpenAI, and clients still send it
MODELS: Final = re.compile(r"(?:omni|text|chat)-moderation(?:-[A-Za-z0-9.-]{1,64})?")
CATEGORIES: Final = (
    "harassment",
    "harassment/threatening",
    "sexual",
    "hate",
    "hate/threatening",
    "illicit",
    "illicit/violent",
    "self-harm/intent",
    "self-harm/instructions",
    "self-harm",
    "sexual/minors",
    "violence",
    "violence/graphic",
)
SHORT_EXAMPLE: Final = '{"input": "Thank you!"}'
JSON_KINDS: Final = {
    bool: "a boolean",
    int: "an integer",
    float: "a number",
    dict: "an object",
    list: "an array",
}
PART: Final = {
    "title": "ModerationTextPart",
    "type": "object",
    "required": ["type", "text"],
    "properties": {"type": {"const": "text"}, "text": {"type": "string", "minLength": 1}},
}
# One list and not two, which generated clients could not tell apart; the condition says that none is mixed.
INPUTS: Final[dict[str, Any]] = {
    "type": "array",
    "minItems": 1,
    "items": {"anyOf": [{"type": "string", "minLength": 1}, PART]},
    "if": {"prefixItems": [{"type": "object"}]},
    "then": {"items": {"type": "object"}},
    "else": {"items": {"type": "string"}},
}
INPUT: Final[dict[str, Any]] = {"anyOf": [{"type": "string", "minLength": 1}, INPUTS]}
EVERY: Final[dict[str, Any]] = {
    "propertyNames": {"enum": list(CATEGORIES)},
    "minProperties": len(CATEGORIES),
}


class ModerationRequest(Wire):
    """What /v1/moderations takes: one text, several, or one in parts."""

    # its absence has an error of OpenAI's own, so that only the description calls it required
    model_config = ConfigDict(json_schema_extra={"required": ["input"]})
    input: Annotated[Any, WithJsonSchema(INPUT)] = Field(
        default_factory=lambda: None, description="The text or texts to judge."
    )
    model: StrictStr | None = Field(default=None, description="A name of OpenAI's, echoed; ours judges.")


class Moderation(Wire):
    """What is said of one text."""

    flagged: bool = Field(description="Whether the policy acts upon it: flag or remove.")
    categories: dict[str, bool] = Field(
        description="All thirteen; false where no head answers.", json_schema_extra=EVERY
    )
    category_scores: dict[str, Score] = Field(
        description="All thirteen; 0.0 where no head answers.", json_schema_extra=EVERY
    )
    category_applied_input_types: dict[str, list[Literal["text"]]] = Field(
        description="All thirteen; an empty list where no head answers.", json_schema_extra=EVERY
    )


class ModerationResponse(Wire):
    """What /v1/moderations answers: one result an input."""

    id: str
    model: str
    results: list[Moderation]


class OpenAIFault(Wire):
    """OpenAI's account of an error."""

    message: str
    type: str
    param: str | None
    code: str | None


class OpenAIError(Wire):
    """The body of every error on this dialect's paths."""

    error: OpenAIFault


def blueprint(service: Service) -> Blueprint:
    """The route of this dialect."""
    routes = Blueprint("openai", __name__)

    @routes.post("/v1/moderations")
    def moderations() -> Response:
        judge = service.moderator()
        asked = body.read(ModerationRequest, SHORT_EXAMPLE)
        model = asked.model or DEFAULT_MODEL
        if not MODELS.fullmatch(model):
            message = f"Invalid value for 'model' = {shown(model)[1:-1]}: ask for {DEFAULT_MODEL}."
            raise _wrong("model", message, "invalid_value")
        decisions = service.decide(judge, texts_of(asked.input, service.limits))
        answer = ModerationResponse(
            id=f"modr-{decisions[0].id}",
            model=model,
            results=[_result(judge, decision) for decision in decisions],
        )
        return Response(answer.model_dump_json(), mimetype="application/json")

    return routes


def texts_of(given: Any, limits: Limits) -> list[str]:
    """The texts of an input: a string is one, a list of strings several, a list of parts one again.

    Raises:
        Refusal: there is none, too many, or one that cannot be judged.

    """
    if given is None:
        raise _wrong("input", "Missing required parameter: 'input'.", "missing_required_parameter")
    if not isinstance(given, list):
        return [_text(given, "input", limits)]
    if not given:
        expected = "empty array. Expected an array with minimum length 1, but got an empty array instead."
        raise _wrong("input", f"Invalid 'input': {expected}", "empty_array")
    if len(given) > limits.records:
        expected = f"array too long. Expected an array with maximum length {limits.records}"
        message = f"Invalid 'input': {expected}, but got an array with length {len(given)} instead."
        raise _wrong("input", message, "array_above_max_length")
    if isinstance(given[0], dict):
        whole = "\n".join(_parts(given, limits))
        return [_text(whole, "input", limits)]
    return [_text(one, f"input[{place}]", limits) for place, one in enumerate(given)]


def _parts(given: list[Any], limits: Limits) -> Iterator[str]:
    for place, part in enumerate(given):
        param = f"input[{place}]"
        if not isinstance(part, dict):
            raise _wrong_type(param, "an object", part)
        kind = part.get("type")
        if kind != "text":
            message = (
                f"Invalid value: {shown(kind)}. This service judges text alone: send parts of type 'text'."
            )
            raise _wrong(f"{param}.type", message, "invalid_value")
        yield _text(part.get("text"), f"{param}.text", limits)


def _text(given: Any, param: str, limits: Limits) -> str:
    if not isinstance(given, str):
        raise _wrong_type(param, "a string", given)
    if not given:
        expected = "empty string. Expected a string with minimum length 1, but got an empty string instead."
        raise _wrong(param, f"Invalid '{param}': {expected}", "empty_string")
    if len(given) > limits.text_chars:
        expected = f"string too long. Expected a string with maximum length {limits.text_chars}"
        message = f"Invalid '{param}': {expected}, but got a string with length {len(given)} instead."
        raise _wrong(param, message, "string_above_max_length")
    return given


def _wrong_type(param: str, expected: str, given: Any) -> Refusal:
    kind = "null" if given is None else JSON_KINDS.get(type(given), "a string")
    message = f"Invalid type for '{param}': expected {expected}, but got {kind} instead."
    return _wrong(param, message, "invalid_type")


def _wrong(param: str, message: str, code: str) -> Refusal:
    field = FieldError(field=param, value="", remedy=message)
    return Refusal(HTTPStatus.BAD_REQUEST, message, errors=[field], code=code)


def _result(judge: Moderator, decision: Decision) -> Moderation:
    heads = {name: judge.attributes[name] for name in CATEGORIES if name in judge.attributes}
    return Moderation(
        flagged=decision.action != "allow",
        categories={name: name in heads and judge.acts_on(decision, heads[name]) for name in CATEGORIES},
        category_scores={name: judge.value(decision, name) if name in heads else 0.0 for name in CATEGORIES},
        category_applied_input_types={name: ["text"] if name in heads else [] for name in CATEGORIES},
    )


def refuse(refusal: Refusal) -> tuple[HTTPStatus, OpenAIError]:
    """A refusal as OpenAI tells it; what we call unprocessable is a bad request there."""
    status = refusal.status
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    fault = OpenAIFault(
        message=refusal.detail,
        type=_type(status),
        param=refusal.errors[0].field if refusal.errors else None,
        code=refusal.code or None,
    )
    return status, OpenAIError(error=fault)


def _type(status: HTTPStatus) -> str:
    if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return "server_error"
    return "requests" if status is HTTPStatus.TOO_MANY_REQUESTS else "invalid_request_error"


DIALECT: Final = Dialect(
    name="openai",
    prefixes=("/v1",),
    blueprint=blueprint,
    refuse=refuse,
    operations=(
        Described(
            method="post",
            path="/v1/moderations",
            name="createModeration",
            summary="OpenAI: judge one text or several",
            request=ModerationRequest,
            example={"model": DEFAULT_MODEL, "input": "I want to kill them."},
            answer=ModerationResponse,
            meaning="One result an input, in their order.",
            refusal=OpenAIError,
            refusal_type="application/json",
            refusals={
                "400": "No JSON, another shape, no input, an empty one, an image, or an unknown model.",
                "408": "The rest of the body did not come.",
                "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
                "415": "The Content-Type is not application/json.",
                "503": "No bundle is ready; Retry-After says when to ask again.",
            },
        ),
    ),
)
