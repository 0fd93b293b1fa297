"""What the daemon may ask of a scheduler, and the words of its answers.

A cluster keeps no state of its own that matters: it may be asked anything again, after any crash.
"""

import math
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from typing import Protocol

import msgspec

from runexp.wire.jobs import JobSpec, Usage
from runexp.wire.views import Check
from runexpd.hosts import base as hosts


class Submission(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt to send. Its token names it for good: the same token never makes a second job."""

    token: str
    script: str
    workdir: str
    #: The job's name, as the script says it or as its file is called.
    name: str
    #: `--chdir`, where the script runs if not in `workdir`; absolute. It is never made: without it there is no job.
    chdir: str | None = None
    #: Of its output files; made where they are missing, since Slurm would fail the job without a word. Only below `workdir`
    #: or `chdir`, though: elsewhere a slip of the pen would.
    output_dirs: tuple[str, ...] = ()
    #: The directory that it trains into, one job at a time, whoever submits it; empty: it disturbs no other.
    results: str = ""
    #: Long names of the options that the script sets itself.
    directives: tuple[str, ...] = ()
    #: What the script finds in its environment besides, as `NAME=value`; empty: nothing.
    variable: str = ""
    #: When somebody last looked what lies in `results`, in seconds since 1970: what another's job has made there since is not
    #: trained over.
    looked_at: float = math.inf


class Accepted(msgspec.Struct, frozen=True, tag=True):
    slurm_job_id: str


class Refused(msgspec.Struct, frozen=True, tag=True):
    """The scheduler would not take it, in its own words. There is no job."""

    error: str


class Deferred(msgspec.Struct, frozen=True, tag=True):
    """The scheduler takes no more for now (a submit limit), or not this one, or it was lost on its way. There is no job."""

    reason: str
    #: Nothing hinders another submission: this one was lost on its way.
    at_once: bool = False
    #: It concerns this job, or what its experiment needs, alone: those of others may go.
    alone: bool = False


class Unclear(msgspec.Struct, frozen=True, tag=True):
    """No answer, or one that proves nothing. There may be a job."""

    reason: str


Answer = Accepted | Refused | Deferred | Unclear


class Known(msgspec.Struct, frozen=True, gc=False):
    """An attempt to ask about. Ids are reused by some sites, so the token goes with it."""

    slurm_job_id: str
    token: str
    #: What its command line holds; empty: the token, in the form that the cluster gives it.
    mark: str = ""
    #: As a JobReport's: what is known of it, and need not be said again; no state: nothing is.
    state: str = ""
    reason: str | None = None
    started_at: float | None = None


class Found(msgspec.Struct, frozen=True):
    """A job in the queue that was not submitted by this ledger, and runs a script that was asked about."""

    slurm_job_id: str
    mark: str


class JobReport(msgspec.Struct, frozen=True, kw_only=True):
    """What the cluster says of one attempt."""

    token: str
    #: Slurm's word, one that nobody knows yet, or LOST.
    state: str
    #: The cluster will not change it any more: an end state, with an end time, and not in the queue.
    final: bool
    #: `code:signal`; empty while there is none.
    exit_code: str = ""
    #: Why it is pending, in Slurm's word.
    reason: str | None = None
    #: Seconds since 1970.
    started_at: float | None = None
    ended_at: float | None = None
    #: When the scheduler expects to start it.
    expected_start_at: float | None = None
    #: Of a job that is over.
    usage: Usage | None = None
    #: Who it is run by, and the first node that it was given, in the cluster's words; empty: not known.
    user: str = ""
    node: str = ""


class ClusterUnreachable(Exception):
    """Raised when a question got no answer that can be relied on. Nothing follows from it."""

    def __init__(self, what: str) -> None:
        super().__init__(what)
        self.what = what


class Cluster(Protocol):
    #: As in the configuration; `local` for the embedded one.
    name: str
    #: The machine whose file system the jobs' directories are on.
    host: hosts.Host
    #: Questions that the scheduler has been asked so far, whoever wanted to know: what a budget counts.
    queries: int

    def submit(self, batch: Sequence[Submission]) -> AsyncIterator[Mapping[str, Answer]]:
        """Submit each, in order, once; yield answers by token as they become known, every token exactly once.

        Never raises for trouble with the link: that is `Unclear`. A token that was sent before is not submitted
        again: it is answered with what became of it.
        """
        ...

    async def resolve(self, batch: Sequence[Submission]) -> Mapping[str, Answer]:
        """What became of submissions whose answer was lost, by token, without submitting any.

        `Unclear` as long as it can't be told. `Deferred` when it is certain that it never arrived.
        Raises ClusterUnreachable.
        """
        ...

    async def find(self, jobs: Sequence[JobSpec], ours: Collection[str]) -> Mapping[str, Found]:
        """Jobs in the queue that run these jobs' scripts, by job; `ours` are the tokens of our own, which don't count.

        Raises ClusterUnreachable.
        """
        ...

    async def taken(self, batch: Sequence[Submission]) -> Mapping[str, str]:
        """Of those that would be refused now since another's job trains there, whose, in words, by token. Sends nothing.

        Raises ClusterUnreachable.
        """
        ...

    async def writing(self, batch: Sequence[Submission]) -> Mapping[str, str]:
        """Of those where another's job certainly trains now, and `find` doesn't tell, whose, in words, by token.

        Raises ClusterUnreachable.
        """
        ...

    async def query(self, jobs: Sequence[Known]) -> Sequence[JobReport]:
        """The state of each that the cluster has news of. One left out means: no news, or none that isn't known; never: ended.

        Raises ClusterUnreachable.
        """
        ...

    async def node_names(self, nodes: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """What `%N` of an output's path may be on each of the nodes, likeliest first. Raises ClusterUnreachable."""
        ...

    async def examine(self, max_submit: int) -> Sequence[Check]:
        """Look it over for a person; `max_submit` is how many jobs of ours it is to take. Raises HostUnreachable."""
        ...

    async def kept(self) -> Sequence[str]:
        """The tokens of which something is kept there. Raises ClusterUnreachable."""
        ...

    async def forget(self, tokens: Collection[str]) -> None:
        """Delete what is kept of these, whose jobs are over; they are never used again. Raises ClusterUnreachable."""
        ...

    async def cancel(self, jobs: Sequence[Known]) -> None:
        """End them, with every process of theirs; ended or unknown ones are passed over. Raises ClusterUnreachable."""
        ...
