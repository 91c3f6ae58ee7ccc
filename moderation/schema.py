"""The journal's tables, and an engine under which a commit is kept. Knows no label."""

import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    Float,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
    insert,
    select,
    text,
)
from sqlalchemy.engine import URL, Connection, Engine
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.schema import CreateIndex, CreateTable

from moderation.exceptions import LabelsUnavailableError

VERSION: Final = 1
CONNECT_S: Final = 3
STATEMENT_S: Final = 5
BUSY_S: Final = 5
RETRY_S: Final = 0.02
# Any number will do, as long as every process that creates the schema locks the same one.
SCHEMA_LOCK: Final = 4_170_962

METADATA: Final = MetaData()
SCHEMA: Final = Table("label_schema", METADATA, Column("version", Integer, primary_key=True))

# A message is known by `identity`; its verdicts under one attribute are numbered by `turn`, and the
# constraint on the two is what makes one row of the same verdict that several workers bring at once.
LABELS: Final = Table(
    "label",
    METADATA,
    Column("id", BigInteger().with_variant(Integer, "sqlite"), primary_key=True, autoincrement=True),
    Column("time", DateTime(timezone=True), nullable=False),
    Column("source", Text, nullable=False),
    Column("community", Text, nullable=False),
    Column("message", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("attribute", Text, nullable=False),
    Column("value", Float, nullable=False),
    Column("removed", Boolean, nullable=False),
    Column("languages", JSON, nullable=False),
    Column("model_version", Text, nullable=False),
    Column("policy_version", Text, nullable=False),
    Column("provenance", JSON, nullable=False),
    Column("identity", String(64), nullable=False),
    Column("turn", Integer, nullable=False),
    UniqueConstraint("identity", "attribute", "turn"),
    Index("label_by_message", "message"),
    # a row's id is never given again: what was exported under it stays what it was
    sqlite_autoincrement=True,
)
KEYS: Final = Table(
    "label_key",
    METADATA,
    Column("key", String(64), primary_key=True),
    Column("fingerprint", String(64), nullable=False),
    Column("identity", String(64), nullable=False),
    Column("time", DateTime(timezone=True), nullable=False),
)


def connect(url: URL, *, bounded: bool) -> Engine:
    """An engine for this address, nothing opened yet; ``bounded`` where somebody waits for each statement."""
    # an error would otherwise show the statement's values, and so a message
    options: dict[str, Any] = {"hide_parameters": True, "pool_timeout": CONNECT_S, "max_overflow": 64}
    if url.get_backend_name() != "sqlite":
        return create_engine(url, pool_pre_ping=True, connect_args=_waits(bounded=bounded), **options)
    place = Path(str(url.database))
    engine = create_engine(url, connect_args={"timeout": BUSY_S, "isolation_level": None}, **options)
    event.listen(engine, "connect", lambda connection, record: _tune(connection, record, place))
    event.listen(engine, "checkout", lambda _connection, record, _proxy: _check_place(record, place))
    event.listen(engine, "begin", _begin)
    return engine


def _waits(*, bounded: bool) -> dict[str, Any]:
    silence = {"connect_timeout": CONNECT_S, "tcp_user_timeout": STATEMENT_S * 1000}
    if not bounded:
        return silence
    limit = STATEMENT_S * 1000
    return silence | {"options": f"-c statement_timeout={limit} -c lock_timeout={limit}"}


def _tune(connection: Any, record: Any, place: Path) -> None:
    connection.execute(f"PRAGMA busy_timeout = {BUSY_S * 1000}")
    connection.execute("PRAGMA synchronous = FULL")
    connection.execute("PRAGMA secure_delete = ON")
    _write_ahead(connection)
    record.info["place"] = _inode(place)


def _write_ahead(connection: Any) -> None:
    until = time.monotonic() + BUSY_S
    while True:
        try:
            connection.execute("PRAGMA journal_mode = WAL")
        except sqlite3.OperationalError as error:
            # for this one change SQLite does not wait for others itself
            if "locked" not in str(error) or time.monotonic() > until:
                raise
            time.sleep(RETRY_S)
        else:
            return


def _check_place(record: Any, place: Path) -> None:
    # a file that was put in another's place would else go on without what is written to it
    if record.info.get("place") != _inode(place):
        raise DisconnectionError(f"{place} is another file than before")


def _inode(place: Path) -> tuple[int, int] | None:
    try:
        found = os.stat(place)  # noqa: PTH116 - microseconds for every label
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _begin(connection: Connection) -> None:
    # A transaction that reads and then writes must own the lock from its start, or SQLite fails it.
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def prepare(engine: Engine) -> None:
    """Make the tables unless they are there; any number of processes may do so at once.

    Raises:
        LabelsUnavailableError: they are those of another release.

    """
    if engine.dialect.name == "sqlite":
        place = Path(str(engine.url.database))
        place.parent.mkdir(parents=True, exist_ok=True)
        # messages of people: for nobody else's eyes, and SQLite gives its log the same rights
        os.close(os.open(place, os.O_CREAT | os.O_WRONLY, 0o600))
    with engine.execution_options(writes=True).begin() as connection:
        if engine.dialect.name == "postgresql":
            connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": SCHEMA_LOCK})
        for table in METADATA.sorted_tables:
            connection.execute(CreateTable(table, if_not_exists=True))
            for index in table.indexes:
                connection.execute(CreateIndex(index, if_not_exists=True))
        found = connection.scalar(select(SCHEMA.c.version))
        if found is None:
            connection.execute(insert(SCHEMA).values(version=VERSION))
        elif found != VERSION:
            raise LabelsUnavailableError(
                f"the labels in {engine.url.set(query={})} have schema {found}, and this release writes "
                f"{VERSION}: use the release that wrote them, or name another place"
            )


def empty_log(engine: Engine) -> None:
    """Take what was deleted out of SQLite's write-ahead log too, where it would stand until it is reused."""
    if engine.dialect.name == "sqlite":
        connection = engine.raw_connection()
        try:
            connection.cursor().execute("PRAGMA wal_checkpoint(TRUNCATE)")
        finally:
            connection.close()
