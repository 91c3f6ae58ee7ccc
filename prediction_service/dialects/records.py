"""The seed's dialect: `POST /predict` with Records, answered with predictions."""

import json
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final, Never

import structlog
from flask import Blueprint, Response, request
from pydantic import ValidationError
from werkzeug.exceptions import RequestEntityTooLarge

from modeling.policy import ATTRIBUTE, Decision
from modeling.text import clean
from prediction_service.metrics import Metrics
from prediction_service.problems import Refusal, from_validation, invalid
from prediction_service.service import Moderator
from prediction_service.wire import FieldError, Prediction, PredictRequest, PredictResponse, Record, Verdict

LONE_SURROGATE: Final = re.compile("[\ud800-\udfff]")
EXAMPLE: Final = '{"Records": [{"body": "Thank you!", "message_id": "1"}]}'


@dataclass(frozen=True)
class Limits:
    """How much one request may hold."""

    records: int
    text_chars: int


def blueprint(moderator: Callable[[], Moderator], metrics: Metrics, limits: Limits) -> Blueprint:
    """The routes of this dialect; ``moderator`` refuses while no bundle is ready."""
    routes = Blueprint("records", __name__)

    @routes.post("/predict")
    def predict() -> Response:
        if not request.is_json:
            raise Refusal(
                HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
                f"Content-Type is {request.content_type!r}: send application/json",
                headers={"Accept": "application/json"},
            )
        judge = moderator()
        records = parse(_body()).Records
        check(records, limits)
        decisions = judge.moderate([record.body for record in records])
        metrics.decided(decision.action for decision in decisions)
        structlog.contextvars.bind_contextvars(messages=len(records))
        return Response(render(records, decisions).model_dump_json(), mimetype="application/json")

    return routes


def _body() -> bytes:
    body = request.get_data(cache=False)
    limit = request.max_content_length
    if request.content_length is None and limit is not None and len(body) >= limit:
        # Werkzeug cuts a body without a length off at the limit, and says nothing
        raise RequestEntityTooLarge
    return body


def parse(body: bytes) -> PredictRequest:
    """The request in a body.

    Raises:
        Refusal: it is no JSON, or has another shape.

    """
    try:
        return PredictRequest.model_validate_json(body)
    except ValidationError as error:
        if error.errors(include_url=False, include_input=False)[0]["type"] != "json_invalid":
            raise from_validation(error) from error
        reason = error.errors(include_url=False, include_input=False)[0]["msg"]
    try:
        return PredictRequest.model_validate_json(_mended(body))
    except ValidationError as error:
        raise from_validation(error) from error
    except (ValueError, RecursionError) as error:
        raise Refusal(
            HTTPStatus.BAD_REQUEST, f"the body cannot be read ({reason}): send JSON such as {EXAMPLE}"
        ) from error


def _mended(body: bytes) -> bytes:
    """The same JSON where half an emoji, as clients that cut texts send it, has become U+FFFD."""
    text = json.dumps(json.loads(body, parse_constant=_no_number), ensure_ascii=False)
    return LONE_SURROGATE.sub("\ufffd", text).encode()


def _no_number(name: str) -> Never:
    raise ValueError(f"{name} is no JSON")


def check(records: list[Record], limits: Limits) -> None:
    """Refuse what is of the right shape and still cannot be judged.

    Raises:
        Refusal: no record, too many, or a text that is empty or too long.

    """
    if not 1 <= len(records) <= limits.records:
        remedy = f"send 1 to {limits.records} records in one request"
        raise invalid([FieldError(field="Records", value=f"a list of {len(records)}", remedy=remedy)])
    if wrong := list(_wrong_texts(records, limits.text_chars)):
        raise invalid(wrong)


def _wrong_texts(records: list[Record], most: int) -> Iterable[FieldError]:
    for place, record in enumerate(records):
        if len(record.body) > most:
            remedy = f"send at most {most} characters"
            yield FieldError(
                field=f"Records[{place}].body", value=f"{len(record.body)} characters", remedy=remedy
            )
        elif not clean(record.body):
            yield FieldError(
                field=f"Records[{place}].body", value="empty", remedy="leave empty messages out of the batch"
            )


def render(records: list[Record], decisions: list[Decision]) -> PredictResponse:
    """The answer to these records."""
    return PredictResponse(
        predictions=[
            Prediction(version=decision.model_version, prediction=Verdict(**_verdict(record, decision)))
            for record, decision in zip(records, decisions, strict=True)
        ]
    )


def _verdict(record: Record, decision: Decision) -> dict[str, Any]:
    return {
        "moderate_message": decision.scores[ATTRIBUTE],
        "message_id": record.message_id,
        "action": decision.action,
        "rule": decision.rule,
        "id": decision.id,
        "policy_version": decision.policy_version,
    }
