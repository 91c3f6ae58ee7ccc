"""The smallest dialect: `POST /analyze` with one text, answered with its decision."""

from typing import Any, Final

from flask import Blueprint, Response

from modeling.policy import Decision
from modeling.text import is_empty
from prediction_service.dialects import body
from prediction_service.dialects.dialect import Described, Dialect, Limits, Service
from prediction_service.explanation import explained
from prediction_service.problems import invalid
from prediction_service.service import Moderator
from prediction_service.wire import Analysis, AnalyzeRequest, Explanation, FieldError

SHORT_EXAMPLE: Final = '{"text": "Thank you!"}'
PROBLEMS: Final = {
    "400": "The body is no JSON.",
    "408": "The rest of the body did not come.",
    "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
    "415": "The Content-Type is not application/json.",
    "422": "The JSON has another shape, or the text is empty or too long.",
    "503": "No bundle is ready; Retry-After says when to ask again.",
}


def blueprint(service: Service) -> Blueprint:
    """The route of this dialect."""
    routes = Blueprint("analyze", __name__)

    @routes.post("/analyze")
    def analyze() -> Response:
        judge = service.moderator()
        asked = body.read(AnalyzeRequest, SHORT_EXAMPLE)
        check("text", asked.text, service.limits)
        why = {"explanation": _explanation(judge, asked.text)} if asked.explain else {}
        [decision] = service.decide(judge, [asked.text])
        answer = Analysis(**(analysis(judge, decision) | why))
        return Response(answer.model_dump_json(exclude_unset=True), mimetype="application/json")

    return routes


def _explanation(judge: Moderator, text: str) -> Explanation:
    found = explained(judge.bundle, text)
    if found is None:
        remedy = f"leave it out: models of the kind {judge.bundle.kind} cannot be explained"
        raise invalid([FieldError(field="explain", value="true", remedy=remedy)])
    return found


def check(field: str, text: str, limits: Limits) -> None:
    """Refuse a text that is empty or too long.

    Raises:
        Refusal: it is.

    """
    if len(text) > limits.text_chars:
        remedy = f"send at most {limits.text_chars} characters"
        raise invalid([FieldError(field=field, value=f"{len(text)} characters", remedy=remedy)])
    if is_empty(text):
        raise invalid([FieldError(field=field, value="empty", remedy="give a text")])


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
            example={"text": "you absolute idiot, delete your account", "explain": True},
            answer=Analysis,
            meaning="The decision, and what made its score where that is asked for.",
            refusals=PROBLEMS | {"422": f"{PROBLEMS['422']} Or the model cannot be explained."},
        ),
    ),
)
