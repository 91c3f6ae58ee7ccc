"""Azure's dialect: AI Content Safety's `text:analyze`, its four categories and its errors."""

import re
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from http import HTTPStatus
from typing import Final, Literal

from flask import Blueprint, Response, request
from pydantic import ConfigDict, Field, StrictBool, StrictStr
from pydantic.alias_generators import to_camel

from modeling.policy import Policy
from modeling.text import is_empty
from prediction_service import severity
from prediction_service.dialects import body
from prediction_service.dialects.dialect import Described, Dialect, Limits, Parameter, Service
from prediction_service.problems import (
    KEY_INVALID,
    KEY_MISSING,
    KEYS_DIFFER,
    RATE_EXCEEDED,
    SCOPE_MISSING,
    Refusal,
    invalid,
    shown,
)
from prediction_service.service import Moderator
from prediction_service.settings import PREFIX
from prediction_service.wire import FieldError, Wire

PATH: Final = "/contentsafety/text:analyze"
Category = Literal["Hate", "SelfHarm", "Sexual", "Violence"]
CATEGORIES: Final[tuple[Category, ...]] = ("Hate", "SelfHarm", "Sexual", "Violence")
MAX_CHARS: Final = 10_000
VERSION: Final = re.compile(r"([0-9]{4}-[0-9]{2}-[0-9]{2})(-preview)?")
# earlier ones were previews with other names for all of this
FIRST_VERSION: Final = "2023-10-01"
CURRENT_VERSION: Final = "2024-09-01"
OUTPUT_TYPES: Final[Mapping[str, Callable[[float, str, Policy], int]]] = {
    "FourSeverityLevels": severity.four,
    "EightSeverityLevels": severity.eight,
}
SHORT_EXAMPLE: Final = '{"text": "Thank you!"}'
# its gateway, which stands before the service, tells these by their numbers
KEY_CODES: Final = {
    KEY_MISSING: "401",
    KEY_INVALID: "401",
    KEYS_DIFFER: "SeveralApiKeys",
    SCOPE_MISSING: "403",
    RATE_EXCEEDED: "429",
}
CODES: Final = {
    HTTPStatus.UNAUTHORIZED: "401",
    HTTPStatus.FORBIDDEN: "403",
    HTTPStatus.NOT_FOUND: "ResourceNotFound",
    HTTPStatus.METHOD_NOT_ALLOWED: "MethodNotAllowed",
    HTTPStatus.REQUEST_TIMEOUT: "RequestTimeout",
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: "RequestBodyTooLarge",
    HTTPStatus.UNSUPPORTED_MEDIA_TYPE: "UnsupportedMediaType",
    HTTPStatus.TOO_MANY_REQUESTS: "TooManyRequests",
    HTTPStatus.INTERNAL_SERVER_ERROR: "InternalError",
    HTTPStatus.SERVICE_UNAVAILABLE: "ServerBusy",
}


class Azure(Wire):
    """Names as Azure's JSON has them."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        json_schema_serialization_defaults_required=False,  # what is unset is left out of an error
    )


class AnalyzeTextOptions(Azure):
    """What text:analyze takes: one text."""

    text: StrictStr = Field(description="The text to judge, up to 10,000 code points.")
    categories: list[StrictStr] | None = Field(
        default=None, description="Some of Hate, SelfHarm, Sexual and Violence; by default those with a head."
    )
    blocklist_names: list[StrictStr] | None = Field(
        default=None, description="There are no blocklists here: a name is refused."
    )
    halt_on_blocklist_hit: StrictBool | None = None
    output_type: StrictStr | None = Field(
        default=None, description="FourSeverityLevels, the default, or EightSeverityLevels."
    )


class BlocklistMatch(Azure):
    """A term of a blocklist in the text; there is never one."""

    blocklist_name: str
    blocklist_item_id: str
    blocklist_item_text: str


class CategoryAnalysis(Azure):
    """How severe the text is in one category."""

    category: Category
    severity: int = Field(ge=0, le=7, description="0 allow, 4 flag, 6 remove; with eight levels 0, 1, 4-7.")


class AnalyzeTextResult(Azure):
    """What text:analyze answers: the categories that were asked for."""

    blocklists_match: list[BlocklistMatch]
    categories_analysis: list[CategoryAnalysis]


class AzureDetail(Azure):
    """One thing that is wrong, and where."""

    code: str
    message: str
    target: str


class AzureFault(Azure):
    """Azure's account of an error."""

    code: str
    message: str
    target: str | None = None
    details: list[AzureDetail] = Field(default_factory=list)


class AzureError(Azure):
    """The body of every error on this dialect's paths."""

    error: AzureFault


def blueprint(service: Service) -> Blueprint:
    """The route of this dialect."""
    routes = Blueprint("azure", __name__)

    @routes.post(PATH)
    def analyze() -> Response:
        judge = service.moderator()
        _check_version(request.args.get("api-version"))
        asked = body.read(AnalyzeTextOptions, SHORT_EXAMPLE)
        _check(asked, service.limits)
        heads = heads_of(asked.categories or (), judge)
        [decision] = service.decide(judge, [asked.text])
        level = OUTPUT_TYPES[asked.output_type or "FourSeverityLevels"]
        policy = judge.bundle.policy
        analysis = [
            CategoryAnalysis(category=name, severity=level(decision.scores[head], head, policy))
            for name, head in heads.items()
        ]
        answer = AnalyzeTextResult(blocklists_match=[], categories_analysis=analysis)
        return Response(answer.model_dump_json(by_alias=True), mimetype="application/json")

    return routes


def _check_version(given: str | None) -> None:
    if not given:
        message = "The api-version query parameter (?api-version=) is required for all requests."
        raise Refusal(HTTPStatus.BAD_REQUEST, message, code="MissingApiVersionParameter")
    named = VERSION.fullmatch(given)
    if not (named and _is_day(named[1]) and named[1] >= FIRST_VERSION):
        message = (
            f"Unsupported api-version {shown(given)}. The supported api-versions are the days from "
            f"{FIRST_VERSION} on, with or without -preview: send {CURRENT_VERSION}."
        )
        raise Refusal(HTTPStatus.BAD_REQUEST, message, code="UnsupportedApiVersionValue")


def _is_day(text: str) -> bool:
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def _check(asked: AnalyzeTextOptions, limits: Limits) -> None:
    most = min(MAX_CHARS, limits.text_chars)
    if len(asked.text) > most:
        raise _wrong("text", f"{len(asked.text)} code points", f"send at most {most}")
    if is_empty(asked.text):
        raise _wrong("text", "empty", "give a text")
    if asked.blocklist_names:
        remedy = "this service has no blocklists, leave blocklistNames out"
        raise _wrong("blocklistNames", shown(asked.blocklist_names[0]), remedy)
    if asked.output_type not in (None, *OUTPUT_TYPES):
        raise _wrong("outputType", shown(asked.output_type), f"give {' or '.join(OUTPUT_TYPES)}")


def heads_of(asked: Sequence[str], judge: Moderator) -> dict[Category, str]:
    """The categories to answer for, in Azure's order, and their heads; without a wish all that have one.

    Raises:
        Refusal: one that was asked for is unknown or has no head, or none has one.

    """
    heads = {name: judge.attributes[name] for name in CATEGORIES if name in judge.attributes}
    if unknown := [name for name in asked if name not in CATEGORIES]:
        raise _wrong("categories", shown(unknown[0]), f"give some of {', '.join(CATEGORIES)}")
    if lacking := [name for name in asked or CATEGORIES if name not in heads]:
        mapped = f"have the operator map {lacking[0]} to a head of the model ({PREFIX}ATTRIBUTES)"
        if not heads:
            raise _wrong("categories", "not analyzed here, none of them", mapped)
        if asked:
            said = f"{shown(lacking[0])}, which is not analyzed here"
            raise _wrong("categories", said, f"ask for {', '.join(heads)}, or {mapped}")
    return {name: head for name, head in heads.items() if not asked or name in asked}


def _wrong(field: str, value: str, remedy: str) -> Refusal:
    return invalid([FieldError(field=field, value=value, remedy=remedy)])


def refuse(refusal: Refusal) -> tuple[HTTPStatus, AzureError]:
    """A refusal as Azure tells it; what we call unprocessable is a bad request there."""
    status = refusal.status
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    code = KEY_CODES.get(refusal.code) or refusal.code or CODES.get(status, "InvalidRequestBody")
    details = [
        AzureDetail(code=code, message=f"{one.field} is {one.value}: {one.remedy}", target=one.field)
        for one in refusal.errors
    ]
    fault = AzureFault(code=code, message=refusal.detail)
    if details:
        fault = AzureFault(code=code, message=refusal.detail, target=details[0].target, details=details)
    return status, AzureError(error=fault)


def repeated(told: AzureError) -> dict[str, str]:
    """The error's code as a header, where Azure's clients look for it first."""
    return {"x-ms-error-code": told.error.code}


DIALECT: Final = Dialect(
    name="azure",
    prefixes=("/contentsafety",),
    blueprint=blueprint,
    refuse=refuse,
    headers=repeated,
    carrier="Ocp-Apim-Subscription-Key: …",
    operations=(
        Described(
            method="post",
            path=PATH,
            name="analyzeText",
            summary="Azure AI Content Safety: how severe a text is in up to four categories",
            parameters=(
                Parameter(
                    "api-version",
                    "query",
                    f"A day from {FIRST_VERSION} on, with or without -preview.",
                    required=True,
                    example=CURRENT_VERSION,
                ),
            ),
            request=AnalyzeTextOptions,
            example={
                "text": "you absolute idiot, delete your account",
                "categories": ["Hate"],
                "outputType": "FourSeverityLevels",
            },
            answer=AnalyzeTextResult,
            meaning="The severity in each category that was asked for, or that has a head.",
            refusal=AzureError,
            refusal_type="application/json",
            refusals={
                "400": "No api-version, no JSON, another shape, no text or one over 10,000 code points, a "
                "category without a head, a blocklist.",
                "408": "The rest of the body did not come.",
                "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
                "415": "The Content-Type is not application/json.",
                "503": "No bundle is ready; Retry-After says when to ask again.",
            },
        ),
    ),
)
