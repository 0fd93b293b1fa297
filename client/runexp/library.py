"""runexp from Python: what the commands do, as calls that return plain objects.

    from runexp import connect

    experiment = connect().run("della:/scratch/me/exp7")
    experiment.wait()
    print(experiment.scores().frame())

Every call raises what runexp.connection names: Refusal (the daemon won't, in its words), NoDaemon, Lost, Unsendable.
`runexp.aio` has the same calls for who is asynchronous.
"""

import threading
from collections.abc import Iterator, Sequence
from contextlib import suppress

import msgspec

from runexp import connection, naming, tables, waiting
from runexp.talk import HungUp, Receiver
from runexp.waiting import Goal, Reached
from runexp.wire import requests
from runexp.wire.events import Event
from runexp.wire.metrics import Curves
from runexp.wire.recipes import Recipe, WithTexts
from runexp.wire.requests import Choices
from runexp.wire.views import ExperimentLine, ExperimentView, Plan, Report

#: No policy is typed: each stays as it was.
AS_REMEMBERED = Choices()


class Happened(msgspec.Struct, frozen=True, kw_only=True):
    """An event of an experiment."""

    #: Its place in the ledger: follow from here to see what came after.
    seq: int
    #: Seconds since 1970.
    at: float
    #: The event's name, such as `JobEnded`.
    kind: str
    #: None: a newer daemon's, which this client doesn't know.
    event: Event | None


class Client:
    """The daemon of this user on this machine. Holds nothing: every call is a conversation of its own."""

    def experiments(self) -> tuple[ExperimentLine, ...]:
        """Every experiment that the daemon knows, the newest first."""
        return connection.ask(requests.Ls(), requests.LsReply, connection.say_nothing).experiments

    def experiment(self, name: str) -> "Experiment":
        """By name, directory, or the beginning of its id."""
        asked = requests.Status(experiment=naming.named(name))
        view = connection.ask(asked, requests.StatusReply, connection.say_nothing).experiment
        return Experiment(view.id, view.name)

    def plan(self, directory: str, choices: Choices = AS_REMEMBERED) -> Plan:
        """What `run` would do, job by job, without doing it. `directory`: of this machine, or CLUSTER:/path."""
        cluster, dir = naming.place(directory)
        asked = requests.PlanAsk(dir=dir, cluster=cluster, choices=choices)
        return connection.ask(asked, Plan, connection.say_nothing)

    def run(self, directory: str, choices: Choices = AS_REMEMBERED) -> "Experiment":
        """Enter an experiment and submit what is owed. Returns at once; the jobs go on whatever becomes of the caller."""
        cluster, dir = naming.place(directory)
        asked = requests.Run(dir=dir, cluster=cluster, choices=choices)
        reply = connection.ask(asked, requests.RunReply, connection.say_nothing)
        return Experiment(reply.experiment, reply.name, reply.seq - 1)


class Experiment:
    """One experiment, known by its id."""

    def __init__(self, id: str, name: str, after: int = 0) -> None:
        self.id = id
        self.name = name
        self._after = after

    def __repr__(self) -> str:
        return f"<Experiment {self.name!r} {self.id}>"

    def status(self) -> ExperimentView:
        """How it stands: its phases, its jobs, what hinders it."""
        asked = requests.Status(experiment=self.id)
        return connection.ask(asked, requests.StatusReply, connection.say_nothing).experiment

    def report(self) -> Report:
        """The combined summary."""
        return connection.ask(requests.ReportAsk(experiment=self.id), Report, connection.say_nothing)

    def scores(self) -> tables.Rows[tables.ScoreRow]:
        """A row a score, with its standard error and what was chosen for its run."""
        return tables.scores(self.report())

    def metrics(
        self, *names: str, jobs: Sequence[str] = (), points: int = 300
    ) -> tables.Rows[tables.PointRow]:
        """A row a step: of the series named (`loss`), or all; at most so many points of each, 0: every one."""
        asked = requests.Metrics(experiment=self.id, names=names, jobs=tuple(jobs), points=points)
        return tables.points(connection.ask(asked, Curves, connection.say_nothing))

    def recipe(self, job: str, attempt: int | None = None) -> WithTexts:
        """What exactly a job's attempt ran: of its results (None), of an attempt counted from 1, or as it stands now (0)."""
        asked = requests.Show(experiment=self.id, job=job, attempt=attempt)
        return connection.ask(asked, requests.ShowReply, connection.say_nothing).shown

    def recipes(self, jobs: Sequence[str]) -> dict[str, Recipe]:
        """Of the jobs' results, by job; those that are not known are left out."""
        found = {}
        for job in jobs:
            with suppress(connection.Refusal):
                found[job] = self.recipe(job).recipe
        return found

    def wait(
        self,
        until: Goal | str = Goal.END,
        timeout_seconds: float | None = None,
        receiver: Receiver | None = None,
    ) -> Reached:
        """Until it has ended, or for the `barrier` or the first `failure`; through restarts of the daemon.

        Raises TimeoutError; the experiment goes on.
        """
        goal, receiver = Goal(until), receiver or Receiver()
        timer = threading.Timer(timeout_seconds or 0.0, receiver.hang_up)
        if timeout_seconds is not None:
            timer.start()
        try:
            return self._reached(goal, receiver)
        except HungUp:
            raise TimeoutError(f"not there after {timeout_seconds:g} s: {goal} of {self.name}") from None
        finally:
            timer.cancel()

    def _reached(self, goal: Goal, receiver: Receiver) -> Reached:
        view = self.status()
        if (reached := waiting.reached(goal, view)) is not None:
            return reached
        for reply in connection.follow(self.id, view.seq, _nothing, receiver=receiver):
            if isinstance(reply, requests.Shown) and (reached := waiting.reached(goal, reply.experiment)):
                return reached
        raise connection.Lost("the daemon ended the conversation")

    def follow(self, after: int | None = None, receiver: Receiver | None = None) -> Iterator[Happened]:
        """What happens to it, from the event after that number on (None: from this `run` on), until it has ended."""
        after = self._after if after is None else after
        for reply in connection.follow(self.id, after, _nothing, receiver=receiver):
            if isinstance(reply, requests.Seen):
                yield _happened(reply)
            if isinstance(reply, requests.Shown) and reply.experiment.outcome is not None:
                return

    def cancel(self, *jobs: str) -> tuple[str, ...]:
        """End its jobs, or those named; which they are."""
        asked = requests.Cancel(experiment=self.id, jobs=jobs)
        return connection.ask(asked, requests.CancelReply, connection.say_nothing).jobs

    def retry(self, *jobs: str) -> tuple[str, ...]:
        """Submit what failed again, or the jobs named; which they are."""
        asked = requests.Retry(experiment=self.id, jobs=jobs)
        return connection.ask(asked, requests.RetryReply, connection.say_nothing).jobs

    def log(self, job: str | None = None, tail_bytes: int | None = None) -> str:
        """A job's output; None: the experiment's own log. Only its end, where `tail_bytes` says so."""
        asked = requests.Logs(experiment=self.id, job=job, tail_bytes=tail_bytes)
        replies = connection.stream(asked, connection.say_nothing)
        return "".join(reply.text for reply in replies if isinstance(reply, requests.Chunk))


def connect() -> Client:
    """The daemon of this user on this machine (RUNEXP_HOME says of another one). Raises NoDaemon where there is none."""
    connection.ask(requests.Info(), requests.InfoReply, connection.say_nothing)
    return Client()


def _nothing() -> None:
    """A daemon that is restarted is waited for."""


def _happened(seen: requests.Seen) -> Happened:
    envelope = seen.envelope
    try:
        event: Event | None = msgspec.json.decode(envelope.event, type=Event)
        kind = type(event).__name__
    except msgspec.ValidationError:
        event, kind = None, str(msgspec.json.decode(envelope.event).get("type"))
    return Happened(seq=envelope.seq, at=envelope.at, kind=kind, event=event)
