"""What is kept of curves: as many points as a picture needs, its ends and its extremes among them."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runexpd.metrics.store import MOST_POINTS, Brought, Owner, Store
from runexpd.metrics.thin import Placed, thinned
from runexpd.runtime.placing import placed
from runexpd.runtime.recorder import Recorder
from runexpd.tools.curves import Mark, Point, Read

OWNER = Owner("e1-1", "e1", "rank4", 1, 1000.0)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    store = Store(tmp_path / "metrics.sqlite")
    yield store
    store.close()


def points(*values: float, first: int = 1) -> list[Placed]:
    return [Placed(step, float(step), value) for step, value in enumerate(values, start=first)]


values = st.floats(-1e6, 1e6) | st.sampled_from([float("nan"), float("inf")])


@given(st.lists(values, min_size=1, max_size=400), st.integers(4, 60))
def test_ends_and_extremes_survive(figures: list[float], most: int) -> None:
    every = points(*figures)
    kept = thinned(every, most)
    assert len(kept) <= max(most, 0)
    assert (kept[0], kept[-1]) == (every[0], every[-1])
    assert [p.step for p in kept] == sorted({p.step for p in kept})
    finite = [p.value for p in every if abs(p.value) < float("inf")]
    shown = [p.value for p in kept if abs(p.value) < float("inf")]
    assert not finite or max(finite) in shown
    if len(finite) == len(every):
        assert min(finite) in shown
    else:
        assert len(shown) < len(kept), "a gap is to be seen"


def test_looks_add_up_and_the_same_step_counts_once(store: Store) -> None:
    store.add(OWNER, b"{}", [Brought("loss", "", points(3.0, 2.0))])
    store.add(OWNER, b"{}", [Brought("loss", "", points(2.5, 1.0, first=2))])
    (series,) = store.series("e1", (), (), 0, 0)
    assert (series.steps, series.values) == ((1, 2, 3), (3.0, 2.5, 1.0))
    mark = store.mark()
    store.add(OWNER, b"{}", [Brought("loss", "", points(float("nan"), first=4))])
    (news,) = store.series("e1", ["rank4"], ["loss"], mark, 300)
    assert (news.steps, news.values) == ((4,), (None,))
    assert store.series("e1", ["rank8"], (), 0, 0) == store.series("e2", (), (), 0, 0) == []


def test_it_doesnt_grow_for_ever(store: Store) -> None:
    figures = [1.0] * 49 + [9.0]
    for look in range(200):
        store.add(OWNER, b"{}", [Brought("loss", "", points(*figures, first=1 + look * 50))])
    (series,) = store.series("e1", (), (), 0, 0)
    assert len(series.steps) <= MOST_POINTS
    assert (series.steps[0], series.steps[-1], max(v or 0 for v in series.values)) == (1, 10_000, 9.0)


def test_marks_positions_and_durations_are_kept(store: Store) -> None:
    store.add(OWNER, b'{"a":1}', [])
    store.set_position("e1", 7)
    for seconds in (10.0, 11.0, 12.0):
        store.finish("e1-1", {"local\ntorchtune": seconds, "tail": seconds / 10})
    assert (store.marks("e1-1"), store.is_over("e1-1"), store.positions()) == (b'{"a":1}', True, {"e1": 7})
    assert store.durations(2) == {"local\ntorchtune": (12.0, 11.0), "tail": (1.2, 1.1)}


def test_a_file_of_another_version_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sqlite"
    with closing(sqlite3.connect(path)) as other, other:
        other.execute("PRAGMA user_version = 99")
    other.close()
    store = Store(path)
    assert store.positions() == {}
    assert path.stat().st_mode & 0o777 == 0o600
    store.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE chunks SET body = x'00'",
        "UPDATE chunks SET body = 'text'",
        "UPDATE chunks SET body = x'000000000000f8ff000000000000f8ff000000000000f8ff'",
        "UPDATE chunks SET name = CAST(x'ff' AS TEXT)",
        "UPDATE attempts SET job = CAST(x'ff' AS TEXT)",
        "UPDATE attempts SET number = 'x'",
        "UPDATE attempts SET began_at = 'x'",
        "DROP TABLE chunks",
    ],
)
async def test_of_a_file_that_is_damaged_there_are_no_curves(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "metrics.sqlite"
    with closing(Store(path)) as store:
        store.add(OWNER, b"{}", [Brought("loss", "", points(1.0, 2.0))])
        with closing(sqlite3.connect(path)) as other, other:
            other.execute(damage)
        found = await Recorder(store).curves("e1", "words", (), (), 0, 100)
    assert found.series == ()


@pytest.mark.parametrize("damage", ["UPDATE durations SET seconds = 'x'", "UPDATE positions SET seq = 'x'"])
async def test_what_is_no_number_is_no_length_and_no_position(tmp_path: Path, damage: str) -> None:
    path = tmp_path / "metrics.sqlite"
    with closing(Store(path)) as store:
        store.finish("e1-1", {"training": 5.0})
        store.set_position("e1", 7)
        with closing(sqlite3.connect(path)) as other, other:
            other.execute(damage)
        recorder = Recorder(store)
        await recorder.open()
        found = (recorder.lengths("training"), await recorder.positions())
    assert found in (((), {"e1": 7}), ((5.0,), {}))


def test_a_file_whose_schema_is_no_text_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "metrics.sqlite"
    with closing(Store(path)):
        pass
    path.write_bytes(path.read_bytes().replace(b"INDEX attempts_of", b"INDEX attempt\xb2_of"))
    with closing(Store(path)) as store:
        assert store.positions() == {}


def test_between_two_looks_steps_come_at_one_pace() -> None:
    read = Read(
        mark=Mark("/log"),
        points=(
            Point("loss", 1, 2.0),
            Point("lr", 1, 0.1),
            Point("loss", 2, 1.0),
            Point("gpu", 30, 5.0, 30.0),
        ),
        modified_at=1060.0,
        is_behind=False,
    )
    brought, place = placed(read, 20.0, 1000.0)
    assert {series.name: [p.seconds for p in series.points] for series in brought} == {
        "loss": [40.0, 60.0],
        "lr": [40.0],
        "gpu": [30.0],
    }
    assert place.seconds == 60.0
