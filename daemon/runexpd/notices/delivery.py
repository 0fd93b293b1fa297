"""Brings an address what it is owed: soon, all that came together in one message, not too often, not in quiet hours.

What is about to be sent is committed before it is, and what has arrived afterwards: a crash in between sends it again, marked as such.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence

import anyio
import msgspec
from loguru import logger

from runexpd.hosts.base import HostUnreachable
from runexpd.notices import quiet
from runexpd.notices.address import Sender, Undelivered, Unusable
from runexpd.notices.outbox import Outbox, OutboxError, Owed
from runexpd.notices.rules import Notice
from runexpd.runtime.bell import Bell
from runexpd.runtime.patience import pauses

#: What comes within this time of the first comes with it.
GATHER_SECONDS = 5.0
#: Of one message.
MOST_NOTICES = 20
_MOST_OWED = 500
#: Until what didn't arrive is tried again: first, and in the end. What is older than that is given up.
FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 10.0, 1800.0
GIVE_UP_SECONDS = 3 * 86400.0


class Manner(msgspec.Struct, frozen=True, kw_only=True):
    """How an address wants to be told."""

    #: From one message to the next, at least: what comes meanwhile is told together.
    digest_seconds: float = 300.0
    #: `22:00-07:00`; empty: none.
    quiet: str = ""


class Delivery:
    """To one address."""

    def __init__(
        self,
        name: str,
        sender: Sender,
        manner: Manner,
        outbox: Outbox,
        now: Callable[[], float],
        sleep: Callable[[float], Awaitable[None]] = anyio.sleep,
    ) -> None:
        self.name = name
        self.sender = sender
        self._manner = manner
        self._outbox = outbox
        self._now = now
        self._sleep = sleep
        #: Rings when there may be something to tell.
        self.bell = Bell()
        self.sent_at: float | None = None
        #: Why the last message didn't arrive; empty when it did.
        self.trouble = ""

    async def run(self) -> None:
        """Until cancelled."""
        waits = _pauses()
        while True:
            ring = self.bell.take()
            try:
                owed = await self._outbox.ask(lambda: self._outbox.owed(self.name, _MOST_OWED))
                if not owed:
                    await ring.wait()
                elif (pause := self._due_at(owed) - self._now()) > 0:
                    await self._sleep(pause)
                elif await self._tell(owed):
                    waits = _pauses()
                else:
                    await self._sleep(next(waits))
            except OutboxError as error:
                self._note(f"the outbox can't be used: {error}")
                await self._sleep(next(waits))

    def _due_at(self, owed: Sequence[Owed]) -> float:
        soonest = owed[0].at + GATHER_SECONDS
        if self.sent_at is not None:
            soonest = max(soonest, self.sent_at + self._manner.digest_seconds)
        # A clock that was set back must not hold it up for ever.
        soonest = min(soonest, self._now() + max(self._manner.digest_seconds, GATHER_SECONDS))
        return quiet.until(self._manner.quiet, max(soonest, self._now()))

    async def _tell(self, owed: Sequence[Owed]) -> bool:
        """Whether it arrived, or need not any more."""
        late = [notice.id for notice in owed if self._now() - notice.at > GIVE_UP_SECONDS and notice.tries]
        if late:
            logger.warning("notify {}: {} messages are given up after three days", self.name, len(late))
            await self._outbox.ask(lambda: self._outbox.settled(self.name, late))
            return True
        ids = [notice.id for notice in owed]
        await self._outbox.ask(lambda: self._outbox.sending(self.name, ids))
        arrived = await self._send(*message(owed))
        if arrived is False:
            await self._outbox.ask(lambda: self._outbox.failed(self.name, ids))
        elif arrived:
            await self._outbox.ask(lambda: self._outbox.settled(self.name, ids))
        return bool(arrived)

    async def tell_past(self, notice: Notice) -> bool:
        """Past an outbox that can't be written, though not in quiet hours. Whether it has arrived."""
        if quiet.until(self._manner.quiet, self._now()) > self._now():
            return False
        return bool(await self._send(notice.title, f"{notice.body}\n-- runexp"))

    async def _send(self, title: str, body: str) -> bool | None:
        """Whether it arrived; None: nobody knows."""
        try:
            await self.sender.send(title, body)
        except (Unusable, Undelivered) as error:
            self._note(f"not delivered, tried again: {error}")
            return False
        except HostUnreachable as error:
            self._note(f"not known to be delivered, tried again: {error.what}")
            return None
        except Exception as error:  # a fault of the library's; what it says may hold anything
            self._note(f"not known to be delivered, tried again: {type(error).__name__}")
            return None
        self.sent_at, self.trouble = self._now(), ""
        return True

    def _note(self, trouble: str) -> None:
        if trouble != self.trouble:
            logger.warning("notify {}: {}", self.name, trouble)
        self.trouble = trouble


def _pauses() -> Iterator[float]:
    return pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)


def message(owed: Sequence[Owed]) -> tuple[str, str]:
    """Title and body; the numbers tell a message that came twice. Pure."""
    numbers = f"#{owed[0].id}" if len(owed) == 1 else f"#{owed[0].id}-{owed[-1].id}"
    again = ", perhaps a second time" if any(notice.is_unclear for notice in owed) else ""
    foot = f"-- runexp {numbers}{again}"
    if len(owed) == 1:
        return owed[0].title, f"{owed[0].body}\n{foot}"
    shown = [f"* {notice.title}\n{_indented(notice.body)}" for notice in owed[-MOST_NOTICES:]]
    left = len(owed) - len(shown)
    more = [f"(and {left} earlier ones; `runexp ls` shows how things stand)"] if left else []
    return f"runexp: {len(owed)} news, the last: {owed[-1].title}", "\n".join([*more, *shown, foot])


def _indented(body: str) -> str:
    return "\n".join(f"  {line}" for line in body.splitlines())
