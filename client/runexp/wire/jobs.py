"""What a job is made of: the parts that events, views and tools share."""

from enum import StrEnum

import msgspec

from runexp.wire.states import Phase

#: What `Policy.before_evaluations` goes by, where a job is named.
BEFORE = "before-evaluations"


class RunSpec(msgspec.Struct, frozen=True, gc=False):
    """An entry of `runs:` in experiment_summary.yaml."""

    #: Unique in an experiment.
    name: str
    #: fine-tuned (trained here), control (base model) or eval-only (an existing checkpoint).
    type: str
    #: What the summary says of it.
    model: str | None = None
    #: What was chosen for it, as `parameters:` has it; what is nested is named `lora.rank`.
    parameters: dict[str, str | int | float | bool | None] = {}


class JobSpec(msgspec.Struct, frozen=True, kw_only=True, gc=False):
    """One script to submit, and what its tool needs to know to judge it. Paths are absolute, on the cluster."""

    #: `run` for an optimization job, `run/task/epochN` or `run/task` for an evaluation. Unique in an experiment.
    id: str
    #: A training, or an evaluation.
    phase: Phase
    #: The tool module's name, as in `tools:` of the summary.
    tool: str
    #: Of which run.
    run: str
    #: Of an evaluation.
    task: str | None = None
    #: Of an evaluation, of which checkpoint, counted from 0; None: of a base model.
    epoch: int | None = None
    #: What sbatch is given.
    script: str
    #: Where sbatch is called.
    workdir: str
    #: `--job-name`, or the script's file name, as sbatch does it.
    name: str
    #: `--output` with its patterns (%j, %x) still in it.
    output: str
    #: `--error`, if the script sends it elsewhere.
    error: str | None = None
    #: `--time`, where the script sets it.
    time_limit_seconds: int | None = None
    #: `--chdir`, where the script runs if not in `workdir`.
    chdir: str | None = None
    #: `workdir` with its links resolved: two jobs of one place are the same job, whatever path leads there.
    place: str = ""
    #: The directory that it leaves its results in, where its tool knows that two jobs of one would spoil each other's; else empty.
    results: str = ""
    #: Long names of the options that the script sets itself: a site's defaults are for the rest.
    directives: tuple[str, ...] = ()
    #: What the design of the experiment calls it in tables and pictures: `vis_label` in the matrix; empty: nothing.
    label: str = ""
    #: What only the job's tool understands: where checkpoints or logs are, how many epochs.
    facts: dict[str, str | int | list[int] | None] = {}


class OnFailure(StrEnum):
    """What one failed optimization job means for the evaluations."""

    #: What was trained is evaluated.
    CONTINUE = "continue"
    #: No evaluation is submitted.
    STOP = "stop"


class Barrier(StrEnum):
    """What an evaluation waits for."""

    #: Every optimization job.
    ALL = "all"
    #: Its own run's.
    RUN = "run"


class OnStall(StrEnum):
    """What is done about a job that makes no step any more."""

    #: It is said.
    WARN = "warn"
    #: It is ended.
    CANCEL = "cancel"


class IfChanged(StrEnum):
    """What is to become of results whose recipe is no longer the one they came from."""

    #: They stay, and are said to be of another recipe; nothing is submitted for them.
    LEAVE = "leave"
    #: They are good as they are.
    KEEP = "keep"
    #: They are made anew.
    RERUN = "rerun"
    #: Nothing at all is begun before a person has said.
    ASK = "ask"


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """What the user chose for one experiment, at `runexp run`; remembered, and changed only by what she types."""

    #: What a failed training means for the evaluations.
    on_failure: OnFailure = OnFailure.CONTINUE
    #: What an evaluation waits for.
    barrier: Barrier = Barrier.ALL
    #: Of one `run` alone: the next one evaluates unless it says so again.
    optimize_only: bool = False
    #: How often a training job that ran out of GPU memory is submitted again with a smaller batch; 0: never.
    oom_retries: int = 3
    #: How often a job whose node failed is submitted again; 0: never.
    node_retries: int = 2
    #: What is done about a job that makes no step any more.
    on_stall: OnStall = OnStall.WARN
    #: Between two submissions of evaluations; None: the cluster's.
    stagger_evaluations_seconds: float | None = None
    #: Between two submissions of trainings, whoseever they are; None: the cluster's.
    stagger_seconds: float | None = None
    #: Jobs of this experiment queued at a time at most, beside what the cluster's `max_submit` allows for all; None: no limit of its own.
    max_submit: int | None = None
    #: A shell's command, run once on the cluster's login node before the first evaluation; empty: none; None: the cluster's.
    before_evaluations: str | None = None


class Score(msgspec.Struct, frozen=True):
    """A figure that an evaluation came to."""

    #: The scorer's.
    name: str
    #: Such as `accuracy`, or `stderr`.
    metric: str
    #: As the log has it.
    value: float
    #: How many were scored; None: the tool doesn't say.
    samples: int | None = None


class Failure(msgspec.Struct, frozen=True):
    """Why a job failed: a class that rules can turn on, and a line for the reader."""

    #: A `runexp.wire.failures.FailureKind`, or a word of its tool's own.
    kind: str
    #: The line that tells, as the job or Slurm said it, or ours.
    message: str
    #: The last lines of its output that say something, fifteen at most.
    said: tuple[str, ...] = ()


class Remedy(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool proposes to change before a failed job is submitted again: top-level values of a YAML config."""

    #: The config's path, on the cluster.
    file: str
    #: What they are to be.
    values: dict[str, int]
    #: For the reader: `batch_size 16 -> 8, gradient_accumulation_steps 1 -> 2`.
    summary: str


class Resume(msgspec.Struct, frozen=True, kw_only=True):
    """How a job that was killed goes on with what it had finished, where its tool knows: by its own script, as it is."""

    #: What it goes on from: an evaluation's log.
    path: str
    #: Samples that were finished, as far as that is told, of how many.
    done: int
    total: int
    #: What the script finds in its environment besides, as `NAME=value`.
    variable: str


class Usage(msgspec.Struct, frozen=True, kw_only=True):
    """What an ended job was given, and what it used of it, as its scheduler accounts for it. None: not known."""

    #: What it was given.
    time_limit_seconds: float | None = None
    #: What it was given.
    cpus: int | None = None
    #: What it was given.
    gpus: int | None = None
    #: Of all its processes together.
    cpu_seconds: float | None = None
    #: What it asked for.
    memory_bytes: int | None = None
    #: The most that a step of it held at a time.
    peak_memory_bytes: int | None = None
    #: Where it ran, as Slurm lists nodes: `gpu[03-04]`; empty: not known.
    nodes: str = ""


class Finding(StrEnum):
    """What a look at results says."""

    #: There, whole, and this attempt's own.
    GOOD = "good"
    #: Something positively contradicts: a traceback, a log that says error, a truncated shard, zero steps seen.
    BAD = "bad"
    #: It can't be told. With a `failure`: evidence isn't there (yet); looked for again for a while, and then it is that
    #: failure. Without: it never becomes bad by itself, submits nothing, and waits for a person.
    UNCLEAR = "unclear"


class Resources(msgspec.Struct, frozen=True, kw_only=True):
    """What a watcher of the GPU that a job had beside it saw, from its start to its end. None: it couldn't tell."""

    #: Per cent, over all GPUs.
    gpu_utilization_mean: float | None = None
    #: Per cent, over all GPUs.
    gpu_utilization_peak: float | None = None
    #: Of the GPU that held the most.
    gpu_memory_mean_gib: float | None = None
    #: Of the GPU that held the most.
    gpu_memory_peak_gib: float | None = None
    #: What one has.
    gpu_memory_gib: float | None = None
    #: How often it looked.
    samples: int


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What a tool found of a job's results."""

    finding: Finding
    #: One line: what was found, or what is missing.
    detail: str
    #: Set where it is bad; where it is unclear, what it will be if nothing more comes to light.
    failure: Failure | None = None
    #: What could help, where the tool knows: for a job that ran out of GPU memory.
    remedy: Remedy | None = None
    #: How it could go on, for an evaluation whose log was begun and never finished.
    resume: Resume | None = None
    #: Checkpoint directories, or evaluation logs.
    artifacts: tuple[str, ...] = ()
    scores: tuple[Score, ...] = ()
    warnings: tuple[str, ...] = ()
    resources: Resources | None = None
    #: When the making of what was found began, in seconds since 1970; None: not known.
    begun_at: float | None = None
    #: Why it is not to be submitted as things stand, where it is owed; empty: it may be.
    blocked: str = ""
    #: Nothing is there of what it was to make.
    is_absent: bool = False


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a running job is. Shown and forgotten: never in the ledger."""

    #: Counted from 0, as in `epoch_0`; of how many.
    epoch: int | None = None
    epochs: int | None = None
    #: Steps or samples done in all, of how many if that is known.
    done: int | None = None
    total: int | None = None
    #: `steps` or `samples`.
    unit: str = "steps"
    loss: float | None = None
    #: It has said its last word: its end is a moment away.
    finishing: bool = False
