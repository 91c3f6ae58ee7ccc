"""The journal of labels: what moderators decided, kept for the next model. Knows no HTTP and no training."""

import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import ColumnElement, Table, and_, case, delete, exists, func, inspect, or_, select
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.engine import Connection, make_url
from sqlalchemy.exc import SQLAlchemyError

from moderation import schema
from moderation.exceptions import LabelsUnavailableError, NoLabelsError, NothingNamedError, ReusedKeyError
from moderation.schema import KEYS, LABELS
from moderation.verdicts import REMOVED_FROM, Suggestion, Tally, Verdict, digest, storable

# What a driver says while a connection is being tuned reaches us before SQLAlchemy can wrap it.
BROKEN: Final = (SQLAlchemyError, sqlite3.Error, OSError)


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Journal:
    """Verdicts in SQLite or PostgreSQL: rows are added and never changed; only `forget` takes some away.

    Every method raises `LabelsUnavailableError` when the database cannot be reached, read or written,
    and the next call tries anew.
    """

    def __init__(self, address: str, *, bounded: bool = True, now: Callable[[], datetime] = _utc_now) -> None:
        """A journal at a checked address; ``bounded`` where somebody waits for every statement."""
        self._url = make_url(address)
        self._now = now
        self._prepared = False
        self._lock = threading.Lock()
        self.engine = schema.connect(self._url, bounded=bounded)

    @property
    def place(self) -> str:
        """The address without its password."""
        return self._url.set(query={}).render_as_string()

    def close(self) -> None:
        """Let go of the database; the next call opens it again."""
        self.engine.dispose()

    def record(self, suggestion: Suggestion) -> list[bool]:
        """Store what is new of a suggestion; whether it removes or keeps, one for each new row.

        A verdict that repeats the message's last one, from the same source, is no new row.

        Raises:
            ReusedKeyError: the key came before, with another request.

        """
        one = _storable(suggestion)
        with self._write() as connection:
            if one.key and self._came_before(connection, one):
                return []
            # in one order, or two requests with the same attributes could wait for each other for ever
            new = [name for name in sorted(one.values) if self._add(connection, one, name)]
        return [one.values[name] >= REMOVED_FROM for name in new]

    def last_verdicts(
        self, *, attributes: Sequence[str] = (), community: str | None = None, since: datetime | None = None
    ) -> list[Verdict]:
        """The last verdict on each message under each attribute, oldest first.

        Raises:
            NoLabelsError: there is no journal yet.

        """
        wanted = [_is_last()]
        if attributes:
            wanted.append(LABELS.c.attribute.in_(attributes))
        if community is not None:
            wanted.append(LABELS.c.community == community)
        if since is not None:
            wanted.append(LABELS.c.time >= since.astimezone(UTC))
        columns = [LABELS.c[entry.name] for entry in fields(Verdict)]
        with self._read() as connection:
            found = connection.execute(select(*columns).where(*wanted).order_by(LABELS.c.id))
            return [Verdict(**row._asdict() | {"time": _in_utc(row.time)}) for row in found]

    def tallies(self) -> list[Tally]:
        """What the journal holds, by community and attribute.

        Raises:
            NoLabelsError: there is no journal yet.

        """
        columns = (LABELS.c.community, LABELS.c.attribute, LABELS.c.removed)
        rows = select(*columns, _is_last().label("is_last")).subquery()
        removed = func.sum(case((and_(rows.c.is_last, rows.c.removed), 1), else_=0))
        kept = func.sum(case((and_(rows.c.is_last, ~rows.c.removed), 1), else_=0))
        by = (rows.c.community, rows.c.attribute)
        query = select(*by, func.count(), removed, kept).group_by(*by).order_by(*by)
        with self._read() as connection:
            return [Tally(*row) for row in connection.execute(query)]

    def forget(self, *, message: str = "", text: str = "", community: str | None = None) -> int:
        """Delete every row of the messages of this name or text, and say how many there were.

        Raises:
            NothingNamedError: neither is given, or one has nothing that a database could hold.
            NoLabelsError: there is no journal yet.

        """
        given = [
            (column, value) for column, value in ((LABELS.c.message, message), (LABELS.c.text, text)) if value
        ]
        # an empty name is that of every message without one, and no condition at all is true of every row
        if not given or not all(storable(value) for _, value in given):
            raise NothingNamedError(
                f"message={message!r}, text={text!r}: name the messages that are to be forgotten"
            )
        where = or_(*(column == storable(value) for column, value in given))
        if community is not None:
            where = and_(where, LABELS.c.community == storable(community))
        of_them = select(LABELS.c.identity).where(where)
        self._check_there()
        with self._write() as connection:
            connection.execute(delete(KEYS).where(KEYS.c.identity.in_(of_them)))
            gone = connection.execute(delete(LABELS).where(LABELS.c.identity.in_(of_them))).rowcount
        with self._guard():
            schema.empty_log(self.engine)
        return gone

    def _came_before(self, connection: Connection, one: Suggestion) -> bool:
        row = {
            "key": digest(one.key),
            "fingerprint": one.fingerprint,
            "identity": one.identity,
            "time": self._now().astimezone(UTC),
        }
        added = self._insert(KEYS).values(row).on_conflict_do_nothing().returning(KEYS.c.key)
        if connection.scalar(added) is not None:
            return False
        if connection.scalar(select(KEYS.c.fingerprint).where(KEYS.c.key == row["key"])) != one.fingerprint:
            raise ReusedKeyError("this idempotency key came with another request: make a new key for each")
        return True

    def _add(self, connection: Connection, one: Suggestion, attribute: str) -> bool:
        row = self._row(one, attribute)
        repeated = (row["source"], row["text"], row["value"])
        of_message = and_(LABELS.c.identity == one.identity, LABELS.c.attribute == attribute)
        said = (LABELS.c.turn, LABELS.c.source, LABELS.c.text, LABELS.c.value)
        last = select(*said).where(of_message).order_by(LABELS.c.turn.desc()).limit(1)
        while True:
            found = connection.execute(last).one_or_none()
            if found is not None and (found.source, found.text, found.value) == repeated:
                return False
            row["turn"] = found.turn + 1 if found is not None else 1
            added = self._insert(LABELS).values(row).on_conflict_do_nothing().returning(LABELS.c.id)
            if connection.scalar(added) is not None:
                return True
            # another worker's verdict has taken this turn: compare with that one

    def _row(self, one: Suggestion, attribute: str) -> dict[str, Any]:
        value = float(one.values[attribute])
        return {
            "time": self._now().astimezone(UTC),
            "source": one.source,
            "community": one.community,
            "message": one.message,
            "text": one.text,
            "attribute": attribute,
            "value": value,
            "removed": value >= REMOVED_FROM,
            "languages": list(one.languages),
            "model_version": one.model_version,
            "policy_version": one.policy_version,
            "provenance": dict(one.provenance),
            "identity": one.identity,
        }

    def _insert(self, table: Table) -> Any:
        return (sqlite if self._is_file else postgresql).insert(table)

    @property
    def _is_file(self) -> bool:
        return self._url.get_backend_name() == "sqlite"

    def _check_there(self) -> None:
        with self._guard():
            there = not self._is_file or Path(str(self._url.database)).exists()
            if not (there and inspect(self.engine).has_table(LABELS.name)):
                raise NoLabelsError(
                    f"{self.place} holds no labels yet: a service stores what comes to suggestscore"
                )

    @contextmanager
    def _write(self) -> Iterator[Connection]:
        with self._guard():
            self._prepare_once()
            with self.engine.execution_options(writes=True).begin() as connection:
                yield connection

    @contextmanager
    def _read(self) -> Iterator[Connection]:
        self._check_there()
        with self._guard():
            self._prepare_once()
            with self.engine.begin() as connection:
                yield connection

    def _prepare_once(self) -> None:
        if self._prepared:
            return
        # a thread that waits for another's attempt waits no longer than that attempt may take
        if not self._lock.acquire(timeout=schema.CONNECT_S):
            raise TimeoutError("another thread is still waiting for it")
        try:
            if not self._prepared:
                schema.prepare(self.engine)
                self._prepared = True
        finally:
            self._lock.release()

    @contextmanager
    def _guard(self) -> Iterator[None]:
        try:
            yield
        except BROKEN as error:
            self._prepared = False  # the tables may have gone with the file or the server
            cause = str(getattr(error, "orig", None) or error).strip().splitlines()
            raise LabelsUnavailableError(
                f"the labels in {self.place} cannot be used ({cause[0] if cause else type(error).__name__}): "
                "check that the database runs, that its disk has room and that the setting names it"
            ) from error


def _storable(one: Suggestion) -> Suggestion:
    return replace(
        one,
        community=storable(one.community),
        message=storable(one.message),
        text=storable(one.text),
        provenance=storable(one.provenance),
        languages=storable(one.languages),
    )


def _is_last() -> ColumnElement[bool]:
    later = LABELS.alias("later")
    same = and_(later.c.identity == LABELS.c.identity, later.c.attribute == LABELS.c.attribute)
    return ~exists().where(same, later.c.turn > LABELS.c.turn)


def _in_utc(moment: datetime) -> datetime:
    # SQLite forgets the zone, and PostgreSQL tells the session's
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
