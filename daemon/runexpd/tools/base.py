"""The interface of a tool module. A new tool is one file with an object of this shape and an entry point.

Tools read, through `Files`, and judge; they write nothing, run nothing and know no cluster.
"""

from collections.abc import Mapping
from typing import Protocol

import msgspec

from runexp.wire.jobs import Failure, JobSpec, Progress, Verdict
from runexp.wire.states import Phase
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import Files


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


class Tool(Protocol):
    #: As in `tools:` of the summary, and the name of the entry point.
    name: str
    phase: Phase
    #: Its log is `run-<log_name>.log`.
    log_name: str

    def discover(self, scaffold: Scaffold) -> Discovery:
        """The tool's jobs in a scaffold. Pure. Raises runexpd.experiments.problems.BadExperiment for bad input."""
        ...

    async def verify(self, files: Files, job: JobSpec, attempt: Attempt | None) -> Verdict:
        """Judge a job's results: good only if they are there, whole, and of this attempt.

        `attempt` None: whether results of an earlier time prove the job done. Raises HostUnreachable.
        """
        ...

    async def progress(self, files: Files, job: JobSpec, attempt: Attempt) -> Progress | None:
        """How far a running job is; None if it can't be told yet. Raises HostUnreachable."""
        ...

    def classify(self, output: str) -> Failure | None:
        """What the end of a job's output says about why it failed; None if it says nothing. Pure."""
        ...


Tools = Mapping[str, Tool]
