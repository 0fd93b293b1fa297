"""What a client may ask, each with its reply beside it. Every request may be answered by a `Refused` instead."""

import msgspec

from runexp.wire.choices import Choices as Choices
from runexp.wire.completing import Directories, DirectoriesReply
from runexp.wire.events import Envelope
from runexp.wire.files import FileAsk, FileEnd, FilesAsk, FilesReply, Piece
from runexp.wire.login import Answers as Answers
from runexp.wire.login import Asked as Asked
from runexp.wire.login import LoggedIn as LoggedIn
from runexp.wire.login import Login as Login
from runexp.wire.login import Question as Question
from runexp.wire.message import Count as Count
from runexp.wire.message import Message
from runexp.wire.metrics import Curves
from runexp.wire.notices import Notices, NoticesReply
from runexp.wire.outputs import Awaited as Awaited
from runexp.wire.outputs import Chunk as Chunk
from runexp.wire.outputs import Logs as Logs
from runexp.wire.outputs import LogsEnd as LogsEnd
from runexp.wire.page import Clusters as Clusters
from runexp.wire.page import ClustersReply as ClustersReply
from runexp.wire.page import PageAsk as PageAsk
from runexp.wire.page import PageOpened as PageOpened
from runexp.wire.recipes import Rerun as Rerun
from runexp.wire.recipes import RerunReply as RerunReply
from runexp.wire.recipes import Show as Show
from runexp.wire.recipes import ShowReply as ShowReply
from runexp.wire.refusals import Refused
from runexp.wire.reloading import Reload, ReloadReply
from runexp.wire.settings import Set, SetReply
from runexp.wire.upkeep import Archive, Discard, Leftovers, LeftoversReply, Remove, Unarchive, UpkeepReply
from runexp.wire.views import Check, ExperimentLine, ExperimentView, Plan, Report


class Run(Message, frozen=True, kw_only=True):
    """Read a scaffold, enter it in the ledger, start what is owed. Answered once it is on disk."""

    #: Absolute, on the cluster.
    dir: str
    #: As in the configuration; `local` is always there.
    cluster: str = "local"
    choices: Choices = Choices()


class RunReply(Message, frozen=True, kw_only=True):
    experiment: str
    name: str
    #: What names it on a command line, as a shell reads it.
    typed: str
    #: The number of the `RunAsked` event: follow from here to see all of this run.
    seq: int
    #: How many jobs are owed now; 0: everything was done, or has failed before.
    owed: int
    #: What is said otherwise than what results came from, by job, where nobody has decided what is to become of them.
    changed: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)


class ChangedReply(Message, frozen=True, kw_only=True):
    """Nothing was begun: these results are no longer of what the scaffold says, and a person is to decide."""

    name: str
    #: What is said otherwise, by job: `lora_rank 4 -> 2`.
    changes: dict[str, tuple[str, ...]]


class PlanAsk(Message, frozen=True, kw_only=True):
    """What `Run` would do, job by job, without doing it. Answered by a `Plan`."""

    dir: str
    cluster: str = "local"
    choices: Choices = Choices()


class Ls(Message, frozen=True, kw_only=True):
    """Every experiment in the ledger."""


class LsReply(Message, frozen=True, kw_only=True):
    experiments: tuple[ExperimentLine, ...]


class Status(Message, frozen=True, kw_only=True):
    """One experiment, by name, prefix of its id, or directory."""

    experiment: str


class StatusReply(Message, frozen=True, kw_only=True):
    experiment: ExperimentView


class Follow(Message, frozen=True, kw_only=True):
    """Events after `after`, then live ones. The connection then carries `Seen`, `Live`, `Shown`, `Changed` and `AsOf`."""

    experiment: str
    after: Count = 0


class Seen(Message, frozen=True, kw_only=True):
    """An event, once, in order."""

    envelope: Envelope


class Live(Message, frozen=True, kw_only=True):
    """History ends here; what follows happens now."""


class Shown(Message, frozen=True, kw_only=True):
    """The experiment as it stands: sent after `Live`, after each event since, and as progress is made."""

    experiment: ExperimentView


class AsOf(Message, frozen=True, kw_only=True):
    """When the cluster last said how its jobs are; follows `Shown` and `Changed`, and comes again as it moves on."""

    #: Seconds since 1970.
    at: float


class Changed(Message, frozen=True, kw_only=True):
    """The experiment as it stands, but of its jobs only those that differ from what was told on this connection before."""

    experiment: ExperimentView


class ReportAsk(Message, frozen=True, kw_only=True):
    """The combined summary. Answered by a `Report`."""

    experiment: str


class Metrics(Message, frozen=True, kw_only=True):
    """What the runs of an experiment did at each step. Answered by `Curves`."""

    experiment: str
    #: Ids; none: all.
    jobs: tuple[str, ...] = ()
    #: As in runexp.wire.metrics: `loss`; none: all.
    names: tuple[str, ...] = ()
    #: Only what came after the `mark` of an earlier answer.
    after: Count = 0
    #: The most of each series; 0: every point.
    points: Count = 300


class Cancel(Message, frozen=True, kw_only=True):
    """End jobs: all of an experiment, or those named."""

    experiment: str
    jobs: tuple[str, ...] = ()


class CancelReply(Message, frozen=True, kw_only=True):
    jobs: tuple[str, ...]
    #: Why those that run aren't ended just now; empty: nothing hinders it.
    trouble: str = ""


class Retry(Message, frozen=True, kw_only=True):
    """Owe failed jobs again: all of an experiment's, or those named, with what was skipped because of them."""

    experiment: str
    jobs: tuple[str, ...] = ()


class RetryReply(Message, frozen=True, kw_only=True):
    experiment: str
    name: str
    #: What names it on a command line, as a shell reads it.
    typed: str
    #: The number of the `RetryAsked` event.
    seq: int
    jobs: tuple[str, ...]


class Accept(Message, frozen=True, kw_only=True):
    """Take the results of jobs as they are, though they were called unclear or failed."""

    experiment: str
    jobs: tuple[str, ...]


class AcceptReply(Message, frozen=True, kw_only=True):
    experiment: str
    name: str
    #: What names it on a command line, as a shell reads it.
    typed: str
    #: The number of the first event that followed.
    seq: int
    jobs: tuple[str, ...]


class Info(Message, frozen=True, kw_only=True):
    """The daemon itself."""


class InfoReply(Message, frozen=True, kw_only=True):
    version: str
    pid: int
    started_at: float
    ledger: str
    config: str
    clusters: tuple[str, ...]
    tools: tuple[str, ...]
    #: The configuration has been changed since the daemon read it.
    config_is_newer: bool = False


class Doctor(Message, frozen=True, kw_only=True):
    """Look a cluster over; takes some seconds."""

    cluster: str


class DoctorReply(Message, frozen=True, kw_only=True):
    cluster: str
    checks: tuple[Check, ...]


Request = (
    Run
    | PlanAsk
    | Ls
    | Status
    | Follow
    | Logs
    | ReportAsk
    | Metrics
    | Cancel
    | Retry
    | Rerun
    | Show
    | Accept
    | Info
    | Reload
    | Set
    | Archive
    | Unarchive
    | Remove
    | Leftovers
    | Discard
    | Clusters
    | PageAsk
    | Doctor
    | Notices
    | Directories
    | FilesAsk
    | FileAsk
    | Login
    | Answers
)
Reply = (
    RunReply
    | Plan
    | LsReply
    | StatusReply
    | Seen
    | Live
    | Shown
    | Changed
    | AsOf
    | Chunk
    | Awaited
    | LogsEnd
    | Report
    | Curves
    | CancelReply
    | RetryReply
    | RerunReply
    | ShowReply
    | ChangedReply
    | AcceptReply
    | InfoReply
    | ReloadReply
    | SetReply
    | UpkeepReply
    | LeftoversReply
    | ClustersReply
    | PageOpened
    | DoctorReply
    | NoticesReply
    | DirectoriesReply
    | FilesReply
    | Piece
    | FileEnd
    | Asked
    | LoggedIn
    | Refused
)
