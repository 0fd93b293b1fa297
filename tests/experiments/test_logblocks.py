"""The run logs' blocks: what each event says, and that nothing from outside can imitate one."""

import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from fakes.builders import BAD, DOUBTFUL, GOOD, MISSING, SCORED, World, scaffold
from runexp.wire import events
from runexp.wire.jobs import Failure, Finding, Resources, Score, Verdict
from runexp.wire.metrics import Concern
from runexp.wire.states import Phase
from runexpd.core.apply import apply
from runexpd.core.observations import AcceptWanted, Judged
from runexpd.core.state import Experiment, State
from runexpd.experiments import logblocks
from runexpd.experiments.actions import Action
from runexpd.experiments.blocks import Block

STAMP = "2026-11-24 10:00:00"
#: As existing readers have them.
READERS = (
    re.compile(r"SUBMIT_JOB: ([\w.-]+)\n.*?\nJob ID: (\d+)"),
    re.compile(r"SUBMIT_EVAL: ([\w./-]+)\n.*?\nJob ID: (\d+)"),
)
BEGINNING = re.compile(r"^\[\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\] ", re.MULTILINE)
FORGED = f"[{STAMP}] SUBMIT_EVAL: forged/x\nDetails: sbatch y\nJob ID: 31337\nResult: submitted\n\n"
HOSTILE = [
    FORGED,
    f"x\n\n{FORGED}",
    FORGED.replace("\n", "\r\n"),
    FORGED.replace("\n", "\u2028"),
    FORGED.replace("\n", "\x85"),
    FORGED.replace("\n", "\x0b"),
    "\x1b[2J\x1b]0;title\x07red",
    "\u202eevil\u202c \u2066x\u2069",
    "SUBMIT_JOB: forged",
    "SUBMIT_EVAL: forged/x",
    "Job ID: 31337",
    "a|b\\|c\n| forged | row |",
    "half a pair \ud800",
    "\x00\x9b31m",
]


def text_of(world: World) -> dict[str, str]:
    """What the logs hold, by log."""
    state, texts = State(), dict[str, str]()
    for recorded in world.ledger:
        before = state.experiments.get(recorded.experiment)
        state = apply(state, recorded)
        if before is not None:
            after = state.experiments[recorded.experiment]
            for log, text in logblocks.text_of(before, recorded, after, lambda at: STAMP, name_of):
                texts[log] = texts.get(log, "") + text
    return texts


def name_of(experiment: Experiment) -> str:
    return experiment.name


def blocks_of(world: World, event: type[events.Event]) -> Iterator[Block]:
    """Of all events of a kind."""
    state = State()
    for recorded in world.ledger:
        before = state.experiments.get(recorded.experiment)
        state = apply(state, recorded)
        if before is not None and isinstance(recorded.event, event):
            yield from logblocks.blocks(
                before, recorded.event, state.experiments[recorded.experiment], name_of
            )


def harvested(text: str) -> list[tuple[str, str]]:
    return [found for reader in READERS for found in reader.findall(text)]


def accepted(world: World) -> set[tuple[str, str]]:
    events_ = [recorded.event for recorded in world.ledger]
    return {(e.job, e.slurm_job_id) for e in events_ if isinstance(e, events.SubmitAccepted)}


def begun() -> World:
    world = World()
    world.see(scaffold())
    return world


def judge(world: World, verdict: Verdict, final: bool = True) -> None:
    """The first training ends, and is looked at."""
    world.accept("rank4")
    world.show("rank4", "COMPLETED", final=True)
    world.see(Judged(experiment="e1", job="rank4", token=world.token("rank4"), verdict=verdict, final=final))


def test_readers_find_each_submission_and_nothing_else() -> None:
    world = begun()
    world.drain()
    assert set(harvested("".join(text_of(world).values()))) == accepted(world)


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_no_text_from_outside_makes_a_block(hostile: str) -> None:
    plain, world = World(), World()
    for each, said in ((plain, "x"), (world, hostile)):
        each.see(replace(scaffold(), name=said, warnings=(said,)))
        bad = Verdict(finding=Finding.BAD, detail=said, failure=Failure(said, said), warnings=(said,))
        scored = Verdict(
            finding=Finding.GOOD,
            detail=said,
            artifacts=(said,),
            scores=(Score(said, said, 0.5),),
            warnings=(said,),
        )
        each.finish("rank4", bad)
        each.finish("rank8", scored)
        for id in ("base/words", "rank8/words/epoch0"):
            each.finish(id, scored)
        assert each.experiment.outcome is not None
    texts, wanted = text_of(world), text_of(plain)
    for log, text in texts.items():
        assert len(BEGINNING.findall(text)) == len(BEGINNING.findall(wanted[log]))
        assert text.count("\n") == wanted[log].count("\n")
        assert len(text.splitlines()) == len(wanted[log].splitlines())
        assert text.replace("\n", "").isprintable()
    assert set(harvested("".join(texts.values()))) == accepted(world)


@pytest.mark.parametrize("hostile", HOSTILE, ids=ascii)
def test_nor_does_the_name_of_a_run(hostile: str) -> None:
    world = World()
    world.see(scaffold(trained=(hostile,)))
    world.drain()
    text = "".join(text_of(world).values())
    assert not {(subject, id) for subject, id in harvested(text) if (subject, id) not in accepted(world)}
    assert text.replace("\n", "").isprintable()


@given(st.text(), st.text(), st.text(), st.lists(st.text(), max_size=3))
def test_a_block_has_the_lines_that_it_is_made_of(
    subject: str, details: str, result: str, body: list[str]
) -> None:
    text = Block("experiment", Action.WARNING, subject, details, result, "17", body).text(STAMP)
    assert text.endswith("\n\n")
    lines = text.splitlines()
    assert [line.split(" ")[0] for line in lines[:4]] == [f"[{STAMP[:10]}", "Details:", "Job", "Result:"]
    assert text.count("\n") == 5 + (1 + len(body) if body else 0)
    assert len(BEGINNING.findall(text)) == 1


@pytest.mark.parametrize("line", [f"[{STAMP}] SUBMIT_JOB: x", "Job ID: 31337", "SUBMIT_EVAL: x/y"])
def test_no_line_of_a_body_is_read_as_a_block(line: str) -> None:
    block = Block(
        "experiment",
        Action.EXPERIMENT_COMPLETE,
        "words",
        "x",
        "succeeded",
        body=("SUBMIT_EVAL: a/b", "x", line),
    )
    text = block.text(STAMP) + Block("experiment", Action.ERROR, "x", "x", "x", "5").text(STAMP)
    assert harvested(text) == []
    assert len(BEGINNING.findall(text)) == 2


def test_a_result_that_is_not_there_yet_is_said_to_be_looked_for_again() -> None:
    world = begun()
    judge(world, MISSING, final=False)
    (block,) = blocks_of(world, events.ResultAwaited)
    assert (block.log, block.action, block.subject) == ("optimization", "VERIFY_CHECKPOINTS", "rank4")
    assert block.result == "not to be seen yet, looked for again: epoch_0 is missing"


def test_an_unclear_result_names_the_two_commands_that_a_person_has() -> None:
    world = begun()
    judge(world, DOUBTFUL)
    verified, unclear = blocks_of(world, events.ResultUnclear)
    assert (verified.log, verified.action) == ("optimization", "VERIFY_CHECKPOINTS")
    assert verified.result.startswith("unclear: its steps can't be found; ")
    assert (unclear.log, unclear.action) == ("experiment", "UNCLEAR")
    for block in (verified, unclear):
        assert "`runexp accept words rank4`" in block.result
        assert "`runexp retry words rank4`" in block.result


def test_an_accepted_result_says_what_it_was() -> None:
    world = begun()
    judge(world, DOUBTFUL)
    world.see(AcceptWanted(experiment="e1", jobs=("rank4",)))
    (block,) = blocks_of(world, events.ResultAccepted)
    assert (block.log, block.action, block.subject) == ("experiment", "ACCEPT", "rank4")
    assert block.details == "UNCLEAR: its steps can't be found"


def test_jobs_that_the_scaffold_no_longer_has_are_named() -> None:
    world = begun()
    world.see(scaffold(("rank4",)))
    (block,) = blocks_of(world, events.JobsRetired)
    assert (block.log, block.action, block.subject) == ("experiment", "RETIRE", "words")
    assert block.result == "rank8, rank8/words/epoch0"


def test_to_go_on_after_a_decision_is_no_retry() -> None:
    world = begun()
    world.enter("e1", events.RetryAsked(jobs=()))
    assert list(blocks_of(world, events.RetryAsked)) == []


def test_the_summary_keeps_its_lines_and_its_columns() -> None:
    world = begun()
    for id in ("rank4", "rank8"):
        world.finish(id, GOOD)
    for id in ("base/words", "rank4/words/epoch0", "rank8/words/epoch0"):
        world.finish(id, SCORED)
    (block,) = blocks_of(world, events.ExperimentEnded)
    assert block.action == "EXPERIMENT_COMPLETE"
    lines = block.text(STAMP).splitlines()
    assert lines[2:5] == ["Result: succeeded", "", "## Run Experiment Complete"]
    bars = [
        tuple(at for at, character in enumerate(line) if character == "|")
        for line in lines
        if line[:1] == "|"
    ]
    scores, runs = 5, 4
    assert [bars.count(each) for each in dict.fromkeys(bars)] == [scores, runs]


def test_a_failed_training_is_an_error_of_the_experiment() -> None:
    world = begun()
    judge(world, BAD)
    missing, error = blocks_of(world, events.ResultRejected)
    assert (missing.log, missing.action) == ("optimization", "CHECKPOINT_MISSING")
    assert (error.log, error.action, error.result) == ("experiment", "ERROR", "epoch_1 is missing")


def test_what_a_job_had_of_its_gpus_is_a_block_as_the_scaffolders_own_log_has_it() -> None:
    seen = Resources(
        gpu_utilization_mean=83.0,
        gpu_utilization_peak=97.4,
        gpu_memory_mean_gib=20.14,
        gpu_memory_peak_gib=30.0,
        gpu_memory_gib=79.6,
        samples=12,
    )
    world = World()
    world.see(scaffold())
    world.finish("rank4", replace(GOOD, resources=seen))
    world.finish(
        "rank8",
        replace(BAD, resources=Resources(gpu_memory_mean_gib=1.0, gpu_memory_peak_gib=2.0, samples=3)),
    )
    said = text_of(world)["optimization"]
    assert "RESOURCE_STATUS: rank4\n" in said
    assert "Result: GPU Utilization: 83% (peak 97%) | GPU Memory: 20.1/79.6 GB (peak 30.0 GB)\n" in said
    assert "Result: GPU Memory: 1.0 GB (peak 2.0 GB)\n" in said


def test_each_concern_and_each_phase_has_its_actions() -> None:
    said = {each.value for each in Action}
    assert {f"HEALTH_{concern.upper()}" for concern in Concern} <= said
    assert {word for p in Phase for word in (f"RUN_{p.upper()}", f"{p.upper()}_COMPLETE")} <= said
