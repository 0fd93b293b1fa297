"""What handlers work with."""

from collections.abc import Mapping
from dataclasses import dataclass

from runexp.wire.views import ExperimentView
from runexpd.clusters.base import Cluster
from runexpd.core.state import Experiment
from runexpd.core.steps import report
from runexpd.hosts.ssh_link import SshLink
from runexpd.ledger.store import Ledger
from runexpd.runtime import clock
from runexpd.runtime.loop import Loop
from runexpd.runtime.watcher import Watcher
from runexpd.tools.base import Tool


@dataclass(frozen=True)
class Context:
    loop: Loop
    ledger: Ledger
    clusters: Mapping[str, Cluster]
    watchers: Mapping[str, Watcher]
    tools: Mapping[str, Tool]
    #: Connections of the clusters that are reached over SSH.
    links: Mapping[str, SshLink]
    started_at: float
    config_path: str

    def view(self, experiment: Experiment) -> ExperimentView:
        """The experiment as it stands, with progress and what hinders its cluster."""
        watcher = self.watchers.get(experiment.cluster)
        if watcher is None:
            return report.view(
                experiment, {}, {}, f"cluster {experiment.cluster} is no longer in the configuration"
            )
        link = self.links.get(experiment.cluster)
        trouble = (link.trouble() if link else "") or _trouble(watcher)
        return report.view(experiment, watcher.progress, watcher.starts, trouble)


def _trouble(watcher: Watcher) -> str:
    if watcher.trouble is None:
        return ""
    since, why = watcher.trouble
    return f"no answer for {clock.now() - since:.0f} s, what is shown is older than that: {why}"
