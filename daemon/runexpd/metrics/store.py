"""The metrics' file: what runs did at each step, thinned as it grows, and how far each of their files was read.

Points lie in chunks, one a look and series; a series of too many is written anew as one chunk, thinned. Its methods block, and
are for one thread at a time. Whatever is wrong with the file costs nothing but time: it is begun anew.
"""

import sqlite3
from array import array
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

import msgspec

from runexp.wire.metrics import Series
from runexpd.metrics.thin import Placed, thinned

#: Of one series of one attempt; when there are more, half of them stay.
MOST_POINTS = 2000
MOST_CHUNKS = 100
#: Goes up with every change of the tables: a file of another version is begun anew.
_VERSION = 1
_TABLES = """
CREATE TABLE attempts (
    token TEXT PRIMARY KEY, experiment TEXT NOT NULL, job TEXT NOT NULL, number INTEGER NOT NULL, began_at REAL,
    is_over INTEGER NOT NULL DEFAULT 0, marks BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX attempts_of ON attempts (experiment, job, number);
CREATE TABLE chunks (
    id INTEGER PRIMARY KEY AUTOINCREMENT, token TEXT NOT NULL, name TEXT NOT NULL, label TEXT NOT NULL,
    points INTEGER NOT NULL, body BLOB NOT NULL
);
CREATE INDEX chunks_of ON chunks (token, name, id);
CREATE TABLE positions (experiment TEXT PRIMARY KEY, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE durations (id INTEGER PRIMARY KEY, kind TEXT NOT NULL, seconds REAL NOT NULL);
CREATE INDEX durations_of ON durations (kind, id);
"""


class Owner(msgspec.Struct, frozen=True):
    """The attempt that points are of."""

    token: str
    experiment: str
    job: str
    number: int
    #: Seconds since 1970, by its cluster's clock.
    began_at: float | None


class Brought(msgspec.Struct, frozen=True):
    """What a look brought of one series."""

    name: str
    label: str
    points: Sequence[Placed]


R = TypeVar("R")
#: What a file that is damaged has a reader of it meet: SQLite's words may be none, and values none of theirs.
DAMAGED = (sqlite3.Error, ValueError, TypeError, OverflowError)


class Store:
    def __init__(self, path: Path) -> None:
        """Open or make the file, mode 0600. Raises OSError and sqlite3.Error where none can be had."""
        self.path = path
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        path.touch(0o600)
        try:
            self._db = _opened(path)
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            for old in (path, *(path.with_name(path.name + tail) for tail in ("-wal", "-shm"))):
                old.unlink(missing_ok=True)
            path.touch(0o600)
            self._db = _opened(path)

    def close(self) -> None:
        self._db.close()

    def add(self, owner: Owner, marks: bytes, brought: Iterable[Brought]) -> None:
        """What a look brought, and how far the files are read now: both or neither. Raises sqlite3.Error."""
        with self._db:
            self._db.execute(
                "INSERT INTO attempts (token, experiment, job, number, began_at, marks) VALUES (?, ?, ?, ?, ?, ?)"
                " ON CONFLICT DO UPDATE SET marks = excluded.marks, began_at = excluded.began_at",
                (owner.token, owner.experiment, owner.job, owner.number, owner.began_at, marks),
            )
            for series in brought:
                self._put(owner.token, series)
                self._thin(owner.token, series.name)

    def marks(self, token: str) -> bytes | None:
        found = self._one("SELECT marks FROM attempts WHERE token = ?", token)
        return found if isinstance(found, bytes) else None

    def ends(self, token: str, names: Sequence[str]) -> tuple[Placed, Placed] | None:
        """The first and the last point of the first of these series that there is."""
        found = {name: points for name, _, points in self._curves(token, 0) if points}
        return next(((found[name][0], found[name][-1]) for name in names if name in found), None)

    def is_over(self, token: str) -> bool:
        return bool(self._one("SELECT is_over FROM attempts WHERE token = ?", token))

    def finish(self, token: str, durations: Mapping[str, float]) -> None:
        """All of it was read; how long what took that counts for others, in seconds by kind. Raises sqlite3.Error."""
        with self._db:
            self._db.execute("UPDATE attempts SET is_over = 1 WHERE token = ?", (token,))
            self._db.executemany("INSERT INTO durations (kind, seconds) VALUES (?, ?)", durations.items())

    def durations(self, most: int) -> dict[str, tuple[float, ...]]:
        """How long the newest of each kind ran, in seconds; what is older is let go of."""
        found: dict[str, tuple[float, ...]] = {}
        asked = "SELECT id, kind, seconds FROM durations ORDER BY id DESC"
        for id, kind, seconds in self._rows(tuple[int, str, float], asked):
            if len(found.setdefault(kind, ())) < most:
                found[kind] = (*found[kind], seconds)
            else:
                self._db.execute("DELETE FROM durations WHERE id = ?", (id,))
        self._db.commit()
        return found

    def positions(self) -> dict[str, int]:
        return dict(self._rows(tuple[str, int], "SELECT experiment, seq FROM positions"))

    def set_position(self, experiment: str, seq: int) -> None:
        """Up to which event the ends of its jobs were followed. Raises sqlite3.Error."""
        with self._db:
            self._db.execute("INSERT OR REPLACE INTO positions VALUES (?, ?)", (experiment, seq))

    def keep(self, experiments: Collection[str]) -> None:
        """Those of these alone, in a file no larger than they need. Raises sqlite3.Error."""
        gone = [
            (id,)
            for (id,) in self._db.execute("SELECT DISTINCT experiment FROM attempts")
            if id not in experiments
        ]
        with self._db:
            self._db.executemany("DELETE FROM attempts WHERE experiment = ?", gone)
            self._db.executemany("DELETE FROM positions WHERE experiment = ?", gone)
            self._db.execute("DELETE FROM chunks WHERE token NOT IN (SELECT token FROM attempts)")
        self._db.execute("VACUUM")

    def series(
        self, experiment: str, jobs: Sequence[str], names: Sequence[str], after: int, most: int
    ) -> list[Series]:
        """Of these jobs and names (none: all), what came after a chunk's number."""
        asked = "SELECT token, job, number, began_at FROM attempts WHERE experiment = ? ORDER BY job, number"
        owners = self._rows(tuple[str, str, int, float | None], asked, experiment)
        wanted = set(jobs)
        return [
            _series(job, number, began_at, name, label, thinned(points, most))
            for token, job, number, began_at in owners
            if not wanted or job in wanted
            for name, label, points in self._curves(token, after)
            if not names or name in names
        ]

    def mark(self) -> int:
        """The newest chunk's number."""
        (newest,) = self._db.execute("SELECT coalesce(max(id), 0) FROM chunks").fetchone()
        return int(newest)

    def _rows(self, kind: type[R], question: str, *values: object) -> list[R]:
        """Of these types: the file could hold others, where it is damaged. Raises what DAMAGED names."""
        return msgspec.convert(self._db.execute(question, values).fetchall(), list[kind])  # type: ignore[valid-type]

    def _one(self, question: str, *values: object) -> object:
        row = self._db.execute(question, values).fetchone()
        return row[0] if row else None

    def _curves(self, token: str, after: int) -> Iterator[tuple[str, str, list[Placed]]]:
        asked = "SELECT name, label, body FROM chunks WHERE token = ? AND id > ? ORDER BY id"
        rows = self._rows(tuple[str, str, bytes], asked, token, after)
        bodies: dict[str, list[bytes]] = {}
        labels: dict[str, str] = {}
        for name, label, body in rows:
            bodies.setdefault(name, []).append(body)
            labels[name] = label
        for name, some in bodies.items():
            yield name, labels[name], _merged(some)

    def _put(self, token: str, series: Brought) -> None:
        self._db.execute(
            "INSERT INTO chunks (token, name, label, points, body) VALUES (?, ?, ?, ?, ?)",
            (token, series.name, series.label, len(series.points), _packed(series.points)),
        )

    def _thin(self, token: str, name: str) -> None:
        ask = "SELECT count(*), sum(points), max(label) FROM chunks WHERE token = ? AND name = ?"
        chunks, points, label = self._db.execute(ask, (token, name)).fetchone()
        if points <= MOST_POINTS and chunks <= MOST_CHUNKS:
            return
        bodies = self._db.execute(
            "SELECT body FROM chunks WHERE token = ? AND name = ? ORDER BY id", (token, name)
        )
        merged = _merged([body for (body,) in bodies])
        kept = thinned(merged, MOST_POINTS // 2) if len(merged) > MOST_POINTS else merged
        self._db.execute("DELETE FROM chunks WHERE token = ? AND name = ?", (token, name))
        self._put(token, Brought(name, label, kept))


def _opened(path: Path) -> sqlite3.Connection:
    db = sqlite3.connect(path, check_same_thread=False, timeout=5.0)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        db.execute("PRAGMA synchronous = NORMAL")
        # Each run's steps are read and written together: a larger cache would hold what nobody asks for.
        db.execute("PRAGMA cache_size = -500")
        (version,) = db.execute("PRAGMA user_version").fetchone()
        if version == 0:
            db.executescript(f"BEGIN; {_TABLES}; PRAGMA user_version = {_VERSION}; COMMIT;")
        elif version != _VERSION:
            raise sqlite3.DatabaseError("of another version")
    except BaseException:
        with suppress(*DAMAGED):
            db.close()
        raise
    return db


def _packed(points: Sequence[Placed]) -> bytes:
    columns = (
        array("d", (p.step for p in points)),
        array("d", (p.seconds for p in points)),
        array("d", (p.value for p in points)),
    )
    return b"".join(column.tobytes() for column in columns)


def _unpacked(body: bytes) -> Iterator[Placed]:
    every = array("d", body)
    count = len(every) // 3
    for n in range(count):
        yield Placed(int(every[n]), every[count + n], every[2 * count + n])


def _merged(bodies: Iterable[bytes]) -> list[Placed]:
    """One point a step, the newest, in order."""
    by_step: dict[int, Placed] = {point.step: point for body in bodies for point in _unpacked(body)}
    return [by_step[step] for step in sorted(by_step)]


def _series(
    job: str, number: int, began_at: float | None, name: str, label: str, points: Sequence[Placed]
) -> Series:
    finite = (p.value if abs(p.value) < float("inf") else None for p in points)
    return Series(
        job=job,
        name=name,
        attempt=number,
        steps=tuple(p.step for p in points),
        seconds=tuple(round(p.seconds, 3) for p in points),
        values=tuple(finite),
        began_at=began_at,
        label=label,
    )
