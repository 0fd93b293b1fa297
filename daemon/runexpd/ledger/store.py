"""The ledger's file: open, append, read. What `append` has returned is on disk.

Knows nothing of what events mean: the derived rows come from the state it is handed with them.
"""

import fcntl
import os
import sqlite3
import threading
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

import msgspec

from runexp.wire.events import Envelope, Event, Recorded
from runexpd.core.state import Experiment
from runexpd.ledger.errors import LedgerDamaged, LedgerError, LedgerLocked
from runexpd.ledger.migrate import migrate, shipped

_decoder: msgspec.json.Decoder[Event] = msgspec.json.Decoder(Event)


class LogPosition(msgspec.Struct, frozen=True):
    """How far a run log is written."""

    seq: int = 0
    size_bytes: int = 0


class Ledger:
    """An open ledger. Its methods block, for as long as a commit takes; any thread may call them."""

    def __init__(self, path: Path, migrations: Sequence[str] | None = None) -> None:
        """Open or make the file, mode 0600. Raises LedgerLocked, LedgerTooNew, LedgerDamaged, LedgerError."""
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._file_lock = _lock(path.with_suffix(".lock"))
        # One connection: a reader beside a writer would see, and commit, half a transaction.
        self._turn = threading.Lock()
        try:
            self._connection = _connect(path)
            migrate(self._connection, shipped() if migrations is None else migrations)
            self.last_seq: int = self._one("SELECT coalesce(max(seq), 0) FROM events")
        except sqlite3.DatabaseError as error:
            os.close(self._file_lock)
            raise _broken(path, error) from error
        except LedgerError:
            os.close(self._file_lock)
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._connection.close()
        os.close(self._file_lock)

    def append(self, recorded: Sequence[Recorded], changed: Iterable[Experiment]) -> None:
        """Commit events, numbered on from `last_seq`, with the experiments they changed. On disk when it returns."""
        with self._turn, self._connection as transaction:
            transaction.execute("BEGIN IMMEDIATE")
            transaction.executemany(
                "INSERT INTO events (seq, at, experiment, type, body) VALUES (?, ?, ?, ?, ?)",
                [(r.seq, r.at, r.experiment, *_body(r.event)) for r in recorded],
            )
            for experiment in changed:
                _derive(transaction, experiment)
            self.last_seq = recorded[-1].seq

    def since(self, after: int, experiment: str | None = None) -> Iterator[Recorded]:
        """Events numbered above `after`, in order, decoded; of one experiment, or of all. Raises LedgerDamaged."""
        for envelope in self.envelopes(after, experiment):
            try:
                event = _decoder.decode(envelope.event)
            except msgspec.MsgspecError as error:
                raise _broken(self.path, error) from error
            yield Recorded(seq=envelope.seq, at=envelope.at, experiment=envelope.experiment, event=event)

    def envelopes(self, after: int, experiment: str | None = None) -> list[Envelope]:
        """The same, undecoded: what goes on the wire."""
        of = "" if experiment is None else "AND experiment = :experiment"
        with self._turn:
            rows = self._connection.execute(
                f"SELECT seq, at, experiment, body FROM events WHERE seq > :after {of} ORDER BY seq",
                {"after": after, "experiment": experiment},
            ).fetchall()
        return [Envelope(seq, at, of_experiment, msgspec.Raw(body)) for seq, at, of_experiment, body in rows]

    def log_position(self, experiment: str, path: str) -> LogPosition | None:
        with self._turn:
            row = self._connection.execute(
                "SELECT seq, size_bytes FROM log_positions WHERE experiment = ? AND path = ?",
                (experiment, path),
            ).fetchone()
        return LogPosition(*row) if row else None

    def set_log_position(self, experiment: str, path: str, position: LogPosition) -> None:
        with self._turn, self._connection as transaction:
            transaction.execute(
                "INSERT INTO log_positions VALUES (?, ?, ?, ?) "
                "ON CONFLICT DO UPDATE SET seq = excluded.seq, size_bytes = excluded.size_bytes",
                (experiment, path, position.seq, position.size_bytes),
            )

    def _one(self, sql: str) -> int:
        (value,) = self._connection.execute(sql).fetchone()
        return int(value)


def _lock(path: Path) -> int:
    """Held until the process ends, however it ends."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(handle, 32, 0).decode().strip()
        os.close(handle)
        raise LedgerLocked(
            f"the ledger {path.with_suffix('.sqlite')} is locked by another runexpd (pid {owner or 'unknown'})",
            "use that daemon (`runexp daemon` shows it), or stop it first",
        ) from None
    os.ftruncate(handle, 0)
    os.pwrite(handle, str(os.getpid()).encode(), 0)
    return handle


def _connect(path: Path) -> sqlite3.Connection:
    os.close(os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("PRAGMA journal_mode = WAL")
    # A commit is on disk when it returns: an intent that a power cut could take back would be no intent.
    connection.execute("PRAGMA synchronous = FULL")
    (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
    if verdict != "ok":
        raise sqlite3.DatabaseError(verdict)
    return connection


def _broken(path: Path, error: Exception) -> LedgerDamaged:
    return LedgerDamaged(
        f"the ledger {path} is damaged: {error}",
        "move it aside with its -wal and -shm files; `runexp run` on an experiment then takes up what is on disk",
    )


def _body(event: Event) -> tuple[str, bytes]:
    return type(event).__name__, msgspec.json.encode(event)


def _derive(transaction: sqlite3.Connection, e: Experiment) -> None:
    transaction.execute(
        "INSERT INTO experiments VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (id) DO UPDATE SET "
        "optimization = excluded.optimization, evaluation = excluded.evaluation, outcome = excluded.outcome, "
        "ended_at = excluded.ended_at, seq = excluded.seq",
        (
            e.id,
            e.name,
            e.cluster,
            e.dir,
            e.optimization,
            e.evaluation,
            e.outcome,
            e.added_at,
            e.ended_at,
            e.seq,
        ),
    )
    transaction.execute("DELETE FROM jobs WHERE experiment = ?", (e.id,))
    transaction.executemany(
        "INSERT INTO jobs VALUES (?, ?, ?, ?, ?, ?)",
        [(e.id, j.spec.id, j.spec.phase, j.stage, j.state, j.detail) for j in e.jobs.values()],
    )
    # A token that another job or attempt has used would change its row's owner: the WHERE leaves the row, and
    # `changes()` below tells.
    for job in e.jobs.values():
        for a in job.attempts:
            cursor = transaction.execute(
                "INSERT INTO attempts VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (token) DO UPDATE SET "
                "slurm_job_id = excluded.slurm_job_id, state = excluded.state, exit_code = excluded.exit_code, "
                "started_at = excluded.started_at, ended_at = excluded.ended_at "
                "WHERE experiment = excluded.experiment AND job = excluded.job AND number = excluded.number",
                (
                    a.token,
                    e.id,
                    job.spec.id,
                    a.number,
                    a.slurm_job_id,
                    a.state,
                    a.exit_code,
                    a.intended_at,
                    a.started_at,
                    a.ended_at,
                ),
            )
            if cursor.rowcount != 1:
                raise sqlite3.IntegrityError(f"token {a.token} was used before")
