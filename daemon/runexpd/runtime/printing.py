"""Where jobs print to, where only their start tells: `%u` and `%N` in `--output` and `--error`."""

from collections.abc import Sequence

from runexpd.clusters.base import Cluster, ClusterUnreachable, JobReport
from runexpd.core.commands import Watch
from runexpd.experiments import outputs
from runexpd.experiments.outputs import Start
from runexpd.hosts.base import HostError

#: Of a node: a cluster has no more that matter.
_MOST_NODES = 10_000
NOWHERE = ("", "")


class Printing:
    """Of one cluster's jobs. It knows what nodes are called, which is forgotten with the daemon."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names: dict[str, Sequence[str]] = {}

    async def places(self, watch: Watch, report: JobReport) -> tuple[str, str]:
        """The paths of a job's output and of stderr's own file; empty: nothing new of them is known."""
        if not outputs.is_open(watch.job):
            return NOWHERE
        starts = [Start(watch.slurm_job_id, report.user, name) for name in await self._called(report.node)]
        found = [_places(watch, start) for start in starts or [Start(watch.slurm_job_id, report.user)]]
        if len(found) == 1:
            return found[0]
        there = [each for each in found if await self._is_there(each[0])]
        return (there or ([found[0]] if report.final else [NOWHERE]))[0]

    async def _called(self, node: str) -> Sequence[str]:
        """What `%N` may be on a node; nothing where there is none, or nobody tells."""
        if not node or node in self._names:
            return self._names.get(node, ())
        try:
            names = await self._cluster.node_names(node)
        except ClusterUnreachable:
            return ()
        if len(self._names) < _MOST_NODES:
            self._names[node] = names
        return names

    async def _is_there(self, path: str) -> bool:
        try:
            return await self._cluster.host.stat(path) is not None
        except HostError:
            return False


def _places(watch: Watch, start: Start) -> tuple[str, str]:
    return outputs.output_of(watch.job, start), outputs.error_of(watch.job, start)
