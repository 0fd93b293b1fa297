"""Experiments as they really went, event by event and step by step: to hold estimates and alarms against.

python tests/bench/recorded.py HOME EXPERIMENT FILE      record one of a daemon's, whose home that is
"""

import argparse
import gzip
import sqlite3
from bisect import bisect_right
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec

from runexp.wire.events import Event, ExperimentAdded, ExperimentEnded, Recorded
from runexp.wire.jobs import Progress
from runexp.wire.metrics import LOSS, SAMPLES, Series
from runexp.wire.states import COMPLETED, Phase
from runexpd.core.apply import apply
from runexpd.core.job import Attempt, Job
from runexpd.core.state import Experiment, State
from runexpd.core.when.lengths import Known, Pace, swing
from runexpd.metrics.store import Store
from runexpd.runtime.recorder import MOST_LENGTHS
from runexpd.runtime.rests import kind_of, tail_kind_of

#: Of each series.
MOST_POINTS = 200
#: As a daemon looks: so often, and so many of them are remembered.
LOOK_SECONDS, MOST_LOOKS = 30.0, 15
FOLDER = Path(__file__).parent / "recorded"
BUSY = FOLDER / "busy"


class Recording(msgspec.Struct):
    experiment: str
    #: (seconds since 1970, event)
    events: list[tuple[float, Event]]
    series: list[Series]
    #: How many ran at a time.
    slots: int
    #: How long jobs of the same kind had run before, the newest first, by job.
    others: dict[str, tuple[float, ...]] = {}
    #: And how long such had gone on after their last step, by phase.
    tails: dict[Phase, tuple[float, ...]] = {}

    def at(self, moment: float) -> Experiment:
        """As the ledger had it then."""
        state = State()
        for seq, (when, event) in enumerate(self.events, start=1):
            if when > moment:
                break
            recorded = Recorded(seq=seq, at=when, experiment=self.experiment, event=event)
            state = apply(state, recorded)
        return state.experiments[self.experiment]

    def known(self, moment: float) -> Known:
        """What looks into the outputs had brought by then."""
        progress, paces = {}, {}
        experiment = self.at(moment)
        for series in self.of(LOSS, SAMPLES):
            job = experiment.jobs.get(series.job)
            attempt = job.attempt if job else None
            if attempt is None or attempt.number != series.attempt or attempt.started_at is None:
                continue
            seen = bisect_right(series.seconds, moment - attempt.started_at)
            if seen:
                first, last = (series.steps[n] for n in (0, seen - 1))
                lately, swung = _lately(series, seen), swing(list(_pauses(series, seen)))
                times = series.seconds[0], series.seconds[seen - 1]
                paces[attempt.token] = Pace(first, times[0], last, times[1], lately, swung)
                progress[attempt.token] = Progress(done=last, total=self.steps(series.name))
        return Known(progress=progress, paces=paces, others=self.others, tails=self.tails)

    def steps(self, name: str) -> int:
        """All that a run makes; one that was cut short would have made as many as the others."""
        return max(series.steps[-1] for series in self.of(name))

    def of(self, *names: str) -> Iterator[Series]:
        return (series for series in self.series if series.name in names)

    @property
    def first(self) -> float:
        return self.events[0][0]

    @property
    def last(self) -> float:
        return self.events[-1][0]


def _lately(series: Series, seen: int) -> float | None:
    """Seconds a step, of the last five minutes or so."""
    since = bisect_right(series.seconds, series.seconds[seen - 1] - 300.0, 0, seen)
    first, last = min(since, seen - 1), seen - 1
    steps, seconds = series.steps[last] - series.steps[first], series.seconds[last] - series.seconds[first]
    return seconds / steps if steps > 0 and seconds > 0 else None


def _pauses(series: Series, seen: int) -> Iterator[float]:
    """Seconds a step, of the last looks."""
    last = seen - 1
    for _ in range(MOST_LOOKS):
        first = bisect_right(series.seconds, series.seconds[last] - LOOK_SECONDS, 0, last + 1) - 1
        if first < 0:
            return
        seconds = series.seconds[last] - series.seconds[first]
        yield seconds / max(1, series.steps[last] - series.steps[first])
        last = first


def read(path: Path) -> Recording:
    return msgspec.json.decode(gzip.decompress(path.read_bytes()), type=Recording)


def every(folder: Path = FOLDER) -> dict[str, Recording]:
    """By name; BUSY are those of machines that did other things beside."""
    return {path.name.removesuffix(".json.gz"): read(path) for path in sorted(folder.glob("*.json.gz"))}


def record(home: Path, name: str, slots: int) -> Recording:
    """Up to its first end."""
    with closing(sqlite3.connect(home / "state" / "ledger.sqlite")) as ledger, ledger:
        rows = ledger.execute("SELECT seq, at, experiment, body FROM events ORDER BY seq").fetchall()
    every = [
        Recorded(seq=seq, at=at, experiment=id, event=msgspec.json.decode(body, type=Event))
        for seq, at, id, body in rows
    ]
    added = next(r for r in every if isinstance(r.event, ExperimentAdded) and r.event.name == name)
    own = [r for r in every if r.experiment == added.experiment]
    over = next(place for place, r in enumerate(own) if isinstance(r.event, ExperimentEnded))
    store = Store(home / "state" / "metrics.sqlite")
    series = store.series(added.experiment, (), (), 0, MOST_POINTS)
    events = [(r.at, r.event) for r in own[: over + 1]]
    first = [series for series in series if series.attempt == 1]
    recording = Recording(added.experiment, events, first, slots)
    before = [r for r in every if r.seq < added.seq]
    recording.others, recording.tails = _before(before, recording.at(recording.last), store)
    store.close()
    return recording


def _before(
    before: list[Recorded], experiment: Experiment, store: Store
) -> tuple[dict[str, tuple[float, ...]], dict[Phase, tuple[float, ...]]]:
    """As a daemon keeps them: of jobs of one kind that ran well before this experiment."""
    state = State()
    for recorded in before:
        state = apply(state, recorded)
    kinds: dict[str, list[float]] = {}
    for e, job, attempt in _ran_well(state):
        seconds = (attempt.ended_at or 0.0) - (attempt.started_at or 0.0)
        kinds.setdefault(kind_of(e, job), []).append(seconds)
        if ends := store.ends(attempt.token, (LOSS, SAMPLES)):
            kinds.setdefault(tail_kind_of(e, job), []).append(max(0.0, seconds - ends[1].seconds))
    newest = {kind: tuple(found[::-1][:MOST_LENGTHS]) for kind, found in kinds.items()}
    jobs = experiment.jobs
    others = {job.spec.id: newest.get(kind_of(experiment, job), ()) for job in jobs.values()}
    return others, {job.spec.phase: newest.get(tail_kind_of(experiment, job), ()) for job in jobs.values()}


def _ran_well(state: State) -> Iterator[tuple[Experiment, Job, Attempt]]:
    for e in state.experiments.values():
        for job in e.jobs.values():
            for attempt in job.attempts:
                if attempt.state == COMPLETED and attempt.started_at and attempt.ended_at:
                    yield e, job, attempt


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("home", type=Path)
    parser.add_argument("experiment")
    parser.add_argument("file", type=Path)
    parser.add_argument("--slots", type=int, default=2)
    args = parser.parse_args()
    packed = msgspec.json.encode(record(args.home, args.experiment, args.slots))
    args.file.write_bytes(gzip.compress(packed, mtime=0))


if __name__ == "__main__":
    main()
