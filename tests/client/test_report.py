"""The combined summary, and its words."""

import re
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from fakes.daemon import job, report
from runexp.report import utilization
from runexp.reporting import content, plain
from runexp.ui import describe
from runexp.wire import events
from runexp.wire.jobs import Failure, Score, Usage
from runexp.wire.states import Outcome, Phase, Stage
from runexp.wire.views import Report

GIB = 1 << 30


def text(found: Report) -> str:
    return plain.text(content.of(found))


def markdown(found: Report) -> str:
    return plain.markdown(content.of(found))


@pytest.mark.parametrize(
    ("usage", "words"),
    [
        (Usage(), "1 min 12 s"),
        (Usage(time_limit_seconds=1800.0, cpus=1), "1 min 12 s of 30 min 00 s (4%), 1 CPU"),
        (
            Usage(cpus=4, gpus=2, cpu_seconds=144.0, memory_bytes=8 * GIB, peak_memory_bytes=2 * GIB),
            "1 min 12 s, 2 GPUs, 4 CPUs (50%), memory 2.0 GiB of 8.0 GiB (25%)",
        ),
        (
            Usage(gpus=0, cpus=2, cpu_seconds=0.0, peak_memory_bytes=12 << 20),
            "1 min 12 s, 2 CPUs (0%), memory 12 MiB",
        ),
    ],
)
def test_utilization_says_what_is_known(usage: Usage, words: str) -> None:
    assert utilization(72.0, usage) == words


def test_a_job_of_no_time_has_no_share_of_its_cpus() -> None:
    assert utilization(0.0, Usage(cpus=1, cpu_seconds=0.1)) == "0 s, 1 CPU"


HOSTILE = ["two\nlines", "a|b", "a\\|b", "x\u2028y", "x\x85y", "\x1b[2Jx", "\u202ex", "x\r\n| forged | row |"]


@pytest.mark.parametrize("name", HOSTILE, ids=ascii)
def test_no_name_breaks_a_table(name: str) -> None:
    scored = [
        job(
            f"{run}/words",
            phase=Phase.EVALUATION,
            run=run,
            stage=Stage.VERIFIED,
            scores=(Score(name, name, 0.5),),
        )
        for run in (name, "rank8")
    ]
    found = report(Outcome.SUCCEEDED, *scored)
    rows = [line for line in markdown(found).splitlines() if line.startswith("|")]
    assert len(rows) == 4
    assert {len(row) for row in rows} == {len(rows[0])}
    for row in rows:
        # As GitHub reads them: what an odd number of backslashes stands before is no border.
        assert len(re.findall(r"(?<!\\)(?:\\\\)*\|", row)) == 4


@pytest.mark.parametrize("words", HOSTILE, ids=ascii)
@pytest.mark.parametrize("form", [text, markdown])
def test_what_a_job_printed_makes_no_line_of_its_own(words: str, form: Callable[[Report], str]) -> None:
    def lines(said: str) -> list[str]:
        broken = job("rank8", stage=Stage.FAILED, detail=said, failure=Failure(said, said), warnings=(said,))
        return form(
            replace(report(Outcome.FAILED, broken), warnings=(said,), next_steps=(said,))
        ).splitlines()

    assert len(lines(words)) == len(lines("words"))
    assert all(line.isprintable() for line in lines(words))


def test_what_needs_a_decision_is_listed_with_the_ways_out() -> None:
    detail = "its steps can't be found; `runexp accept words rank8` takes it as it is"
    doubtful = job("rank8", stage=Stage.IN_DOUBT, state="UNCLEAR", detail=detail)
    lines = text(report(None, doubtful)).splitlines()
    at = lines.index("Unclear runs:")
    assert lines[at + 1] == f"- rank8: needs a decision: {detail}"
    assert "Open runs:" not in lines
    assert "Failed runs:" not in lines


@pytest.mark.parametrize("stage", [Stage.QUEUED, Stage.ENDED, Stage.SUBMITTING])
def test_what_is_being_cancelled_is_open(stage: Stage) -> None:
    lines = text(report(None, job("rank8", stage=stage, state="CANCELLING"))).splitlines()
    assert lines[lines.index("Open runs:") + 1] == "- rank8: CANCELLING"


def test_what_the_scaffold_no_longer_has_is_listed_apart() -> None:
    gone = job("rank16", stage=Stage.VERIFIED, state="VERIFIED", detail="1 epoch", retired=True)
    found = replace(report(Outcome.SUCCEEDED, job("rank8", stage=Stage.VERIFIED)), retired=(gone,))
    lines = markdown(found).splitlines()
    assert lines[lines.index("### No longer in the scaffold") + 1] == "- rank16: VERIFIED (1 epoch)"
    assert sum("rank16" in line for line in lines) == 1
    assert "### No longer in the scaffold" not in markdown(replace(found, retired=()))


@pytest.mark.parametrize("stage", list(Stage))
def test_every_job_is_listed_once(stage: Stage) -> None:
    lines = text(report(None, job("rank8", stage=stage))).splitlines()
    assert sum(line.startswith("- rank8: ") for line in lines) == 1


@pytest.mark.parametrize(
    ("event", "words"),
    [
        (events.JobsRetired(jobs=("rank8", "rank8/words")), "no longer in the scaffold: rank8, rank8/words"),
        (events.RetryAsked(jobs=("rank8",)), "retry asked: rank8"),
        (events.RetryAsked(jobs=()), "goes on"),
        (
            events.ResultAwaited(job="rank8", token="t", detail="epoch_0 is missing"),
            "not to be seen yet, looked for again: epoch_0 is missing",
        ),
        (
            events.ResultUnclear(job="rank8", token="t", detail="no steps", warnings=("old",)),
            "UNCLEAR, needs a decision: no steps; warning: old",
        ),
        (events.ResultAccepted(job="rank8"), "accepted: its results are taken as they are"),
    ],
)
def test_events_are_told_in_a_line(event: events.Event, words: str) -> None:
    assert describe.words(event)[1] == words
