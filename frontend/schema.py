"""The room's tables, and an engine that holds SQLite and PostgreSQL to the same promises."""

import sqlite3
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Dialect,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.engine.interfaces import DBAPICursor
from sqlalchemy.schema import CreateIndex, CreateTable

BUSY_TIMEOUT_S: Final = 10
CONNECT_TIMEOUT_S: Final = 5
RETRY_S: Final = 0.02
# Any number will do, as long as every process that creates the schema locks the same one.
SCHEMA_LOCK: Final = 4_170_961


class Utc(TypeDecorator[datetime]):
    """A moment in UTC; SQLite itself would forget the zone."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What goes in, in UTC."""
        del dialect
        return value.astimezone(UTC) if value else None

    def process_result_value(self, value: datetime | None, dialect: Dialect) -> datetime | None:
        """What comes out, in UTC."""
        del dialect
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


METADATA: Final = MetaData()

# `revision` grows with every write of a room: a page asks for it to learn whether it is up to date,
# and a writer's lock on the row puts the ids of a room in the order of their commits.
ROOMS: Final = Table(
    "room",
    METADATA,
    Column("name", String(64), primary_key=True),
    Column("revision", BigInteger, nullable=False),
)

MESSAGES: Final = Table(
    "message",
    METADATA,
    Column("id", Integer, primary_key=True, autoincrement=True),
    Column("room", String(64), ForeignKey("room.name"), nullable=False),
    Column("author_id", String(64), nullable=False),
    Column("author", String(64), nullable=False),
    Column("body", Text, nullable=False),
    Column("created", Utc, nullable=False),
    Column("status", String(16), nullable=False),
    Column("reason", Text, nullable=False),
    Column("action", String(16)),
    Column("rule", Text),
    Column("score", Float),
    Column("model_version", String(128)),
    Column("policy_version", String(64)),
    Column("decision_id", String(64)),
    Index("message_by_room", "room", "status", "id"),
    # Without it SQLite gives a new message the id of a cleared one.
    sqlite_autoincrement=True,
)


def connect(url: URL) -> Engine:
    """An engine for this address; nothing is opened yet, but for the folder of a SQLite file."""
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, connect_args={"connect_timeout": CONNECT_TIMEOUT_S})
    Path(str(url.database)).parent.mkdir(parents=True, exist_ok=True)
    engine = create_engine(url, connect_args={"timeout": BUSY_TIMEOUT_S, "isolation_level": None})
    event.listen(engine, "connect", _tune_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _tune_sqlite(connection: Any, record: object) -> None:
    del record
    connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_S * 1000}")
    connection.execute("PRAGMA synchronous = NORMAL")
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    # A transaction that reads and then writes must own the lock from its start, or SQLite fails it.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def prepare(engine: Engine, room: str) -> None:
    """Make the tables and the room's row unless they are there; any number of processes may do so at once."""
    if engine.dialect.name == "sqlite":
        _write_ahead(engine)
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
        if connection.scalar(select(ROOMS.c.name).where(ROOMS.c.name == room)) is None:
            connection.execute(insert(ROOMS).values(name=room, revision=0))


def _write_ahead(engine: Engine) -> None:
    # Outside a transaction, the only place where SQLite changes its journal; and again and again, because
    # for this one change SQLite does not wait for others itself.
    until = time.monotonic() + BUSY_TIMEOUT_S
    connection = engine.raw_connection()
    try:
        while not _changed_journal(connection.cursor(), last_try=time.monotonic() > until):
            time.sleep(RETRY_S)
    finally:
        connection.close()


def _changed_journal(cursor: DBAPICursor, *, last_try: bool) -> bool:
    try:
        cursor.execute("PRAGMA journal_mode = WAL")
    except sqlite3.OperationalError as error:
        if last_try or "locked" not in str(error):
            raise
        return False
    return True
