"""Follows the ledger, and looks at what holds, into the outbox. Has its own failures: whatever they are, nothing waits for it."""

from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Protocol

import anyio
from loguru import logger

from runexp.wire.events import Envelope, Recorded
from runexpd.core.state import Experiment
from runexpd.ledger import codec, desk
from runexpd.ledger.store import Ledger
from runexpd.notices import rules
from runexpd.notices.delivery import Delivery
from runexpd.notices.outbox import Outbox
from runexpd.notices.rules import Notice, Rule
from runexpd.runtime.bell import Bell
from runexpd.runtime.patience import pauses

PAGE_EVENTS = 500
#: Between two looks at what holds; and a look at the ledger without a ring.
LOOK_SECONDS = 10.0
#: Events that come in a burst are read together.
GATHER_SECONDS = 0.5
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 2.0, 120.0
#: News that is older was missed for too long to be news.
STALE_SECONDS = 86400.0
_ASKED = """
SELECT coalesce(max(seq), 0) FROM events WHERE experiment = ? AND seq <= ? AND type IN ('RunAsked', 'RetryAsked', 'RerunAsked')
"""


class Means(Protocol):
    """What is asked of the rest of the daemon."""

    async def at_hand(self, id: str) -> Experiment:
        """Raises LedgerError, NotTaken."""
        ...

    def typed(self, experiment: Experiment) -> str: ...

    async def look(self) -> None:
        """At what holds now, into the outbox. Raises OutboxError."""
        ...


class Notifier:
    def __init__(
        self,
        ledger: Ledger,
        bell: Bell,
        outbox: Outbox,
        deliveries: Sequence[tuple[Delivery, frozenset[Rule]]],
        means: Means,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self._ledger = ledger
        self._bell = bell
        self._outbox = outbox
        self._deliveries = deliveries
        self._means = means
        self._now = now
        self._sleep = sleep

    def hearers(self, rule: Rule) -> list[str]:
        return [delivery.name for delivery, hears in self._deliveries if rule in hears]

    async def run(self) -> None:
        """Until cancelled."""
        names = [delivery.name for delivery, _ in self._deliveries]
        newest, now = self._ledger.last_seq, self._now()
        seq = await self._outbox.ask(partial(self._outbox.begin, newest, names, now))
        async with anyio.create_task_group() as tasks:
            for delivery, _ in self._deliveries:
                tasks.start_soon(delivery.run)
            await self._follow(seq)

    async def _follow(self, seq: int) -> None:
        waits, said = pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS), ""
        look_at = anyio.current_time()
        while True:
            ring = self._bell.take()
            try:
                seq = await self._read(seq)
                if anyio.current_time() >= look_at:
                    await self._means.look()
                    look_at = anyio.current_time() + LOOK_SECONDS
            except Exception as error:
                if (what := repr(error)) != said:
                    logger.opt(exception=error).error("notifications wait: {}", what)
                said = what
                await self._sleep(next(waits))
                continue
            waits, said = pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS), ""
            for delivery, _ in self._deliveries:
                delivery.bell.ring()
            with anyio.move_on_after(LOOK_SECONDS):
                await ring.wait()
                await self._sleep(GATHER_SECONDS)

    async def _read(self, seq: int) -> int:
        """All there is; up to which event."""
        while page := await desk.ask(partial(self._ledger.envelopes, seq, None, PAGE_EVENTS)):
            found = [await self._notice(envelope) for envelope in page]
            seq = page[-1].seq
            told = [notice for notice in found if notice is not None]
            await self._outbox.ask(partial(self._outbox.put, told, self.hearers, seq))
        return seq

    async def _notice(self, envelope: Envelope) -> Notice | None:
        if self._now() - envelope.at > STALE_SECONDS:
            return None
        try:
            event = codec.decode(bytes(envelope.event))
        except codec.Undecodable:
            return None
        if not isinstance(event, rules.TELLING):
            return None
        experiment = await self._means.at_hand(envelope.experiment)
        rows = await desk.ask(partial(self._ledger.rows, _ASKED, envelope.experiment, envelope.seq))
        recorded = Recorded(envelope.seq, envelope.at, envelope.experiment, event)
        return rules.of_event(recorded, experiment, rows[0][0], self._means.typed(experiment))
