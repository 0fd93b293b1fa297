"""What is over is put away, and what is in memory is what runs: snapshots of experiments, written behind the events.

A snapshot says what an experiment's events up to one of them add up to. It is made from them alone, so one that is lost, damaged
or of another version costs nothing but time. At a start the rows of `runexp ls` are read of those that are over, and the others are
folded, from their last snapshot on; whoever asks for something of one that is over has it recalled.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import msgspec
from loguru import logger

from runexp.wire.views import ExperimentLine
from runexpd.core.observations import Recalled, Shelved
from runexpd.core.state import Experiment, Parked, State
from runexpd.core.steps import report
from runexpd.hosts.threads import aside
from runexpd.ledger import desk, snapshots
from runexpd.ledger.errors import LedgerError
from runexpd.ledger.snapshots import Kept
from runexpd.ledger.store import Ledger
from runexpd.runtime import admission, clock, memory, snapshot
from runexpd.runtime.loop import Loop, NotTaken

#: One that runs gets a snapshot after so many events, and so many for each of its jobs: what it takes to write is proportionate.
EVENTS, EVENTS_PER_JOB = 1000, 2
#: One that is over stays at hand for so long after something was asked of it. To recall it takes a fraction of a second.
AT_HAND_SECONDS = 10.0
#: Between two looks at what there is to write and to put away.
LOOK_SECONDS = 2.0


class Removed(NotTaken):
    """Raised when a person has had an experiment taken out of the ledger."""


class Shelf:
    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        #: How many events each snapshot holds, by experiment.
        self._events: dict[str, int] = {}
        #: When something was last asked of one that is over.
        self._asked_at: dict[str, float] = {}
        #: When that was begun which may take longer than one stays at hand.
        self._held_since: dict[object, float] = {}
        #: Those that are being put away.
        self._leaving: dict[str, anyio.Event] = {}

    def opened(self, empty: State) -> State:
        """All that the ledger knows. Blocks for as long as it takes. Raises LedgerError."""
        kept = {each.experiment: each for each in snapshots.outsides(self._ledger)}
        state, lines = empty, {}
        for id, seq in self._ledger.heads().items():
            if (line := _line(kept.get(id), seq)) is not None:
                lines[id] = line
                continue
            state = self.read(state, id)
            experiment = state.experiments.get(id)
            if experiment is not None and experiment.outcome is not None and id not in state.parked:
                self._put(experiment)
                lines[id] = report.line(experiment)
                state = empty_of(state, id)
        return msgspec.structs.replace(state, shelved=state.shelved.update(lines))

    def read(self, state: State, id: str) -> State:
        """With one experiment: its snapshot, and what has happened since. What can't be read of it is its own affair."""
        if (known := self._snapshot(id)) is not None:
            state = msgspec.structs.replace(state, experiments={**state.experiments, id: known})
            self._events[id] = known.events
        return admission.replayed(state, id, self._ledger.since(known.seq if known else 0, id))

    def _snapshot(self, id: str) -> Experiment | None:
        body = snapshots.body(self._ledger, id, snapshot.VERSION)
        if body is None:
            return None
        try:
            return snapshot.decode(body, id)
        except snapshot.Unreadable as error:
            logger.warning("the snapshot of {} can't be read, so its events are: {}", id, error)
            return None

    def _put(self, experiment: Experiment) -> None:
        line = None if experiment.outcome is None else snapshot.encode_line(report.line(experiment))
        kept = Kept(experiment.id, experiment.seq, snapshot.VERSION, line)
        snapshots.put(self._ledger, kept, snapshot.encode(experiment))
        self._events[experiment.id] = experiment.events

    async def recall(self, loop: Loop, id: str) -> Experiment:
        """The experiment, at hand for a while. Raises LedgerError, and NotTaken where its past can't be read, Removed where it was taken out."""
        self._asked_at[id] = clock.steady()
        if (leaving := self._leaving.get(id)) is not None:
            await leaving.wait()
        if id not in loop.state.experiments and id in loop.state.shelved:
            known = await desk.ask(lambda: self._whole(id))
            await loop.tell(Recalled(experiment=known))
        return self.there(loop, id)

    def there(self, loop: Loop, id: str) -> Experiment:
        """Raises Removed where it was taken out."""
        if (there := loop.state.experiments.get(id)) is None:
            raise Removed(
                "it is not in the ledger any more", "runexp ls shows what is; `runexp run DIR` enters it anew"
            )
        return there

    @contextmanager
    def held(self) -> Iterator[None]:
        """As long as it lasts, what is asked for stays at hand: a look at a large directory, or a far one, takes its time."""
        self._held_since[mark := object()] = clock.steady()
        try:
            yield
        finally:
            del self._held_since[mark]

    def _whole(self, id: str) -> Experiment:
        state = self.read(State(), id)
        parked: Parked | None = state.parked.get(id)
        if parked is not None:
            raise NotTaken(parked.why, "nothing is submitted of it, to be safe")
        return state.experiments[id]

    async def run(self, loop: Loop) -> None:
        """Write what there is to write, and put away what nobody asks for; until cancelled."""
        said = ""
        while True:
            try:
                for experiment in self._due(loop.state):
                    await desk.ask(lambda each=experiment: self._put(each))  # type: ignore[misc]
                await self._put_away(loop)
                said = ""
            except (LedgerError, NotTaken) as error:  # it is done the next time
                if error.what != said:
                    logger.warning("no snapshot can be written just now: {}", said := error.what)
            await anyio.sleep(LOOK_SECONDS)

    async def _put_away(self, loop: Loop) -> None:
        """Raises NotTaken."""
        left = [e for e in loop.state.experiments.values() if self._is_left(e)]
        for each in left:
            if self._is_left(each):
                await self._put_one_away(loop, each)
        if left:
            await aside(memory.give_back)

    async def _put_one_away(self, loop: Loop, e: Experiment) -> None:
        """Raises NotTaken."""
        self._leaving[e.id] = anyio.Event()
        try:
            await loop.tell(Shelved(experiment=e.id, seq=e.seq, line=report.line(e)))
        finally:
            self._leaving.pop(e.id).set()
        self._asked_at.pop(e.id, None)

    def _due(self, state: State) -> Iterator[Experiment]:
        """Those whose snapshot is to be written anew."""
        for e in state.experiments.values():
            more = e.events - self._events.get(e.id, 0)
            wanted = 1 if e.outcome is not None else EVENTS + EVENTS_PER_JOB * len(e.jobs)
            if more >= wanted and e.id not in state.parked:
                yield e

    def _is_left(self, e: Experiment) -> bool:
        """Whether it is over, and nothing was asked of it for a while."""
        asked_at = self._asked_at.setdefault(e.id, clock.steady())
        is_kept = self._events.get(e.id) == e.events and e.outcome is not None
        is_held = asked_at >= min(self._held_since.values(), default=float("inf"))
        return is_kept and not is_held and clock.steady() - asked_at > AT_HAND_SECONDS


def empty_of(state: State, id: str) -> State:
    """Without one experiment."""
    others = {other: each for other, each in state.experiments.items() if other != id}
    return msgspec.structs.replace(state, experiments=others)


def _line(kept: Kept | None, head: int) -> ExperimentLine | None:
    """How one is shown whose snapshot is its last word; None: it is to be read."""
    if kept is None or kept.line is None or (kept.seq, kept.version) != (head, snapshot.VERSION):
        return None
    try:
        return snapshot.decode_line(kept.line, kept.experiment)
    except snapshot.Unreadable:  # or of a version that didn't seal it
        return None
