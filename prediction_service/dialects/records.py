"""The seed's dialect: `POST /predict` with Records, answered with predictions."""

from collections.abc import Iterable
from typing import Final

import orjson
from flask import Blueprint, Response

from modeling.policy import ATTRIBUTE, Decision
from modeling.text import is_empty
from prediction_service.dialects import body
from prediction_service.dialects.dialect import Described, Dialect, Limits, Service
from prediction_service.lane import Reply
from prediction_service.problems import invalid
from prediction_service.wire import (
    SEED_MODEL,
    FieldError,
    PredictRequest,
    PredictResponse,
    Record,
)

PATH: Final = "/predict"
SHORT_EXAMPLE: Final = '{"Records": [{"body": "Thank you!", "message_id": "1"}]}'
EXAMPLE: Final = {
    "Records": [
        {"body": "Thank you, that paper answers my question.", "message_id": "a"},
        {"body": "you absolute idiot, delete your account", "message_id": 2},
    ]
}
ANSWER: Final = {
    "predictions": [
        {
            "model": SEED_MODEL,
            "version": "7",
            "prediction": {
                "moderate_message": 0.73,
                "message_id": 2,
                "action": "flag",
                "rule": "LIKELY_TO_REJECT>=0.6123",
                "id": "0b625ef9a21247ce8a09148bd00ba888",
                "policy_version": "f525322b78e4",
            },
        }
    ]
}
PROBLEMS: Final = {
    "400": "The body is no JSON.",
    "408": "The rest of the body did not come.",
    "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
    "415": "The Content-Type is not application/json.",
    "422": "The JSON has another shape, no record, too many records, or a text that is empty or too long.",
    "503": "No bundle is ready; Retry-After says when to ask again.",
}


def blueprint(service: Service) -> Blueprint:
    """The route of this dialect."""
    routes = Blueprint("records", __name__)
    answer = answers(service)

    @routes.post(PATH)
    def predict() -> Response:
        return Response(answer(body.stated_json()), mimetype="application/json")

    return routes


def answers(service: Service) -> Reply:
    """What turns a body into an answer."""

    def predict(content: bytes) -> bytes:
        judge = service.moderator()
        records = body.parse(PredictRequest, content, SHORT_EXAMPLE, service.limits.values).Records
        check(records, service.limits)
        return render(records, service.decide(judge, [record.body for record in records]))

    return predict


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
        elif is_empty(record.body):
            yield FieldError(
                field=f"Records[{place}].body", value="empty", remedy="leave empty messages out of the batch"
            )


def render(records: list[Record], decisions: list[Decision]) -> bytes:
    """The answer to these records: a `PredictResponse`, without an object for each of its parts."""
    predictions = [
        {
            "model": SEED_MODEL,
            "version": decision.model_version,
            "prediction": {
                "moderate_message": decision.scores[ATTRIBUTE],
                "message_id": record.message_id,
                "action": decision.action,
                "rule": decision.rule,
                "id": decision.id,
                "policy_version": decision.policy_version,
            },
        }
        for record, decision in zip(records, decisions, strict=True)
    ]
    return orjson.dumps({"predictions": predictions})


DIALECT: Final = Dialect(
    name="records",
    prefixes=(PATH,),
    blueprint=blueprint,
    answers={PATH: answers},
    operations=(
        Described(
            method="post",
            path=PATH,
            name="predict",
            summary="Judge a batch of messages",
            request=PredictRequest,
            example=EXAMPLE,
            answer=PredictResponse,
            meaning="One prediction a record, in their order.",
            refusals=PROBLEMS,
        ),
    ),
)
