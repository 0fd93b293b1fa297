"""The ledger looked over, copied, put back and made small: files alone, no daemon."""

import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from fakes.builders import ID, World, scaffold
from runexp.commands.upkeep import ledger as asked
from runexp.wire.events import RecipeRecorded, Recorded
from runexp.wire.recipes import Recipe, Text
from runexp.wire.states import Outcome
from runexpd.__main__ import main
from runexpd.core.state import State
from runexpd.ledger import codec, contents, removal
from runexpd.ledger.errors import LedgerDamaged, LedgerLocked, NotUnique
from runexpd.ledger.store import Ledger, Row
from runexpd.metrics.store import Brought, Owner, Store
from runexpd.metrics.thin import Placed
from runexpd.runtime import snapshot
from runexpd.runtime.shelf import Shelf
from runexpd.upkeep.backup import backup, restore
from runexpd.upkeep.check import check
from runexpd.upkeep.commands import ledger as answered
from runexpd.upkeep.compact import compact

NOW = 1_800_000_000.0


def test_both_programs_say_the_same_of_it() -> None:
    assert asked.help == answered.help
    helps = [{name: each.help for name, each in of.commands.items()} for of in (asked, answered)]
    assert helps[0] == helps[1]
    assert all(helps[0].values())


def row(recorded: Recorded) -> Row:
    name = type(recorded.event).__name__
    return Row(recorded.seq, recorded.at, recorded.experiment, name, codec.encode(recorded.event))


def silent(done: int, all: int) -> None:
    pass


def grown(path: Path, world: World) -> None:
    with Ledger(path) as ledger:
        ledger.append([row(recorded) for recorded in world.ledger if recorded.seq > ledger.last_seq])
        Shelf(ledger).opened(State())


@pytest.fixture
def world() -> World:
    """One that is over, and one under way."""
    world = World()
    world.see(scaffold())
    world.drain()
    world.see(scaffold(experiment="e2", dir="/two"))
    return world


@pytest.fixture
def path(tmp_path: Path, world: World, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("RUNEXP_HOME", str(tmp_path / "home"))
    path = tmp_path / "home" / "state" / "ledger.sqlite"
    grown(path, world)
    return path


def change(path: Path, sql: str, *values: object) -> None:
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("DROP TRIGGER events_stay")
        connection.execute(sql, values)


def ledger(*words: str) -> Result:
    return CliRunner().invoke(main, ["ledger", *words])


def opened(path: Path) -> State:
    with Ledger(path) as known:
        return Shelf(known).opened(State())


def test_a_whole_ledger_is_whole(path: Path, world: World) -> None:
    told: list[tuple[int, int]] = []
    found = check(path, lambda done, all: told.append((done, all)))
    assert found.problems == ()
    assert (found.experiments, found.events, found.format) == (2, len(world.ledger), found.known_format)
    assert told == [(1, 2), (2, 2)]
    assert "it is whole" in ledger("check").stdout


@pytest.mark.parametrize(
    ("sql", "values", "why"),
    [
        ("UPDATE events SET body = ? WHERE type = 'JobEnded' AND experiment = 'e1'", (b"{}",), "is damaged"),
        (
            "UPDATE events SET body = ? WHERE type = 'PhaseOpened'",
            (b'{"type":"Mended","job":"rank4"}',),
            "past can't be read",
        ),
        ("UPDATE snapshots SET body = (SELECT body FROM other)", (), "something else than its events"),
    ],
)
def test_what_is_wrong_is_said_of_its_experiment(
    path: Path, sql: str, values: tuple[object, ...], why: str
) -> None:
    other = World()
    other.see(scaffold(("rank4",)))
    other.drain()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE TABLE other (body BLOB)")
        connection.execute("INSERT INTO other VALUES (?)", (snapshot.encode(other.experiment),))
    change(path, sql, *values)
    done = ledger("check")
    assert done.exit_code == 4
    assert why in done.stdout
    assert f"experiment {ID}" in done.stdout
    assert "problem" in done.stdout


def test_a_damaged_ledger_is_gone_on_with_from_a_copy_as_its_hint_says(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    assert ledger("backup", str(copy)).exit_code == 0
    path.write_bytes(b"x" * 5000)
    with pytest.raises(LedgerDamaged) as damage:
        opened(path)
    assert "runexp ledger restore FILE" in damage.value.hint
    assert ledger("restore", str(copy)).exit_code == 0
    assert len(opened(path).shelved) + len(opened(path).experiments) == 2


def test_what_is_no_ledger_is_said_in_two_lines(path: Path, tmp_path: Path) -> None:
    (tmp_path / "odd").write_bytes(b"x" * 5000)
    for words in (
        ("check", str(tmp_path / "odd")),
        ("check", str(tmp_path / "none")),
        ("restore", str(tmp_path / "odd")),
    ):
        done = ledger(*words)
        assert done.exit_code == 1
        assert done.stderr.count("\n") == 2
        assert done.stderr.startswith("error: ")


def test_a_copy_is_made_while_the_ledger_is_used_and_nothing_is_written_over(
    path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite"
    with Ledger(path) as used:
        backup(path, copy)
        assert used.heads().keys() == {"e1", "e2"}
    assert stat.S_IMODE(copy.stat().st_mode) == 0o600
    assert check(copy, silent).problems == ()
    assert sorted(os.listdir(tmp_path)) == ["copy.sqlite", "home"]
    before = copy.read_bytes()
    done = ledger("backup", str(copy))
    assert done.exit_code == 1
    assert "is there already" in done.stderr
    assert copy.read_bytes() == before
    assert (
        f"there is no directory {tmp_path / 'none'}\n"
        in ledger("backup", str(tmp_path / "none" / "c")).stderr
    )


def test_what_is_put_back_goes_on_where_nobody_can_have_been(
    path: Path, world: World, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite"
    backup(path, copy)
    last = len(world.ledger)
    world.drain()
    grown(path, world)
    aside = restore(path, copy, NOW, silent)
    assert aside is not None
    state = opened(path)
    assert state.experiments["e2"].restored
    assert state.experiments["e2"].tokens == NOW
    assert state.shelved["e1"].outcome is Outcome.SUCCEEDED
    with Ledger(path) as after:
        assert after.last_seq > len(world.ledger) > last
        assert [r.seq for r in after.since(0)][:last] == list(range(1, last + 1))
    assert len(opened(aside).shelved) == 2
    assert check(path, silent).problems == ()
    assert not list(path.parent.glob("restoring*"))


def test_nothing_is_put_back_while_a_daemon_uses_the_ledger_or_from_what_is_not_whole(
    path: Path, tmp_path: Path
) -> None:
    copy = tmp_path / "copy.sqlite"
    backup(path, copy)
    with Ledger(path), pytest.raises(LedgerLocked):
        restore(path, copy, NOW, silent)
    change(copy, "UPDATE events SET body = ? WHERE type = 'PhaseOpened'", b"{}")
    before = path.read_bytes()
    with pytest.raises(LedgerDamaged, match="is not whole"):
        restore(path, copy, NOW, silent)
    assert path.read_bytes() == before


def test_in_place_of_a_damaged_one_and_where_there_is_none(path: Path, tmp_path: Path) -> None:
    copy = tmp_path / "copy.sqlite"
    backup(path, copy)
    path.write_bytes(b"damaged" * 1000)
    path.with_name(path.name + "-wal").write_bytes(b"what was written last")
    aside = restore(path, copy, NOW, silent)
    assert aside is not None
    assert aside.read_bytes().startswith(b"damaged")
    assert opened(path).experiments.keys() == {"e2"}
    path.unlink()
    assert restore(path, copy, NOW, silent) is None
    assert opened(path).experiments.keys() == {"e2"}


def test_on_a_machine_that_had_none(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    copy = tmp_path / "copy.sqlite"
    backup(path, copy)
    monkeypatch.setenv("RUNEXP_HOME", str(tmp_path / "new"))
    done = ledger("restore", str(copy))
    assert done.exit_code == 0, done.stderr
    there = tmp_path / "new" / "state"
    assert stat.S_IMODE(there.stat().st_mode) == 0o700
    assert opened(there / "ledger.sqlite").experiments.keys() == {"e2"}


def test_what_was_removed_is_gone_and_no_number_is_used_again(path: Path, world: World) -> None:
    with Ledger(path) as known:
        last = known.last_seq
        with pytest.raises(NotUnique):
            known.change("DELETE FROM events WHERE experiment = 'e2'")
        removal.remove(known, "e2", NOW)
        assert known.heads().keys() == {"e1"}
        assert removal.removed(known) == {"e2"}
    with Ledger(path) as known:
        assert known.last_seq == last
    assert check(path, silent).problems == ()


def test_what_nobody_needs_is_let_go_of(path: Path, world: World, tmp_path: Path) -> None:
    needed, text = b"kept" * 1000, os.urandom(200_000)
    recipe = Recipe(
        texts=(Text(role="config", path="/x", sha256="", content=contents.name(needed), meaning=""),)
    )
    named = contents.encoded(recipe)
    world.enter("e1", RecipeRecorded(job="rank4", token=None, recipe=contents.name(named)))
    grown(path, world)
    metrics = path.with_name("metrics.sqlite")
    with Ledger(path) as known:
        contents.keep(known, {contents.name(body): body for body in (needed, named, text)})
        removal.remove(known, "e2", NOW)
    with closing(Store(metrics)) as store:
        for id in ("e1", "e2"):
            store.add(
                Owner(f"{id}-1", id, "rank4", 1, 0.0), b"", [Brought("loss", "", [Placed(1, 0.0, 2.0)])]
            )
    before, after = compact(path, metrics)
    assert after < before - 100_000
    with Ledger(path) as known:
        bodies = (needed, named, text)
        assert contents.read(known, map(contents.name, bodies)).keys() == {
            contents.name(needed),
            contents.name(named),
        }
    with closing(Store(metrics)) as store:
        assert [len(store.series(id, [], [], 0, 10)) for id in ("e1", "e2")] == [1, 0]
    assert check(path, silent).problems == ()
    said = msgspec.json.decode(ledger("compact", "--json").stdout)
    assert said["bytes_after"] <= said["bytes_before"]
