"""`comments:suggestscore` of Perspective's dialect: a moderator's verdict goes into the journal of labels."""

import hashlib
import json
import re
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import urlsplit

from flask import Blueprint, Response, request

from moderation.verdicts import Suggestion
from prediction_service import logs
from prediction_service.dialects import body
from prediction_service.dialects.comment import no_languages, short, text_of, wrong
from prediction_service.dialects.dialect import Described, Parameter, Service
from prediction_service.dialects.google import (
    PROBABILITY,
    Context,
    GoogleError,
    SuggestCommentScoreRequest,
    SuggestCommentScoreResponse,
    SuggestedScores,
)
from prediction_service.feedback import KEY_HEADER
from prediction_service.guard import KEY_ID
from prediction_service.languages import detect
from prediction_service.outside import allowed
from prediction_service.problems import Refusal, invalid, shown
from prediction_service.settings import ATTRIBUTE_NAME, PREFIX
from prediction_service.wire import FieldError

PATH: Final = "/v1alpha1/comments:suggestscore"
SOURCE: Final = "perspective"
MAX_ATTRIBUTES: Final = 32
MAX_LANGUAGES: Final = 16
MAX_NAME_CHARS: Final = 1024
MAX_CONTEXT_CHARS: Final = 4096
KEY: Final = re.compile(r'"?([\x21\x23-\x7e]{1,255})"?')
OWN_HOST: Final = re.compile(r"localhost|[0-9.]+|[0-9a-f:]*:[0-9a-f:.]*")
# Coral's own name for a comment, in the JSON that it puts into the context
CORAL_ID: Final = "Coral_comment_id"
SHORT_EXAMPLE: Final = (
    '{"comment": {"text": "…"}, "attributeScores": {"TOXICITY": {"summaryScore": {"value": 1}}}}'
)


def add_route(routes: Blueprint, service: Service) -> None:
    """Register the method on Perspective's routes."""

    @routes.post(PATH)
    def suggest() -> Response:
        _check_page(service)
        asked = body.read(SuggestCommentScoreRequest, SHORT_EXAMPLE, plain=True)
        _check(asked)
        text = text_of(asked.comment, asked.context, service.limits)
        values = {name: _value(name, scores) for name, scores in (asked.attribute_scores or {}).items()}
        detected = [detect(text)]
        service.feedback.take(_suggestion(asked, text, values, detected, _serving(service)))
        answer = SuggestCommentScoreResponse(
            client_token=asked.client_token,
            requested_languages=asked.languages or None,
            detected_languages=detected,
        )
        return Response(answer.model_dump_json(by_alias=True, exclude_none=True), mimetype="application/json")


def _check_page(service: Service) -> None:
    """Refuse what some page on the web has its visitor's browser send: CORS stops reading, not writing.

    A page of this service's own address counts only under a name that nobody else can point here.
    """
    origin = request.headers.get("Origin")
    if origin is None or allowed(origin, service.origins):
        return
    page, public = urlsplit(origin), urlsplit(service.public_url or "").netloc
    own = page.netloc == request.host and OWN_HOST.fullmatch(page.hostname or "")
    if own or (public and page.netloc == public):
        return
    remedy = f"send labels from a server, or name the page's origin in {PREFIX}CORS_ORIGINS"
    field = FieldError(field="Origin", value=shown(origin), remedy=remedy)
    detail = f"pages of {shown(origin)} may not write labels: {remedy}"
    raise Refusal(HTTPStatus.FORBIDDEN, detail, errors=[field])


def _check(asked: SuggestCommentScoreRequest) -> None:
    if asked.do_not_store:
        remedy = "leave it out, or do not send the label: a label that is not stored is none"
        raise invalid([FieldError(field="doNotStore", value="true", remedy=remedy)])
    if not asked.attribute_scores:
        raise wrong("Missing attribute_scores", "NO_REQUESTED_ATTRIBUTES")
    _check_count("attributeScores", len(asked.attribute_scores), MAX_ATTRIBUTES)
    _check_count("languages", len(asked.languages or ()), MAX_LANGUAGES)
    for field, name in (
        ("clientToken", asked.client_token),
        ("communityId", asked.community_id),
        ("sessionId", asked.session_id),
    ):
        if len(name or "") > MAX_NAME_CHARS:
            remedy = f"give at most {MAX_NAME_CHARS} characters"
            raise invalid([FieldError(field=field, value=f"{len(name or '')} characters", remedy=remedy)])
    if unknown := no_languages(asked.languages):
        raise wrong(f"Unknown languages: {', '.join(unknown)}", "LANGUAGE_NOT_SUPPORTED_BY_ATTRIBUTE")


def _check_count(field: str, count: int, most: int) -> None:
    if count > most:
        raise invalid([FieldError(field=field, value=f"{count} entries", remedy=f"give at most {most}")])


def _value(name: str, scores: SuggestedScores | None) -> float:
    field = f"attributeScores.{short(name)}"
    if not ATTRIBUTE_NAME.fullmatch(name):
        remedy = "begin with a letter, and use at most 64 letters, digits and _ . / -"
        raise invalid([FieldError(field=field, value="no name of an attribute", remedy=remedy)])
    given = scores.summary_score if scores else None
    if given is None or given.value is None:
        remedy = "give the score of the whole comment, from 0 to 1; scores of spans alone are not stored"
        raise invalid([FieldError(field=f"{field}.summaryScore.value", value="missing", remedy=remedy)])
    if given.type not in (None, "", PROBABILITY, "SCORE_TYPE_UNSPECIFIED"):
        raise wrong(f"Score type {short(given.type)} is not supported by attribute {short(name)}")
    return given.value


def _serving(service: Service) -> tuple[str, str]:
    """Model and policy of now; none where no bundle is ready, for a label needs none."""
    try:
        judge = service.moderator()
    except Refusal:
        return "", ""
    return judge.model_version, judge.policy_version


def _suggestion(
    asked: SuggestCommentScoreRequest,
    text: str,
    values: dict[str, float],
    detected: list[str],
    serving: tuple[str, str],
) -> Suggestion:
    context = _context(asked.context)
    caller = request.environ.get(KEY_ID, "")
    known = {"session": asked.session_id, "request": logs.request_id(), "key": caller, "context": context}
    coral = next((each[CORAL_ID] for each in context if isinstance(each.get(CORAL_ID), str)), "")
    key = _key()
    return Suggestion(
        source=SOURCE,
        community=asked.community_id or "",
        message=asked.client_token or coral,
        text=text,
        values=values,
        languages=asked.languages or detected,
        model_version=serving[0],
        policy_version=serving[1],
        provenance={name: value for name, value in known.items() if value},
        key=f"{caller} {key}" if key else "",
        fingerprint=_fingerprint(asked),
    )


def _context(context: Context | None) -> list[dict[str, Any]]:
    """What a client says about where the comment stands: objects in JSON, and no texts of others."""
    kept, room = [], MAX_CONTEXT_CHARS
    for entry in (context or Context()).entries or ():
        room -= len(entry.text or "")
        if room < 0:
            break
        try:
            said = json.loads(entry.text or "")
        except (ValueError, RecursionError):
            continue
        if isinstance(said, dict):
            kept.append(said)
    return kept


def _key() -> str:
    given = request.headers.get(KEY_HEADER, "")
    if not given:
        return ""
    found = KEY.fullmatch(given.strip())
    if found is None:
        remedy = "give at most 255 visible ASCII characters"
        raise invalid([FieldError(field=KEY_HEADER, value=shown(given), remedy=remedy)])
    return found[1]


def _fingerprint(asked: SuggestCommentScoreRequest) -> str:
    whole = json.dumps(asked.model_dump(), sort_keys=True)
    return hashlib.sha256(whole.encode()).hexdigest()


SUGGEST: Final = Described(
    method="post",
    path=PATH,
    name="suggestCommentScore",
    access="labels",
    summary="Perspective: say what moderators decided about a comment",
    query={"key": "An API key, as Google's clients send it."},
    parameters=(Parameter(KEY_HEADER, "header", "A request whose key came before changes nothing."),),
    request=SuggestCommentScoreRequest,
    example={
        "comment": {"text": "What kind of idiot name is foo? Sorry, I like your name."},
        "attributeScores": {"LIKELY_TO_REJECT": {"summaryScore": {"value": 1}}},
        "languages": ["en"],
        "communityId": "/forum/x",
        "clientToken": "comment:1",
    },
    answer=SuggestCommentScoreResponse,
    meaning="The label is stored.",
    refusal=GoogleError,
    refusal_type="application/json",
    refusals={
        "400": "No JSON, another shape, no comment, no score from 0 to 1, or an Idempotency-Key of another "
        "request.",
        "408": "The rest of the body did not come.",
        "413": "The body is larger than CHATMOD_API_MAX_BODY_BYTES.",
        "415": "The Content-Type says that the body is no JSON.",
        "503": "The label could not be stored; Retry-After says when to send it again.",
    },
)
