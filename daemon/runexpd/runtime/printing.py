"""Where jobs print to, where only their start tells: `%u` and `%N` in `--output` and `--error`."""

from collections.abc import Iterator, Mapping, Sequence

from runexpd.clusters.base import Cluster, ClusterUnreachable, JobReport
from runexpd.core.commands import Watch
from runexpd.experiments import outputs
from runexpd.experiments.outputs import Start
from runexpd.hosts.base import Found, HostError, StatPath

#: Of a node: a cluster has no more that matter. And of those, so many in one question.
_MOST_NODES, _MOST_AT_ONCE = 10_000, 500
#: The paths of a job's output and of stderr's own file; empty: nothing new of them is known.
Places = tuple[str, str]
NOWHERE: Places = ("", "")


class Printing:
    """Of one cluster's jobs. It knows what nodes are called, which is forgotten with the daemon."""

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self._names: dict[str, Sequence[str]] = {}

    async def places(self, news: Sequence[tuple[Watch, JobReport]]) -> Mapping[str, Places]:
        """By token. However many they are, one question about nodes and one about files."""
        those = [(watch, report) for watch, report in news if outputs.is_open(watch.job)]
        await self._learn({report.node for _, report in those})
        likely = {watch.token: tuple(dict.fromkeys(self._likely(watch, report))) for watch, report in those}
        several = [output for places in likely.values() if len(places) > 1 for output, _ in places]
        there = await self._there(several)
        final = {report.token for _, report in those if report.final}
        return {token: _chosen(places, there, token in final) for token, places in likely.items()}

    def _likely(self, watch: Watch, report: JobReport) -> Iterator[Places]:
        """One for each name that its node may have, likeliest first."""
        for name in self._names.get(report.node) or [report.node if report.final else ""]:
            start = Start(watch.slurm_job_id, report.user, name)
            yield outputs.output_of(watch.job, start), outputs.error_of(watch.job, start)

    async def _learn(self, nodes: set[str]) -> None:
        """What `%N` may be on them. Where nobody tells, they are asked about again."""
        unknown = sorted(nodes - self._names.keys() - {""})[:_MOST_AT_ONCE]
        if unknown and len(self._names) < _MOST_NODES:
            try:
                self._names.update(await self._cluster.node_names(unknown))
            except ClusterUnreachable:
                return

    async def _there(self, paths: Sequence[str]) -> frozenset[str]:
        """Those of them at which there is something."""
        if not paths:
            return frozenset()
        try:
            answers = await self._cluster.host.fetch([StatPath(path) for path in paths])
        except HostError:
            return frozenset()
        return frozenset(
            path for path, answer in zip(paths, answers, strict=True) if isinstance(answer, Found)
        )


def _chosen(likely: Sequence[Places], there: frozenset[str], is_final: bool) -> Places:
    """What is there, where there are several; at the job's end the likeliest otherwise."""
    if len(likely) == 1:
        return likely[0]
    found = (places for places in likely if places[0] in there)
    return next(found, likely[0] if is_final else NOWHERE)
