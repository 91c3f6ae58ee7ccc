"""A comment as every method of Perspective's takes it, and Google's words for what is wrong with one."""

import re
from collections.abc import Iterable, Sequence
from http import HTTPStatus
from itertools import islice
from typing import Final

from modeling.text import is_empty
from prediction_service.dialects.dialect import Limits
from prediction_service.dialects.google import Context, TextEntry
from prediction_service.problems import MAX_ERRORS, Refusal, shown
from prediction_service.wire import FieldError

MAX_BYTES: Final = 20_480
LANGUAGE_TAG: Final = re.compile(r"(?=.{2,35}\Z)[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{1,8})*")


def text_of(comment: TextEntry | None, context: Context | None, limits: Limits) -> str:
    """The text of a comment.

    Raises:
        Refusal: it is empty, too long, or in another format than plain text.

    """
    comment = comment or TextEntry()
    text = comment.text or ""
    if len(text.encode()) > MAX_BYTES or len(text) > limits.text_chars:
        raise wrong("Comment text too long.", "COMMENT_TOO_LONG")
    if is_empty(text):
        raise wrong("Comment must be non-empty.", "COMMENT_EMPTY")
    if comment.type == "HTML":
        raise wrong("Currently, only 'PLAIN_TEXT' comments are supported")
    if comment.type not in (None, "", "PLAIN_TEXT", "TEXT_TYPE_UNSPECIFIED"):
        raise wrong("Unknown text type")
    context = context or Context()
    if context.entries is not None and context.article_and_parent_comment is not None:
        raise wrong(
            "Context can have either entries or article_and_parent_comment, but both fields were populated."
        )
    return text


def no_languages(tags: Sequence[str] | None) -> list[str]:
    """Those of the tags that are no language's, as far as a refusal tells them."""
    found = (shown(tag) for tag in tags or () if not LANGUAGE_TAG.fullmatch(tag))
    return list(islice(found, MAX_ERRORS))


def short(name: str) -> str:
    """A client's name for something, as a refusal shows it."""
    return shown(name)[1:-1]


def wrong(message: str, code: str = "", errors: Iterable[FieldError] = ()) -> Refusal:
    """The refusal of a comment."""
    return Refusal(HTTPStatus.BAD_REQUEST, message, errors=list(errors), code=code)
