"""Ls, status, report, follow, logs, info: what only reads."""

import os
from collections.abc import AsyncIterator
from functools import partial

import anyio
from msgspec.structs import replace

from runexp import __version__
from runexp.wire import framing, requests, views
from runexp.wire.events import Envelope
from runexp.wire.metrics import Curves
from runexpd.api import find, recipes, reloading
from runexpd.api.context import Context
from runexpd.hosts.threads import aside
from runexpd.ledger import desk
from runexpd.runtime import comparing

#: Events that come in a burst are shown together: the more jobs there are to draw, the more of them.
GATHER_SECONDS = 0.05
GATHER_SECONDS_PER_JOB = 5e-5
#: Without news the view is sent again after this long: what hinders a cluster grows older.
REFRESH_SECONDS = 5.0
FOLLOW_SECONDS = 0.5
#: Of the past, at a time.
PAGE_EVENTS = 500
#: What is left of curves is read for so long before they are shown as far as they are.
COMPLETE_SECONDS = 20.0
#: A list waits no longer for estimates: it shows those that were made before.
ESTIMATES_SECONDS = 0.1
#: So many times as many numbers are looked through for the last few events.
NEAR = 20
CHUNK_BYTES = 256 * 1024


async def ls(context: Context, asked: requests.Ls) -> requests.LsReply:
    state = context.loop.state
    with anyio.move_on_after(ESTIMATES_SECONDS):
        for experiment in list(state.experiments.values()):
            await context.refresh(experiment)
    rows = [*map(context.line, state.experiments.values()), *state.shelved.values()]
    rows.sort(key=lambda row: row.asked_at, reverse=True)
    return requests.LsReply(experiments=tuple(rows))


async def status(context: Context, asked: requests.Status) -> requests.StatusReply:
    known = await find.experiment(context, asked.experiment)
    view = await glance(context, known.id)
    return requests.StatusReply(experiment=replace(view, jobs=await recipes.since(context, known, view.jobs)))


async def glance(context: Context, named: str) -> views.ExperimentView:
    """How an experiment stands as far as it is known here: nothing is read for it. Raises Refusal."""
    known = await find.experiment(context, named)
    await context.refresh(known)
    return replace(context.picture(known).view, as_of=context.as_of(known))


async def known_report(context: Context, named: str) -> views.Report:
    """The combined summary as far as it is known here: nothing is asked of a cluster for it. Raises Refusal."""
    known = await find.experiment(context, named)
    return replace(context.report(known), recipes=await recipes.of_results(context, known))


async def show_report(context: Context, asked: requests.ReportAsk) -> views.Report:
    known = await find.experiment(context, asked.experiment)
    made = context.report(known)
    trained, evaluated = made.optimization, made.evaluation
    cluster = context.clusters.get(known.cluster)
    async with context.bulk[known.cluster]:
        samples, missing = await context.samples.read(known, cluster.host if cluster else None)
    return replace(
        made,
        optimization=replace(trained, jobs=await recipes.since(context, known, trained.jobs)),
        evaluation=replace(evaluated, jobs=await recipes.since(context, known, evaluated.jobs)),
        recipes=await recipes.of_results(context, known),
        comparisons=await aside(lambda: comparing.comparisons(known, samples)),
        not_compared=missing,
    )


async def curves(context: Context, asked: requests.Metrics) -> Curves:
    """Of one that is over, what is left to be read is read first."""
    known = await find.experiment(context, asked.experiment)
    jobs = [find.job(context, known, name) for name in asked.jobs]
    if known.outcome is not None and context.rests.is_behind(known):
        with anyio.move_on_after(COMPLETE_SECONDS):
            await context.rests.complete(known.id)
    return await context.recorder.curves(known.id, known.name, jobs, asked.names, asked.after, asked.points)


async def info(context: Context, asked: requests.Info) -> requests.InfoReply:
    return requests.InfoReply(
        version=__version__,
        pid=os.getpid(),
        started_at=context.started_at,
        ledger=str(context.ledger.path),
        config=context.config_path,
        clusters=tuple(context.clusters),
        tools=tuple(context.tools),
        config_is_newer=await aside(lambda: reloading.is_newer(context)),
    )


async def follow(context: Context, asked: requests.Follow) -> AsyncIterator[requests.Reply | framing.Packed]:
    """A cursor on the ledger, not a queue: take the bells, then read, wait only then. No gap, no double."""
    id, after = (await find.experiment(context, asked.experiment)).id, asked.after
    shown: views.ExperimentView | None = None
    as_of: float | None = None
    while True:
        bells = [context.loop.bell.take()]
        if watcher := context.watchers.get((await context.at_hand(id)).cluster):
            bells.append(watcher.bell.take())
        while page := await desk.ask(partial(context.ledger.envelopes, after, id, PAGE_EVENTS)):
            for envelope in page:
                yield requests.Seen(envelope=envelope)
            after = page[-1].seq
        if shown is None:
            yield requests.Live()
        known = await context.at_hand(id)
        await context.refresh(known)
        picture, at = context.picture(known), context.as_of(known)
        if picture.view is not shown:
            news, shown = picture.since(shown), picture.view
            yield news
        if at is not None and at != as_of:
            as_of = at
            yield requests.AsOf(at=at)
        with anyio.move_on_after(REFRESH_SECONDS):
            await _first_of(bells)
        await anyio.sleep(max(GATHER_SECONDS, len(shown.jobs) * GATHER_SECONDS_PER_JOB))


async def recent(context: Context, view: views.ExperimentView, most: int) -> list[Envelope]:
    """The last few events, as far as they are near: between them are those of others. Raises LedgerError."""
    after = max(0, view.seq - NEAR * most)
    return (await desk.ask(partial(context.ledger.envelopes, after, view.id, NEAR * most)))[-most:]


async def _first_of(events: list[anyio.Event]) -> None:
    async def wait(event: anyio.Event) -> None:
        await event.wait()
        tasks.cancel_scope.cancel()

    async with anyio.create_task_group() as tasks:
        for event in events:
            tasks.start_soon(wait, event)
