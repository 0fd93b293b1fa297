"""The loop: an observation in, its events into the ledger, then into the state, then out to whoever carries commands out.

The only writer of the ledger and the only owner of the state. It knows no cluster, no tool and no client.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

import anyio
import anyio.to_thread
from anyio.abc import TaskStatus

from runexp.wire.events import Recorded
from runexpd.core.apply import fold
from runexpd.core.commands import Command
from runexpd.core.due import due
from runexpd.core.observations import Observation, Tick
from runexpd.core.observe import Fact, observe
from runexpd.core.state import State
from runexpd.ledger.store import Ledger
from runexpd.runtime import clock
from runexpd.runtime.bell import Bell


class _Told:
    """An observation on its way in, and what became of it."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.recorded: Sequence[Recorded] = ()
        self.done = anyio.Event()


class Loop:
    def __init__(self, ledger: Ledger, state: State) -> None:
        self._ledger = ledger
        self.state = state
        #: Rings after every commit.
        self.bell = Bell()
        self._send, self._receive = anyio.create_memory_object_stream[_Told](math.inf)

    async def tell(self, observation: Observation) -> Sequence[Recorded]:
        """Hand in an observation; returns what was committed because of it, once it is on disk."""
        (recorded,) = await self.tell_all([observation])
        return recorded

    async def tell_all(self, observations: Iterable[Observation]) -> Sequence[Sequence[Recorded]]:
        """Hand in several that came together; they are committed together, too."""
        told = [_Told(observation) for observation in observations]
        for each in told:
            self._send.send_nowait(each)
        for each in told:
            await each.done.wait()
        return [each.recorded for each in told]

    def poke(self) -> None:
        """Have the loop look at what is due once more."""
        self._send.send_nowait(_Told(Tick()))

    async def run(
        self,
        carry: Callable[[Sequence[Command]], None],
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Take observations until cancelled. An error of the ledger or of the rules ends it, and with it the daemon."""
        self.poke()
        task_status.started()
        async for told in self._receive:
            batch = [told, *self._more()]
            await self._take(batch)
            carry(list(due(self.state, clock.now())))
            for each in batch:
                each.done.set()

    def _more(self) -> Iterator[_Told]:
        """What waits already: one commit is as dear as another, however much it holds."""
        with suppress(anyio.WouldBlock):
            while True:
                yield self._receive.receive_nowait()

    async def _take(self, batch: Sequence[_Told]) -> None:
        now, state = clock.now(), self.state
        recorded: list[Recorded] = []
        for told in batch:
            facts = observe(state, told.observation, now)
            told.recorded = _numbered(facts, self._ledger.last_seq + len(recorded), now)
            state = fold(state, told.recorded)
            recorded += told.recorded
        if not recorded:
            return
        changed = [state.experiments[id] for id in {r.experiment for r in recorded}]
        with anyio.CancelScope(shield=True):  # the file and the state move together
            await anyio.to_thread.run_sync(self._ledger.append, recorded, changed)
            self.state = state
        self.bell.ring()


def _numbered(facts: Sequence[Fact], last_seq: int, now: float) -> list[Recorded]:
    return [
        Recorded(seq=seq, at=now, experiment=experiment, event=event)
        for seq, (experiment, event) in enumerate(facts, start=last_seq + 1)
    ]
