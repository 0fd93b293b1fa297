"""SQLite's and the system's words of a ledger's file, as what they mean for it."""

import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runexpd.ledger.errors import LedgerDamaged, LedgerUnwritable, NotUnique

#: What keeps a file from being used at the moment, though nothing is the matter with what is in it.
_NOT_NOW = frozenset(
    {
        sqlite3.SQLITE_FULL,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_BUSY,
        sqlite3.SQLITE_LOCKED,
        sqlite3.SQLITE_PERM,
        sqlite3.SQLITE_NOMEM,
    }
)


@contextmanager
def reached(path: Path, done: str) -> Iterator[None]:
    """What becomes of a file is `done`. Raises NotUnique, LedgerUnwritable and LedgerDamaged."""
    try:
        yield
    except sqlite3.IntegrityError as error:
        raise NotUnique(str(error)) from error
    except sqlite3.ProgrammingError:
        raise
    except (sqlite3.DatabaseError, UnicodeDecodeError) as error:  # its words may quote the file
        code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT)
        if code & 0xFF not in _NOT_NOW:
            raise broken(path, error) from error
        raise _unreached(path, done, str(error)) from error
    except OSError as error:
        raise _unreached(path, done, error.strerror or str(error)) from error


def _unreached(path: Path, done: str, why: str) -> LedgerUnwritable:
    """SQLite has no word of its own for a full disk, where it can't have the memory that it shares."""
    is_full = _left_bytes(path) == 0
    why += "; no room is left on its disk" if is_full else ""
    hint = "make room there" if is_full else "look at its disk and its permissions"
    return LedgerUnwritable(f"the ledger {path} can't be {done}: {why}", f"{hint}; jobs go on meanwhile")


def _left_bytes(path: Path) -> int | None:
    """None where nobody can tell."""
    try:
        disk = os.statvfs(path.parent)
    except OSError:
        return None
    return disk.f_bavail * disk.f_frsize


def broken(path: Path, error: Exception | str) -> LedgerDamaged:
    return LedgerDamaged(
        f"the ledger {path} is damaged: {error}",
        "put back a copy that is whole: runexp ledger restore FILE; without one move it aside with its -wal and -shm files, "
        "and `runexp run` on an experiment takes up what is on disk",
    )
