"""Fixtures of the journal's tests: a new database of each kind, and a journal in it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from moderation.labels import Journal


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database without any table."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'new' / 'labels.db'}"
    cluster = request.getfixturevalue("postgres")
    return cluster.new_database()


@pytest.fixture
def journal(address: str) -> Iterator[Journal]:
    opened = Journal(address)
    yield opened
    opened.close()
