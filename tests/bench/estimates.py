"""What estimates are worth: made at half-time, held against what came. Of simulated experiments, and of recorded ones.

python tests/bench/estimates.py [--experiments N]

A simulated experiment has a base model and 3 to 60 runs, 2 to 16 of which run at a time, of lengths that differ by a few per
cent or by half; each imports for a while, makes steps at a pace that drifts, saves, and ends. The core itself submits and judges
them. An error is a share of the whole length of what was estimated: of a job that ran for an hour, 6 minutes are 10 %.
"""

import argparse
import heapq
import math
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from random import Random
from statistics import median

import msgspec
import recorded
from recorded import Recording

from fakes.builders import GOOD, ID, SCORED, World, owed, scaffold
from runexp.wire.jobs import JobSpec, Progress
from runexp.wire.metrics import Estimate
from runexp.wire.states import Phase, Stage
from runexpd.core import commands
from runexpd.core.observations import Accepted, Judged, Listed, Report, Tick
from runexpd.core.state import Experiment, Limits
from runexpd.core.when import forecast
from runexpd.core.when.lengths import Known, Pace

MOST_MEDIAN_ERROR, LEAST_INSIDE = 0.10, 0.90
STEPS = 1000


class Course(msgspec.Struct):
    """How one job really goes: seconds since it began."""

    seconds: float
    imports: float
    saves: float
    #: Above 1 it slows down towards its end.
    drift: float

    def step_at(self, seconds: float) -> int:
        share: float = (seconds - self.imports) / (self.seconds - self.imports - self.saves)
        return int(STEPS * math.pow(min(1.0, max(0.0, share)), self.drift))

    def at_step(self, step: int) -> float:
        trains = self.seconds - self.imports - self.saves
        return self.imports + trains * math.pow(step / STEPS, 1 / self.drift)


class Simulated:
    """One experiment, from its submission to its end."""

    def __init__(self, seed: int) -> None:
        dice = Random(seed)
        self.slots = dice.choice([2, 4, 8, 16])
        self.runs = dice.choice([3, 6, 12, 24, 60])
        self.spread = dice.choice([0.02, 0.1, 0.3])
        self.trains, self.evaluates = dice.choice([60.0, 600.0, 7200.0]), dice.choice([20.0, 120.0, 900.0])
        self.stagger = dice.choice([0.0, 5.0])
        self.world = World(max_submit=25, stagger_seconds=self.stagger)
        self.dice = dice
        # The experiment before this one evaluated much the same; every third has none before it.
        ran = [self.evaluates * math.exp(dice.gauss(0, max(0.1, self.spread))) for _ in range(5)]
        evaluations = ["base/words", *(f"run{n}/words/epoch0" for n in range(self.runs))]
        self.others = dict.fromkeys(evaluations, tuple(ran)) if seed % 3 else {}
        self.courses: dict[str, Course] = {}
        self.began: dict[str, float] = {}
        self.ended: dict[str, float] = {}
        self.queue: list[commands.Watch] = []
        self.running: dict[str, commands.Watch] = {}
        self.ends: list[tuple[float, str]] = []

    def course(self, job: JobSpec) -> Course:
        if job.id not in self.courses:
            middle = self.trains if job.phase is Phase.OPTIMIZATION else self.evaluates
            seconds = middle * math.exp(self.dice.gauss(0, self.spread))
            shares = self.dice.uniform(0.02, 0.1), self.dice.uniform(0.0, 0.06)
            self.courses[job.id] = Course(
                seconds, seconds * shares[0], seconds * shares[1], self.dice.uniform(0.95, 1.05)
            )
        return self.courses[job.id]

    def run(self) -> Iterator[float]:
        """Each moment at which something is about to happen; the world is as it is right before."""
        self.world.see(scaffold([f"run{n}" for n in range(self.runs)]))
        self.settle()
        while self.world.experiment.outcome is None:
            wake = self.ends[0][0] if self.ends else self.world.now + 1.0
            if self.stagger and self.has_room():
                wake = min(wake, self.world.now + self.stagger)
            yield wake
            self.world.now = wake
            while self.ends and self.ends[0][0] <= wake:
                self.end(heapq.heappop(self.ends)[1])
            self.world.see(Tick())
            self.settle()

    def has_room(self) -> bool:
        return any(self.world.experiment.jobs.ready(Phase.OPTIMIZATION))

    def settle(self) -> None:
        while left := [
            c for c in owed(self.world.state, self.world.now) if not isinstance(c, commands.Watch)
        ]:
            for command in left:
                self.answer(command)
        watched = {
            c.token: c for c in owed(self.world.state, self.world.now) if isinstance(c, commands.Watch)
        }
        for token, watch in watched.items():
            if token not in self.running and all(w.token != token for w in self.queue):
                self.queue.append(watch)
        while self.queue and len(self.running) < self.slots:
            self.start(self.queue.pop(0))

    def answer(self, command: commands.Command) -> None:
        about = {"experiment": ID, "token": command.token}  # type: ignore[union-attr]
        match command:
            case commands.Submit() | commands.Resolve():
                self.world.see(Accepted(**about, job=command.job.id, slurm_job_id="7", output="/o"))
            case commands.Judge():
                verdict = GOOD if command.job.phase is Phase.OPTIMIZATION else SCORED
                self.world.see(Judged(**about, job=command.job.id, verdict=verdict))  # type: ignore[arg-type]
            case _:
                raise AssertionError(command)

    def start(self, watch: commands.Watch) -> None:
        self.running[watch.token] = watch
        self.began[watch.job.id] = self.world.now
        heapq.heappush(self.ends, (self.world.now + self.course(watch.job).seconds, watch.token))
        self.report(watch, "RUNNING")

    def end(self, token: str) -> None:
        watch = self.running.pop(token)
        self.ended[watch.job.id] = self.world.now
        self.report(watch, "COMPLETED")

    def report(self, watch: commands.Watch, state: str) -> None:
        over = state == "COMPLETED"
        self.world.see(
            Listed(
                reports=(
                    Report(
                        experiment=ID,
                        job=watch.job.id,
                        token=watch.token,
                        state=state,
                        final=over,
                        started_at=self.began[watch.job.id],
                        ended_at=self.world.now if over else None,
                    ),
                )
            )
        )

    def known(self, now: float) -> Known:
        """What looks into the outputs would have brought."""
        progress, paces = {}, {}
        for job in self.world.experiment.jobs.values():
            attempt = job.attempt
            if attempt is None or attempt.started_at is None:
                continue
            course, over = self.course(job.spec), attempt.ended_at is not None
            step = STEPS if over else course.step_at(now - attempt.started_at)
            if step > 1:
                paces[attempt.token] = Pace(1, course.at_step(1), step, course.at_step(step))
            if not over and step:
                progress[attempt.token] = Progress(done=step, total=STEPS)
        return Known(progress=progress, paces=paces, others=self.others)

    @property
    def limits(self) -> Limits:
        return Limits(max_submit=25, stagger_seconds=self.stagger)


class Truth(msgspec.Struct):
    """What came: when it began, and when it was over."""

    began: float
    ended: float

    @property
    def half(self) -> float:
        return (self.began + self.ended) / 2


class Score(msgspec.Struct):
    error: float
    of_left: float
    inside: bool


def truths(e: Experiment, began: dict[str, float], ended: dict[str, float], first: float) -> dict[str, Truth]:
    found = {f"job {id}": Truth(began[id], ended[id]) for id in ended}
    for phase in Phase:
        ids = [job.spec.id for job in e.of(phase) if job.spec.id in ended]
        if ids:
            start = first if phase is Phase.OPTIMIZATION else min(began[id] for id in ids)
            found[phase] = Truth(start, max(ended[id] for id in ids))
    found["end"] = Truth(first, max(ended.values()))
    return found


def estimated(what: str, seen: forecast.Forecast) -> Estimate | None:
    if what.startswith("job "):
        return seen.ends.get(what.removeprefix("job "))
    estimate: Estimate | None = getattr(seen.whole, what)
    return estimate


def score(truth: Truth, estimate: Estimate) -> Score:
    off = abs(estimate.likely_at - truth.ended)
    length = max(truth.ended - truth.began, 1e-3)
    inside = estimate.earliest_at - 1 <= truth.ended <= estimate.latest_at + 1
    return Score(off / length, off / (length / 2), inside)


def simulated(seed: int) -> Iterator[tuple[str, Score | None]]:
    """Of each thing, the estimate at its half-time; None: there was none."""
    before = Simulated(seed)
    first = before.world.now
    for _ in before.run():
        pass
    came = truths(before.world.experiment, before.began, before.ended, first)
    asked = sorted(((truth.half, what) for what, truth in came.items()), reverse=True)
    again, seen_at, seen = Simulated(seed), -1.0, forecast.Forecast()
    for moment in again.run():
        while asked and asked[-1][0] < moment:
            at, what = asked.pop()
            if at != seen_at:
                seen_at, seen = at, forecast.of(again.world.experiment, again.known(at), again.limits, at)
            estimate = estimated(what, seen)
            yield kind_of(what, again), score(came[what], estimate) if estimate else None


def replayed(recording: Recording) -> Iterator[tuple[str, Score | None]]:
    """As `simulated`, of an experiment that went so."""
    over = recording.at(recording.last)
    well = {
        id: job.attempt for id, job in over.jobs.items() if job.stage is Stage.VERIFIED
    }  # who can foretell a failure?
    attempts = {id: attempt for id, attempt in well.items() if attempt is not None}
    began = {id: a.started_at for id, a in attempts.items() if a.started_at is not None}
    ended = {id: a.ended_at for id, a in attempts.items() if id in began and a.ended_at is not None}
    limits = Limits(max_submit=25, stagger_seconds=1.0, max_running=recording.slots)
    whole = all(job.stage is Stage.VERIFIED for job in over.current)
    for what, truth in truths(over, began, ended, recording.first).items():
        if not whole and not what.startswith("job "):
            continue
        seen = forecast.of(recording.at(truth.half), recording.known(truth.half), limits, truth.half)
        estimate = estimated(what, seen)
        kind = f"{over.jobs[what[4:]].spec.phase} job" if what.startswith("job ") else what
        yield kind, score(truth, estimate) if estimate else None


def kind_of(what: str, simulation: Simulated) -> str:
    if not what.startswith("job "):
        return what
    return f"{simulation.world.experiment.jobs[what.removeprefix('job ')].spec.phase} job"


def table(scores: dict[str, list[Score | None]]) -> Iterator[str]:
    yield f"{'what':<20} {'asked':>6} {'known':>6} {'median error':>13} {'of what is left':>16} {'inside the range':>17}"
    for kind, some in scores.items():
        known = [each for each in some if each is not None]
        said = f"{kind:<20} {len(some):>6} {len(known):>6}"
        if known:
            error, left = median(each.error for each in known), median(each.of_left for each in known)
            said += f" {error:>12.1%} {left:>15.1%} {inside(known):>16.0%}"
        yield said


def inside(known: Sequence[Score]) -> float:
    """Of how many the range held, as a share."""
    return sum(each.inside for each in known) / len(known)


def measured(experiments: int) -> dict[str, list[Score | None]]:
    scores: dict[str, list[Score | None]] = defaultdict(list)
    for seed in range(experiments):
        for kind, each in simulated(seed):
            scores[kind].append(each)
            scores["all"].append(each)
    return scores


def all_recorded(folder: Path = recorded.FOLDER) -> dict[str, list[Score | None]]:
    """By recording, and of all of them by kind."""
    scores: dict[str, list[Score | None]] = defaultdict(list)
    for name, recording in recorded.every(folder).items():
        for kind, each in replayed(recording):
            for key in (name, kind, "all"):
                scores[key].append(each)
    return scores


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--experiments", type=int, default=60)
    count = parser.parse_args().experiments
    by_title = {
        "simulated": measured(count),
        "recorded": all_recorded(),
        "recorded on busy machines": all_recorded(recorded.BUSY),
    }
    for title, scores in by_title.items():
        print(f"{title}:", *table(scores), sep="\n", end="\n\n")


if __name__ == "__main__":
    main()
