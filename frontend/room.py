"""The shared chat: a room's messages, in SQLite or PostgreSQL. Knows no page and no service."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any, Final, Self, cast

from sqlalchemy import Row, delete, func, insert, select, update
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import SQLAlchemyError

from frontend import schema
from frontend.exceptions import RoomUnavailableError
from frontend.messages import Action, Author, Counts, Decision, Message, Status
from frontend.schema import MESSAGES, ROOMS

# What SQLite says while a connection is being tuned reaches us before SQLAlchemy can wrap it.
BROKEN: Final = (SQLAlchemyError, sqlite3.Error, OSError)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Room:
    """One room; every write is one transaction, so a reader sees all of it or nothing.

    Every method raises `RoomUnavailableError` when the database cannot be reached, read or written.
    """

    def __init__(self, engine: Engine, name: str, now: Callable[[], datetime] = _utc_now) -> None:
        """A room in a prepared database; `open` prepares it."""
        self.name = name
        self.engine = engine
        self._now = now

    @classmethod
    def open(cls, url: URL, name: str, now: Callable[[], datetime] = _utc_now) -> Self:
        """The room of this name, with its tables made if it is the first time."""
        try:
            engine = schema.connect(url)
            schema.prepare(engine, name)
        except BROKEN as error:
            raise _unavailable(url, error) from error
        return cls(engine, name, now)

    def close(self) -> None:
        """Let go of the database; the next call opens it again."""
        self.engine.dispose()

    def post(
        self,
        author: Author,
        body: str,
        decision: Decision | None,
        *,
        status: Status = "decided",
        reason: str = "",
    ) -> Message:
        """Store one message and give it back with its id and time."""
        if (decision is None) == (status == "decided"):
            msg = f"a message of status {status!r} and decision {decision!r}: only decided ones have one"
            raise ValueError(msg)
        created = self._now()
        row: dict[str, Any] = {
            "room": self.name,
            "author_id": author.id,
            "author": author.name,
            "body": body,
            "created": created,
            "status": status,
            "reason": reason,
            **_columns(decision),
        }
        with self._write() as connection:
            stored = insert(MESSAGES).values(row).returning(MESSAGES.c.id)
            number = connection.execute(stored).scalar_one()
        return Message(number, author, body, created, status, decision, reason)

    def latest(self, limit: int) -> list[Message]:
        """The newest messages, oldest of them first."""
        query = select(MESSAGES).where(MESSAGES.c.room == self.name).order_by(MESSAGES.c.id.desc())
        with self._read() as connection:
            return [_message(row) for row in reversed(connection.execute(query.limit(limit)).all())]

    def pending(self, limit: int) -> list[Message]:
        """The held messages that have waited longest, oldest first."""
        held = (MESSAGES.c.room == self.name) & (MESSAGES.c.status == "held")
        query = select(MESSAGES).where(held).order_by(MESSAGES.c.id).limit(limit)
        with self._read() as connection:
            return [_message(row) for row in connection.execute(query)]

    def decide(self, number: int, decision: Decision) -> bool:
        """Give a held message its decision; False where another page was first or it is gone."""
        return self._settle(number, status="decided", reason="", **_columns(decision))

    def refuse(self, number: int, reason: str) -> bool:
        """Mark a held message as one that the service will not judge; False as in `decide`."""
        return self._settle(number, status="refused", reason=reason)

    def counts(self) -> Counts:
        """What the room holds, by what became of it."""
        columns = (MESSAGES.c.status, MESSAGES.c.action)
        query = select(*columns, func.count()).where(MESSAGES.c.room == self.name).group_by(*columns)
        found: dict[str, int] = {}
        with self._read() as connection:
            for status, action, number in connection.execute(query):
                found[action or status] = number
        return Counts(
            messages=sum(found.values()),
            allowed=found.get("allow", 0),
            flagged=found.get("flag", 0),
            removed=found.get("remove", 0),
            held=found.get("held", 0),
            unmoderated=found.get("unmoderated", 0),
            refused=found.get("refused", 0),
        )

    def revision(self) -> int:
        """A number that grows with every change of the room: the same number, the same messages."""
        with self._read() as connection:
            return int(connection.scalar(select(ROOMS.c.revision).where(ROOMS.c.name == self.name)) or 0)

    def clear(self) -> int:
        """Delete every message of the room and say how many there were."""
        with self._write() as connection:
            return connection.execute(delete(MESSAGES).where(MESSAGES.c.room == self.name)).rowcount

    def _settle(self, number: int, **values: object) -> bool:
        # The condition on the status is what lets exactly one of several pages succeed.
        still_held = (
            (MESSAGES.c.id == number) & (MESSAGES.c.room == self.name) & (MESSAGES.c.status == "held")
        )
        with self._write() as connection:
            return connection.execute(update(MESSAGES).where(still_held).values(values)).rowcount == 1

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._guard(), self.engine.execution_options(writes=True).begin() as connection:
            bump = update(ROOMS).where(ROOMS.c.name == self.name)
            connection.execute(bump.values(revision=ROOMS.c.revision + 1))
            yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        with self._guard(), self.engine.begin() as connection:
            yield connection

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except BROKEN as error:
            raise _unavailable(self.engine.url, error) from error


def _unavailable(url: URL, error: Exception) -> RoomUnavailableError:
    cause = str(getattr(error, "orig", None) or error).strip().splitlines()
    detail = cause[0] if cause else type(error).__name__
    remedy = "check that it runs, that its disk has room and that CHATMOD_UI_ROOM_URL names it"
    return RoomUnavailableError(f"the room's database {url} cannot be used ({detail}): {remedy}")


def _columns(decision: Decision | None) -> dict[str, object]:
    if decision is None:
        return {}
    return {
        "action": decision.action,
        "rule": decision.rule,
        "score": decision.score,
        "model_version": decision.model_version,
        "policy_version": decision.policy_version,
        "decision_id": decision.id,
    }


def _message(row: Row[Any]) -> Message:
    decision = None
    if row.status == "decided":
        action = cast("Action", row.action)
        decision = Decision(
            row.decision_id, action, row.rule, row.score, row.model_version, row.policy_version
        )
    author = Author(row.author_id, row.author)
    status = cast("Status", row.status)
    return Message(row.id, author, row.body, row.created, status, decision, row.reason)
