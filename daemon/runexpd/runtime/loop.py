"""The loop: an observation in, its events into the ledger, then into the state, then out to whoever carries commands out.

The only writer of the ledger and the only owner of the state. It knows no cluster, no tool and no client. Nothing that it is
told can end it: what can't be taken is refused alone (admission.py), and while the disk takes nothing it goes on watching; what
was not committed comes again.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress

import anyio
import anyio.lowlevel
from anyio.abc import TaskStatus
from loguru import logger

from runexp.wire.events import Recorded
from runexpd.core.due import Due, due
from runexpd.core.observations import Begun, Observation, Tick
from runexpd.core.state import State
from runexpd.core.touched import Touched
from runexpd.hosts import threads
from runexpd.ledger import desk
from runexpd.ledger.errors import LedgerError, NotUnique
from runexpd.ledger.store import Ledger
from runexpd.runtime import aside, clock
from runexpd.runtime.admission import Admitted, joined, parked
from runexpd.runtime.bell import Bell

#: Until an unwritable ledger is tried again by itself.
RETRY_SECONDS = 5.0
#: Faults that are remembered, so that they are logged once.
MOST_SAID = 1000


class NotTaken(Exception):
    """Raised when an observation was not committed: it can't be taken, or the ledger can't be written. Nothing follows from it."""

    def __init__(self, what: str, hint: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


class Closed(NotTaken):
    """Raised when nothing is taken any more: runexpd stops, and what is owed comes again when it runs."""

    def __init__(self) -> None:
        super().__init__("runexpd is stopping", "try again when it runs: `runexp daemon` shows it")


class _Told:
    """An observation on its way in, and what became of it."""

    def __init__(self, observation: Observation) -> None:
        self.observation = observation
        self.recorded: Sequence[Recorded] = ()
        self.error: NotTaken | None = None
        self.done = anyio.Event()


class Loop:
    def __init__(self, ledger: Ledger, state: State) -> None:
        self._ledger = ledger
        self.state = state
        #: Set once it takes observations: before, the state isn't whole.
        self.begun = anyio.Event()
        #: Rings after every commit, and when trouble begins or ends.
        self.bell = Bell()
        #: Why the ledger can't be written just now; None while it can.
        self.trouble: LedgerError | None = None
        #: Of which it isn't told yet what is due.
        self._touched = Touched()
        self._said: set[str] = set()
        self._send, self._receive = anyio.create_memory_object_stream[_Told](math.inf)

    async def tell(self, observation: Observation) -> Sequence[Recorded]:
        """Hand in an observation; returns what was committed because of it, once it is on disk. Raises NotTaken."""
        (told,) = await self._tell([observation])
        if told.error is not None:
            raise told.error
        return told.recorded

    async def tell_all(self, observations: Iterable[Observation]) -> Sequence[NotTaken | None]:
        """Hand in several that came together; they are committed together, too. What became of each: None, it was taken."""
        return [told.error for told in await self._tell(observations)]

    async def _tell(self, observations: Iterable[Observation]) -> Sequence[_Told]:
        told = [_Told(observation) for observation in observations]
        try:
            for each in told:
                self._send.send_nowait(each)
        except anyio.ClosedResourceError:
            raise Closed from None
        for each in told:
            await each.done.wait()
        return told

    def poke(self) -> None:
        """Have the loop look at what is due once more."""
        with suppress(anyio.ClosedResourceError):
            self._send.send_nowait(_Told(Tick()))

    async def run(
        self,
        carry: Callable[[Due], None],
        *,
        task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED,
    ) -> None:
        """Take observations until cancelled."""
        with self._send, self._receive:
            watched = tuple(experiment.id for experiment in self.state.watched())
            self._send.send_nowait(_Told(Begun(experiments=watched)))
            self.begun.set()
            task_status.started()
            while True:
                await self._turn(carry)

    async def _turn(self, carry: Callable[[Due], None]) -> None:
        """What came is let go of before there is more to wait for: it may be large."""
        batch = [await self._next(), *self._more()]
        await self._take(batch)
        await self._carry_out(carry)
        for each in batch:
            each.done.set()

    async def _carry_out(self, carry: Callable[[Due], None]) -> None:
        try:
            carry(await self._due())
        except Exception as error:  # it is tried again with the next observation
            self._log("what is due can't be carried out", error)
        else:
            self._touched = Touched()

    async def _due(self) -> Due:
        """What is owed to the world; an experiment of which that can't be told is parked."""
        now = clock.now()
        try:
            if self._touched.is_wide:
                return await threads.aside(lambda: due(self.state, self._touched, now))
            return due(self.state, self._touched, now)
        except Exception as error:
            self._log("what is due can't be told of each experiment", error)
            self._move(parked(self.state, now, self._ledger.last_seq))
            self.bell.ring()
            return due(self.state, self._touched, now)

    def _move(self, after: Admitted) -> None:
        """On to the state that is in the ledger now."""
        self.state = after.state
        self._touched |= after.touched

    async def _next(self) -> _Told:
        """The next observation; while the ledger can't be written, a look whether it can be by now."""
        if self.trouble is not None:
            with anyio.move_on_after(RETRY_SECONDS):
                return await self._receive.receive()
            return _Told(Tick())
        return await self._receive.receive()

    def _more(self) -> Iterator[_Told]:
        """What waits already: one commit is as dear as another, however much it holds."""
        with suppress(anyio.WouldBlock):
            while True:
                yield self._receive.receive_nowait()

    async def _take(self, batch: Sequence[_Told]) -> None:
        now, after = clock.now(), Admitted(self.state)
        for told in batch:
            if after.rows:  # clients are answered in between
                await anyio.lowlevel.checkpoint()
            one = await aside.admit(
                after.state, told.observation, now, self._ledger.last_seq + len(after.rows)
            )
            self._note(told, one)
            after = joined(after, one)
        if after.rows:
            await self._commit(batch, after)
            return
        if after.state.parked != self.state.parked:
            self.bell.ring()
        self._move(after)
        if self.trouble is not None:
            with suppress(LedgerError):
                await desk.ask(self._ledger.probe)
                self._troubled(None)

    def _note(self, told: _Told, after: Admitted) -> None:
        told.recorded = after.recorded
        told.error = NotTaken(after.refused) if after.refused else None
        self._note_faults(after)

    def _note_faults(self, after: Admitted) -> None:
        for what, error in after.faults:
            self._log(what, error)

    def _log(self, what: str, error: Exception) -> None:
        """With its traceback, once: the same fault comes again with every round."""
        if (line := f"{what}: {type(error).__name__}: {error}"[:1000]) in self._said:
            return
        if len(self._said) >= MOST_SAID:
            self._said.clear()
        self._said.add(line)
        logger.opt(exception=error).error("{}", what)

    async def _commit(self, batch: Sequence[_Told], after: Admitted) -> None:
        try:
            with anyio.CancelScope(shield=True):  # the file and the state move together
                await desk.ask(lambda: self._ledger.append(after.rows))
                self._move(after)
        except LedgerError as trouble:
            return self._put_back(batch, trouble)
        except NotUnique as error:
            return await self._apart(batch, error)
        self._troubled(None)
        self.bell.ring()

    async def _apart(self, batch: Sequence[_Told], error: NotUnique) -> None:
        """What no bug may get past was tried: one by one, and without whoever is to blame for more than was told."""
        if len(batch) > 1:
            for told in batch:
                await self._take([told])
            return
        self._log("the ledger won't have it", error)
        now, seq = clock.now(), self._ledger.last_seq
        try:
            after = await desk.ask(lambda: parked(self.state, now, seq, self._ledger.check))
        except LedgerError as trouble:
            return self._put_back(batch, trouble)
        if after.state.parked.keys() == self.state.parked.keys():
            return self._refuse(batch, NotTaken(f"the ledger won't have it: {error}"))
        self._note_faults(after)
        self._move(after)
        self.bell.ring()
        await self._take(batch)

    def _put_back(self, batch: Sequence[_Told], trouble: LedgerError) -> None:
        self._refuse(batch, NotTaken(trouble.what, trouble.hint))
        self._troubled(trouble)

    def _refuse(self, batch: Sequence[_Told], why: NotTaken) -> None:
        for told in batch:
            told.recorded, told.error = (), why

    def _troubled(self, trouble: LedgerError | None) -> None:
        if trouble is not None and self.trouble is None:
            logger.error("{}; {}", trouble.what, trouble.hint)
            self.bell.ring()
        elif trouble is None and self.trouble is not None:
            logger.info("the ledger {} can be written again", self._ledger.path)
            self.bell.ring()
        self.trouble = trouble
