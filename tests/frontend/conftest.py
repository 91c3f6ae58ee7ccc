"""Fixtures of the chat's tests: both databases, a scripted API, and the real prediction service."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy.engine import URL, make_url

from frontend.room import Room
from tests.frontend import servers


@pytest.fixture(params=["sqlite", "postgresql"])
def room_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """The address of a database without any table, of each kind."""
    if request.param == "sqlite":
        return make_url(f"sqlite:///{tmp_path / 'new' / 'chat.db'}")
    cluster = request.getfixturevalue("postgres")
    return make_url(cluster.new_database())


@pytest.fixture
def room(room_url: URL) -> Iterator[Room]:
    opened = Room.open(room_url, "lobby")
    yield opened
    opened.close()


@pytest.fixture
def sqlite_room(tmp_path: Path) -> Iterator[Room]:
    opened = Room.open(make_url(f"sqlite:///{tmp_path / 'chat.db'}"), "lobby")
    yield opened
    opened.close()


@pytest.fixture
def api() -> Iterator[servers.StandIn]:
    with servers.stand_in() as server:
        yield server
