"""What jobs print, and the logs of experiments."""

from runexp.wire.message import Count, Message


class Logs(Message, frozen=True, kw_only=True):
    """A job's output, or an experiment's own log. The connection carries `Chunk`, then `LogsEnd`; with `follow`, as it grows."""

    experiment: str
    #: None: run-experiment.log.
    job: str | None = None
    follow: bool = False
    #: Only the last so many bytes, or lines; None: all.
    tail_bytes: Count | None = None
    tail_lines: Count | None = None
    #: Counted from 1; None: the newest.
    attempt: Count | None = None


class Chunk(Message, frozen=True, kw_only=True):
    text: str


class LogsEnd(Message, frozen=True, kw_only=True):
    #: Where it is on the cluster.
    path: str


class Awaited(Message, frozen=True, kw_only=True):
    """With `follow`: the job has no output yet, and its beginning is waited for."""

    job: str
    state: str
