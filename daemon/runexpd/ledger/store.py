"""The ledger's file: open, append, read. What `append` has returned is on disk.

Knows nothing of what events mean. Its methods block, for as long as the disk takes: never call them on the event loop, but
through `runexpd.ledger.desk`.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from runexp.wire.events import Envelope, Recorded
from runexpd.ledger import codec, faults
from runexpd.ledger.errors import LedgerError, LedgerLocked
from runexpd.ledger.migrate import migrate, shipped


class Row(msgspec.Struct, frozen=True):
    """An event as it is kept."""

    seq: int
    #: Seconds since 1970.
    at: float
    experiment: str
    type: str
    body: bytes


class LogPosition(msgspec.Struct, frozen=True):
    """How far a run log is written; as it is made, one that is owed, and whose file nobody has looked at."""

    seq: int = 0
    size_bytes: int = -1

    @property
    def is_begun(self) -> bool:
        return self.size_bytes >= 0


_LAST = "SELECT max((SELECT coalesce(max(seq), 0) FROM events), (SELECT coalesce(max(seq), 0) FROM removed))"
_SMALL_CACHE = "PRAGMA cache_size = -500"  # what is written last is read next
#: Read at a time.
PAGE_EVENTS = 2000
#: One step of the index for each experiment, however many events there are.
_HEADS = """
WITH RECURSIVE ids (id) AS (
    SELECT min(experiment) FROM events
    UNION ALL SELECT (SELECT min(experiment) FROM events WHERE experiment > id) FROM ids WHERE id IS NOT NULL
)
SELECT id, (SELECT max(seq) FROM events WHERE experiment = id) FROM ids WHERE id IS NOT NULL
"""


class Reader:
    """A ledger that is read, whoever else writes it meanwhile. Any thread may call its methods."""

    def __init__(self, path: Path, connect: Callable[[Path], sqlite3.Connection] | None = None) -> None:
        """Open the file as it is, of whatever format. Raises LedgerDamaged, LedgerUnwritable."""
        self.path = path
        # One connection: a reader beside a writer would see, and commit, half a transaction.
        self._turn = threading.Lock()
        with faults.reached(path, "opened"):
            self._connection = (connect or _to_read)(path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()

    def copy(self, to: sqlite3.Connection) -> None:
        """All of it, as it is at one moment. Raises LedgerUnwritable and LedgerDamaged."""
        with self._turn, faults.reached(self.path, "copied"):
            self._connection.backup(to)

    def heads(self) -> dict[str, int]:
        """The newest event's number of each experiment, by id. Raises LedgerUnwritable and LedgerDamaged."""
        return dict(self.rows(_HEADS))

    def since(self, after: int, experiment: str | None = None) -> Iterator[Recorded]:
        """Events numbered above `after`, in order, decoded, a page at a time; of one experiment, or of all. Raises as `heads` does."""
        while page := self.envelopes(after, experiment, PAGE_EVENTS):
            for envelope in page:
                try:
                    event = codec.decode(bytes(envelope.event))
                except codec.Undecodable as error:
                    raise faults.broken(self.path, error) from error
                yield Recorded(envelope.seq, envelope.at, envelope.experiment, event)
            after = page[-1].seq

    def envelopes(self, after: int, experiment: str | None = None, most: int = -1) -> list[Envelope]:
        """The same, undecoded, at most so many: what goes on the wire."""
        of, which = ("", ()) if experiment is None else ("AND experiment = ?", (experiment,))
        sql = f"SELECT seq, at, experiment, body FROM events WHERE seq > ? {of} ORDER BY seq LIMIT ?"
        found = self.rows(sql, after, *which, most)
        return [Envelope(seq, at, of_experiment, msgspec.Raw(body)) for seq, at, of_experiment, body in found]

    def rows(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """What a query gives, fetched whole, so that nothing is held open. Raises as `heads` does."""
        with self._turn, faults.reached(self.path, "read"):
            return self._connection.execute(sql, values).fetchall()

    def examine(self) -> None:
        """Look the whole file over, which takes the longer the larger it is. Raises LedgerUnwritable and LedgerDamaged."""
        for (verdict,) in self.rows("PRAGMA quick_check(1)"):
            if verdict != "ok":
                raise faults.broken(self.path, verdict)


class Ledger(Reader):
    """The ledger that is written: one a machine and home. Any thread may call its methods."""

    def __init__(self, path: Path, migrations: Sequence[str] | None = None) -> None:
        """Open or make the file, mode 0600. Raises LedgerLocked, LedgerTooNew, LedgerDamaged, LedgerUnwritable."""
        with faults.reached(path, "opened"):
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._file_lock = _lock(path)
        try:
            super().__init__(
                path, lambda path: _connect(path, shipped() if migrations is None else migrations)
            )
            self.last_seq = int(self.rows(_LAST)[0][0])
        except LedgerError:
            os.close(self._file_lock)
            raise

    def close(self) -> None:
        super().close()
        os.close(self._file_lock)

    def append(self, rows: Sequence[Row]) -> None:
        """Commit events, numbered on from `last_seq`: all of them or none. On disk when it returns.

        Raises NotUnique, LedgerUnwritable where the disk won't take them, and LedgerDamaged.
        """
        with self._turn, faults.reached(self.path, "written"), self._connection as transaction:
            transaction.execute("BEGIN IMMEDIATE")
            transaction.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", _values(rows))
        self.last_seq = rows[-1].seq

    def check(self, rows: Sequence[Row]) -> None:
        """Whether these could be appended, without leaving them there. Raises what `append` does."""
        with self._turn, faults.reached(self.path, "written"):
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                self._connection.executemany("INSERT INTO events VALUES (?, ?, ?, ?, ?)", _values(rows))
            finally:
                self._connection.rollback()

    def probe(self) -> None:
        """Write what changes nothing. Raises LedgerUnwritable and LedgerDamaged."""
        with self._turn, faults.reached(self.path, "written"):
            (version,) = self._connection.execute("PRAGMA user_version").fetchone()
            self._connection.execute(f"PRAGMA user_version = {int(version)}")

    def change(self, sql: str, *values: object) -> None:
        """What is derived from the events, in a transaction of its own. Raises LedgerUnwritable and LedgerDamaged."""
        with self._turn, faults.reached(self.path, "written"), self._connection as transaction:
            transaction.execute(sql, values)

    def change_all(self, sql: str, rows: Sequence[tuple[object, ...]]) -> None:
        """The same, for many at once."""
        with self._turn, faults.reached(self.path, "written"), self._connection as transaction:
            transaction.execute("BEGIN IMMEDIATE")
            transaction.executemany(sql, rows)

    def change_each(self, statements: Sequence[tuple[str, Sequence[object]]]) -> None:
        """Several changes in one transaction. Raises as `change` does."""
        with self._turn, faults.reached(self.path, "written"), self._connection as transaction:
            transaction.execute("BEGIN IMMEDIATE")
            for sql, values in statements:
                transaction.execute(sql, values)

    def log_position(self, experiment: str, path: str) -> LogPosition | None:
        sql = "SELECT seq, size_bytes FROM log_positions WHERE experiment = ? AND path = ?"
        return next((LogPosition(*row) for row in self.rows(sql, experiment, path)), None)

    def set_log_position(self, experiment: str, path: str, position: LogPosition) -> None:
        """Raises as `change` does."""
        self.change(
            "INSERT INTO log_positions VALUES (?, ?, ?, ?) "
            "ON CONFLICT DO UPDATE SET seq = excluded.seq, size_bytes = excluded.size_bytes",
            *(experiment, path, position.seq, position.size_bytes),
        )


def _values(rows: Sequence[Row]) -> list[tuple[int, float, str, str, bytes]]:
    return [(row.seq, row.at, row.experiment, row.type, row.body) for row in rows]


@contextmanager
def at_rest(path: Path) -> Iterator[None]:
    """While nobody else can use a ledger; what was written is all in its file, if it is whole. Raises LedgerLocked, LedgerUnwritable."""
    with faults.reached(path, "locked"):
        lock = _lock(path)
    try:
        if path.exists():
            with suppress(sqlite3.DatabaseError, ValueError), closing(sqlite3.connect(path)) as connection:
                connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        yield
    finally:
        os.close(lock)


def _lock(path: Path) -> int:
    """Held until the process ends, however it ends."""
    handle = os.open(path.with_suffix(".lock"), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(handle, 32, 0).decode("ascii", "replace").strip()
        os.close(handle)
        raise LedgerLocked(
            f"the ledger {path} is locked by another runexpd (pid {owner or 'unknown'})",
            "use that daemon (`runexp daemon` shows it), or stop it first",
        ) from None
    with suppress(OSError):  # said to whoever else wants it; the disk may be full
        os.ftruncate(handle, 0)
        os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _to_read(path: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, check_same_thread=False)
    connection.execute(_SMALL_CACHE)
    return connection


def _connect(path: Path, migrations: Sequence[str]) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    try:
        connection.execute("PRAGMA journal_mode = WAL")
        # A commit is on disk when it returns: an intent that a power cut could take back would be no intent.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(_SMALL_CACHE)
        migrate(connection, migrations)
    except BaseException:
        connection.close()
        raise
    return connection
