"""A look brings progress and curves in the same rounds; a tool whose curves fail still tells how far its jobs are."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from fakes.builders import training
from fakes.world import MemoryHost
from runexp.wire.jobs import JobSpec
from runexpd.core.commands import Watch
from runexpd.core.state import State
from runexpd.hosts.base import ReadPart
from runexpd.metrics.store import Store
from runexpd.runtime.eyes import Eyes
from runexpd.runtime.recorder import Recorder
from runexpd.runtime.vitals import Vitals
from runexpd.tools.base import Attempt, Question
from runexpd.tools.curves import Mark, Point, Read
from runtime.odd_tools import OddTool, counting

ATTEMPT = Attempt(slurm_job_id="7", state="RUNNING", started_at=0.0, output="/out")
LINES = b"Step 1 | loss:2.0 \nStep 2 | loss:1.0 \n"


class NoLoop:
    state = State()

    async def tell(self, observation: Any) -> None:
        raise AssertionError("nothing is wrong")


class Broken(OddTool):
    def curves(self, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]) -> Question[tuple[Read, ...]]:
        yield [ReadPart("/out")]
        raise KeyError("oops")


class Hidden(OddTool):
    """Its names hold what a terminal would obey."""

    def curves(self, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]) -> Question[tuple[Read, ...]]:
        yield [ReadPart("/out")]
        point = Point("lo\x1bss", -5, 1.0, label="\u202e")
        return (Read(mark=Mark("/out", 3, 1), points=(point,), modified_at=1.0, is_behind=False),)


@pytest.fixture
def recorder(tmp_path: Path) -> Iterator[Recorder]:
    store = Store(tmp_path / "metrics.sqlite")
    yield Recorder(store)
    store.close()


@pytest.fixture
def later(recorder: Recorder, tmp_path: Path) -> Iterator[Recorder]:
    """The same file, in another life."""
    store = Store(tmp_path / "metrics.sqlite")
    yield Recorder(store)
    store.close()


def watch() -> Watch:
    job = training("rank4")
    return Watch("local", "e", job, "e-1", "7", "RUNNING", "/out", 0.0, "", number=2)


async def curves(recorder: Recorder) -> dict[str, tuple[float | None, ...]]:
    found = await recorder.curves("e", "words", (), (), 0, 0)
    assert all(series.attempt == 2 for series in found.series)
    return {series.name: series.values for series in found.series}


async def test_a_tool_that_says_nothing_of_curves_has_those_of_its_output(recorder: Recorder) -> None:
    host = MemoryHost({"/rank4": b"abc", "/out": LINES})
    eyes = Eyes(recorder, Vitals(NoLoop()))
    tool = OddTool("odd", counting)
    made = await eyes.look(tool, host, watch(), ATTEMPT)
    assert made is not None
    assert made.done == 3
    assert len(host.rounds) == 1
    assert await curves(recorder) == {"loss": (2.0, 1.0)}
    host.files["/out"] += b"Step 3 | loss:0.5 \n"
    await eyes.look(tool, host, watch(), ATTEMPT)
    asked = [ask for ask in host.rounds[-1] if isinstance(ask, ReadPart) and ask.path == "/out"]
    assert [ask.offset for ask in asked] == [len(LINES)], "never the whole again"
    assert await curves(recorder) == {"loss": (2.0, 1.0, 0.5)}


async def test_curves_that_fail_are_their_own_affair(recorder: Recorder) -> None:
    host = MemoryHost({"/rank4": b"abc", "/out": LINES})
    eyes = Eyes(recorder, Vitals(NoLoop()))
    for _ in range(2):
        made = await eyes.look(Broken("odd", counting), host, watch(), ATTEMPT)
        assert made is not None
        assert made.done == 3
    assert await curves(recorder) == {}
    eyes.forget("e-1")


async def test_names_are_made_printable_where_they_enter(recorder: Recorder) -> None:
    host = MemoryHost({"/rank4": b"abc", "/out": LINES})
    await Eyes(recorder, Vitals(NoLoop())).look(Hidden("odd", counting), host, watch(), ATTEMPT)
    found = await recorder.curves("e", "words", (), (), 0, 0)
    (series,) = found.series
    assert series.name.isprintable()
    assert series.label.isprintable()
    assert series.steps == (0,)


async def test_after_a_restart_reading_goes_on_where_it_stopped(recorder: Recorder, later: Recorder) -> None:
    host = MemoryHost({"/rank4": b"abc", "/out": LINES})
    await Eyes(recorder, Vitals(NoLoop())).look(OddTool("odd", counting), host, watch(), ATTEMPT)
    assert (await later.marks("e-1"))["/out"].offset == len(LINES)
    pace = await later.pace("e-1")
    assert pace is not None
    assert (pace.first_step, pace.last_step) == (1, 2)
    await recorder.finish("e-1", "kind", "tail", 2000.0)
    await recorder.finish("e-2", "kind", "tail", None)
    await later.open()
    for each in (recorder, later):
        assert (each.lengths("kind"), each.lengths("tail")) == ((2000.0,), (2000.0 - pace.last_seconds,))


async def test_what_cannot_be_judged_is_still_shown(
    recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fails(*_: object) -> None:
        raise ZeroDivisionError

    vitals = Vitals(NoLoop())
    monkeypatch.setattr(vitals, "note", fails)
    host = MemoryHost({"/rank4": b"abc", "/out": LINES})
    for _ in range(2):
        made = await Eyes(recorder, vitals).look(OddTool("odd", counting), host, watch(), ATTEMPT)
        assert made is not None
    assert await curves(recorder) == {"loss": (2.0, 1.0)}
