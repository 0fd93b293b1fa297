"""What is shown of the ledger: made by the daemon, printed by the client as text or JSON. Times are seconds since 1970."""

from enum import StrEnum

import msgspec

from runexp.wire.jobs import Failure, Policy, Progress, Resources, RunSpec, Score, Usage
from runexp.wire.metrics import Estimate, Estimates, Health
from runexp.wire.recipes import Recipe
from runexp.wire.states import Outcome, Phase, PhaseState, Stage


class AttemptView(msgspec.Struct, frozen=True, kw_only=True):
    number: int
    token: str
    slurm_job_id: str | None
    state: str
    exit_code: str
    submitted_at: float | None
    started_at: float | None
    ended_at: float | None
    usage: Usage | None = None
    #: Names what it ran: `runexp show` prints it; empty: not known.
    recipe: str = ""
    #: What it was submitted to go on from: the log of an evaluation that was killed; empty: nothing. The job's detail says whether it did.
    resumed_from: str = ""


class JobView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    phase: Phase
    tool: str
    run: str
    task: str | None
    epoch: int | None
    stage: Stage
    #: Slurm's word, or ours before and after.
    state: str
    #: One line: why it waits, what was found, why it was skipped.
    detail: str
    #: The newest attempt's; None while there is none.
    slurm_job_id: str | None
    started_at: float | None
    ended_at: float | None
    script: str
    workdir: str
    #: Output file of the newest attempt.
    output: str | None
    failure: Failure | None = None
    artifacts: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    warnings: tuple[str, ...] = ()
    #: What the newest attempt had of its GPUs, where it was watched.
    resources: Resources | None = None
    #: What the experiment's design calls an evaluation in tables: `vis_label`; empty: nothing.
    label: str = ""
    #: What was changed by rule before it went again: `batch_size 16 -> 8, ...`.
    mended: tuple[str, ...] = ()
    attempts: tuple[AttemptView, ...] = ()
    progress: Progress | None = None
    #: When the scheduler expects to start it, while it is pending.
    expected_start_at: float | None = None
    #: The scaffold no longer has it: nothing is owed of it.
    retired: bool = False
    #: When it is likely to begin, and to be over; None: it has, or nobody knows.
    begins: Estimate | None = None
    ends: Estimate | None = None
    #: When its time limit ends it, while it runs.
    limit_at: float | None = None
    #: What is wrong with it now.
    health: tuple[Health, ...] = ()
    #: What the scaffold says otherwise than what its results came from: `lora_rank 4 -> 2`.
    changes: tuple[str, ...] = ()
    #: A person keeps the results all the same.
    kept: bool = False


class ExperimentView(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    #: What names it on a command line, as a shell reads it.
    typed: str
    cluster: str
    dir: str
    policy: Policy
    optimization: PhaseState
    evaluation: PhaseState
    #: None while it runs.
    outcome: Outcome | None
    added_at: float
    #: When `run` or `retry` was last asked.
    asked_at: float
    ended_at: float | None
    #: The newest event's number.
    seq: int
    jobs: tuple[JobView, ...]
    warnings: tuple[str, ...] = ()
    #: What hinders the cluster just now (link down, login needed), for how long; empty when all is well.
    trouble: str = ""
    #: When the cluster last said how its jobs are, in seconds since 1970; None: not yet, or there is nothing to ask for.
    as_of: float | None = None
    #: When its phases are likely to be over.
    estimates: Estimates = Estimates()
    #: Out of sight: see `runexp archive`.
    archived: bool = False


class Best(msgspec.Struct, frozen=True, kw_only=True):
    """The best score of an experiment's first task, by its first metric."""

    task: str
    #: `match accuracy`
    metric: str
    value: float
    run: str
    epoch: int | None = None


class ExperimentLine(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `runexp ls`."""

    id: str
    name: str
    cluster: str
    dir: str
    outcome: Outcome | None
    optimization: PhaseState
    evaluation: PhaseState
    asked_at: float
    ended_at: float | None
    #: Jobs by state; retired ones are left out.
    counts: dict[str, int]
    #: Why nothing more is done with it, or what is wrong with its cluster while it runs; empty when all is well.
    trouble: str = ""
    #: As for a view.
    as_of: float | None = None
    #: When it is likely to be over.
    ends: Estimate | None = None
    #: Of how many of its jobs something is wrong now.
    concerns: int = 0
    #: Out of sight: see `runexp archive`.
    archived: bool = False
    #: None while there is no score.
    best: Best | None = None


class ClusterView(msgspec.Struct, frozen=True, kw_only=True):
    """Where jobs run: the connection, and what it may be asked."""

    name: str
    #: `slurm over ssh`, `slurm on this machine` or `this machine`.
    kind: str
    #: How the connection stands, in a word; empty where there is none to be had.
    connection: str
    #: What hinders it now; empty when all is well.
    trouble: str = ""
    #: When it last said how its jobs are.
    as_of: float | None = None
    #: Of ours, by experiments that are under way: how many it has, and how many it may have.
    queued: int = 0
    max_submit: int = 0
    #: Asked of its scheduler since the daemon began; None: it costs nothing there.
    queries: int | None = None
    #: How many more may be asked at once, and how many a minute on average.
    queries_left: float | None = None
    queries_per_minute: float | None = None


class Verdict(StrEnum):
    """Of a look at one thing of a cluster."""

    OK = "ok"
    #: It works, and could be better.
    WARNING = "warning"
    #: Experiments can't run there before it is mended.
    BAD = "bad"


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """One thing of a cluster that was looked at."""

    name: str
    verdict: Verdict
    found: str
    #: What to do about it; empty where nothing need be done.
    hint: str = ""


class PlanLine(msgspec.Struct, frozen=True, kw_only=True):
    job: str
    phase: Phase
    #: submit, skip, blocked, changed, or retire.
    decision: str
    reason: str
    script: str


class Plan(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    name: str
    dir: str
    cluster: str
    lines: tuple[PlanLine, ...]
    warnings: tuple[str, ...] = ()


class Comparison(msgspec.Struct, frozen=True, kw_only=True):
    """A score beside the base model's, by the scores of the samples in both logs."""

    job: str
    #: The scorer's name.
    score: str
    #: Samples that were scored, and their mean with its standard error; None for a single one.
    samples: int
    mean: float
    stderr: float | None
    #: The job that it is compared with, and on how many samples; empty: with none.
    base: str = ""
    common: int = 0
    #: Of the means over the samples that both have: this one's less the base's, with its paired 95 % interval.
    difference: float | None = None
    low: float | None = None
    high: float | None = None
    #: Why there is no difference, or no interval; empty where there is.
    why: str = ""


class PhaseReport(msgspec.Struct, frozen=True, kw_only=True):
    phase: Phase
    tool: str
    state: PhaseState
    succeeded: int
    total: int
    #: From the first submission to the last end, of the attempts that count; None if nothing ran.
    duration_seconds: float | None
    jobs: tuple[JobView, ...]
    #: Where the tool's own block log is.
    log: str


class Report(msgspec.Struct, frozen=True, kw_only=True, tag=True, tag_field="type"):
    """The combined summary of an experiment."""

    id: str
    name: str
    dir: str
    cluster: str
    outcome: Outcome | None
    optimization: PhaseReport
    evaluation: PhaseReport
    total_seconds: float | None
    log: str
    next_steps: tuple[str, ...]
    #: Jobs that the scaffold no longer has, and that ran once.
    retired: tuple[JobView, ...] = ()
    #: What the results came from, by job; of the first few hundred.
    recipes: dict[str, Recipe] = {}
    warnings: tuple[str, ...] = ()
    #: As for a view.
    as_of: float | None = None
    #: What names it on a command line, as a shell reads it.
    typed: str = ""
    #: What it is to find out, as its summary says.
    question: str = ""
    #: In the summary's order.
    runs: tuple[RunSpec, ...] = ()
    #: When `run` or `retry` was last asked.
    asked_at: float | None = None
    ended_at: float | None = None
    #: Of each score of an evaluation whose samples could be read; filled in by who reads logs.
    comparisons: tuple[Comparison, ...] = ()
    #: Why there are none of some; empty where all were read.
    not_compared: str = ""
