"""Clusters: where jobs run, how the connections to there are, and what they may be asked."""

from runexp.wire import requests
from runexp.wire.states import IN_FLIGHT
from runexp.wire.views import ClusterView
from runexpd.api.context import Context
from runexpd.core.state import Limits
from runexpd.runtime import clock


async def clusters(context: Context, asked: requests.Clusters) -> requests.ClustersReply:
    return requests.ClustersReply(clusters=tuple(_view(context, name) for name in context.clusters))


def _view(context: Context, name: str) -> ClusterView:
    link, watcher, budget = context.links.get(name), context.watchers[name], context.budgets.get(name)
    kind = "slurm over ssh" if link else "slurm on this machine" if budget else "this machine"
    return ClusterView(
        name=name,
        kind=kind,
        connection=type(link.status).__name__.lower() if link else "",
        trouble=context.hindrance(name),
        as_of=watcher.answered_at,
        queued=_queued(context, name),
        max_submit=context.loop.state.limits.get(name, Limits()).max_submit,
        queries=budget.asked if budget else None,
        queries_left=budget.left(clock.steady()) if budget else None,
        queries_per_minute=budget.per_minute if budget else None,
    )


def _queued(context: Context, name: str) -> int:
    on_it = (each for each in context.loop.state.experiments.values() if each.cluster == name)
    return sum(count for each in on_it for kind, count in each.jobs.counts() if kind.stage in IN_FLIGHT)
