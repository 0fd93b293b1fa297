"""Tells of a ledger that can't be written. A disk that is full takes nothing of the outbox either: then past it, from memory."""

from collections.abc import Callable, Sequence
from functools import partial

import anyio
from loguru import logger

from runexpd.ledger.errors import LedgerError
from runexpd.notices import rules
from runexpd.notices.delivery import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Delivery
from runexpd.notices.outbox import Hearers, Outbox, OutboxError
from runexpd.notices.rules import Notice, Rule
from runexpd.runtime.patience import pauses

#: It is told after this long: another program may hold the file for a moment.
UNWRITABLE_SECONDS = 60.0
#: Between two looks.
LOOK_SECONDS = 10.0
_KEY = "ledger"


class LedgerWatch:
    def __init__(
        self,
        outbox: Outbox,
        deliveries: Sequence[Delivery],
        trouble: Callable[[], LedgerError | None],
        now: Callable[[], float],
    ) -> None:
        """`deliveries`: to whoever is to hear of it; `trouble`: why it can't be written now; `now`: seconds since 1970."""
        self._outbox = outbox
        self._deliveries = {delivery.name: delivery for delivery in deliveries}
        self._trouble = trouble
        self._now = now
        self._since: float | None = None
        #: What was told past the outbox, and to whom.
        self._notice: Notice | None = None
        self._past: set[str] = set()
        self._pauses = pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._again_at = 0.0

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            try:
                await self.look()
            except OutboxError as error:  # it is looked at again
                logger.debug("notifications of the ledger wait: {}", error)
            await anyio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Raises OutboxError."""
        trouble = self._trouble()
        if trouble is None:
            await self._over()
            return
        self._since = self._now() if self._since is None else self._since
        if self._now() - self._since >= UNWRITABLE_SECONDS:
            await self._tell(self._notice or rules.unwritable(trouble, self._now()))

    async def _tell(self, notice: Notice) -> None:
        try:
            if not await self._outbox.ask(partial(self._outbox.holds, _KEY)):
                await self._outbox.ask(
                    partial(self._outbox.set_condition, _KEY, notice, self._hearers(self._past))
                )
        except OutboxError:
            self._notice = notice
            await self._tell_past(notice)

    async def _tell_past(self, notice: Notice) -> None:
        """Whoever was not told yet; all at once, since one of them may hang."""
        left = self._deliveries.keys() - self._past
        if not left or self._now() < self._again_at:
            return
        async with anyio.create_task_group() as tasks:
            for name in left:
                tasks.start_soon(self._tell_one, self._deliveries[name], notice)
        self._again_at = self._now() + next(self._pauses)

    async def _tell_one(self, delivery: Delivery, notice: Notice) -> None:
        if await delivery.tell_past(notice):
            self._past.add(delivery.name)

    async def _over(self) -> None:
        if self._notice is not None:  # the outbox has not heard of it
            told = self._hearers(set(self._deliveries))
            await self._outbox.ask(partial(self._outbox.set_condition, _KEY, self._notice, told))
        over = partial(self._outbox.clear_condition, _KEY, rules.writable(self._now()), self._hearers(set()))
        await self._outbox.ask(over)
        self._since, self._notice, self._again_at = None, None, 0.0
        self._past.clear()
        self._pauses = pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)

    def _hearers(self, but: set[str]) -> Hearers:
        names = sorted(self._deliveries.keys() - but)
        return lambda rule: names if rule is Rule.UNREACHABLE else []
