"""What a dialect is: its name, paths, routes, refusals and description. Knows none of them."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import structlog
from flask import Blueprint

from modeling.policy import Decision
from prediction_service.metrics import Metrics
from prediction_service.problems import Refusal
from prediction_service.service import Moderator
from prediction_service.wire import Problem, Wire


@dataclass(frozen=True)
class Limits:
    """How much one request may hold."""

    records: int
    text_chars: int


@dataclass(frozen=True)
class Service:
    """What a dialect is given; ``moderator`` refuses while no bundle is ready."""

    moderator: Callable[[], Moderator]
    metrics: Metrics
    limits: Limits

    def decide(self, judge: Moderator, messages: Sequence[str], parts: Sequence[str] = ()) -> list[Decision]:
        """Decide on messages, and on ``parts`` of them after these, in one call; only messages count."""
        decisions = judge.moderate([*messages, *parts])
        self.metrics.decided(decision.action for decision in decisions[: len(messages)])
        structlog.contextvars.bind_contextvars(messages=len(messages))
        return decisions


@dataclass(frozen=True)
class Described:
    """One operation of a dialect, as the OpenAPI document tells it."""

    method: str
    path: str
    name: str
    summary: str
    answer: type[Wire] | None
    meaning: str
    refusals: Mapping[str, str]
    refusal: type[Wire] = Problem
    refusal_type: str = "application/problem+json"
    request: type[Wire] | None = None
    example: Any = None
    query: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Dialect:
    """One wire format: errors under ``prefixes`` have its shape where ``refuse`` gives one."""

    name: str
    prefixes: tuple[str, ...]
    blueprint: Callable[[Service], Blueprint]
    operations: tuple[Described, ...]
    refuse: Callable[[Refusal], tuple[HTTPStatus, Wire]] | None = None

    def owns(self, path: str) -> bool:
        """Whether a path is this dialect's, whatever is there."""
        return any(path == prefix or path.startswith(f"{prefix}/") for prefix in self.prefixes)
