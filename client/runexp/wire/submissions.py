"""Events about an attempt on its way to the cluster. A part of runexp.wire.events."""

from runexp.wire.happening import Happening


class AttemptIntended(Happening, frozen=True, kw_only=True):
    """A submission is about to be sent. Committed before anything leaves this machine."""

    job: str
    #: Counted from 1.
    number: int
    #: Names this submission everywhere: lock, receipt, sbatch's command line.
    token: str


class JobAdopted(Happening, frozen=True, kw_only=True):
    """A job that somebody else submitted runs this script: it is watched on, as if it were ours."""

    job: str
    #: As of AttemptIntended; the token is only the ledger's own.
    number: int
    token: str
    slurm_job_id: str
    #: What the job's command line holds, as the cluster shows it; with the id, it tells the job from all others.
    mark: str
    #: As of SubmitAccepted.
    output: str


class SubmitAccepted(Happening, frozen=True, kw_only=True):
    """The cluster has taken the script, and its job has an id."""

    job: str
    token: str
    slurm_job_id: str
    #: The job's output file, with %j and the rest filled in; empty: only the job's start tells.
    output: str


class SubmitRefused(Happening, frozen=True, kw_only=True):
    """The cluster would not take the script; `error` is in its own words."""

    job: str
    token: str
    error: str


class SubmitDeferred(Happening, frozen=True, kw_only=True):
    """The cluster takes no more jobs just now, or not this one; nothing was submitted and the job is owed again."""

    job: str
    token: str
    reason: str
    #: Until this time nothing more is submitted, unless the cluster holds fewer of ours than `held`.
    until: float
    held: int = 0
    #: It concerns its experiment alone: nothing more of that is submitted until then, and this job after its others.
    alone: bool = False


class SubmitUnclear(Happening, frozen=True, kw_only=True):
    """The submission was sent and no answer came. It may have arrived."""

    job: str
    token: str
    reason: str
