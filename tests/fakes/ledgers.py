"""Ledgers as an earlier version left them."""

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from msgspec.structs import astuple

from runexpd.ledger.migrate import migrate, shipped
from runexpd.ledger.store import Row


def written(path: Path, format: int, rows: Sequence[Row]) -> None:
    """A new file that has had so many migrations."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA journal_mode = WAL")
        migrate(connection, shipped()[:format])
        connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", map(astuple, rows))
