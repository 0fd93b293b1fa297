"""What is to be told, and to whom it was: a file beside the ledger, so that each is told once, after a restart too.

What is in it can be deleted: then nothing of the past is told any more. Its methods block: ask through `Outbox.ask`.
"""

import os
import sqlite3
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import anyio
import anyio.to_thread
import msgspec

from runexpd.notices.rules import Notice, Rule

T = TypeVar("T")
_SCHEMA = """
-- Up to which event the ledger was looked at: one row.
CREATE TABLE IF NOT EXISTS cursor (id INTEGER PRIMARY KEY CHECK (id = 0), seq INTEGER NOT NULL) STRICT;
CREATE TABLE IF NOT EXISTS notices (
    id INTEGER PRIMARY KEY,
    key TEXT NOT NULL UNIQUE,
    rule TEXT NOT NULL,
    at REAL NOT NULL,
    title TEXT NOT NULL,
    body TEXT NOT NULL
) STRICT;
-- A row for each address that wants to hear of it, until it has.
CREATE TABLE IF NOT EXISTS owed (
    notice INTEGER NOT NULL REFERENCES notices (id),
    address TEXT NOT NULL,
    tries INTEGER NOT NULL DEFAULT 0,
    -- Sent, with no word yet whether it arrived.
    under_way INTEGER NOT NULL DEFAULT 0,
    PRIMARY KEY (address, notice)
) STRICT;
-- What holds of a cluster or a job since when, and was told.
CREATE TABLE IF NOT EXISTS conditions (key TEXT PRIMARY KEY, since REAL NOT NULL) STRICT;
"""
#: What was told is forgotten after this long: by then nobody takes it up again.
_KEPT_SECONDS = 30 * 86400.0


class OutboxError(Exception):
    """Raised when the file can't be read or written just now."""


class Owed(msgspec.Struct, frozen=True, array_like=True):
    """A notice that an address has not heard of."""

    id: int
    rule: str
    at: float
    title: str
    body: str
    tries: int
    #: It was sent before, and nobody knows whether it arrived.
    is_unclear: bool


#: Who hears of a rule.
Hearers = Callable[[Rule], Sequence[str]]


class Outbox:
    def __init__(self, path: Path) -> None:
        """Opens or makes the file, mode 0600. Raises OutboxError."""
        self._path = path
        self._turn = anyio.CapacityLimiter(1)
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            self._db = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._db.execute("PRAGMA journal_mode = WAL")
            self._db.execute("PRAGMA synchronous = FULL")
            self._db.executescript(_SCHEMA)
        except (sqlite3.Error, UnicodeDecodeError, OSError) as error:
            raise OutboxError(f"{path}: {error}") from error

    def close(self) -> None:
        self._db.close()

    async def ask(self, question: Callable[[], T]) -> T:
        """In a thread, one at a time. Raises OutboxError."""
        try:
            return await anyio.to_thread.run_sync(question, limiter=self._turn)
        except (sqlite3.Error, UnicodeDecodeError) as error:
            raise OutboxError(f"{self._path}: {error}") from error

    def begin(self, seq: int, addresses: Sequence[str], now: float) -> int:
        """Up to which event was looked, from `seq` on where never; what is owed to nobody any more is forgotten."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute("INSERT OR IGNORE INTO cursor VALUES (0, ?)", (seq,))
            known = ",".join("?" * len(addresses))
            self._db.execute(f"DELETE FROM owed WHERE address NOT IN ({known})", list(addresses))
            self._db.execute(
                "DELETE FROM notices WHERE at < ? AND id NOT IN (SELECT notice FROM owed)",
                (now - _KEPT_SECONDS,),
            )
            (found,) = self._db.execute("SELECT seq FROM cursor").fetchone()
            if found > seq:  # another ledger than the one that it followed
                self._db.execute("UPDATE cursor SET seq = ?", (seq,))
        return min(int(found), seq)

    def put(self, notices: Sequence[Notice], hearers: Hearers, seq: int) -> None:
        """What is to be told of the events up to `seq`: all of it or nothing."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            for notice in notices:
                self._enter(notice, hearers)
            self._db.execute("UPDATE cursor SET seq = ?", (seq,))

    def holds(self, key: str) -> bool:
        """Whether a condition was told."""
        return self._db.execute("SELECT 1 FROM conditions WHERE key = ?", (key,)).fetchone() is not None

    def conditions(self, beginning: str) -> list[str]:
        rows = self._db.execute(
            "SELECT key FROM conditions WHERE substr(key, 1, ?) = ?", (len(beginning), beginning)
        )
        return [key for (key,) in rows]

    def set_condition(self, key: str, notice: Notice, hearers: Hearers) -> None:
        """It holds from now on, and is told once for as long as it does."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            new = self._db.execute("INSERT OR IGNORE INTO conditions VALUES (?, ?)", (key, notice.at))
            if new.rowcount:
                self._enter(notice, hearers)

    def clear_condition(self, key: str, notice: Notice | None, hearers: Hearers) -> None:
        """It holds no more; told where there is a notice of that."""
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            gone = self._db.execute("DELETE FROM conditions WHERE key = ?", (key,))
            if gone.rowcount and notice is not None:
                self._enter(notice, hearers)

    def withdraw_condition(self, key: str) -> None:
        """It holds no more: whoever has not been told of it need not be. Its notice is called by it and by when it began."""
        sql = (
            "DELETE FROM owed WHERE under_way = 0 AND notice IN (SELECT notices.id FROM notices JOIN conditions "
            "ON notices.key = conditions.key || printf(':%.0f', since) WHERE conditions.key = ?)"
        )
        with self._db:
            self._db.execute("BEGIN IMMEDIATE")
            self._db.execute(sql, (key,))
            self._db.execute("DELETE FROM conditions WHERE key = ?", (key,))

    def _enter(self, notice: Notice, hearers: Hearers) -> None:
        row = (notice.key, notice.rule.value, notice.at, notice.title, notice.body)
        new = self._db.execute(
            "INSERT OR IGNORE INTO notices (key, rule, at, title, body) VALUES (?, ?, ?, ?, ?)", row
        )
        if new.rowcount:
            owed = [(new.lastrowid, address) for address in hearers(notice.rule)]
            self._db.executemany("INSERT INTO owed (notice, address) VALUES (?, ?)", owed)

    def owed(self, address: str, most: int) -> list[Owed]:
        """The oldest first."""
        sql = (
            "SELECT id, rule, at, title, body, tries, under_way FROM owed JOIN notices ON notice = id "
            "WHERE address = ? ORDER BY id LIMIT ?"
        )
        rows = self._db.execute(sql, (address, most))
        return [msgspec.convert(row, Owed, strict=False) for row in rows]

    def count(self, address: str) -> int:
        (found,) = self._db.execute("SELECT count(*) FROM owed WHERE address = ?", (address,)).fetchone()
        return int(found)

    def sending(self, address: str, ids: Sequence[int]) -> None:
        """About to be sent: committed before."""
        with self._db:
            sql = "UPDATE owed SET tries = tries + 1, under_way = 1 WHERE address = ? AND notice = ?"
            self._db.executemany(sql, [(address, id) for id in ids])

    def failed(self, address: str, ids: Sequence[int]) -> None:
        """It did not arrive, as far as is known."""
        with self._db:
            sql = "UPDATE owed SET under_way = 0 WHERE address = ? AND notice = ?"
            self._db.executemany(sql, [(address, id) for id in ids])

    def settled(self, address: str, ids: Sequence[int]) -> None:
        """It arrived, or is given up: owed no more."""
        with self._db:
            sql = "DELETE FROM owed WHERE address = ? AND notice = ?"
            self._db.executemany(sql, [(address, id) for id in ids])
