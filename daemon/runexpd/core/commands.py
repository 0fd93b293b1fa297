"""What the core asks of the world. Made of the state alone, so that after a crash the same ones come again.

Each has a key; whoever carries commands out works on one of a key at a time.
"""

import msgspec

from runexp.wire.jobs import JobSpec, Remedy


class Submit(msgspec.Struct, frozen=True):
    """Send an attempt whose intent is in the ledger. Safe to repeat: its token makes at most one job."""

    cluster: str
    experiment: str
    job: JobSpec
    token: str
    #: What its script finds in its environment besides, as `NAME=value`; empty: nothing.
    variable: str = ""
    #: When what lies there was last looked at, in seconds since 1970.
    looked_at: float = float("inf")

    @property
    def key(self) -> str:
        return f"send {self.token}"


class Resolve(msgspec.Struct, frozen=True):
    """Find out what became of an attempt whose answer was lost."""

    cluster: str
    experiment: str
    job: JobSpec
    token: str

    @property
    def key(self) -> str:
        return f"send {self.token}"


class Watch(msgspec.Struct, frozen=True, gc=False):
    """Have a queued job in the next rounds of its cluster's watcher."""

    cluster: str
    experiment: str
    job: JobSpec
    token: str
    slurm_job_id: str
    state: str
    output: str
    started_at: float | None
    #: What its end helps to open: the same for all that must end for it; its own token where it is the only one.
    gate: str
    #: What the job's command line holds; empty: the token.
    mark: str = ""
    #: The attempt's.
    number: int = 1
    #: As the attempt's.
    error: str = ""
    #: As the attempt's.
    reason: str | None = None

    @property
    def key(self) -> str:
        return f"watch {self.token}"


class Judge(msgspec.Struct, frozen=True):
    """Have an ended job's results looked at by its tool."""

    cluster: str
    experiment: str
    job: JobSpec
    token: str
    slurm_job_id: str
    state: str
    exit_code: str
    output: str
    started_at: float | None
    ended_at: float | None
    #: As the attempt's.
    error: str = ""
    #: Of the experiment, on its cluster.
    dir: str = ""
    #: As the attempt's.
    recipe: str = ""
    #: What the attempt was to go on from; empty: nothing.
    resumed_from: str = ""

    @property
    def key(self) -> str:
        return f"judge {self.token}"


class Mend(msgspec.Struct, frozen=True):
    """Change a failed job's config as its remedy says. Safe to repeat: the values are absolute."""

    cluster: str
    experiment: str
    job: str
    number: int
    remedy: Remedy

    @property
    def key(self) -> str:
        return f"mend {self.experiment} {self.job}"


class Prepare(msgspec.Struct, frozen=True):
    """Run a shell's command on the cluster's login node, and see it to its end. Safe to repeat: one number is begun once."""

    cluster: str
    experiment: str
    #: The experiment's directory, where it runs, and the one in which it leaves what it writes.
    dir: str
    room: str
    text: str
    number: int

    @property
    def key(self) -> str:
        return f"prepare {self.experiment} {self.number}"


class EndPreparation(msgspec.Struct, frozen=True):
    """End what was run before the evaluations, with all that it began. Safe to repeat."""

    cluster: str
    experiment: str
    dir: str
    room: str
    number: int

    @property
    def key(self) -> str:
        return f"end {self.experiment} {self.number}"


class Record(msgspec.Struct, frozen=True):
    """Read what decides what an attempt does, as it stands, and keep it."""

    cluster: str
    experiment: str
    #: Of the experiment, on its cluster.
    dir: str
    job: JobSpec
    token: str

    @property
    def key(self) -> str:
        return f"record {self.token}"


class SetAside(msgspec.Struct, frozen=True):
    """Move what lies at these paths into a directory beside each. Safe to repeat: what isn't there is there already."""

    cluster: str
    experiment: str
    job: JobSpec
    paths: tuple[str, ...]
    number: int

    @property
    def key(self) -> str:
        return f"aside {self.experiment} {self.job.id}"


class Cancel(msgspec.Struct, frozen=True):
    """End a queued job on its cluster."""

    cluster: str
    experiment: str
    job: JobSpec
    token: str
    slurm_job_id: str
    mark: str = ""

    @property
    def key(self) -> str:
        return f"cancel {self.token}"


Command = Submit | Resolve | Watch | Judge | Mend | Record | SetAside | Cancel | Prepare | EndPreparation
