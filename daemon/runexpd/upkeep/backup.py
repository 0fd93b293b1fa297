"""A copy of the ledger, whoever writes it meanwhile; and the ledger put back as a copy has it."""

import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from tempfile import TemporaryDirectory

from runexpd.core.observations import Restored
from runexpd.core.state import State
from runexpd.ledger.errors import LedgerDamaged, LedgerError
from runexpd.ledger.store import Ledger, Reader, at_rest
from runexpd.runtime import admission
from runexpd.runtime.shelf import Shelf
from runexpd.upkeep.check import check

#: Followers go by numbers: those that were used since are left out, too.
_SEQ_AHEAD = 1_000_000
_BESIDE = ("-wal", "-shm")


def backup(path: Path, to: Path) -> None:
    """Copy the ledger into one file, mode 0600, all or nothing. Raises LedgerError, OSError; FileExistsError where there is one."""
    if to.exists():
        raise FileExistsError(f"{to} is there already")
    if not to.parent.is_dir():
        raise FileNotFoundError(f"there is no directory {to.parent}")
    new = to.with_name(f".{to.name}.{os.getpid()}")
    new.touch(0o600, exist_ok=False)
    try:
        with Reader(path) as ledger:
            _copied(ledger, new)
        os.link(new, to)  # which no file is lost by
    finally:
        new.unlink(missing_ok=True)
    _sync(to.parent)


def restore(path: Path, copy: Path, now: float, tell: Callable[[int, int], None]) -> Path | None:
    """Put the ledger back as `copy` has it; returns where the one that was there lies now, if there was one.

    `now`: seconds since 1970, which is beyond any token that was used since. Raises LedgerError and OSError, with nothing
    changed: LedgerLocked while a daemon uses it, LedgerDamaged where the copy isn't whole.
    """
    newest = _newest(path)
    with at_rest(path):
        if problems := check(copy, tell).problems:
            raise LedgerDamaged(f"{copy} is not whole: {problems[0]}", f"see: runexp ledger check {copy}")
        with TemporaryDirectory(dir=path.parent, prefix="restoring-") as directory:
            new = Path(directory) / path.name
            with Reader(copy) as ledger:
                _copied(ledger, new)
            _mark(new, now, newest)
            return _put(path, new, time.strftime("%Y%m%d-%H%M%S", time.localtime(now)))


def _copied(ledger: Reader, to: Path) -> None:
    """One file, with nothing beside it."""
    os.close(os.open(to, os.O_RDWR | os.O_CREAT, 0o600))
    with closing(sqlite3.connect(to)) as connection:
        ledger.copy(connection)
        connection.execute("PRAGMA journal_mode = DELETE")
    _sync(to)


def _newest(path: Path) -> int:
    """The newest number of the ledger that is there; 0 where it can't be told."""
    try:
        with Reader(path) as ledger:
            return max(ledger.heads().values(), default=0)
    except LedgerError:
        return 0


def _mark(path: Path, now: float, newest: int) -> None:
    """Have each experiment know that something may have happened since."""
    with Ledger(path) as ledger:
        state = State()
        for id in ledger.heads():
            state = Shelf(ledger).read(state, id)
        last = max(newest, ledger.last_seq + _SEQ_AHEAD)
        if rows := admission.admit(state, Restored(tokens=int(now)), now, last).rows:
            ledger.append(rows)


def _put(path: Path, new: Path, stamp: str) -> Path | None:
    """In place of the one that is there, which is kept."""
    aside = path.with_name(f"{path.stem}-until-{stamp}{path.suffix}") if path.exists() else None
    if aside is not None:
        os.link(path, aside)
        for tail in _BESIDE:  # of one that is damaged; else nothing is left there
            with suppress(FileNotFoundError):
                path.with_name(path.name + tail).rename(aside.with_name(aside.name + tail))
    new.replace(path)
    _sync(path.parent)
    return aside


def _sync(path: Path) -> None:
    """What a file or a directory holds is on the disk afterwards."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
