"""What becomes of a message: asked about, then posted, held, let through or given back. Knows no page."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol, assert_never

from frontend.exceptions import MessageRefusedError, RoomUnavailableError, ServiceUnavailableError
from frontend.messages import Author, Decision, Message
from frontend.room import Room
from frontend.settings import OnUnavailable

RELEASE_AT_ONCE: Final = 50


class Moderator(Protocol):
    """Whoever decides about texts; `client.Client` in the running chat."""

    def predict(self, texts: Sequence[str]) -> list[Decision]:
        """One decision a text, in their order."""


@dataclass(frozen=True)
class Returned:
    """A text that was not stored and goes back to its author, with the reason."""

    body: str
    reason: str


@dataclass(frozen=True)
class Delivery:
    """The way from an author into the room, by the operator's rules."""

    room: Room
    moderator: Moderator
    on_unavailable: OnUnavailable
    max_chars: int

    def send(self, author: Author, text: str) -> Message | Returned:
        """Ask for a decision and store the message with it, or do what `on_unavailable` says."""
        body = tidy(text)
        if not body:
            return Returned(text, "The message is empty: write something first.")
        if len(body) > self.max_chars:
            over = f"The message has {len(body):,} characters"
            return Returned(text, f"{over}: shorten it to {self.max_chars:,}.")
        try:
            return self._send(author, body)
        except MessageRefusedError as refusal:
            return Returned(body, f"The moderation service refuses this message: {refusal}")
        except RoomUnavailableError as trouble:
            return Returned(body, f"The message was not stored: {trouble}")

    def _send(self, author: Author, body: str) -> Message | Returned:
        try:
            decision = self.moderator.predict([body])[0]
        except ServiceUnavailableError as trouble:
            return self._without_decision(author, body, str(trouble))
        return self.room.post(author, body, decision)

    def _without_decision(self, author: Author, body: str, trouble: str) -> Message | Returned:
        if self.on_unavailable == "hold":
            return self.room.post(author, body, None, status="held", reason=trouble)
        if self.on_unavailable == "allow":
            return self.room.post(author, body, None, status="unmoderated", reason=trouble)
        if self.on_unavailable == "refuse":
            return Returned(body, f"Not sent, because nothing can moderate it now: {trouble}")
        assert_never(self.on_unavailable)

    def release(self) -> int:
        """Ask about the messages that wait and let them go; how many this call decided.

        Raises:
            ServiceUnavailableError: the service still gives no decision; they go on waiting.

        """
        waiting = self.room.pending(RELEASE_AT_ONCE)
        if not waiting:
            return 0
        try:
            decisions = self.moderator.predict([message.body for message in waiting])
        except MessageRefusedError:
            return sum(self._release_alone(message) for message in waiting)
        settled = zip(waiting, decisions, strict=True)
        return sum(self.room.decide(message.id, decision) for message, decision in settled)

    def _release_alone(self, message: Message) -> bool:
        # One message that the service refuses must not keep the others waiting.
        try:
            return self.room.decide(message.id, self.moderator.predict([message.body])[0])
        except MessageRefusedError as refusal:
            return self.room.refuse(message.id, str(refusal))


def tidy(text: str) -> str:
    """The text as it is scored, stored and shown: what no database can store is replaced."""
    storable = text.encode("utf-8", "replace").decode().replace("\x00", "\ufffd")
    return storable.replace("\r\n", "\n").replace("\r", "\n").strip()
