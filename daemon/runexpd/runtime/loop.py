"""The loop: an observation in, its events into the ledger, then into the state, then out to whoever carries commands out.

The only writer of the ledger and the only owner of the state. It knows no cluster, no tool and no client.
"""

import math
from collections.abc import Callable, Sequence

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
        told = _Told(observation)
        self._send.send_nowait(told)
        await told.done.wait()
        return told.recorded

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
            told.recorded = await self._take(told.observation)
            carry(list(due(self.state, clock.now())))
            told.done.set()

    async def _take(self, observation: Observation) -> Sequence[Recorded]:
        now = clock.now()
        facts = observe(self.state, observation, now)
        if not facts:
            return ()
        recorded = _numbered(facts, self._ledger.last_seq, now)
        state = fold(self.state, recorded)
        changed = [state.experiments[id] for id in {r.experiment for r in recorded}]
        with anyio.CancelScope(shield=True):  # the file and the state move together
            await anyio.to_thread.run_sync(self._ledger.append, recorded, changed)
            self.state = state
        self.bell.ring()
        return recorded


def _numbered(facts: Sequence[Fact], last_seq: int, now: float) -> list[Recorded]:
    return [
        Recorded(seq=seq, at=now, experiment=experiment, event=event)
        for seq, (experiment, event) in enumerate(facts, start=last_seq + 1)
    ]
