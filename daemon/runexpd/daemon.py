"""The composition root: builds the parts, starts them in order, stops them in reverse. The only file that knows them all."""

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, closing
from dataclasses import dataclass, replace

import anyio
from anyio.abc import TaskGroup
from loguru import logger

from runexp import __version__, paths
from runexpd import pausing, service, stopping
from runexpd.api import socket
from runexpd.api.context import Context, Doctor
from runexpd.api.forecasts import Forecasts
from runexpd.clusters.base import Cluster
from runexpd.clusters.local.cluster import LocalCluster
from runexpd.clusters.slurm import environment
from runexpd.clusters.slurm.cluster import SlurmCluster
from runexpd.core import names
from runexpd.core.state import Limits, State
from runexpd.hosts.base import Host
from runexpd.hosts.link import Connected, Link
from runexpd.hosts.local import LocalHost
from runexpd.ledger import desk
from runexpd.ledger.store import Ledger
from runexpd.metrics.store import Store
from runexpd.notices import setup as notices
from runexpd.runtime import clock, digest, memory
from runexpd.runtime.carriers import Carriers
from runexpd.runtime.errands import Errands
from runexpd.runtime.eyes import Eyes
from runexpd.runtime.logbook import Hosts, Logbook
from runexpd.runtime.loop import Loop
from runexpd.runtime.pantry import Pantry
from runexpd.runtime.recorder import Recorder
from runexpd.runtime.rests import Means, Rests
from runexpd.runtime.samplebook import SampleBook
from runexpd.runtime.schedule import Budget, Every
from runexpd.runtime.shelf import Shelf
from runexpd.runtime.vitals import Vitals
from runexpd.runtime.watcher import Watcher
from runexpd.settings import Cluster as ClusterSettings
from runexpd.settings import Local, Settings
from runexpd.tools import registry
from runexpd.tools.base import Tool
from runexpd.web.page import Page

#: How long the run logs may take at the end; they are caught up at the next start.
STOP_SECONDS = 5.0


@dataclass(frozen=True)
class _Site:
    """A cluster, with whoever watches it, and the connection to it where there is one."""

    cluster: Cluster
    watcher: Watcher
    link: Link | None = None
    #: Looks the connection over.
    doctor: Doctor | None = None
    budget: Budget | None = None


@dataclass(frozen=True)
class _Memory:
    """What is known, and where it is kept."""

    ledger: Ledger
    loop: Loop
    shelf: Shelf
    recorder: Recorder
    vitals: Vitals


async def run(settings: Settings) -> bool:
    """Serve until a signal asks for the end; whether to begin again. Jobs go on without us. Raises LedgerError, SocketRefused."""
    memory.keep_one_heap()
    tools = registry.load()
    async with AsyncExitStack() as stack:
        ledger = stack.enter_context(Ledger(paths.state() / "ledger.sqlite"))
        loop, shelf = Loop(ledger, State()), Shelf(ledger)
        recorder = Recorder(stack.enter_context(closing(Store(paths.state() / "metrics.sqlite"))))
        vitals = Vitals(loop)
        eyes = Eyes(recorder, vitals)
        sites = [_local(settings, tools, eyes)]
        for name, cluster in settings.clusters.items():
            sites.append(await stack.enter_async_context(_slurm(name, cluster, tools, eyes)))
        clusters = {site.cluster.name: site.cluster for site in sites}
        logbook = Logbook(
            ledger,
            loop.bell,
            _host_of(clusters),
            lambda e: names.typed(loop.state, e),
            lambda id: loop.state.experiments.get(id),
        )
        async with anyio.create_task_group() as tasks:
            page = Page(settings.web, paths.state() / "page.json")
            context = _context(settings, _Memory(ledger, loop, shelf, recorder, vitals), tools, sites, tasks)
            context = replace(context, page=page.open)
            if context.told is not None:
                stack.callback(context.told.outbox.close)
            await _start(tasks, context, settings, logbook)
            tasks.start_soon(page.run, context)
            received = await stopping.asked()
            again = received is stopping.AGAIN
            logger.info("{}: {}", received.name, "beginning again" if again else "stopping")
            service.tell("RELOADING=1" if again else "STOPPING=1")
            if again:
                page.outlive()
            tasks.cancel_scope.cancel()
        with anyio.move_on_after(STOP_SECONDS):
            await logbook.finish()
    if not again:
        logger.info("stopped; jobs go on")
    return again


def _context(
    settings: Settings,
    kept: _Memory,
    tools: Mapping[str, Tool],
    sites: Sequence[_Site],
    tasks: TaskGroup,
) -> Context:
    clusters = {site.cluster.name: site.cluster for site in sites}
    watchers = {site.cluster.name: site.watcher for site in sites}
    waits = {name: cluster.results_seconds for name, cluster in settings.clusters.items()}
    waits["local"] = settings.local.results_seconds
    ledger, loop, shelf, recorder = kept.ledger, kept.loop, kept.shelf, kept.recorder
    means = Means(ledger, recorder, clusters, tools, lambda id: shelf.recall(loop, id))
    pantry = Pantry(ledger, tools)
    return Context(
        loop=loop,
        ledger=ledger,
        shelf=shelf,
        clusters=clusters,
        watchers=watchers,
        carriers=Carriers(loop, clusters, watchers, Errands(loop, tools, waits, pantry), tasks),
        pantry=pantry,
        tools=tools,
        links={site.cluster.name: site.link for site in sites if site.link is not None},
        doctors={site.cluster.name: site.doctor for site in sites if site.doctor is not None},
        budgets={site.cluster.name: site.budget for site in sites if site.budget is not None},
        started_at=clock.now(),
        config_path=str(paths.config()),
        recorder=recorder,
        vitals=kept.vitals,
        samples=SampleBook(paths.state() / "samples", tools),
        forecasts=Forecasts(kept.vitals.pace, recorder.lengths),
        rests=Rests(means, loop.bell, lambda: [e.id for e in loop.state.running()]),
        told=notices.told(paths.state() / "notices.sqlite", notices.wanted(settings.notify), clock.now),
    )


async def _start(tasks: TaskGroup, context: Context, settings: Settings, logbook: Logbook) -> None:
    """The socket first: whoever asks before all is read waits for the answer."""
    await tasks.start(socket.serve, paths.socket(), context)
    service.tell("READY=1")
    tasks.start_soon(service.keep_telling)
    tasks.start_soon(_is_well)
    tasks.start_soon(_open, tasks, context, settings, logbook)
    logger.info("runexpd {} (pid {}) serves {}", __version__, os.getpid(), paths.socket())


async def _open(tasks: TaskGroup, context: Context, settings: Settings, logbook: Logbook) -> None:
    """Read the ledger, and go on where it ends."""
    empty = State(limits=_limits(settings))
    context.loop.state = await desk.ask_long(lambda: context.shelf.opened(empty))
    for id, parked in context.loop.state.parked.items():
        logger.error("experiment {} is left alone: {}", id, parked.why)
    await tasks.start(context.loop.run, context.carriers.carry)
    for name, watcher in context.watchers.items():
        tasks.start_soon(watcher.run, context.loop)
        if name in context.links:
            tasks.start_soon(_catch_up, context.links[name], watcher)
    tasks.start_soon(logbook.run)
    tasks.start_soon(context.rests.run)
    tasks.start_soon(context.vitals.run)
    tasks.start_soon(context.shelf.run, context.loop)
    tasks.start_soon(digest.warm)
    if context.told is not None:
        tasks.start_soon(notices.tell, context.told, context, clock.now)
    await desk.ask_long(context.ledger.examine)


async def _is_well() -> None:
    """What lasts so long is no start that failed."""
    await anyio.sleep(pausing.WELL_SECONDS)
    pausing.well()


async def _catch_up(link: Link, watcher: Watcher) -> None:
    """One round as soon as a lost connection is back."""
    while True:
        await link.changed().wait()
        if isinstance(link.status, Connected) and watcher.trouble is not None:
            watcher.hurry()


def _local(settings: Settings, tools: Mapping[str, Tool], eyes: Eyes) -> _Site:
    local = settings.local
    cluster = LocalCluster(
        root=paths.state() / "local",
        host=LocalHost(),
        max_running=local.max_running,
        kill_wait_seconds=local.kill_wait_seconds,
    )
    return _Site(cluster, Watcher(cluster, tools, Every(local.poll_seconds), eyes))


@asynccontextmanager
async def _slurm(
    name: str, settings: ClusterSettings, tools: Mapping[str, Tool], eyes: Eyes
) -> AsyncIterator[_Site]:
    """Connects when there is something to do on it, not before."""
    asked = {"partition": settings.partition, "account": settings.account}
    defaults = {option: value for option, value in asked.items() if value is not None}

    def site(host: Host, link: Link | None = None, doctor: Doctor | None = None) -> _Site:
        daemon = f"{os.uname().nodename}:{paths.state()}"
        cluster = SlurmCluster(name, host, defaults, daemon, settings.prepend)
        budget = Budget(
            settings.queries_per_minute,
            lambda: cluster.queries,
            clock.steady(),
            lambda: clock.now() - clock.steady(),
        )
        return _Site(cluster, Watcher(cluster, tools, budget, eyes), link, doctor, budget)

    prepend = environment.before(settings.prepend)
    if settings.host is None:
        yield site(LocalHost(prepend))
        return
    from runexpd import reaching  # it takes a third of a start, and nobody else needs it

    async with reaching.far(name, settings, prepend) as (host, link, doctor):
        yield site(host, link, doctor)


def _limits(settings: Settings) -> dict[str, Limits]:
    known: dict[str, Local | ClusterSettings] = {**settings.clusters, "local": settings.local}
    return {
        name: Limits(
            max_submit=cluster.max_submit,
            stagger_seconds=cluster.stagger_seconds,
            stagger_evaluations_seconds=cluster.stagger_evaluations_seconds,
            before_evaluations=cluster.before_evaluations,
            max_running=cluster.max_running if isinstance(cluster, Local) else None,
        )
        for name, cluster in known.items()
    }


def _host_of(clusters: Mapping[str, Cluster]) -> Hosts:
    def host(cluster: str) -> Host | None:
        return clusters[cluster].host if cluster in clusters else None

    return host
