"""From the configuration to whoever tells: made when the daemon starts, and only where somebody is to be told."""

from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Protocol

import anyio
import msgspec
from loguru import logger

from runexp.wire.views import ExperimentView
from runexpd.core.observations import Tick
from runexpd.core.state import Experiment
from runexpd.hosts.link import Link
from runexpd.ledger.store import Ledger
from runexpd.notices import conditions
from runexpd.notices.address import Sender, Source
from runexpd.notices.delivery import Delivery, Manner
from runexpd.notices.follower import FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS, Notifier
from runexpd.notices.ledger import LedgerWatch
from runexpd.notices.outbox import Outbox, OutboxError
from runexpd.notices.rules import Rule
from runexpd.runtime.loop import Loop, NotTaken
from runexpd.runtime.patience import pauses
from runexpd.runtime.watcher import Watcher
from runexpd.settings import Notify


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """An address of the configuration."""

    source: Source
    tells: frozenset[Rule]
    manner: Manner


class House(Protocol):
    """What is asked of the rest of the daemon."""

    @property
    def loop(self) -> Loop: ...
    @property
    def ledger(self) -> Ledger: ...
    @property
    def links(self) -> Mapping[str, Link]: ...
    @property
    def watchers(self) -> Mapping[str, Watcher]: ...
    async def at_hand(self, id: str) -> Experiment: ...
    def typed(self, experiment: Experiment) -> str: ...
    def view(self, experiment: Experiment) -> ExperimentView: ...


class Told(msgspec.Struct, frozen=True, kw_only=True):
    """Who is told of what."""

    deliveries: Sequence[tuple[Delivery, frozenset[Rule]]]
    outbox: Outbox


def wanted(settings: Mapping[str, Notify]) -> dict[str, Wanted]:
    """Who wants to be told, by name."""
    return {
        name: Wanted(
            source=Source(url=each.url, url_file=each.url_file, url_env=each.url_env),
            tells=frozenset(each.tell),
            manner=Manner(digest_seconds=each.digest_seconds, quiet=each.quiet),
        )
        for name, each in settings.items()
    }


def told(path: Path, wanted: Mapping[str, Wanted], now: Callable[[], float]) -> Told | None:
    """None where nobody wants to hear anything: then nothing is kept for later either. Blocks."""
    if not wanted:
        for ending in ("", "-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
        return None
    try:
        outbox = Outbox(path)
    except OutboxError as error:
        logger.error("nobody will be notified: {}; it may be deleted, then start runexpd again", error)
        return None
    deliveries = [
        (Delivery(name, Sender(each.source), each.manner, outbox, now), each.tells)
        for name, each in wanted.items()
    ]
    return Told(deliveries=deliveries, outbox=outbox)


async def tell(told: Told, house: House, now: Callable[[], float]) -> None:
    """Until cancelled. What goes wrong with it is nobody else's affair."""
    with suppress(
        NotTaken
    ):  # what was parked before the daemon ended is parked again by then, or isn't any more
        await house.loop.tell(Tick())
    means = _Means(told, house, now)
    hear = [delivery for delivery, tells in told.deliveries if Rule.UNREACHABLE in tells]
    watch = LedgerWatch(told.outbox, hear, lambda: house.loop.trouble, now)
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_again_and_again, watch.run)
        tasks.start_soon(
            _again_and_again,
            lambda: Notifier(house.ledger, house.loop.bell, told.outbox, told.deliveries, means, now).run(),
        )


async def _again_and_again(run: Callable[[], Awaitable[None]]) -> None:
    for pause in pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS):
        try:
            await run()
        except Exception:
            logger.exception("notifications failed, and go on in {:.0f} s", pause)
        await anyio.sleep(pause)


class _Means:
    def __init__(self, told: Told, house: House, now: Callable[[], float]) -> None:
        self._told = told
        self._house = house
        self._now = now
        self.at_hand, self.typed = house.at_hand, house.typed
        self._wants_health = any(Rule.HEALTH in tells for _, tells in told.deliveries)

    def _hearers(self, rule: Rule) -> list[str]:
        return [delivery.name for delivery, tells in self._told.deliveries if rule in tells]

    async def look(self) -> None:
        running = list(self._house.loop.state.running())
        for cluster in sorted({experiment.cluster for experiment in running}):
            if (watcher := self._house.watchers.get(cluster)) is not None:
                look = partial(conditions.look_at_cluster, self._told.outbox, self._hearers, cluster)
                await look(self._house.links.get(cluster), watcher, self._now())
        state, typed = self._house.loop.state, self._house.typed
        await conditions.look_at_experiments(self._told.outbox, self._hearers, state, typed, self._now())
        if self._wants_health:
            views = {each.id: self._house.view(each) for each in running}
            await conditions.look_at_jobs(self._told.outbox, self._hearers, views, self._now())
