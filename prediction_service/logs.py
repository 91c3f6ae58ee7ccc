"""One JSON object a line on standard error, for our own log and gunicorn's. Never a message's text.

Every request writes a line: so one processor does what structlog has five for, and orjson renders it.
"""

import json
import logging
import sys
import traceback
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, BinaryIO, Final, cast

import orjson
import structlog

RARE: Final = (structlog.processors.StackInfoRenderer(), structlog.processors.ExceptionRenderer())
PLACES: Final = 40
UTC_SUFFIX: Final = len("+00:00")

_facts: ContextVar[dict[str, Any] | None] = ContextVar("facts", default=None)


def begin(request_id: str) -> None:
    """From here on this thread's lines are those of a request."""
    _facts.set({"request_id": request_id})


def bind(**facts: Any) -> None:
    """Add facts to the lines of the request at hand; nothing outside one."""
    known = _facts.get()
    if known is not None:
        known.update(facts)


def request_id() -> str:
    """The id of the request at hand; empty outside one."""
    known = _facts.get()
    return known["request_id"] if known else ""


def end() -> None:
    """The thread goes on to other requests, and to lines of gunicorn's own."""
    _facts.set(None)


def configure(level: str) -> None:
    """Send the service's own log to standard error from ``level`` upwards."""
    structlog.configure(
        processors=[_line],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.BytesLoggerFactory(cast("BinaryIO", Tolerant(sys.stderr.buffer))),
        cache_logger_on_first_use=True,
    )


class Tolerant:
    """A stream on a disk that may be full: then lines are lost, and answers are not."""

    def __init__(self, stream: BinaryIO) -> None:
        self._stream = stream

    def write(self, line: bytes) -> None:
        """Write what can be written."""
        try:
            self._stream.write(line)
        except OSError:
            return

    def flush(self) -> None:
        """Flush what can be flushed."""
        try:
            self._stream.flush()
        except OSError:
            return


def for_gunicorn(level: str) -> dict[str, Any]:
    """A logging configuration under which gunicorn, and any other library, writes the same lines."""
    loud = {"handlers": ["json"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [_complete, structlog.stdlib.ExtraAdder(allow=())],
                "processors": [
                    _name_logger,
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    _render_text,
                ],
            }
        },
        "handlers": {
            "json": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
        },
        "root": {"handlers": ["json"], "level": "WARNING"},
        "loggers": {"gunicorn.error": loud, "gunicorn.access": loud},
    }


def _complete(logger: Any, level: str, event: Any) -> Any:
    """What every line has beside its event: the request's facts, level and time."""
    stamp = datetime.now(UTC).isoformat()[:-UTC_SUFFIX] + "Z"
    told: Any = {**(_facts.get() or {}), **event, "level": level, "timestamp": stamp}
    if "exc_info" in told or "stack_info" in told:
        for render in RARE:
            told = render(logger, level, told)
    return told


def _line(logger: Any, level: str, event: Any) -> bytes:
    return _render(logger, level, _complete(logger, level, event))


def _render(_logger: Any, _level: str, event: Any) -> bytes:
    try:
        return orjson.dumps(event, default=repr)
    except TypeError:
        # half an emoji, or a number over 64 bits: a line is never lost over what it tells
        return json.dumps(event, default=repr).encode()


def _render_text(logger: Any, level: str, event: Any) -> str:
    return _render(logger, level, event).decode()


def places(error: BaseException) -> list[str]:
    """Where an error came from and what it followed, innermost first, without a word of what it says."""
    found: list[str] = []
    cause: BaseException | None = error
    while cause and len(found) < PLACES:
        found.append(type(cause).__qualname__)
        found += [
            f"{frame.filename}:{frame.lineno} {frame.name}"
            for frame in reversed(traceback.extract_tb(cause.__traceback__, limit=-PLACES))
        ]
        cause = cause.__cause__ or cause.__context__
    return found[:PLACES]


def _name_logger(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    event["logger"] = event["_record"].name
    return event
