"""Ledgers of format 1 are still read: 324 histories as its core made them, and six whole files of its daemon. And one of each
format since, as commits.py made them: an experiment that has ended, and one whose daemon was killed in its middle.

Some are *stuck*: what was to happen next was an attempt whose token had been used, which ended that daemon at every start.
"""

import gzip
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from fakes.builders import GOOD
from runexp.wire.events import AttemptIntended, Event, JobAdopted, Recorded
from runexp.wire.states import Stage
from runexpd.core.apply import fold
from runexpd.core.job import Job
from runexpd.core.observations import Accepted, Begun, Judged, Listed, MendDone, Observation, Report, Tick
from runexpd.core.observe import observe
from runexpd.core.state import Experiment, Limits, State
from runexpd.ledger import codec
from runexpd.ledger.store import Ledger, Row
from runexpd.upkeep.check import check

EARLIER = Path(__file__).parent / "earlier"
LEDGERS = ("finished", "killed", "odd_score", "put_back", "restarting", "retried")
FORMATS = ("format2", "format3", "format4", "format5")
#: Longer than any pause between submissions.
LATER_SECONDS = 60.0
ROUNDS = 80


class History(msgspec.Struct, frozen=True):
    """A line of histories.jsonl.gz."""

    name: str
    stuck: bool
    #: By cluster: max_submit, stagger_seconds.
    limits: dict[str, tuple[int, float]]
    #: At, experiment, event.
    events: list[tuple[float, str, Event]]
    #: How it was then, in the end, by experiment and job: the stage, and the tokens of the attempts that were still known.
    stages: dict[str, dict[str, str]]
    attempts: dict[str, dict[str, list[str]]]
    #: `tick`: at once, or when a submission's turn has come. `answer`: when what is due is answered.
    stuck_by: str | None = None


def histories() -> list[History]:
    lines = gzip.decompress((EARLIER / "histories.jsonl.gz").read_bytes()).splitlines()
    decoder = msgspec.json.Decoder(History)
    return [decoder.decode(line) for line in lines]


class Tale:
    """Events that were there, and those that follow: in memory, and in a ledger if there is one."""

    def __init__(self, empty: State, told: Iterable[Recorded], ledger: Ledger | None = None) -> None:
        self.told = list(told)
        self.ledger = ledger
        self.state = fold(empty, self.told)
        self.now = max(recorded.at for recorded in self.told) + LATER_SECONDS

    def see(self, observation: Observation) -> list[Event]:
        """Take an observation as the loop does; returns what happened."""
        happened = observe(self.state, observation, self.now, len(self.told))
        self.state, recorded = happened.state, happened.recorded
        self.told += recorded
        if recorded and self.ledger is not None:
            self.ledger.append([row_of(r) for r in recorded])
        return [r.event for r in recorded]

    def go_on(self) -> list[Event]:
        """Until every experiment has ended, with a cluster that answers all and jobs that succeed; returns what happened."""
        happened = self.see(Begun(experiments=tuple(self.state.experiments)))
        for _ in range(ROUNDS):
            happened += self.see(Tick())
            for answer in answers(self.state):
                happened += self.see(answer)
            if all(e.outcome is not None for e in self.state.experiments.values()):
                break
            self.now += LATER_SECONDS
        return happened


def row_of(recorded: Recorded) -> Row:
    event = recorded.event
    return Row(recorded.seq, recorded.at, recorded.experiment, type(event).__name__, codec.encode(event))


def answers(state: State) -> list[Observation]:
    return [a for e in state.running() for job in e.jobs.values() for a in answers_for(e, job)]


def answers_for(experiment: Experiment, job: Job) -> Iterator[Observation]:
    if job.attempt is None:
        return
    about: Any = {"experiment": experiment.id, "job": job.spec.id, "token": job.attempt.token}
    if job.stage in (Stage.SUBMITTING, Stage.UNCLEAR):
        yield Accepted(**about, slurm_job_id="9", output="/o")
    elif job.stage is Stage.QUEUED:
        yield Listed(reports=(Report(**about, state="COMPLETED", final=True),))
    elif job.stage is Stage.ENDED:
        yield Judged(**about, verdict=GOOD)
    elif job.stage is Stage.MENDING:
        yield MendDone(experiment=experiment.id, job=job.spec.id, number=job.mends)


def tokens_of(happened: Iterable[Event]) -> list[str]:
    """Of the submissions that were intended or adopted."""
    return [event.token for event in happened if isinstance(event, AttemptIntended | JobAdopted)]


def used_by(told: Iterable[Recorded]) -> set[str]:
    return set(tokens_of(recorded.event for recorded in told))


def stages_in(state: State) -> dict[str, dict[str, str]]:
    return {e.id: {id: job.stage.value for id, job in e.jobs.items()} for e in state.experiments.values()}


def known_tokens(job: Job) -> list[str]:
    return [attempt.token for attempt in job.attempts]


def tale_of(history: History) -> Tale:
    told = (
        Recorded(seq=seq, at=at, experiment=experiment, event=event)
        for seq, (at, experiment, event) in enumerate(history.events, start=1)
    )
    limits = {
        cluster: Limits(max_submit=most, stagger_seconds=stagger)
        for cluster, (most, stagger) in history.limits.items()
    }
    return Tale(State(limits=limits), told)


HISTORIES = histories()
#: Many at a time: a test each costs more than what it tries.
SHARES = 12
each_share = pytest.mark.parametrize("share", range(SHARES))
each_ledger = pytest.mark.parametrize("name", LEDGERS)


def _of(share: int) -> Iterator[History]:
    for history in HISTORIES[share::SHARES]:
        print(history.name)  # of one that fails, the last that is shown
        yield history


def test_there_are_histories_of_every_kind() -> None:
    stuck = [history for history in HISTORIES if history.stuck]
    assert len(HISTORIES) == 324
    assert len(stuck) == 24
    assert {history.stuck_by for history in stuck} == {"tick", "answer"}
    assert len({type(event) for history in HISTORIES for _, _, event in history.events}) == 24


@each_share
def test_a_history_leads_each_job_where_it_led_it_then(share: int) -> None:
    for history in _of(share):
        _a_history_leads_each_job_where_it_led_it_then(history)


def _a_history_leads_each_job_where_it_led_it_then(history: History) -> None:
    state = tale_of(history).state
    stages = stages_in(state)
    for id, before in history.stages.items():
        # More than these: jobs that the scaffold had lost, and that were forgotten with it.
        assert {job: stages[id][job] for job in before} == before
    for id, jobs in history.attempts.items():
        for job, tokens in jobs.items():
            assert known_tokens(state.experiments[id].jobs[job])[-len(tokens) :] == tokens


@each_share
def test_the_next_attempts_of_a_history_have_tokens_of_their_own(share: int) -> None:
    for history in _of(share):
        _the_next_attempts_of_a_history_have_tokens_of_their_own(history)


def _the_next_attempts_of_a_history_have_tokens_of_their_own(history: History) -> None:
    tale = tale_of(history)
    used = used_by(tale.told)
    next_ones = tokens_of(tale.see(Tick()))
    assert used.isdisjoint(next_ones)
    assert len(set(next_ones)) == len(next_ones)


@each_share
def test_a_history_goes_on_to_its_end_and_uses_no_token_twice(share: int) -> None:
    for history in _of(share):
        _a_history_goes_on_to_its_end_and_uses_no_token_twice(history)


def _a_history_goes_on_to_its_end_and_uses_no_token_twice(history: History) -> None:
    tale = tale_of(history)
    used = used_by(tale.told)
    following = tokens_of(tale.go_on())
    assert {e.id: e.outcome for e in tale.state.experiments.values() if e.outcome is None} == {}
    assert used.isdisjoint(following)
    assert len(set(following)) == len(following)


@pytest.fixture
def path(name: str, tmp_path: Path) -> Path:
    """A ledger as its daemon left it."""
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(gzip.decompress((EARLIER / f"{name}.sqlite.gz").read_bytes()))
    return path


def rows(path: Path, sql: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(path)) as connection, connection:
        return connection.execute(sql).fetchall()


def read(ledger: Ledger) -> list[Recorded]:
    return list(ledger.since(0))


@each_ledger
def test_a_ledger_is_read_whole_and_leads_each_job_where_it_led_it_then(name: str, path: Path) -> None:
    events = rows(path, "SELECT seq, at, experiment, type FROM events ORDER BY seq")
    stages = rows(path, "SELECT experiment, id, stage FROM jobs")
    tokens = rows(path, "SELECT experiment, job, token FROM attempts")
    with Ledger(path) as ledger:
        told = read(ledger)
        state = fold(State(), told)
    assert [(r.seq, r.at, r.experiment, type(r.event).__name__) for r in told] == events
    for experiment, job, stage in stages:
        assert state.experiments[experiment].jobs[job].stage == stage
    for experiment, job, token in tokens:
        assert token in known_tokens(state.experiments[experiment].jobs[job])


@pytest.mark.parametrize("name", LEDGERS + FORMATS)
def test_a_ledger_goes_on_to_its_end_and_uses_no_token_twice(name: str, path: Path) -> None:
    with Ledger(path) as ledger:
        tale = Tale(State(), read(ledger), ledger)
        used = used_by(tale.told)
        following = tokens_of(tale.go_on())
    assert [e.outcome for e in tale.state.experiments.values() if e.outcome is None] == []
    assert used.isdisjoint(following)
    assert len(set(following)) == len(following)
    with Ledger(path) as ledger:
        assert fold(State(), read(ledger)) == tale.state


@pytest.mark.parametrize("name", FORMATS)
def test_a_ledger_of_each_format_is_whole(name: str, path: Path) -> None:
    before = rows(path, "SELECT seq, at, experiment, type FROM events ORDER BY seq")
    assert rows(path, "PRAGMA user_version") == [(int(name.removeprefix("format")),)]
    with Ledger(path) as ledger:
        told = read(ledger)
    assert [(r.seq, r.at, r.experiment, type(r.event).__name__) for r in told] == before
    assert [e.outcome is None for e in fold(State(), told).experiments.values()] == [False, True]
    assert check(path, lambda done, all: None).problems == ()
