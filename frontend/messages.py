"""What a message, its author and a decision are. Knows no database, no HTTP and no page."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

Action = Literal["allow", "flag", "remove"]
Status = Literal["decided", "held", "unmoderated", "refused"]


@dataclass(frozen=True)
class Author:
    """Who wrote a message: `id` is secret to everybody else's page, `name` is what all see."""

    id: str
    name: str


@dataclass(frozen=True)
class Decision:
    """What the service answered about one message, as it was answered."""

    id: str
    action: Action
    rule: str
    score: float
    model_version: str
    policy_version: str


@dataclass(frozen=True)
class Message:
    """One message of a room.

    ``decision`` is there when ``status`` is decided; otherwise ``reason`` says why there is none.
    """

    id: int
    author: Author
    body: str
    created: datetime
    status: Status
    decision: Decision | None = None
    reason: str = ""


@dataclass(frozen=True)
class Counts:
    """How many messages a room holds, and what became of them."""

    messages: int = 0
    allowed: int = 0
    flagged: int = 0
    removed: int = 0
    held: int = 0
    unmoderated: int = 0
    refused: int = 0
