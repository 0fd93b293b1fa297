"""The ledger's file on disks that fail, asked by many, and with what may be there once."""

import os
import sqlite3
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes.builders import GOOD, ID, World, scaffold
from fakes.ledgers import written
from runexp.wire.events import AttemptIntended, Event, ExperimentAdded, JobAdopted, Recorded
from runexpd.ledger import codec
from runexpd.ledger.errors import LedgerDamaged, LedgerUnwritable, NotUnique
from runexpd.ledger.store import Ledger, LogPosition, Reader, Row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


def row(seq: int, event: Event, experiment: str = ID) -> Row:
    return Row(seq, 1000.0 + seq, experiment, type(event).__name__, codec.encode(event))


def row_of(recorded: Recorded) -> Row:
    return replace(row(recorded.seq, recorded.event, recorded.experiment), at=recorded.at)


def intended(seq: int, token: str) -> Row:
    return row(seq, AttemptIntended(job="rank4", number=1, token=token))


def added(seq: int, experiment: str, dir: str, cluster: str = "local") -> Row:
    return row(seq, ExperimentAdded(name="words", dir=dir, cluster=cluster), experiment)


def filled(path: Path) -> World:
    """An experiment with one run trained, written as the loop does."""
    world = World()
    world.see(scaffold())
    world.finish("rank4", GOOD)
    with Ledger(path) as ledger:
        for recorded in world.ledger:
            ledger.append([row_of(recorded)])
    return world


def test_what_was_appended_at_once_is_there_as_if_it_had_come_one_by_one(path: Path, tmp_path: Path) -> None:
    world = filled(path)
    with Ledger(tmp_path / "again.sqlite") as again, Ledger(path) as ledger:
        again.append([row_of(recorded) for recorded in world.ledger])
        assert again.envelopes(0) == ledger.envelopes(0) != []


def test_envelopes_hold_the_events_as_they_are_kept(path: Path) -> None:
    world = filled(path)
    with Ledger(path) as ledger:
        envelopes = ledger.envelopes(2, ID)
        assert [bytes(e.event) for e in envelopes] == [row_of(r).body for r in world.ledger[2:]]
        assert [(e.seq, e.at, e.experiment) for e in envelopes] == [
            (r.seq, r.at, ID) for r in world.ledger[2:]
        ]
        assert ledger.envelopes(0, "another") == []


def test_the_newest_event_of_each_experiment_is_known(path: Path) -> None:
    with Ledger(path) as ledger:
        assert ledger.heads() == {}
        ledger.append([added(1, "z", "/z"), added(2, "a", "/a"), replace(intended(3, "z-1"), experiment="z")])
        assert ledger.heads() == {"a": 2, "z": 3}


@pytest.mark.parametrize(
    "thief",
    [
        intended(5, "e1-1"),
        row(
            5,
            JobAdopted(job="rank8", number=1, token="e1-1", slurm_job_id="9", mark="m", output="/o"),
            "e2",
        ),
        added(5, "e2", "/exp"),
    ],
    ids=["a token, again", "a token, of another experiment", "a directory"],
)
def test_what_may_be_there_once_is_refused_the_second_time_with_all_that_came_with_it(
    path: Path, thief: Row
) -> None:
    with Ledger(path) as ledger:
        ledger.append([added(1, ID, "/exp"), intended(2, "e1-1")])
        before = ledger.envelopes(0)
        for attempt in (ledger.check, ledger.append):
            with pytest.raises(NotUnique, match="UNIQUE"):
                attempt([intended(3, "e1-2"), added(4, "e3", "/exp3"), thief])
            assert (ledger.envelopes(0), ledger.last_seq) == (before, 2)
        ledger.append([intended(3, "e1-2"), added(4, "e3", "/exp3")])
        assert ledger.last_seq == 4


def test_twice_in_one_commit_is_twice(path: Path) -> None:
    with Ledger(path) as ledger:
        with pytest.raises(NotUnique):
            ledger.append([intended(1, "e1-1"), intended(2, "e1-1")])
        assert ledger.envelopes(0) == []


def test_a_directory_of_another_cluster_is_another(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.append([added(1, "e1", "/exp"), added(2, "e2", "/exp", "della")])
        assert ledger.last_seq == 2


def test_what_is_checked_is_not_left_there(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.check([intended(1, "e1-1")])
        ledger.check([])
        ledger.probe()
        assert (ledger.envelopes(0), ledger.last_seq) == ([], 0)
        ledger.append([intended(1, "e1-1")])


def test_many_threads_read_while_one_writes(path: Path) -> None:
    seen: list[list[int]] = []

    def read() -> None:
        while not seen or len(seen[-1]) < 50:
            seen.append([envelope.seq for envelope in ledger.envelopes(0)])

    with Ledger(path) as ledger:
        readers = [threading.Thread(target=read, daemon=True) for _ in range(3)]
        for reader in readers:
            reader.start()
        for seq in range(1, 51, 2):
            ledger.append([intended(seq, f"e1-{seq}"), intended(seq + 1, f"e1-{seq + 1}")])
        for reader in readers:
            reader.join(20)
    assert all(seqs == list(range(1, len(seqs) + 1)) and len(seqs) % 2 == 0 for seqs in seen)


def test_a_ledger_of_the_first_format_keeps_its_events_and_loses_what_they_add_up_to(path: Path) -> None:
    world = World()
    world.see(scaffold())
    last = len(world.ledger)
    twice = [intended(last + 1, "e1-o1-1"), intended(last + 2, "e1-o1-1")]
    path.parent.mkdir()
    written(path, 1, [*map(row_of, world.ledger), *twice])
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("INSERT INTO log_positions VALUES (?, ?, 2, 20)", (ID, "/exp/run.log"))
    with Reader(path) as reader:
        before = reader.envelopes(0)
    with Ledger(path) as ledger:
        assert ledger.envelopes(0) == before
        assert ledger.last_seq == len(before)
        assert ledger.log_position(ID, "/exp/run.log") == LogPosition(2, 20)
        with pytest.raises(NotUnique):
            ledger.append([intended(ledger.last_seq + 1, "e1-1")])
    with closing(sqlite3.connect(path)) as connection, connection:
        tables = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
    assert {name for (name,) in tables} == {"contents", "events", "log_positions", "removed", "snapshots"}


def test_who_reads_a_file_that_is_damaged_under_way_is_told_so(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.append([intended(seq, f"e1-{seq}") for seq in range(1, 200)])
        ledger._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        ledger._connection.execute("PRAGMA cache_size = 0")
        ledger._connection.execute("PRAGMA shrink_memory")
        path.write_bytes(path.read_bytes()[:4096] + b"\xff" * (path.stat().st_size - 4096))
        with pytest.raises(LedgerDamaged, match="damaged"):
            ledger.envelopes(0)
        with pytest.raises(LedgerDamaged, match="damaged"):
            ledger.append([intended(200, "e1-200")])
    path.unlink()


needs_root = pytest.mark.skipif(os.getuid() != 0, reason="mounts a small disk")


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A disk of 256 KiB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=256k", "runexp-test", disk], check=True)
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", disk], check=True)


@needs_root
def test_a_disk_that_is_read_only_is_said_and_not_taken_for_damage(disk: Path) -> None:
    path = disk / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.append([intended(1, "e1-1")])
    subprocess.run(["mount", "-o", "remount,ro", disk], check=True)
    with pytest.raises(LedgerUnwritable, match=r"can't be opened: .*[Rr]ead-only") as refused:
        Ledger(path)
    assert refused.value.hint
    subprocess.run(["mount", "-o", "remount,rw", disk], check=True)
    with Ledger(path) as ledger:
        assert ledger.last_seq == 1


@needs_root
def test_a_full_disk_at_the_first_start_is_said_and_not_taken_for_damage(disk: Path) -> None:
    (disk / "ballast").write_bytes(b"x" * 250_000)
    with pytest.raises(LedgerUnwritable):
        Ledger(disk / "ledger.sqlite")
    (disk / "ballast").unlink()
    with Ledger(disk / "ledger.sqlite") as ledger:
        assert ledger.last_seq == 0


@needs_root
def test_a_full_disk_is_said_to_be_full(disk: Path) -> None:
    path = disk / "ledger.sqlite"
    with Ledger(path) as ledger:
        ledger.append([intended(1, "e1-1")])
    with suppress(OSError), (disk / "ballast").open("wb", buffering=0) as ballast:
        while True:
            ballast.write(b"x" * 512)
    with pytest.raises(LedgerUnwritable, match="no room is left on its disk") as refused:
        Ledger(path)
    assert refused.value.hint == "make room there; jobs go on meanwhile"
    (disk / "ballast").unlink()
    with Ledger(path) as ledger:
        assert ledger.last_seq == 1


def test_a_directory_that_cannot_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(LedgerUnwritable, match="can't be opened"):
        Ledger(tmp_path / "file" / "state" / "ledger.sqlite")


@pytest.mark.skipif(os.getuid() == 0, reason="root may write everywhere")
def test_a_directory_that_is_somebody_elses_is_said(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(LedgerUnwritable, match="can't be opened"):
        Ledger(tmp_path / "ledger.sqlite")
    tmp_path.chmod(0o700)
