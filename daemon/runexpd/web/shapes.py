"""Experiments and jobs as a page has them: what is urgent first, and no more than a phone can hold. Pure."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from runexp.ui import describe, standing
from runexp.ui.standing import Standing
from runexp.wire import events
from runexp.wire.events import Envelope
from runexp.wire.metrics import Estimate
from runexp.wire.states import Phase, PhaseState
from runexp.wire.views import ExperimentView, JobView

#: Jobs of a group that are shown, unless more are asked for.
FEW, MANY = 12, 100
#: What waits and what is done is folded where there is a lot of it.
_QUIET = frozenset({Standing.PLANNED, Standing.QUEUED, Standing.DONE, Standing.SKIPPED, Standing.RETIRED})


class Part(msgspec.Struct, frozen=True):
    """A part of a bar."""

    tone: str
    words: str
    count: int
    #: Of a hundred.
    start: float
    width: float


class PhaseRow(msgspec.Struct, frozen=True):
    phase: Phase
    state: PhaseState
    total: int
    parts: tuple[Part, ...]
    estimate: Estimate | None


class Group(msgspec.Struct, frozen=True):
    standing: Standing
    total: int
    jobs: tuple[JobView, ...]
    is_open: bool
    page: int
    pages: int
    #: What is said of every one of them; empty where they differ.
    common: str

    @property
    def name(self) -> str:
        return self.standing.name.lower()


def phases(view: ExperimentView) -> Iterator[PhaseRow]:
    for phase in Phase:
        counted = Counter(standing.of(job) for job in view.jobs if job.phase is phase and not job.retired)
        if counted:
            state = view.optimization if phase is Phase.OPTIMIZATION else view.evaluation
            guess = getattr(view.estimates, phase) if view.outcome is None else None
            yield PhaseRow(phase, state, counted.total(), parts(counted), guess)


def of_counts(counts: Mapping[str, int]) -> tuple[Part, ...]:
    """Of a row of the list, which tells states only."""
    counted: Counter[Standing] = Counter()
    for state, count in counts.items():
        counted[standing.of_state(state)] += count
    return parts(counted)


_ORDER = (
    Standing.DONE,
    Standing.RUNNING,
    Standing.AILING,
    Standing.FAILED,
    Standing.DOUBT,
    Standing.QUEUED,
    Standing.PLANNED,
    Standing.SKIPPED,
    Standing.RETIRED,
)


def parts(counted: Counter[Standing]) -> tuple[Part, ...]:
    total, start, made = max(1, counted.total()), 0.0, []
    for each in _ORDER:
        if counted[each]:
            width = 100 * counted[each] / total
            made.append(Part(each.name.lower(), each.words, counted[each], round(start, 2), round(width, 2)))
            start += width
    return tuple(made)


def groups(view: ExperimentView, wanted: str, shown: str, page: int) -> Iterator[Group]:
    """`wanted`: what a job's id, state or detail has to hold; `shown`: the group that is shown at length."""
    sorted_out: dict[Standing, list[JobView]] = {each: [] for each in Standing}
    words = wanted.casefold().split()
    for job in view.jobs:
        if not words or all(word in _searched(job) for word in words):
            sorted_out[standing.of(job)].append(job)
    for each, jobs in sorted_out.items():
        if jobs:
            yield _group(each, jobs, shown == each.name.lower(), page, bool(words))


def _group(each: Standing, jobs: Sequence[JobView], is_shown: bool, page: int, is_searched: bool) -> Group:
    most = MANY if is_shown else FEW
    pages = -(-len(jobs) // MANY)
    place = max(0, min(page, pages - 1)) if is_shown else 0
    few = tuple(jobs[place * most : (place + 1) * most])
    is_open = is_shown or is_searched or each not in _QUIET or len(jobs) <= FEW
    said = {job.detail for job in jobs}
    common = said.pop() if len(said) == 1 and len(jobs) > 1 else ""
    return Group(each, len(jobs), few, is_open, place, pages, common)


def _searched(job: JobView) -> str:
    return f"{job.id} {job.state} {job.detail} {job.slurm_job_id or ''}".casefold()


class Told(msgspec.Struct, frozen=True):
    at: float
    subject: str
    words: str


def told(envelope: Envelope) -> Told:
    try:
        subject, words = describe.words(msgspec.json.decode(envelope.event, type=events.Event))
    except msgspec.ValidationError:
        subject, words = "", str(msgspec.json.decode(envelope.event).get("type", "?"))
    return Told(envelope.at, subject, " ".join(words.split()))
