"""Numbered forward migrations. `PRAGMA user_version` says how many a file has had."""

import sqlite3
from collections.abc import Sequence
from importlib import resources

from runexpd.ledger.errors import LedgerTooNew


def shipped() -> list[str]:
    """The migrations of this version, oldest first, as SQL."""
    folder = resources.files("runexpd.ledger") / "migrations"
    return [f.read_text() for f in sorted(folder.iterdir(), key=lambda f: f.name) if f.name.endswith(".sql")]


def migrate(connection: sqlite3.Connection, migrations: Sequence[str]) -> None:
    """Bring a file up to date, each step in a transaction of its own. Raises LedgerTooNew."""
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if version > len(migrations):
        raise LedgerTooNew(
            f"the ledger has format {version}, and this runexpd knows {len(migrations)}",
            "upgrade runexp; an older version can't read what a newer one has written",
        )
    for number, sql in enumerate(migrations[version:], start=version + 1):
        connection.executescript(f"BEGIN; {sql}; PRAGMA user_version = {number}; COMMIT;")
