"""The smallest dialect: `POST /analyze` with one text, answered with its decision."""

from typing import Any, Final

from flask import Blueprint, Response
from pydantic import Field, StrictStr

from modeling.policy import Decision
from modeling.text import clean
from prediction_service.dialects import body
from prediction_service.dialects.dialect import Described, Dialect, Limits, Service
from prediction_service.problems import invalid
from prediction_service.service import Moderator
from prediction_service.wire import Action, FieldError, Wire

SHORT_EXAMPLE: Final = '{"text": "Thank you!"}'
PROBLEMS: Final = {
    "400": "The body is no JSON.",
    "408": "The rest of the body did not come.",
    "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
    "415": "The Content-Type is not application/json.",
    "422": "The JSON has another shape, or the text is empty or too long.",
    "503": "No bundle is ready; Retry-After says when to ask again.",
}


class AnalyzeRequest(Wire):
    """What POST /analyze takes: one text."""

    text: StrictStr = Field(description="The text to judge; not empty, not only white space.")


class Analysis(Wire):
    """The decision on one text."""

    id: str = Field(description="This decision's own id.")
    action: Action = Field(description="allow, flag (hide until a reader peeks) or remove.")
    flagged: bool = Field(description="Whether the action is another than allow.")
    rule: str = Field(description="The rule that fired, or: default.")
    scores: dict[str, float] = Field(description="By attribute: the bundle's heads and the mapped names.")
    model_version: str
    policy_version: str


def blueprint(service: Service) -> Blueprint:
    """The route of this dialect."""
    routes = Blueprint("analyze", __name__)

    @routes.post("/analyze")
    def analyze() -> Response:
        judge = service.moderator()
        text = body.read(AnalyzeRequest, SHORT_EXAMPLE).text
        check("text", text, service.limits)
        [decision] = service.decide(judge, [text])
        answer = Analysis(**analysis(judge, decision))
        return Response(answer.model_dump_json(), mimetype="application/json")

    return routes


def check(field: str, text: str, limits: Limits) -> None:
    """Refuse a text that is empty or too long.

    Raises:
        Refusal: it is.

    """
    if not clean(text):
        raise invalid([FieldError(field=field, value="empty", remedy="give a text")])
    if len(text) > limits.text_chars:
        remedy = f"send at most {limits.text_chars} characters"
        raise invalid([FieldError(field=field, value=f"{len(text)} characters", remedy=remedy)])


def analysis(judge: Moderator, decision: Decision) -> dict[str, Any]:
    """A decision as the fields of an answer."""
    return {
        "id": decision.id,
        "action": decision.action,
        "flagged": decision.action != "allow",
        "rule": decision.rule,
        "scores": {name: judge.value(decision, name) for name in judge.attributes},
        "model_version": decision.model_version,
        "policy_version": decision.policy_version,
    }


DIALECT: Final = Dialect(
    name="analyze",
    prefixes=("/analyze",),
    blueprint=blueprint,
    operations=(
        Described(
            method="post",
            path="/analyze",
            name="analyze",
            summary="Judge one text",
            request=AnalyzeRequest,
            example={"text": "Thank you, that paper answers my question."},
            answer=Analysis,
            meaning="The decision.",
            refusals=PROBLEMS,
        ),
    ),
)
