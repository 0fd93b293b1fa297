"""Whatever the world says, in whatever order: replay equals live, and nothing is submitted that succeeded or is in flight."""

from collections import Counter
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from fakes.builders import BAD, GOOD, ID, OUT_OF_MEMORY, World, scaffold
from runexp.wire import events, states
from runexp.wire.events import Event
from runexp.wire.jobs import Policy
from runexp.wire.states import Stage
from runexpd.core.apply import fold
from runexpd.core.commands import Submit
from runexpd.core.due import due
from runexpd.core.observations import (
    Accepted,
    CancelWanted,
    Deferred,
    Judged,
    Listed,
    MendDone,
    Observation,
    Refused,
    Report,
    RetryWanted,
    Tick,
    Unclear,
)

JOBS = ["rank4", "rank8", "base/words", "rank4/words/epoch0", "rank8/words/epoch0"]
jobs = st.sampled_from(JOBS)
#: Right ones, old ones, and ones that never were.
tokens = st.builds("{}-{}-{}".format, st.just(ID), st.integers(0, 4), st.integers(1, 3))
verdicts = st.sampled_from([GOOD, BAD, OUT_OF_MEMORY])
words = st.sampled_from([*sorted(states.END_STATES), "PENDING", "RUNNING", "REQUEUED", "LEVITATING"])
answer = {"experiment": st.just(ID), "job": jobs, "token": tokens}
reports = st.builds(
    Report, **answer, state=words, final=st.booleans(), ended_at=st.one_of(st.none(), st.just(5.0))
)
policies = st.builds(
    Policy,
    on_failure=st.sampled_from(["continue", "stop"]),
    barrier=st.sampled_from(["all", "run"]),
    optimize_only=st.booleans(),
)
observations: st.SearchStrategy[Observation] = st.one_of(
    st.builds(
        scaffold,
        policy=policies,
        verdicts=st.dictionaries(jobs, verdicts, max_size=3),
        trained=st.sampled_from([["rank4", "rank8"], ["rank4"], ["rank8", "rank4"]]),
    ),
    st.builds(Accepted, **answer, slurm_job_id=st.sampled_from(["7", "8"]), output=st.just("/o")),
    st.builds(Refused, **answer, error=st.just("no")),
    st.builds(Deferred, **answer, reason=st.just("full")),
    st.builds(Unclear, **answer, reason=st.just("lost")),
    st.builds(Listed, reports=st.lists(reports, max_size=3).map(tuple)),
    st.builds(Judged, **answer, verdict=verdicts),
    st.builds(
        RetryWanted, experiment=st.just(ID), jobs=st.lists(jobs, max_size=2).map(tuple), specs=st.just(())
    ),
    st.builds(CancelWanted, experiment=st.just(ID), jobs=st.lists(jobs, max_size=2).map(tuple)),
    st.builds(
        MendDone,
        experiment=st.just(ID),
        job=jobs,
        number=st.integers(1, 3),
        refused=st.sampled_from(["", "no such file"]),
    ),
    st.just(Tick()),
)
#: An observation, and how many seconds later.
streams = st.lists(st.tuples(observations, st.sampled_from([0.0, 1.0, 30.0])), max_size=60)


def helpful(world: World) -> list[Observation]:
    """What a cluster without faults would answer to all that is due: takes the flow forward."""
    told: list[Observation] = []
    for job in world.experiment.jobs.values():
        if job.attempt is None:
            continue
        about: Any = {"experiment": ID, "job": job.spec.id, "token": job.attempt.token}
        if job.stage in (Stage.SUBMITTING, Stage.UNCLEAR):
            told.append(Accepted(**about, slurm_job_id="9", output="/o"))
        elif job.stage is Stage.QUEUED:
            told.append(Listed(reports=(Report(**about, state="COMPLETED", final=True),)))
        elif job.stage is Stage.ENDED:
            told.append(Judged(**about, verdict=GOOD))
        elif job.stage is Stage.MENDING:
            told.append(MendDone(experiment=ID, job=job.spec.id, number=job.mends))
    return told


def check_intents(before: dict[str, Stage], happened: list[Event]) -> None:
    """At most one intent a job, and only of one that was not in flight or good, unless an event in between said so."""
    for event in happened:
        if isinstance(event, events.AttemptIntended):
            assert before.get(event.job, Stage.PLANNED) not in (
                states.IN_FLIGHT | {Stage.ENDED, Stage.VERIFIED}
            )
    assert (
        max(Counter(e.job for e in happened if isinstance(e, events.AttemptIntended)).values(), default=1)
        == 1
    )


@settings(max_examples=400, deadline=None)
@given(stream=streams, max_submit=st.integers(1, 4), stagger=st.sampled_from([0.0, 5.0]))
def test_any_stream(stream: list[tuple[Observation, float]], max_submit: int, stagger: float) -> None:
    world = World(max_submit=max_submit, stagger_seconds=stagger)
    world.see(scaffold())
    for observation, later in stream:
        world.now += later
        before = world.stages()
        happened = world.see(observation)
        check_intents(before, happened)
        assert world.see(Tick()) == [], "what follows must follow at once"
        assert sum(stage in states.IN_FLIGHT for stage in world.stages().values()) <= max_submit
        sent = [c.token for c in due(world.state, world.now) if isinstance(c, Submit)]
        assert len(sent) == len(set(sent))
    intents = [r.event.token for r in world.ledger if isinstance(r.event, events.AttemptIntended)]
    assert len(intents) == len(set(intents)), "a token was used twice"
    assert fold(world.empty, world.ledger) == world.state


@settings(max_examples=150, deadline=None)
@given(stream=streams)
def test_whatever_happened_a_cluster_that_answers_brings_it_to_an_end(
    stream: list[tuple[Observation, float]],
) -> None:
    world = World(max_submit=2)
    world.see(scaffold())
    for observation, later in stream:
        world.now += later
        world.see(observation)
    for _ in range(60):
        world.now += 30
        world.see(Tick())
        for observation in helpful(world):
            world.see(observation)
    assert world.experiment.outcome is not None


@settings(max_examples=150, deadline=None)
@given(stream=streams)
def test_the_same_word_twice_says_nothing_new(stream: list[tuple[Observation, float]]) -> None:
    world = World()
    world.see(scaffold())
    for observation, later in stream:
        world.now += later
        world.see(observation)
        if not isinstance(observation, Listed | RetryWanted) and type(observation).__name__ != "ScaffoldSeen":
            assert world.see(observation) == []
