"""Perspective's dialect: `comments:analyze` and its discovery document; suggest.py has the other method."""

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

import orjson
from flask import Blueprint, Response, request

from modeling.policy import Decision
from prediction_service.dialects import batch, body, discovery
from prediction_service.dialects.comment import no_languages, short, text_of, wrong
from prediction_service.dialects.dialect import Described, Dialect, Service
from prediction_service.dialects.google import (
    PROBABILITY,
    AnalyzeCommentRequest,
    AnalyzeCommentResponse,
    AttributeParameters,
    GoogleError,
    TextEntry,
    refuse,
)
from prediction_service.dialects.suggest import SUGGEST, add_route
from prediction_service.lane import Reply
from prediction_service.languages import detect
from prediction_service.problems import Refusal, shown
from prediction_service.sentences import Sentence, sentences, width
from prediction_service.service import Moderator
from prediction_service.settings import PREFIX
from prediction_service.wire import FieldError

PATH: Final = "/v1alpha1/comments:analyze"
SHORT_EXAMPLE: Final = '{"comment": {"text": "Thank you!"}, "requestedAttributes": {"LIKELY_TO_REJECT": {}}}'


def blueprint(service: Service) -> Blueprint:
    """The routes of this dialect."""
    routes = Blueprint("perspective", __name__)

    answer = answers(service)

    @routes.post(PATH)
    def analyze() -> Response:
        return Response(answer(body.stated_json(plain=True)), mimetype="application/json")

    add_route(routes, service)
    batch.add_route(routes)

    @routes.get("/$discovery/rest")
    def describe() -> Response:
        version = request.args.get("version", discovery.VERSION)
        if version != discovery.VERSION:
            detail = f"version is {shown(version)}: ask for {discovery.VERSION}"
            raise Refusal(HTTPStatus.NOT_FOUND, detail)
        root = f"{service.public_url}/" if service.public_url else request.root_url
        return Response(discovery.document(root), mimetype="application/json")

    return routes


def answers(service: Service) -> Reply:
    """What turns a body into an answer."""

    def analyze(content: bytes) -> bytes:
        judge = service.moderator()
        asked = body.parse(AnalyzeCommentRequest, content, SHORT_EXAMPLE, service.limits.values)
        text = text_of(asked.comment, asked.context, service.limits)
        names = _names(asked, judge)
        spans = sentences(text) if asked.span_annotations else []
        whole, *parts = service.decide(judge, [text], [span.text for span in spans])
        if not asked.span_annotations:
            spans, parts = [Sentence(0, width(text), text)], [whole]
        return _render(asked, judge, names, whole, list(zip(spans, parts, strict=True)))

    return analyze


def _names(asked: AnalyzeCommentRequest, judge: Moderator) -> list[str]:
    """The attributes of the request that can be answered for."""
    if not asked.requested_attributes:
        raise wrong("Missing requested_attributes", "NO_REQUESTED_ATTRIBUTES")
    unknown = no_languages(asked.languages)
    names: list[str] = []
    for name, wanted in asked.requested_attributes.items():
        kind = (wanted or AttributeParameters()).score_type
        if kind not in (None, "", PROBABILITY, "SCORE_TYPE_UNSPECIFIED"):
            raise wrong(f"Requested score type {short(kind)} is not supported by attribute {short(name)}")
        if name in judge.attributes and not unknown:
            names.append(name)
        elif not asked.drop_unsupported_attributes:
            raise _unsupported(name, unknown, judge.attributes)
    return names


def _unsupported(name: str, languages: list[str], known: Mapping[str, str]) -> Refusal:
    if name not in known:
        remedy = (
            f"ask for {', '.join(known)}, or have the operator map this name to a head ({PREFIX}ATTRIBUTES)"
        )
        field = FieldError(field=f"requestedAttributes.{short(name)}", value="unknown", remedy=remedy)
        return wrong(f"Unknown requested attribute: {short(name)}", errors=[field])
    message = f"Attribute {short(name)} does not support request languages: {', '.join(languages)}"
    return wrong(message, "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE")


def _render(
    asked: AnalyzeCommentRequest,
    judge: Moderator,
    names: list[str],
    whole: Decision,
    parts: list[tuple[Sentence, Decision]],
) -> bytes:
    """The answer: an `AnalyzeCommentResponse`, without an object for each of its parts."""
    wanted = {name: one or AttributeParameters() for name, one in (asked.requested_attributes or {}).items()}
    scores = {
        name: {
            "summaryScore": _score(judge.value(whole, name)),
            "spanScores": [
                {"begin": span.begin, "end": span.end, "score": _score(judge.value(part, name))}
                for span, part in parts
            ],
        }
        for name in names
        if judge.value(whole, name) >= (wanted[name].score_threshold or 0.0)
    }
    detected = [detect((asked.comment or TextEntry()).text or "")]
    return orjson.dumps(
        ({"attributeScores": scores} if scores else {})
        | {"languages": asked.languages or detected, "detectedLanguages": detected}
        | ({"clientToken": asked.client_token} if asked.client_token is not None else {})
    )


def _score(value: float) -> dict[str, Any]:
    return {"value": value, "type": PROBABILITY}


REFUSALS: Final = {
    "400": "No JSON, another shape, no comment or one over 20 KB, an unknown attribute or language.",
    "408": "The rest of the body did not come.",
    "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
    "415": "The Content-Type says that the body is no JSON.",
    "503": "No bundle is ready; Retry-After says when to ask again.",
}
DIALECT: Final = Dialect(
    name="perspective",
    prefixes=("/v1alpha1", "/$discovery", batch.PATH),
    blueprint=blueprint,
    answers={PATH: answers},
    refuse=refuse,
    carrier="?key=…, or in X-Goog-Api-Key",
    operations=(
        Described(
            method="post",
            path=PATH,
            name="analyzeComment",
            summary="Perspective: score a comment and its sentences",
            query={"key": "An API key, as Google's clients send it."},
            request=AnalyzeCommentRequest,
            example={
                "comment": {"text": "What kind of idiot name is foo? Sorry, I like your name."},
                "requestedAttributes": {"LIKELY_TO_REJECT": {}},
                "spanAnnotations": True,
                "languages": ["en"],
            },
            answer=AnalyzeCommentResponse,
            meaning="The scores of each attribute; without attributeScores where none reaches its threshold.",
            refusal=GoogleError,
            refusal_type="application/json",
            refusals=REFUSALS,
        ),
        SUGGEST,
        batch.BATCH,
        Described(
            method="get",
            path="/$discovery/rest",
            name="discoverPerspective",
            access="open",
            summary="Perspective: the discovery document that Google's clients are built from",
            query={"version": "v1alpha1"},
            answer=None,
            meaning="The document.",
            refusal=GoogleError,
            refusal_type="application/json",
            refusals={"404": "Another version."},
        ),
    ),
)
