"""Tools' questions are put together, and whatever a tool does is one job's affair."""

from collections.abc import Callable
from typing import Any

import pytest
from msgspec.structs import replace

from fakes.builders import training
from fakes.world import MemoryHost
from runexp.text import printable
from runexp.wire.jobs import Finding, JobSpec, Progress
from runexpd.hosts.base import HostUnreachable, ListDir, ReadPart, StatPath
from runexpd.hosts.local import LocalHost
from runexpd.runtime import inspector
from runexpd.runtime.digest import Indigestible
from runexpd.runtime.inspector import JUDGING, SHOWING, Look, look_at, progress
from runexpd.tools.base import Attempt, Tool
from runtime import odd_tools
from runtime.odd_tools import UNFIT, OddTool

ATTEMPT = Attempt(slurm_job_id="7", state="COMPLETED", output="/exp/slurm-7.out")


def job(id: str, tool: str) -> JobSpec:
    return replace(training(id), tool=tool)


def tools(**questions: Callable[[str], Any]) -> dict[str, Tool]:
    return {name: OddTool(name, question) for name, question in questions.items()}


def look(id: str, tool: str) -> Look:
    return Look(job(id, tool), ATTEMPT)


async def test_what_many_ask_at_one_moment_is_fetched_at_once() -> None:
    host = MemoryHost({f"/{n}": b"ab" for n in range(50)})
    known = tools(reading=odd_tools.reading, at_once=odd_tools.at_once)
    looks = [look(str(n), "reading" if n % 2 else "at_once") for n in range(50)]
    seen = await look_at(known, host, looks)
    # At first with the table of its GPUs, each.
    assert [len(asks) for asks in host.rounds] == [50, 25, 25]
    assert [s.verdict.detail for s in seen] == ["Found ab" if n % 2 else str(n) for n in range(50)]


async def test_more_than_are_looked_at_together_are_looked_at_in_turn(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspector, "JUDGING", replace(JUDGING, together=2))
    host = MemoryHost()
    seen = await look_at(tools(reading=odd_tools.reading), host, [look(str(n), "reading") for n in range(3)])
    assert [len(asks) for asks in host.rounds] == [4, 2, 2, 2, 1, 1]
    assert [s.verdict.detail for s in seen] == ["Missing ??"] * 3


async def test_nothing_to_look_at_asks_nothing() -> None:
    host = MemoryHost()
    assert await look_at({}, host, []) == []
    assert host.rounds == []


async def test_a_host_out_of_reach_is_the_callers_affair() -> None:
    host = MemoryHost()
    host.unreachable = "no link"
    with pytest.raises(HostUnreachable):
        await look_at(tools(reading=odd_tools.reading), host, [look("a", "reading")])


async def test_a_tool_that_is_not_installed_is_said_so_and_the_others_are_judged() -> None:
    known = tools(at_once=odd_tools.at_once, other=odd_tools.at_once)
    missing, other = await look_at(known, MemoryHost(), [look("a", "gone"), look("b", "at_once")])
    assert (missing.verdict.finding, missing.in_vain) == (Finding.UNCLEAR, True)
    assert missing.verdict.detail == "the tool gone is not installed here; known: at_once, other"
    assert other.verdict.detail == "b"


@pytest.mark.parametrize(("question", "what"), UNFIT.values(), ids=UNFIT.keys())
async def test_a_tool_that_is_unfit_makes_one_verdict_unclear_and_the_others_are_judged(
    question: Callable[[str], Any], what: str
) -> None:
    known = tools(unfit=question, reading=odd_tools.reading)
    looks = [look("a", "reading"), look("b", "unfit"), look("c", "reading")]
    before, unfit, after = await look_at(known, MemoryHost({"/a": b"ab", "/c": b"cd"}), looks)
    assert unfit.verdict.finding is Finding.UNCLEAR
    assert unfit.verdict.failure is None
    assert what in unfit.verdict.detail
    assert unfit.verdict.detail == printable(unfit.verdict.detail)
    assert unfit.verdict.detail.startswith("the unfit module could not judge it: ")
    assert (before.verdict.detail, after.verdict.detail) == ("Found ab", "Found cd")


async def test_what_a_tool_gets_wrong_it_would_get_wrong_again() -> None:
    known = tools(raising=odd_tools.raising, endless=odd_tools.asking_for_ever)
    host = MemoryHost()
    seen = await look_at(known, host, [look("a", "raising"), look("b", "endless")])
    assert [s.in_vain for s in seen] == [True, True]
    assert len(host.rounds) == JUDGING.most_rounds


async def test_a_tool_that_cannot_be_handed_over_is_tried_apart_from_the_others() -> None:
    known: dict[str, Tool] = {
        **tools(at_once=odd_tools.at_once),
        "here": OddTool("here", lambda job: odd_tools.at_once(job)),
    }
    here, other = await look_at(known, MemoryHost(), [look("a", "here"), look("b", "at_once")])
    assert "can't be handed to a child process" in here.verdict.detail
    assert other.verdict.detail == "b"


async def test_one_that_takes_too_long_is_tried_apart_from_the_others_and_may_be_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(inspector, "JUDGING", replace(JUDGING, seconds=0.5, alone_seconds=2.0))
    known = tools(spinning=odd_tools.spinning, at_once=odd_tools.at_once)
    spun, other = await look_at(known, MemoryHost(), [look("a", "spinning"), look("b", "at_once")])
    assert spun.verdict.finding is Finding.UNCLEAR
    assert not spun.in_vain
    assert other.verdict.detail == "b"


async def test_odd_texts_and_many_of_them_are_made_fit_to_be_stored() -> None:
    (seen,) = await look_at(tools(odd=odd_tools.odd_texts), MemoryHost(), [look("a", "odd")])
    assert seen.verdict.finding is Finding.GOOD
    assert seen.verdict.detail == r"\ud800"
    assert seen.verdict.artifacts == (r"/exp/\xff", "two lines")
    assert seen.verdict.warnings == (r"\x00",) * 200


NONSENSE = (
    ReadPart("/etc/\0passwd"),
    StatPath(""),
    ListDir("relative"),
    ReadPart("/etc/hostname", 10**18, 5),
    StatPath("/" + "x" * 5000),
    ReadPart("/", 0, 1),
    ListDir("/\udcff"),
)


def nonsense(job: str) -> Any:
    return odd_tools.asking_for(*NONSENSE)


async def test_paths_that_no_machine_has_are_answered_and_hurt_no_other() -> None:
    """Each answer is its own: the host of this machine is asked."""
    known = tools(nonsense=nonsense, reading=odd_tools.reading)
    odd, other = await look_at(known, LocalHost(), [look("a", "nonsense"), look("nowhere", "reading")])
    assert odd.verdict.finding is Finding.GOOD, odd.verdict.detail
    assert len(odd.verdict.detail.split()) == len(NONSENSE)
    assert other.verdict.detail == "Missing ??"


async def test_progress_is_made_fit_to_be_shown() -> None:
    (tool,) = tools(counting=odd_tools.counting).values()
    host = MemoryHost({"/a": b"12345"})
    made = await progress(tool, host, job("a", "counting"), ATTEMPT)
    assert made == Progress(done=5, unit=r"steps\ud800")
    assert await progress(tool, host, job("b", "counting"), ATTEMPT) is None
    (tool,) = tools(nothing=odd_tools.nothing_yet).values()
    assert await progress(tool, host, job("a", "nothing"), ATTEMPT) is None


@pytest.mark.parametrize(
    "question",
    [
        odd_tools.raising,
        odd_tools.a_text,
        odd_tools.asking_for_ever,
        odd_tools.asking_endlessly,
        odd_tools.asking_nonsense,
        odd_tools.not_a_question,
        odd_tools.leaving,
        odd_tools.hoarding,
    ],
)
async def test_progress_of_a_tool_that_is_unfit_is_one_error(question: Callable[[str], Any]) -> None:
    (tool,) = tools(unfit=question).values()
    with pytest.raises(Indigestible):
        await progress(tool, MemoryHost(), job("a", "unfit"), ATTEMPT)


async def test_progress_that_takes_too_long_is_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inspector, "SHOWING", replace(SHOWING, alone_seconds=0.5))
    (tool,) = tools(sleeping=odd_tools.sleeping).values()
    with pytest.raises(Indigestible, match="longer than"):
        await progress(tool, MemoryHost(), job("a", "sleeping"), ATTEMPT)


async def test_progress_of_a_host_out_of_reach_is_the_callers_affair() -> None:
    host = MemoryHost()
    host.unreachable = "no link"
    (tool,) = tools(counting=odd_tools.counting).values()
    with pytest.raises(HostUnreachable):
        await progress(tool, host, job("a", "counting"), ATTEMPT)
