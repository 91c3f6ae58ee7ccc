"""One JSON object a line on standard error, for our own log and gunicorn's. Never a message's text."""

import logging
import sys
from typing import Any, Final

import structlog

SHARED: Final[list[Any]] = [
    structlog.contextvars.merge_contextvars,
    structlog.processors.add_log_level,
    structlog.processors.TimeStamper(fmt="iso", utc=True),
    structlog.processors.StackInfoRenderer(),
    structlog.processors.ExceptionRenderer(),
]


def configure(level: str) -> None:
    """Send the service's own log to standard error from ``level`` upwards."""
    structlog.configure(
        processors=[*SHARED, structlog.processors.JSONRenderer()],
        wrapper_class=structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()]),
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )


def for_gunicorn(level: str) -> dict[str, Any]:
    """A logging configuration under which gunicorn, and any other library, writes the same lines."""
    loud = {"handlers": ["json"], "level": level.upper(), "propagate": False}
    return {
        "version": 1,
        "disable_existing_loggers": False,
        "formatters": {
            "json": {
                "()": structlog.stdlib.ProcessorFormatter,
                "foreign_pre_chain": [*SHARED, structlog.stdlib.ExtraAdder(allow=())],
                "processors": [
                    _name_logger,
                    structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                    structlog.processors.JSONRenderer(),
                ],
            }
        },
        "handlers": {
            "json": {"class": "logging.StreamHandler", "formatter": "json", "stream": "ext://sys.stderr"}
        },
        "root": {"handlers": ["json"], "level": "WARNING"},
        "loggers": {"gunicorn.error": loud, "gunicorn.access": loud},
    }


def _name_logger(_logger: object, _method: str, event: dict[str, Any]) -> dict[str, Any]:
    event["logger"] = event["_record"].name
    return event
