"""What is left to be read of jobs that have ended: a piece at a time, and whoever asks may leave amid it."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import anyio
import pytest

from fakes.builders import ID, World, scaffold
from fakes.world import TroubledLedger
from runexp.wire.events import JobEnded
from runexpd.core.state import Experiment
from runexpd.ledger import desk
from runexpd.metrics.store import Store
from runexpd.runtime import rests as reading
from runexpd.runtime.admission import _row
from runexpd.runtime.bell import Bell
from runexpd.runtime.recorder import Recorder
from runexpd.runtime.rests import Means, Rests


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store(tmp_path / "metrics.sqlite")) as store:
        yield store


class Impatient:
    """Who asks, and has enough after so many looks at the experiment."""

    def __init__(self, experiment: Experiment, patience: int) -> None:
        self._experiment = experiment
        self._patience = patience
        self.scope = anyio.CancelScope()
        self.looks = 0

    async def at_hand(self, id: str) -> Experiment:
        self.looks += 1
        if self.looks == self._patience:
            self.scope.cancel()
        await anyio.lowlevel.checkpoint()
        return self._experiment


async def test_who_asks_and_leaves_again_and_again_has_all_read_in_the_end(
    ledger: TroubledLedger, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reading, "PAGE_EVENTS", 20)
    world = World()
    world.see(scaffold([f"r{n}" for n in range(20)]))
    world.drain()
    await desk.ask(lambda: ledger.append([_row(recorded) for recorded in world.ledger]))
    ends = sum(isinstance(recorded.event, JobEnded) for recorded in world.ledger)
    places: list[int] = []
    while not places or places[-1] < world.experiment.seq:
        asker = Impatient(world.experiment, patience=ends // 8)
        means = Means(ledger, Recorder(store), {}, {}, asker.at_hand)
        means.places.update(await means.recorder.positions())
        with asker.scope:
            await Rests(means, Bell(), lambda: []).complete(ID)
        places.append(means.places.get(ID, 0))
        assert places == sorted(set(places))
    assert len(places) > 2
