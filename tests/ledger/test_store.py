import os
import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes.builders import GOOD, ID, World, scaffold
from runexp.wire import events
from runexp.wire.events import Event, Recorded
from runexp.wire.states import Phase
from runexpd.core.apply import fold
from runexpd.core.state import State
from runexpd.ledger import codec, contents
from runexpd.ledger.errors import LedgerDamaged, LedgerLocked, LedgerTooNew, LedgerUnwritable, NotUnique
from runexpd.ledger.migrate import shipped
from runexpd.ledger.store import Ledger, LogPosition, Row


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


def row(seq: int, experiment: str, event: Event) -> Row:
    return Row(seq, 1000.0, experiment, type(event).__name__, codec.encode(event))


def row_of(recorded: Recorded) -> Row:
    return Row(
        recorded.seq,
        recorded.at,
        recorded.experiment,
        type(recorded.event).__name__,
        codec.encode(recorded.event),
    )


def filled(path: Path) -> World:
    """An experiment with one run trained."""
    world = World()
    world.see(scaffold())
    world.finish("rank4", GOOD)
    with Ledger(path) as ledger:
        for recorded in world.ledger:
            ledger.append([row_of(recorded)])
    return world


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(f"SELECT * FROM {table}").fetchall()


def test_what_was_appended_is_read_back_in_order(path: Path) -> None:
    world = filled(path)
    with Ledger(path) as ledger:
        assert list(ledger.since(0)) == world.ledger
        assert list(ledger.since(5)) == world.ledger[5:]
        assert list(ledger.since(0, "another")) == []
        assert ledger.last_seq == len(world.ledger)


def test_a_replayed_ledger_is_the_state_that_was(path: Path) -> None:
    world = filled(path)
    with Ledger(path) as ledger:
        assert fold(world.empty, ledger.since(0)) == world.state


def test_it_is_the_users_alone(path: Path) -> None:
    filled(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_events_are_never_changed(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute("UPDATE events SET at = 0")
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            connection.execute("DELETE FROM events")


@pytest.mark.parametrize(
    "event",
    [
        events.AttemptIntended(job="rank8", number=1, token="e1-1"),
        events.JobAdopted(job="rank8", number=1, token="e1-1", slurm_job_id="7", mark="m", output="/o"),
        events.ExperimentAdded(name="other", dir="/exp", cluster="local"),
    ],
)
def test_a_token_or_a_directory_that_is_taken_is_refused_with_all_that_came_with_it(
    path: Path, event: Event
) -> None:
    filled(path)
    with Ledger(path) as ledger:
        count = ledger.last_seq
        rows = [
            row(count + 1, "e2", events.PhaseOpened(phase=Phase.OPTIMIZATION)),
            row(count + 2, "e2", event),
        ]
        with pytest.raises(NotUnique):
            ledger.check(rows)
        with pytest.raises(NotUnique):
            ledger.append(rows)
        assert ledger.last_seq == count
        assert len(list(ledger.since(0))) == count


def test_what_is_checked_is_not_kept(path: Path) -> None:
    with Ledger(path) as ledger:
        ledger.check([row(1, "e1", events.ExperimentAdded(name="x", dir="/x", cluster="local"))])
        assert list(ledger.since(0)) == []
        ledger.append([row(1, "e1", events.ExperimentAdded(name="x", dir="/x", cluster="local"))])
        assert list(ledger.heads()) == ["e1"]


def fill(ledger: Ledger, event: events.ExperimentAdded) -> None:
    for seq in range(1, 100):
        ledger.append([row(seq, f"e{seq}", replace(event, dir=f"/{seq}"))])


@pytest.mark.skipif(os.getuid() != 0, reason="only root can mount a small disk")
def test_a_full_disk_takes_nothing_and_goes_on_when_there_is_room(tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=512k", "tmpfs", str(disk)], check=True)
    try:
        with Ledger(disk / "ledger.sqlite") as ledger:
            event = events.ExperimentAdded(name="x" * 20_000, dir="/x", cluster="local")
            ballast = disk / "ballast"
            ballast.write_bytes(bytes(200_000))
            with pytest.raises(LedgerUnwritable) as full:
                fill(ledger, event)
            assert "full" in full.value.what
            kept = ledger.last_seq
            assert [r.seq for r in ledger.since(0)] == list(range(1, kept + 1))
            ballast.unlink()
            ledger.probe()
            ledger.append([row(kept + 1, "later", replace(event, dir="/later"))])
            assert ledger.last_seq == kept + 1
    finally:
        subprocess.run(["umount", str(disk)], check=True)


def test_a_ledger_that_cannot_be_made_says_why(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where a directory should be")
    with pytest.raises(LedgerUnwritable, match="can't be opened"):
        Ledger(tmp_path / "state" / "ledger.sqlite")


def test_a_second_daemon_is_told_who_has_it(path: Path) -> None:
    path.parent.mkdir()
    script = f"from pathlib import Path; from runexpd.ledger.store import Ledger; Ledger(Path({str(path)!r}))"
    with Ledger(path):
        other = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert "LedgerLocked" in other.stderr
    assert "pid" in other.stderr
    with Ledger(path), pytest.raises(LedgerLocked):
        Ledger(path)


def test_a_newer_format_is_refused_and_left_alone(path: Path) -> None:
    filled(path)
    with Ledger(path, [*shipped(), "CREATE TABLE later (x)"]):
        pass
    before = path.read_bytes()
    with pytest.raises(LedgerTooNew, match=rf"format {len(shipped()) + 1}.*knows {len(shipped())}"):
        Ledger(path)
    assert path.read_bytes() == before


def test_an_older_format_is_brought_forward_with_its_events(path: Path) -> None:
    world = filled(path)
    with Ledger(path, [*shipped(), "ALTER TABLE log_positions ADD COLUMN note TEXT"]) as ledger:
        assert list(ledger.since(0)) == world.ledger


def test_a_failed_migration_leaves_the_file_as_it_was(path: Path) -> None:
    world = filled(path)
    with pytest.raises(LedgerDamaged):
        Ledger(path, [*shipped(), "CREATE TABLE later (x); CREATE TABLE later (x)"])
    with Ledger(path) as ledger:
        assert list(ledger.since(0)) == world.ledger


@pytest.mark.parametrize("damage", [b"", b"not a database, whatever its name says" * 100])
def test_a_file_that_is_no_ledger_is_said_to_be_damaged(path: Path, damage: bytes) -> None:
    filled(path)
    for beside in path.parent.glob("ledger.sqlite-*"):
        beside.unlink()
    path.write_bytes(damage or path.read_bytes()[:5000] + b"\0" * 3000)
    with pytest.raises(LedgerDamaged, match="damaged"), Ledger(path) as ledger:
        list(ledger.since(0))


def test_damage_that_sqlite_quotes_is_told_though_it_is_no_text(path: Path) -> None:
    filled(path)
    path.write_bytes(path.read_bytes().replace(b"INDEX events_of", b"INDEX event\xb2_of"))
    with pytest.raises(LedgerDamaged, match="damaged"):
        Ledger(path)


def test_an_event_that_nobody_can_read_is_damage(path: Path) -> None:
    filled(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(
            """INSERT INTO events VALUES (1000, 0, 'e1', '?', CAST('{"type": "Levitated"}' AS BLOB))"""
        )
    with Ledger(path) as ledger, pytest.raises(LedgerDamaged, match="Levitated"):
        list(ledger.since(0))


def test_log_positions(path: Path) -> None:
    with Ledger(path) as ledger:
        assert ledger.log_position(ID, "/exp/run-experiment.log") is None
        ledger.set_log_position(ID, "/exp/run-experiment.log", LogPosition(3, 100))
        ledger.set_log_position(ID, "/exp/run-experiment.log", LogPosition(5, 200))
    with Ledger(path) as ledger:
        assert ledger.log_position(ID, "/exp/run-experiment.log") == LogPosition(5, 200)


def test_an_empty_ledger_is_an_empty_state(path: Path) -> None:
    with Ledger(path) as ledger:
        assert fold(State(), ledger.since(0)) == State()


@pytest.mark.parametrize(
    "damage", ["x'00'", "x'28b52ffd'", "x'28b52ffde0ffffffffffffff7f'", "substr(body, 1, 9)"]
)
def test_a_text_that_is_damaged_is_none_and_is_kept_anew(path: Path, damage: str) -> None:
    body = b"epochs: 1\n" * 20
    name = contents.name(body)
    with Ledger(path) as ledger:
        contents.keep(ledger, {name: body})
        ledger.change_all(f"UPDATE contents SET body = CAST({damage} AS BLOB) WHERE name = ?", [(name,)])
        assert contents.read(ledger, [name]) == {}
        contents.keep(ledger, {name: body})
        assert contents.read(ledger, [name]) == {name: body}
