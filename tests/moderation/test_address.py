"""Which addresses of a journal can be used."""

import pytest

from moderation.address import REMEDY, checked
from moderation.labels import Journal


@pytest.mark.parametrize(
    "address",
    [
        "sqlite:///.chatmod/labels.db",
        "sqlite:////var/lib/chatmod/labels.db",
        "sqlite+pysqlite:///labels.db",
        "sqlite:////a place/über all/labels.db",
        "postgresql+psycopg://me:pa%40ss@db.example:5433/labels?sslmode=require",
        "postgresql+psycopg://db/labels",
        "postgresql+psycopg:///labels?host=/run/postgresql",
    ],
)
def test_an_address_that_can_be_used_is_given_back_and_opens(address: str) -> None:
    assert address == checked(address)
    Journal(address).close()


@pytest.mark.parametrize(
    "address",
    [
        "labels.db",
        "sqlite://",
        "sqlite:///",
        "sqlite:///:memory:",
        "sqlite:///labels.db?mode=ro",
        "postgresql://me@db/labels",
        "postgresql+asyncpg://me@db/labels",
        "postgresql+psycopg://me:topsecret@db",
        "postgresql+psycopg://me:topsecret@db:port/labels",
        "postgresql+psycopg://me:topsecret@db:0/labels",
        "postgresql+psycopg://me:topsecret@[db/labels",
        "mysql://me:topsecret@db/labels",
    ],
)
def test_any_other_is_refused_without_being_shown(address: str) -> None:
    with pytest.raises(ValueError) as caught:
        checked(address)
    assert REMEDY == str(caught.value)
