"""What is equal is held once, and stays what it is."""

import msgspec
from msgspec.structs import replace

from fakes.builders import cell, training
from runexp.wire.jobs import JobSpec, RunSpec
from runexp.wire.states import Phase
from runexpd.core.held import Held
from runexpd.core.job import Attempt, Job
from runexpd.core.jobs import Jobs


def read(spec: JobSpec) -> JobSpec:
    """As it comes from a file: with no text of anybody's."""
    return msgspec.json.decode(msgspec.json.encode(spec), type=JobSpec)


def test_texts_that_jobs_have_in_common_are_the_same_thing() -> None:
    held, common = Held(), {"directives": ("time", "job-name"), "facts": {"pace": "16 None", "tasks": [1]}}
    first, second = (held.of(read(replace(training(run), **common))) for run in ("r1", "r2"))
    assert (first, second) == (replace(training("r1"), **common), replace(training("r2"), **common))
    assert first.run is first.id
    assert first.tool is second.tool
    assert first.directives is second.directives
    assert first.facts["pace"] is second.facts["pace"]


def test_a_word_of_an_enumeration_stays_one_beside_a_text_that_is_equal() -> None:
    held = Held()
    named = held.of(read(cell(str(Phase.EVALUATION.value), 0)))
    assert isinstance(named.phase, Phase)
    assert type(named.run) is str
    assert isinstance(held.of(read(training("r"))).phase, Phase)


def test_what_is_empty_is_held_once() -> None:
    held = Held()
    runs = held.of(tuple(RunSpec(name, "control") for name in ("a", "b")))
    assert runs == (RunSpec("a", "control"), RunSpec("b", "control"))
    assert runs[0].parameters is runs[1].parameters


def test_an_attempt_s_job_is_the_job_s_own_while_it_is_the_same() -> None:
    spec = training("r")
    changed = replace(spec, name="other")
    attempts = tuple(
        Attempt(number=n, token=f"e-{n}", spec=read(each), intended_at=0.0)
        for n, each in enumerate((spec, changed))
    )
    job = Held().of(Job(spec=spec, attempts=attempts))
    assert job.attempts[0].spec is job.spec
    assert [attempt.spec for attempt in job.attempts] == [spec, changed]


def test_a_job_that_somebody_holds_is_that_one_unless_it_has_changed() -> None:
    theirs = training("r")
    jobs = Jobs([Job(spec=theirs)])
    assert Held(jobs.spec).of(read(theirs)) is theirs
    changed, another = replace(theirs, name="other"), training("r2")
    assert Held(jobs.spec).of((read(changed), read(another))) == (changed, another)
