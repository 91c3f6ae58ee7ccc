"""MLflow's dialect: `POST /invocations` as `mlflow models serve` of our bundle answers it, and its pings."""

from http import HTTPStatus
from typing import Annotated, Any, Final

from flask import Blueprint, Response, request
from pydantic import ConfigDict, Field, WithJsonSchema

from modeling.policy import Decision
from prediction_service.dialects import body, frames
from prediction_service.dialects.dialect import Answer, Content, Described, Dialect, Limits, Service
from prediction_service.problems import (
    KEY_INVALID,
    KEY_MISSING,
    KEYS_DIFFER,
    RATE_EXCEEDED,
    SCOPE_MISSING,
    Refusal,
    shown,
)
from prediction_service.wire import Action, Wire

# whose scoring protocol this is; a test holds it against the MLflow that is installed
MLFLOW: Final = "3.17.2"
CSV: Final = "text/csv"
SHORT_EXAMPLE: Final = '{"dataframe_split": {"columns": ["text"], "data": [["Thank you!"]]}}'
CODES: Final = {
    HTTPStatus.UNAUTHORIZED: "UNAUTHENTICATED",
    HTTPStatus.FORBIDDEN: "PERMISSION_DENIED",
    HTTPStatus.NOT_FOUND: "ENDPOINT_NOT_FOUND",
    HTTPStatus.TOO_MANY_REQUESTS: "REQUEST_LIMIT_EXCEEDED",
    HTTPStatus.INTERNAL_SERVER_ERROR: "INTERNAL_ERROR",
    HTTPStatus.SERVICE_UNAVAILABLE: "TEMPORARILY_UNAVAILABLE",
}
# how the guard names what is wrong with a key: MLflow tells these by their status
KEY_CODES: Final = frozenset({KEY_MISSING, KEY_INVALID, KEYS_DIFFER, SCOPE_MISSING, RATE_EXCEEDED})
SPLIT: Final = {
    "type": "object",
    "required": ["columns", "data"],
    "properties": {
        "columns": {"type": "array", "contains": {"const": frames.COLUMN}},
        "data": {"type": "array"},
        "index": {"type": "array"},
    },
    "additionalProperties": False,
}
RECORDS: Final = {
    "type": "array",
    "items": {
        "type": "object",
        "required": [frames.COLUMN],
        "properties": {frames.COLUMN: {"type": "string"}},
    },
}
TEXTS: Final = {"type": "array", "items": {"type": "string"}}
VALUES: Final[dict[str, Any]] = {
    "anyOf": [
        TEXTS,
        RECORDS,
        {"type": "object", "required": [frames.COLUMN], "properties": {frames.COLUMN: TEXTS}},
    ]
}


class InvocationsRequest(Wire):
    """What /invocations takes: exactly one of four forms, with texts in the column `text`."""

    model_config = ConfigDict(json_schema_extra={"oneOf": [{"required": [form]} for form in frames.FORMS]})
    # a form that was not sent is not null: the description has no default for it
    dataframe_split: Annotated[Any, WithJsonSchema(SPLIT)] = Field(default_factory=lambda: None)
    dataframe_records: Annotated[Any, WithJsonSchema(RECORDS)] = Field(default_factory=lambda: None)
    instances: Annotated[Any, WithJsonSchema(VALUES)] = Field(default_factory=lambda: None)
    inputs: Annotated[Any, WithJsonSchema(VALUES)] = Field(default_factory=lambda: None)
    params: Any = Field(default=None, description="The model has none: read, and passed over.")


class ScoredRow(Wire):
    """One row of the answer, as the model's signature says."""

    score: float = Field(ge=0, le=1)
    action: Action
    rule: str


class InvocationsResponse(Wire):
    """What /invocations answers: one row a text, in their order."""

    predictions: list[ScoredRow]


class MlflowError(Wire):
    """The body of every error on this dialect's paths."""

    error_code: str
    message: str


def blueprint(service: Service) -> Blueprint:
    """The routes of this dialect."""
    routes = Blueprint("mlflow", __name__)
    frames.allow_fields(service.limits)

    @routes.post("/invocations")
    def invocations() -> Response:
        judge = service.moderator()
        decisions = service.decide(judge, _texts(service.limits))
        answer = InvocationsResponse(predictions=[_row(decision) for decision in decisions])
        return Response(answer.model_dump_json(), mimetype="application/json")

    @routes.get("/ping")
    @routes.get("/health", endpoint="health")
    def ping() -> Response:
        service.moderator()
        return Response("\n", mimetype="text/plain")

    @routes.get("/version")
    def version() -> Response:
        return Response(MLFLOW, mimetype="text/plain")

    return routes


def _texts(limits: Limits) -> list[str]:
    others = set(request.mimetype_params) - {"charset"}
    if others or request.mimetype_params.get("charset", "utf-8").lower() != "utf-8":
        raise _wrong_type("send UTF-8, and say nothing else about it")
    if request.mimetype == CSV:
        return frames.texts_of_csv(body.whole(), limits)
    if not request.is_json:
        raise _wrong_type(f"send application/json or {CSV}")
    asked = body.parse(InvocationsRequest, body.whole(), SHORT_EXAMPLE, limits.values)
    forms = [form for form in frames.FORMS if form in asked.model_fields_set]
    if len(forms) != 1:
        wanted = f"exactly one of the input fields {', '.join(frames.FORMS)}"
        message = f"The input must be a JSON dictionary with {wanted}. Received {', '.join(forms) or 'none'}."
        raise Refusal(HTTPStatus.BAD_REQUEST, message)
    return frames.texts_of(forms[0], getattr(asked, forms[0]), limits)


def _wrong_type(remedy: str) -> Refusal:
    detail = f"Content-Type is {shown(request.content_type or '')}: {remedy}"
    accepted = {"Accept": f"application/json, {CSV}"}
    return Refusal(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail, headers=accepted)


def _row(decision: Decision) -> ScoredRow:
    return ScoredRow(score=next(iter(decision.scores.values())), action=decision.action, rule=decision.rule)


def refuse(refusal: Refusal) -> tuple[HTTPStatus, MlflowError]:
    """A refusal as MLflow tells it; what we call unprocessable is an invalid parameter there."""
    status, code = refusal.status, CODES.get(refusal.status, "BAD_REQUEST")
    if refusal.code and refusal.code not in KEY_CODES:
        code = refusal.code
    if status is HTTPStatus.UNPROCESSABLE_ENTITY:
        status, code = HTTPStatus.BAD_REQUEST, "INVALID_PARAMETER_VALUE"
    return status, MlflowError(error_code=code, message=refusal.detail)


PLAIN: Final = Content({"type": "string"}, "text/plain")
UNREADY: Final = {"503": "No bundle is ready; Retry-After says when to ask again."}
DIALECT: Final = Dialect(
    name="mlflow",
    prefixes=("/invocations", "/ping", "/health", "/version"),
    blueprint=blueprint,
    refuse=refuse,
    operations=(
        Described(
            method="post",
            path="/invocations",
            name="invocations",
            summary="MLflow: judge the texts of a frame, as mlflow models serve does",
            request=InvocationsRequest,
            example={"dataframe_split": {"columns": ["text"], "data": [["Thank you!"], ["you idiot"]]}},
            requests=(Content({"type": "string"}, CSV, "text\nThank you!\nyou idiot\n"),),
            answer=InvocationsResponse,
            meaning="One row a text, in their order.",
            refusal=MlflowError,
            refusal_type="application/json",
            refusals={
                "400": "No JSON or CSV, not exactly one form, no column text, too many rows, a row without a "
                "text or with one that is too long.",
                "408": "The rest of the body did not come.",
                "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
                "415": "The Content-Type is neither application/json nor text/csv, or not in UTF-8.",
                **UNREADY,
            },
        ),
        *(
            Described(
                method="get",
                path=path,
                name=name,
                summary="MLflow: whether messages are judged",
                answers={"200": Answer("They are.", (PLAIN,))},
                refusal=MlflowError,
                refusal_type="application/json",
                refusals=UNREADY,
                access="open",
            )
            for path, name in (("/ping", "ping"), ("/health", "health"))
        ),
        Described(
            method="get",
            path="/version",
            name="version",
            summary="MLflow: whose scoring protocol this is",
            answers={"200": Answer("A version of MLflow.", (PLAIN,))},
            refusal=MlflowError,
            refusal_type="application/json",
            access="open",
        ),
    ),
)
