"""What decides what a job does, as it was read at one moment: kept by the daemon once per content, and never a secret in it."""

import msgspec

from runexp.wire.message import Count, Message


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A script, a config or a task's file."""

    #: script, config, eval config or task.
    role: str
    #: On the cluster.
    path: str
    #: Of its bytes as they were, in hexadecimal.
    sha256: str
    #: Names the text itself, secrets blanked.
    content: str
    #: Of what of it has a meaning: the same after a comment was added.
    meaning: str


class Data(msgspec.Struct, frozen=True, kw_only=True):
    """A file that the job reads."""

    #: On the cluster.
    path: str
    size_bytes: int
    #: Seconds since 1970, as the cluster's file system has it.
    modified_at: float
    #: Of its bytes, in hexadecimal; empty for a large one.
    sha256: str = ""


class Recipe(msgspec.Struct, frozen=True, kw_only=True):
    texts: tuple[Text, ...] = ()
    #: The configs, resolved: dotted keys to what they say, as YAML writes it. Secrets are blanked.
    values: dict[str, str] = {}
    data: tuple[Data, ...] = ()
    #: Packages of the environment that the script activates, as they are installed.
    versions: dict[str, str] = {}
    #: The experiment's directory, where git knows it: the commit, and whether anything in it differs from that.
    commit: str = ""
    dirty: bool = False
    #: What could not be read, a line each.
    missing: tuple[str, ...] = ()


class WithTexts(msgspec.Struct, frozen=True, kw_only=True):
    """A recipe with its texts."""

    #: Of which attempt; 0: as it stands there now, or of results that were found.
    attempt: int
    #: As it stood when results were found that no attempt of ours has made.
    found: bool = False
    recipe: Recipe
    #: Of an evaluation: the attempts, by token, that trained what it evaluates.
    models: tuple[str, ...] = ()
    #: By the names that the recipe has for them.
    contents: dict[str, str] = {}


class Rerun(Message, frozen=True, kw_only=True):
    """Make jobs anew, whatever they came to, with the evaluations of what is trained; old results are moved aside."""

    experiment: str
    jobs: tuple[str, ...]


class RerunReply(Message, frozen=True, kw_only=True):
    experiment: str
    name: str
    #: What names it on a command line, as a shell reads it.
    typed: str
    #: The number of the `RerunAsked` event.
    seq: int
    jobs: tuple[str, ...]


class Show(Message, frozen=True, kw_only=True):
    """What exactly a job's attempt ran. Answered by `ShowReply`."""

    experiment: str
    job: str
    #: Counted from 1; 0: what stands there now; None: the one that its results came from, or else the newest.
    attempt: Count | None = None
    #: Another to compare with, in the same way; None: none.
    against: Count | None = None


class ShowReply(Message, frozen=True, kw_only=True):
    experiment: str
    job: str
    shown: WithTexts
    against: WithTexts | None = None
    #: From `shown` to `against`, by value.
    changes: tuple[str, ...] = ()
