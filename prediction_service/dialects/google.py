"""Perspective's shapes on the wire, and Google's account of an error. Knows no route and no model."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from pydantic import ConfigDict, Field, StrictStr
from pydantic.alias_generators import to_camel

from prediction_service.problems import KEY_INVALID, KEY_MISSING, RATE_EXCEEDED, SCOPE_MISSING, Refusal
from prediction_service.wire import Wire

PROBABILITY: Final = "PROBABILITY"
DOMAIN: Final = "googleapis.com"
ERROR: Final = "type.googleapis.com/google.commentanalyzer.v1alpha1.Error"
REASONS: Final = "type.googleapis.com/google.rpc.ErrorInfo"
VIOLATIONS: Final = "type.googleapis.com/google.rpc.BadRequest"
STATUSES: Final = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "NOT_FOUND",
    HTTPStatus.METHOD_NOT_ALLOWED: "UNIMPLEMENTED",
    HTTPStatus.REQUEST_TIMEOUT: "DEADLINE_EXCEEDED",
    HTTPStatus.TOO_MANY_REQUESTS: "RESOURCE_EXHAUSTED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL",
    HTTPStatus.SERVICE_UNAVAILABLE: "UNAVAILABLE",
}


# Google refuses a request without a key with 403, and a key that is none with 400
KEYS: Final = {
    KEY_MISSING: (HTTPStatus.FORBIDDEN, "CREDENTIALS_MISSING"),
    KEY_INVALID: (HTTPStatus.BAD_REQUEST, "API_KEY_INVALID"),
    SCOPE_MISSING: (HTTPStatus.FORBIDDEN, "API_KEY_SERVICE_BLOCKED"),
    RATE_EXCEEDED: (HTTPStatus.TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED"),
}


class Google(Wire):
    """Names as Google's JSON has them; the protocol buffers' own names are read as well."""

    model_config = ConfigDict(
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=True,
        json_schema_serialization_defaults_required=False,  # what is None is left out of an answer
    )


class TextEntry(Google):
    """A text and its type, of which only PLAIN_TEXT is judged."""

    text: StrictStr | None = None
    type: StrictStr | None = None


class ArticleAndParentComment(Google):
    """What a comment stands under: read, and passed over."""

    article: TextEntry | None = None
    parent_comment: TextEntry | None = None


class Context(Google):
    """What a comment refers to: read, and passed over, as Google does."""

    entries: list[TextEntry] | None = None
    article_and_parent_comment: ArticleAndParentComment | None = None


class AttributeParameters(Google):
    """How one attribute is wanted."""

    score_type: StrictStr | None = None
    score_threshold: Annotated[float, Field(allow_inf_nan=False)] | None = Field(
        default=None, description="Below it the attribute is left out of the answer."
    )


class AnalyzeCommentRequest(Google):
    """What comments:analyze takes."""

    comment: TextEntry | None = None
    requested_attributes: dict[str, AttributeParameters | None] | None = None
    context: Context | None = None
    span_annotations: bool | None = Field(default=None, description="Whether each sentence gets its score.")
    languages: list[StrictStr] | None = None
    do_not_store: bool | None = Field(default=None, description="Nothing is stored, whatever it says.")
    client_token: StrictStr | None = None
    session_id: StrictStr | None = None
    community_id: StrictStr | None = None
    drop_unsupported_attributes: bool | None = None


class Score(Google):
    """A probability."""

    value: float = Field(ge=0, le=1)
    type: str = PROBABILITY


class SpanScore(Google):
    """The score of a part of the text, in UTF-16 code units, its end exclusive."""

    begin: int = Field(ge=0)
    end: int = Field(ge=0)
    score: Score


class AttributeScores(Google):
    """The scores under one attribute."""

    summary_score: Score
    span_scores: list[SpanScore]


class AnalyzeCommentResponse(Google):
    """What comments:analyze answers."""

    attribute_scores: dict[str, AttributeScores] | None = None
    languages: list[str]
    detected_languages: list[str]
    client_token: str | None = None


class SuggestedScore(Google):
    """A moderator's verdict as a score: 1 where the comment was removed, 0 where it was kept."""

    value: Annotated[float, Field(strict=True, ge=0, le=1)] | None = None
    type: StrictStr | None = None


class SuggestedScores(Google):
    """The verdict under one attribute, on the whole comment; on spans it is passed over."""

    summary_score: SuggestedScore | None = None


class SuggestCommentScoreRequest(Google):
    """What comments:suggestscore takes."""

    comment: TextEntry | None = None
    attribute_scores: dict[str, SuggestedScores | None] | None = None
    context: Context | None = None
    languages: list[StrictStr] | None = None
    client_token: StrictStr | None = Field(
        default=None, description="The client's own name for the comment, under which a later verdict counts."
    )
    session_id: StrictStr | None = None
    community_id: StrictStr | None = None
    do_not_store: bool | None = Field(
        default=None, description="True is refused: a label is there to be kept."
    )


class SuggestCommentScoreResponse(Google):
    """What comments:suggestscore answers once the label is on disk."""

    client_token: str | None = None
    requested_languages: list[str] | None = None
    detected_languages: list[str]


class GoogleStatus(Google):
    """Google's account of an error."""

    code: int
    message: str
    status: str
    details: list[dict[str, Any]]


class GoogleError(Google):
    """The body of every error on this dialect's paths."""

    error: GoogleStatus


def refuse(refusal: Refusal) -> tuple[HTTPStatus, GoogleError]:
    """A refusal as Google tells it; what we call unprocessable is an invalid argument there."""
    status = refusal.status
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status = HTTPStatus.BAD_REQUEST
    details: list[dict[str, Any]] = []
    if refusal.code in KEYS:
        status, reason = KEYS[refusal.code]
        details.append({"@type": REASONS, "reason": reason, "domain": DOMAIN})
    elif status is HTTPStatus.BAD_REQUEST:
        details.append({"@type": ERROR, "errorType": (refusal.code or "INVALID_REQUEST").upper()})
    if refusal.errors:
        violations = [
            {"field": one.field, "description": f"{one.value}: {one.remedy}"} for one in refusal.errors
        ]
        details.append({"@type": VIOLATIONS, "fieldViolations": violations})
    named = STATUSES.get(status, "INVALID_ARGUMENT")
    return status, GoogleError(
        error=GoogleStatus(code=status, message=refusal.detail, status=named, details=details)
    )
