"""The address of a label journal: which ones can be used. Knows no database, so that settings stay quick."""

import re
from typing import Final
from urllib.parse import urlsplit

SQLITE: Final = re.compile(r"sqlite(?:\+pysqlite)?:///(?!:memory:)[^?#\s][^?#]*")
POSTGRESQL: Final = "postgresql+psycopg"
REMEDY: Final = "give sqlite:///PATH or postgresql+psycopg://USER:PASSWORD@HOST:PORT/DATABASE"


def checked(address: str) -> str:
    """The same address, which may hold a password: a message about it never shows it.

    Raises:
        ValueError: it is no address of a database that a journal can live in; says the remedy.

    """
    if SQLITE.fullmatch(address):
        return address
    try:
        parts = urlsplit(address)
        usable = parts.scheme == POSTGRESQL and parts.port != 0 and len(parts.path) > 1
    except ValueError:
        usable = False
    if not usable:
        raise ValueError(REMEDY)
    return address
