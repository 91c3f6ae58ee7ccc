"""The dialect of chat bots: `POST /moderate` with a message, its user and its channel."""

from typing import Final

from flask import Blueprint, Response

from prediction_service.dialects import body
from prediction_service.dialects.analyze import PROBLEMS, analysis, check
from prediction_service.dialects.dialect import Described, Dialect, Service
from prediction_service.wire import ModerateRequest, ModerateResponse

SHORT_EXAMPLE: Final = '{"message": "Thank you!", "user_id": "u1", "channel_id": "c1"}'


def blueprint(service: Service) -> Blueprint:
    """The route of this dialect."""
    routes = Blueprint("moderate", __name__)

    @routes.post("/moderate")
    def moderate() -> Response:
        judge = service.moderator()
        asked = body.read(ModerateRequest, SHORT_EXAMPLE)
        check("message", asked.message, service.limits)
        [decision] = service.decide(judge, [asked.message])
        answer = ModerateResponse(
            **analysis(judge, decision), user_id=asked.user_id, channel_id=asked.channel_id
        )
        return Response(answer.model_dump_json(), mimetype="application/json")

    return routes


DIALECT: Final = Dialect(
    name="moderate",
    prefixes=("/moderate",),
    blueprint=blueprint,
    operations=(
        Described(
            method="post",
            path="/moderate",
            name="moderate",
            summary="Judge one message of a user in a channel",
            request=ModerateRequest,
            example={"message": "you absolute idiot, delete your account", "user_id": "u1", "channel_id": 7},
            answer=ModerateResponse,
            meaning="The decision, with the client's own names.",
            refusals=PROBLEMS,
        ),
    ),
)
