"""The interface of a tool module. A new tool is one file with an object of this shape and an entry point.

Tools are pure: they say which evidence they need and what it means. They read nothing themselves, write nothing, run nothing
and know no cluster. A question is a generator: it yields what it asks for at one moment, is sent the answers, may ask a fixed
number of times again, and returns what they mean. It may be run again from the start with the same answers.
"""

from collections.abc import Generator, Mapping, Sequence
from typing import Protocol, TypeVar, runtime_checkable

import msgspec

from runexp.wire.jobs import JobSpec, Progress, Verdict
from runexp.wire.states import Phase
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import Answer, Ask

T = TypeVar("T")
#: Yields what is asked for, is sent an answer each in the same order, returns what they mean.
Question = Generator[Sequence[Ask], Sequence[Answer], T]


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """The attempt whose results are to be judged."""

    slurm_job_id: str
    #: The cluster's word and exit code (`code:signal`); RUNNING while it runs.
    state: str
    exit_code: str = ""
    #: Seconds since 1970, by the cluster's clock.
    started_at: float | None = None
    ended_at: float | None = None
    #: The job's output file, with %j and the rest filled in.
    output: str
    #: The file that its stderr has for itself, where only its start tells; empty: the job's `error` and the id do.
    error: str = ""
    #: What it was submitted to go on from (Resume.path); empty: nothing. Whether it did is told by what it left.
    resumed_from: str = ""


class Samples(msgspec.Struct, frozen=True, kw_only=True):
    """The score of every sample of one evaluation. In the order of the keys, columns of the same length."""

    #: Eight bytes each, sorted: the same sample has the same in every log.
    keys: bytes
    #: Doubles in this machine's order, by scorer; NaN: not scored.
    values: dict[str, bytes]


class Source(msgspec.Struct, frozen=True):
    """A text that decides what a job does: its script, a config, a task's file."""

    #: script, config, eval config or task.
    role: str
    path: str
    text: str


class Ingredients(msgspec.Struct, frozen=True, kw_only=True):
    """What decides what a job does, as far as its tool knows."""

    sources: tuple[Source, ...] = ()
    #: The configs, resolved: dotted keys to what they say, as YAML writes it.
    values: dict[str, str] = {}
    #: Paths of what may be a file that the job reads: those that are one count.
    files: tuple[str, ...] = ()
    #: Of the packages in its environment.
    versions: dict[str, str] = {}
    #: What could not be read, a line each.
    missing: tuple[str, ...] = ()


class Tool(Protocol):
    #: As in `tools:` of the summary, and the name of the entry point.
    name: str
    phase: Phase
    #: Its log is `run-<log_name>.log`.
    log_name: str

    def discover(self, scaffold: Scaffold) -> Discovery:
        """The tool's jobs in a scaffold. Pure. Raises runexpd.experiments.problems.BadExperiment for bad input."""
        ...

    def verify(self, job: JobSpec, attempt: Attempt | None) -> Question[Verdict]:
        """Judge a job's results: good only if they are there, whole, and of this attempt.

        `attempt` None: whether results of an earlier time prove the job done. See Finding for what unclear means.
        """
        ...

    def ingredients(self, job: JobSpec) -> Question[Ingredients]:
        """What decides what the job does, as it stands: scripts, configs, data."""
        ...

    def progress(self, job: JobSpec, attempt: Attempt) -> Question[Progress | None]:
        """How far a running job is; None if it can't be told yet."""
        ...

    # And, if it likes, `curves(job, attempt, marks) -> Question[tuple[Read, ...]]`: what a job did at each step since its
    # files were last read, see runexpd.tools.curves. Without it `Step 12 | loss:0.6` lines of the job's output are read.


@runtime_checkable
class Sampling(Protocol):
    """What a tool has besides, whose results are scores of samples."""

    def samples(self, job: JobSpec, artifacts: Sequence[str]) -> Question[Samples]:
        """The scores of each sample in a job's verified results. Raises ValueError with a line that says why not."""
        ...


@runtime_checkable
class Placing(Protocol):
    """What a tool has besides, where its config says where results go: it may be edited while a job waits to be sent."""

    def results(self, job: JobSpec) -> Question[str]:
        """`JobSpec.results` as its files stand now; empty where they don't tell."""
        ...


Tools = Mapping[str, Tool]
