"""An experiment's directory that is edited between runs, and what lies in it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from random import Random

from msgspec.structs import replace

from fakes.builders import cell, training
from runexp.wire.jobs import Barrier, JobSpec, OnFailure, OnStall, Policy, RunSpec, Verdict
from runexpd.core.job import Job
from runexpd.core.observations import Queued, ScaffoldSeen
from runexpd.core.steps import archived

#: Runs that a scaffold may have.
POOL = ["rank4", "rank8", "rank16"]


@dataclass
class Directory:
    """One scaffold: runs come and go, are put in another order, and are mended."""

    id: str
    dir: str
    runs: list[str]
    #: Runs whose directory is a link, and where it leads.
    links: dict[str, str] = field(default_factory=dict)
    epochs: dict[str, int] = field(default_factory=dict)
    #: How often a run's script was edited.
    edits: dict[str, int] = field(default_factory=dict)
    policy: Policy = field(default_factory=Policy)

    def specs(self) -> tuple[JobSpec, ...]:
        jobs = [training(run, self.dir) for run in self.runs]
        jobs.append(cell("base", None, self.dir))
        jobs += [cell(run, n, self.dir) for run in self.runs for n in range(self.epochs.get(run, 1))]
        return tuple(self._as_edited(job) for job in jobs)

    def _as_edited(self, job: JobSpec) -> JobSpec:
        place = self.links.get(job.id, job.workdir)
        return replace(job, place=place, time_limit_seconds=3600 + self.edits.get(job.run, 0))

    def seen(
        self, disk: dict[str, Verdict], queued: Iterable[str], when: int, known: Mapping[str, Job] = {}
    ) -> ScaffoldSeen:
        """As it lies there; `queued` are jobs that run already, submitted by hand."""
        specs = self.specs()
        return ScaffoldSeen(
            experiment=self.id,
            name="words",
            dir=self.dir,
            cluster="local",
            policy=self.policy,
            tools={"optimization": "torchtune", "evaluation": "inspect-ai"},
            logs={},
            runs=(RunSpec("base", "control"), *(RunSpec(run, "fine-tuned") for run in self.runs)),
            jobs=specs,
            verdicts=archived.taken(
                specs, {spec.id: disk[spec.place] for spec in specs if spec.place in disk}, known
            ),
            queued={
                id: Queued(slurm_job_id=f"9{when}{n}", mark="cell.slurm", output="/o")
                for n, id in enumerate(queued)
            },
        )

    def edit(self, dice: Random) -> None:
        dice.choice([self._edit_script, self._edit_runs, self._edit_runs, self._choose])(dice)

    def _edit_script(self, dice: Random) -> None:
        run = dice.choice(self.runs)
        if dice.random() < 0.5:
            self.epochs[run] = 3 - self.epochs.get(run, 1)
        else:
            self.edits[run] = self.edits.get(run, 0) + 1

    def _edit_runs(self, dice: Random) -> None:
        run = dice.choice(POOL)
        if run not in self.runs:
            self.runs = [*self.runs, run]
        elif len(self.runs) > 1 and dice.random() < 0.5:
            self.runs = [r for r in self.runs if r != run]
        self.runs = dice.sample(self.runs, len(self.runs))

    def _choose(self, dice: Random) -> None:
        self.policy = Policy(
            on_failure=dice.choice(list(OnFailure)),
            on_stall=dice.choice([*[OnStall.WARN] * 3, OnStall.CANCEL]),
            barrier=dice.choice(list(Barrier)),
            optimize_only=dice.random() < 0.25,
            oom_retries=dice.randint(0, 2),
            node_retries=dice.randint(0, 1),
            before_evaluations=dice.choice([None, "", "make cache", "make cache", "make it all"]),
            stagger_evaluations_seconds=dice.choice([None, None, 5.0]),
        )
