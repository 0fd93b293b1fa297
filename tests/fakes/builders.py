"""Small experiments as plain data, and a ledger in memory: what tests of the core start from."""

import copy
from collections.abc import Iterable
from typing import Self, assert_never

from runexp.wire.events import Event, Recorded
from runexp.wire.jobs import Failure, Finding, JobSpec, Policy, Remedy, Resume, RunSpec, Score, Verdict
from runexp.wire.states import Phase, Stage
from runexpd.core import commands
from runexpd.core.apply import apply
from runexpd.core.due import due
from runexpd.core.job import Job
from runexpd.core.observations import (
    Accepted,
    AsideDone,
    Judged,
    Listed,
    MendDone,
    Observation,
    PreparationSaid,
    RecipeSeen,
    Report,
    ScaffoldSeen,
    Tick,
)
from runexpd.core.observe import observe
from runexpd.core.state import Experiment, Limits, State
from runexpd.core.touched import Touched

ID = "e1"
GOOD = Verdict(finding=Finding.GOOD, detail="2 epochs", artifacts=("/exp/rank4/artifacts/epoch_0",))
SCORED = Verdict(finding=Finding.GOOD, detail="100 of 100 samples", scores=(Score("match", "accuracy", 0.8),))
OUT_OF_MEMORY = Verdict(
    finding=Finding.BAD,
    detail="CUDA out of memory",
    failure=Failure("cuda_out_of_memory", "CUDA out of memory"),
    remedy=Remedy(file="/exp/rank4/finetune.yaml", values={"batch_size": 8}, summary="batch_size 16 -> 8"),
)
BAD = Verdict(
    finding=Finding.BAD, detail="epoch_1 is missing", failure=Failure("missing", "epoch_1 is missing")
)
#: An evaluation that was killed when most of it was done.
KILLED = Verdict(
    finding=Finding.BAD,
    detail="it was killed by SIGKILL",
    failure=Failure("killed", "it was killed by SIGKILL"),
    resume=Resume(
        path="/exp/base/words/logs/a.eval", done=60, total=100, variable="BASH_FUNC_inspect%%=() { :; }"
    ),
    warnings=("what it had scored can be kept",),
)

#: Nothing is there, and it may still come; nobody can tell whether what is there is good.
MISSING = Verdict(
    finding=Finding.UNCLEAR, detail="epoch_0 is missing", failure=Failure("missing", "epoch_0 is missing")
)
DOUBTFUL = Verdict(
    finding=Finding.UNCLEAR, detail="its steps can't be found", artifacts=("/exp/rank4/artifacts/epoch_0",)
)


def training(run: str, dir: str = "/exp") -> JobSpec:
    return JobSpec(
        id=run,
        phase=Phase.OPTIMIZATION,
        tool="torchtune",
        run=run,
        script=f"{dir}/{run}/finetune.slurm",
        workdir=f"{dir}/{run}",
        name=run,
        output="slurm-%j.out",
    )


def cell(run: str, epoch: int | None, dir: str = "/exp") -> JobSpec:
    id = f"{run}/words" if epoch is None else f"{run}/words/epoch{epoch}"
    return JobSpec(
        id=id,
        phase=Phase.EVALUATION,
        tool="inspect-ai",
        run=run,
        task="words",
        epoch=epoch,
        script=f"{dir}/{id}/cell.slurm",
        workdir=f"{dir}/{id}",
        name=id.replace("/", "-"),
        output="slurm-%j.out",
    )


def scaffold(
    trained: Iterable[str] = ("rank4", "rank8"),
    *,
    policy: Policy | None = None,
    verdicts: dict[str, Verdict] | None = None,
    experiment: str = ID,
    dir: str = "/exp",
) -> ScaffoldSeen:
    """A control run, and fine-tuned ones of an epoch each; one task."""
    runs = tuple(trained)
    cells = (cell("base", None, dir), *(cell(run, 0, dir) for run in runs))
    jobs = (*(training(run, dir) for run in runs), *cells)
    return ScaffoldSeen(
        experiment=experiment,
        name="words",
        dir=dir,
        cluster="local",
        policy=policy or Policy(),
        tools={"optimization": "torchtune", "evaluation": "inspect-ai"},
        logs={name: f"{dir}/run-{name}.log" for name in ("experiment", "optimization", "evaluation")},
        runs=(RunSpec("base", "control"), *(RunSpec(run, "fine-tuned") for run in runs)),
        jobs=jobs,
        verdicts=verdicts or {},
    )


class World:
    """A ledger in memory, a clock that tests set, and what a cluster would say."""

    def __init__(self, *, max_submit: int = 25, stagger_seconds: float = 0.0) -> None:
        limits = Limits(max_submit=max_submit, stagger_seconds=stagger_seconds)
        self.empty = State(limits={"local": limits})
        self.state = self.empty
        self.ledger: list[Recorded] = []
        self.now = 1000.0

    def see(self, observation: Observation) -> list[Event]:
        """Take an observation, as the loop does; returns what happened."""
        happened = observe(self.state, observation, self.now, len(self.ledger))
        for recorded in happened.recorded:
            self.enter(recorded.experiment, recorded.event)
        self.happened = happened
        return [recorded.event for recorded in happened.recorded]

    def enter(self, experiment: str, event: Event) -> None:
        recorded = Recorded(seq=len(self.ledger) + 1, at=self.now, experiment=experiment, event=event)
        self.state = apply(self.state, recorded)
        self.ledger.append(recorded)

    def fork(self) -> Self:
        """What would be if: the same past, and a future of its own."""
        other = copy.copy(self)
        other.ledger = list(self.ledger)
        return other

    def drain(self) -> None:
        """Have all that is due answered by a cluster without faults, until nothing more is."""
        for _ in range(200):
            self.now += 30.0
            self.see(Tick())
            left, wake_at = owed(self.state, self.now), due(self.state, Touched(), self.now).wake_at
            if not left and wake_at is None:
                return
            for answer in map(helpful, left):
                self.see(answer)
        raise AssertionError(f"it never comes to rest: {left}")

    @property
    def experiment(self) -> Experiment:
        return self.state.experiments[ID]

    def job(self, id: str) -> Job:
        return self.experiment.jobs[id]

    def token(self, id: str) -> str:
        attempt = self.job(id).attempt
        assert attempt is not None
        return attempt.token

    def stages(self) -> dict[str, Stage]:
        return {id: job.stage for id, job in self.experiment.jobs.items()}

    def in_stage(self, stage: Stage) -> list[str]:
        return [id for id, job in self.experiment.jobs.items() if job.stage is stage]

    def accept(self, id: str) -> list[Event]:
        number = str(100 + len(self.ledger))
        return self.see(
            Accepted(
                experiment=ID,
                job=id,
                token=self.token(id),
                slurm_job_id=number,
                output=f"/exp/slurm-{number}.out",
            )
        )

    def show(self, id: str, state: str, *, final: bool = False) -> list[Event]:
        report = Report(
            experiment=ID,
            job=id,
            token=self.token(id),
            state=state,
            final=final,
            exit_code="0:0" if final else "",
            started_at=self.now,
            ended_at=self.now if final else None,
        )
        return self.see(Listed(reports=(report,)))

    def judge(self, id: str, verdict: Verdict) -> list[Event]:
        return self.see(Judged(experiment=ID, job=id, token=self.token(id), verdict=verdict))

    def finish(self, id: str, verdict: Verdict, state: str = "COMPLETED") -> list[Event]:
        """From submission to verdict."""
        self.accept(id)
        self.show(id, state, final=True)
        return self.judge(id, verdict)


def everything_owed(state: State, now: float) -> list[commands.Command]:
    """To the world, of every job."""
    everything = due(state, Touched(state.experiments), now)
    return [command for of_job in everything.jobs.values() for command in of_job]


def owed(state: State, now: float) -> list[commands.Command]:
    """What jobs get on by: without the reading of recipes, which goes on beside."""
    return [each for each in everything_owed(state, now) if not isinstance(each, commands.Record)]


def helpful(command: commands.Command) -> Observation:
    """What a cluster without faults, and tools that are content, would say."""
    match command:
        case commands.Submit() | commands.Resolve():
            number = command.token.rpartition("-")[2]
            return Accepted(
                experiment=command.experiment,
                job=command.job.id,
                token=command.token,
                slurm_job_id=number,
                output=f"/exp/slurm-{number}.out",
            )
        case commands.Watch():
            return Listed(reports=(_completed(command),))
        case commands.Judge():
            id, token = command.job.id, command.token
            return Judged(experiment=command.experiment, job=id, token=token, verdict=GOOD)
        case commands.Mend():
            return MendDone(experiment=command.experiment, job=command.job, number=command.number)
        case commands.Prepare():
            return PreparationSaid(experiment=command.experiment, number=command.number, exit_code=0)
        case commands.EndPreparation():
            return PreparationSaid(experiment=command.experiment, number=command.number, exit_code=143)
        case commands.Record():
            about = {"experiment": command.experiment, "job": command.job.id, "token": command.token}
            return RecipeSeen(**about, recipe="a1b2")
        case commands.SetAside():
            return AsideDone(experiment=command.experiment, job=command.job.id, number=command.number)
        case commands.Cancel():
            return Tick()  # its end is seen by whoever watches it
        case _:
            assert_never(command)


def _completed(command: commands.Watch) -> Report:
    return Report(
        experiment=command.experiment,
        job=command.job.id,
        token=command.token,
        state="COMPLETED",
        final=True,
        exit_code="0:0",
    )
