"""What one reader is shown of one message: pure functions. Bodies that are not shown are not in it."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from datetime import tzinfo
from typing import Literal

from frontend.messages import Decision, Message

Look = Literal["plain", "hidden", "peeked", "removed", "waiting", "unmoderated", "refused"]

MEANINGS = {"LIKELY_TO_REJECT": "likely to be removed by this community's moderators"}


@dataclass(frozen=True)
class View:
    """One message as one reader sees it; ``body`` is None where the reader is not shown it."""

    id: int
    author: str
    hue: int
    mine: bool
    time: str
    look: Look
    body: str | None
    note: str = ""
    decision: Decision | None = None


def view(message: Message, reader: str, peeked: Collection[int], zone: tzinfo) -> View | None:
    """The message for this reader; None where it is not for this reader's eyes at all."""
    mine = message.author.id == reader
    look, body, note = _look(message, mine=mine, peeked=message.id in peeked)
    if look in {"waiting", "refused"} and not mine:
        return None
    decision = message.decision if look in {"hidden", "peeked", "removed"} else None
    return View(
        id=message.id,
        author=message.author.name,
        hue=hue(message.author.id),
        mine=mine,
        time=message.created.astimezone(zone).strftime("%H:%M"),
        look=look,
        body=body,
        note=note,
        decision=decision,
    )


def _look(message: Message, *, mine: bool, peeked: bool) -> tuple[Look, str | None, str]:
    if message.decision is None:
        if message.status == "unmoderated":
            return "unmoderated", message.body, "unmoderated"
        if message.status == "refused":
            return "refused", message.body if mine else None, f"not shown to others: {message.reason}"
        return "waiting", message.body if mine else None, "waiting for moderation, only you see it"
    if message.decision.action == "allow":
        return "plain", message.body, ""
    why = reason(message.decision)
    if message.decision.action == "remove":
        return "removed", None, f"Removed: {why}"
    return ("peeked", message.body, f"Flagged: {why}") if peeked else ("hidden", None, f"Flagged: {why}")


def reason(decision: Decision) -> str:
    """The rule that fired, in words."""
    attribute = decision.rule.partition(">=")[0]
    return MEANINGS.get(attribute, attribute)


def hue(author: str) -> int:
    """The author's colour as an angle, 0..359: the same author, the same colour."""
    return int.from_bytes(hashlib.sha256(author.encode()).digest()[:4]) % 360
