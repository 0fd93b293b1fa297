"""What handlers work with."""

from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

import anyio
from msgspec.structs import replace

from runexp.wire.requests import PageOpened
from runexp.wire.views import Check, ExperimentLine, ExperimentView, Report
from runexpd.api.forecasts import Forecasts, Site
from runexpd.api.pictures import Picture, Pictures
from runexpd.clusters.base import Cluster
from runexpd.core import names
from runexpd.core.state import Experiment, Limits
from runexpd.core.steps import report
from runexpd.core.steps.jobviews import Drawn
from runexpd.core.when.forecast import Forecast
from runexpd.hosts.link import Link
from runexpd.ledger.store import Ledger
from runexpd.notices.setup import Told
from runexpd.runtime import clock
from runexpd.runtime.carriers import Carriers, Trouble
from runexpd.runtime.loop import Loop
from runexpd.runtime.pantry import Pantry
from runexpd.runtime.recorder import Recorder
from runexpd.runtime.rests import Rests
from runexpd.runtime.samplebook import SampleBook
from runexpd.runtime.schedule import Budget
from runexpd.runtime.shelf import Shelf
from runexpd.runtime.vitals import Vitals
from runexpd.runtime.watcher import Watcher
from runexpd.tools.base import Tool

Doctor = Callable[[], Awaitable[Sequence[Check]]]
#: Serves the page, if that isn't done yet, and makes an address that logs a browser in. Raises Refusal.
OpenPage = Callable[[], Awaitable[PageOpened]]


@dataclass(frozen=True)
class Context:
    loop: Loop
    ledger: Ledger
    shelf: Shelf
    clusters: Mapping[str, Cluster]
    watchers: Mapping[str, Watcher]
    carriers: Carriers
    pantry: Pantry
    tools: Mapping[str, Tool]
    #: Connections of the clusters that are reached over SSH.
    links: Mapping[str, Link]
    #: By cluster, what looks its connection over.
    doctors: Mapping[str, Doctor]
    started_at: float
    config_path: str
    recorder: Recorder
    vitals: Vitals
    #: Samples of evaluations, by which they are compared.
    samples: SampleBook
    forecasts: Forecasts
    rests: Rests
    #: Who is told of news; None: nobody wants to be.
    told: Told | None = None
    #: By cluster, what may be asked of its scheduler; none where that costs nothing.
    budgets: Mapping[str, Budget] = field(default_factory=dict)
    page: OpenPage | None = None
    pictures: Pictures = field(default_factory=Pictures)
    #: By cluster, whose turn it is to read something large.
    bulk: defaultdict[str, anyio.Semaphore] = field(
        default_factory=lambda: defaultdict(lambda: anyio.Semaphore(1))
    )

    async def at_hand(self, id: str) -> Experiment:
        """An experiment that the ledger knows, also one that was put away; it stays for a while. Raises LedgerError, NotTaken."""
        return await self.shelf.recall(self.loop, id)

    def still(self, id: str) -> Experiment:
        """One that was at hand before something was waited for. Raises Removed where somebody has taken it out since."""
        return self.shelf.there(self.loop, id)

    def typed(self, experiment: Experiment) -> str:
        """What names it on a command line."""
        return names.typed(self.loop.state, experiment)

    def line(self, experiment: Experiment) -> ExperimentLine:
        """A row of `runexp ls`."""
        parked = self.loop.state.parked.get(experiment.id)
        hindered = self.hindrance(experiment.cluster) if experiment.outcome is None else ""
        line = report.line(experiment, parked.why if parked else hindered)
        ends = None if parked or experiment.outcome is not None else self._forecast(experiment).whole.end
        archived = self.loop.state.is_out_of_sight(experiment)
        return replace(line, as_of=self.as_of(experiment), ends=ends, archived=archived)

    def _forecast(self, experiment: Experiment) -> Forecast:
        return self.forecasts.of(experiment, self._site(experiment))

    async def refresh(self, experiment: Experiment) -> None:
        """Estimate anew what takes its time; whoever is about to show an experiment asks for it."""
        await self.forecasts.refresh(experiment, self._site(experiment))

    def _site(self, experiment: Experiment) -> Site:
        watcher = self.watchers.get(experiment.cluster)
        progress, starts = (watcher.progress, watcher.starts) if watcher else ({}, {})
        limits = self.loop.state.limits.get(experiment.cluster, Limits())
        return Site(progress, starts, limits, self._beside(experiment) if limits.max_running else ())

    def _beside(self, experiment: Experiment) -> tuple[Experiment, ...]:
        return tuple(e for e in self.loop.state.running() if e.cluster == experiment.cluster)

    def report(self, experiment: Experiment) -> Report:
        """The combined summary."""
        return replace(report.report(experiment, self.typed(experiment)), as_of=self.as_of(experiment))

    def picture(self, experiment: Experiment) -> Picture:
        """The experiment as it stands, with progress and what hinders it."""
        watcher = self.watchers.get(experiment.cluster)
        progress, starts = (watcher.progress, watcher.starts) if watcher else (None, None)
        typed, trouble, forecast = (
            self.typed(experiment),
            self._trouble(experiment),
            self._forecast(experiment),
        )
        is_out_of_sight = self.loop.state.is_out_of_sight(experiment)

        def make(before: Mapping[str, Drawn]) -> tuple[dict[str, Drawn], ExperimentView]:
            drawn = report.drawn(experiment, typed, progress or {}, starts or {}, before, forecast)
            view = report.view(experiment, typed, drawn, trouble)
            return drawn, replace(view, estimates=forecast.whole, archived=is_out_of_sight)

        self.pictures.keep(self.loop.state.experiments)
        self.forecasts.keep(self.loop.state.experiments)
        source = (experiment, progress, starts, typed, trouble, forecast, is_out_of_sight)
        return self.pictures.of(experiment.id, source, make)

    def view(self, experiment: Experiment) -> ExperimentView:
        return self.picture(experiment).view

    def as_of(self, experiment: Experiment) -> float | None:
        """When its cluster last said how its jobs are, in seconds since 1970; None where there is nothing to ask for."""
        watcher = self.watchers.get(experiment.cluster)
        return watcher.answered_at if watcher and experiment.outcome is None else None

    def _trouble(self, experiment: Experiment) -> str:
        """What hinders it most."""
        parked, ledger = self.loop.state.parked.get(experiment.id), self.loop.trouble
        if parked is not None:
            return f"nothing more is done with it: {parked.why}"
        if ledger is not None:
            return f"{ledger.what}; {ledger.hint}"
        return self.hindrance(experiment.cluster) or self._failing(experiment)

    def hindrance(self, cluster: str) -> str:
        """What is wrong with a cluster now; empty when all is well."""
        watcher = self.watchers.get(cluster)
        if watcher is None:
            return f"cluster {cluster} is no longer in the configuration: {self.to_put_back(cluster)}"
        link = self.links.get(cluster)
        return (link.trouble() if link else "") or _silence(watcher)

    def to_put_back(self, cluster: str) -> str:
        """What to do about one that has left the configuration."""
        return f"put it back into {self.config_path}, then: runexp daemon reload"

    def _failing(self, experiment: Experiment) -> str:
        """A command that fails again and again, and how many others do."""
        failing = [t for t in self.carriers.troubles.values() if t.experiment == experiment.id]
        if not failing:
            return ""
        worst: Trouble = max(failing, key=lambda trouble: trouble.tries)
        more = f" (and {len(failing) - 1} more)" if len(failing) > 1 else ""
        return f"tried {worst.tries} times, and again: {worst.what}{more}"


def _silence(watcher: Watcher) -> str:
    if watcher.trouble is None:
        return ""
    since, why = watcher.trouble
    seconds = max(0.0, clock.now() - since)
    return f"no answer for {seconds:.0f} s, what is shown is older than that: {why}"
