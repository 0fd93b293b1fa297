import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from fakes.builders import GOOD, ID, World, scaffold
from runexpd.core.apply import fold
from runexpd.core.state import Experiment, State
from runexpd.ledger.errors import LedgerDamaged, LedgerLocked, LedgerTooNew
from runexpd.ledger.migrate import shipped
from runexpd.ledger.store import Ledger, LogPosition


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "ledger.sqlite"


def filled(path: Path) -> World:
    """An experiment with one run trained, written as the loop does: events with the state they lead to."""
    world = World()
    world.see(scaffold())
    world.finish("rank4", GOOD)
    with Ledger(path) as ledger:
        state = world.empty
        for recorded in world.ledger:
            state = fold(state, [recorded])
            ledger.append([recorded], [state.experiments[ID]])
    return world


def rows(path: Path, table: str) -> list[tuple[object, ...]]:
    with sqlite3.connect(path) as connection:
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


def test_the_tables_are_what_the_events_add_up_to(path: Path, tmp_path: Path) -> None:
    world = filled(path)
    again = tmp_path / "again" / "ledger.sqlite"
    with Ledger(again) as ledger:
        ledger.append(world.ledger, [world.experiment])
    for table in ("events", "experiments", "jobs", "attempts"):
        assert rows(path, table) == rows(again, table) != []


def test_it_is_the_users_alone(path: Path) -> None:
    filled(path)
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_events_are_never_changed(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as connection:
        with pytest.raises(sqlite3.IntegrityError, match="never changed"):
            connection.execute("UPDATE events SET at = 0")
        with pytest.raises(sqlite3.IntegrityError, match="never deleted"):
            connection.execute("DELETE FROM events")


def test_a_token_that_was_used_before_is_refused_with_all_that_came_with_it(path: Path) -> None:
    world = filled(path)
    thief = Experiment(
        id="e2",
        name="x",
        dir="/y",
        cluster="local",
        added_at=0,
        asked_at=0,
        jobs=world.experiment.jobs,
        seq=99,
    )
    with Ledger(path) as ledger:
        count = ledger.last_seq
        last = world.ledger[-1]
        with pytest.raises(sqlite3.IntegrityError, match="used before"):
            ledger.append([type(last)(seq=99, at=0, experiment="e2", event=last.event)], [thief])
        assert ledger.last_seq == count
        assert len(list(ledger.since(0))) == count


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
    with pytest.raises(LedgerTooNew, match=r"format 2.*knows 1"):
        Ledger(path)
    assert path.read_bytes() == before


def test_an_older_format_is_brought_forward_with_its_events(path: Path) -> None:
    world = filled(path)
    with Ledger(path, [*shipped(), "ALTER TABLE jobs ADD COLUMN note TEXT"]) as ledger:
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


def test_an_event_that_nobody_can_read_is_damage(path: Path) -> None:
    filled(path)
    with sqlite3.connect(path) as connection:
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
