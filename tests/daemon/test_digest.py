"""The child that reads what comes from outside: what comes back of it, and that nothing else does."""

import gc
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from fakes.questions import (
    add,
    answer_of,
    crash,
    deep_answer,
    die,
    hold,
    leave,
    loaded,
    own_id,
    raise_bad,
    raise_odd,
    raise_unpicklable,
    raise_unsayable,
    recurse,
    sleep_long,
    spin,
    surroundings,
    talk,
    unpicklable_answer,
)
from runexpd.experiments.problems import BadExperiment
from runexpd.runtime import digest as digesting
from runexpd.runtime.digest import Indigestible, Lane, digest, warm


async def ended(process: int) -> None:
    stat = Path(f"/proc/{process}/stat")
    with anyio.fail_after(30):
        while stat.exists() and ") Z " not in stat.read_text():
            await anyio.sleep(0.01)


@pytest.fixture(autouse=True)
def no_child_of_others() -> None:
    """Children outlive a test: each begins with none."""
    digesting._end_idle()


async def test_an_answer_comes_back_and_the_child_is_asked_again() -> None:
    assert await digest(add, 2, 3) == 5
    first = await digest(own_id)
    assert first != os.getpid()
    assert await digest(own_id) == first


async def test_what_the_work_raises_comes_back_whole() -> None:
    first = await digest(own_id)
    with pytest.raises(BadExperiment) as raised:
        await digest(raise_bad)
    assert (raised.value.what, raised.value.where, raised.value.hint) == ("what", "where", "hint")
    assert await digest(own_id) == first


@pytest.mark.parametrize(
    ("work", "what"),
    [
        (raise_odd, r"ValueError: two lines\ud800"),
        (raise_unpicklable, "Unpicklable: it is bad"),
        (raise_unsayable, "Unsayable"),
        (leave, "SystemExit: 3"),
        (recurse, "RecursionError"),
        (unpicklable_answer, "pickle"),
        (deep_answer, "RecursionError"),
        (die, "the process that read it ended with code 7"),
        (crash, "the process that read it was ended by SIGSEGV"),
    ],
)
async def test_whatever_else_happens_is_one_line_and_the_next_is_read(work: object, what: str) -> None:
    with pytest.raises(Indigestible) as raised:
        await digest(work)  # type: ignore[arg-type]
    assert what in raised.value.what
    assert raised.value.what.isprintable()
    assert await digest(add, 1, 1) == 2


async def test_a_traceback_is_kept_for_the_log() -> None:
    with pytest.raises(Indigestible) as raised:
        await digest(raise_odd)
    assert "in raise_odd" in raised.value.trace


async def test_what_takes_too_long_is_ended() -> None:
    with pytest.raises(Indigestible, match=r"longer than 0\.5 s"):
        await digest(spin, seconds=0.5)
    assert await digest(add, 1, 1) == 2


@pytest.mark.long
async def test_processor_time_is_limited_also_when_nobody_looks_after_it() -> None:
    child = digesting._Child()
    child.begin()
    with pytest.raises(EOFError):  # nobody kills it here: the wall clock isn't watched
        await anyio.to_thread.run_sync(child.ask, (spin, (), ()), 1.0)
    assert child.end() == -signal.SIGXCPU


async def test_what_takes_too_much_memory_is_ended() -> None:
    with pytest.raises(Indigestible, match="too much memory"):
        await digest(hold, 4 * 1024**3)
    assert await digest(add, 1, 1) == 2


async def test_who_held_much_memory_is_not_asked_again() -> None:
    first = await digest(own_id)
    assert await digest(hold, 700 * 1024**2) == 700 * 1024**2
    assert await digest(own_id) != first


async def test_an_answer_is_not_larger_than_can_be_taken_in() -> None:
    assert len(await digest(answer_of, 60 * 1024**2)) == 60 * 1024**2
    with pytest.raises(Indigestible, match="larger than 64 MB"):
        await digest(answer_of, 65 * 1024**2)


async def test_a_large_question_is_answered() -> None:
    assert await digest(len, b"x" * 200 * 1024**2) == 200 * 1024**2


async def test_what_does_not_pickle_is_refused() -> None:
    with pytest.raises(Indigestible, match="can't be handed to a child process"):
        await digest(len, lambda: None)  # type: ignore[arg-type]
    assert await digest(add, 1, 1) == 2


async def test_nothing_that_the_work_says_or_asks_gets_in_between() -> None:
    assert await digest(talk) == ""
    assert await digest(add, 1, 1) == 2


async def test_cancelling_ends_the_child(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(digest, sleep_long, str(note))
            while not note.exists() or not note.read_text():
                await anyio.sleep(0.01)
            tasks.cancel_scope.cancel()
    with pytest.raises(ProcessLookupError):
        os.kill(int(note.read_text()), 0)


async def test_a_child_that_was_killed_while_idle_is_replaced() -> None:
    first = await digest(own_id)
    os.kill(first, signal.SIGKILL)
    await ended(first)
    assert await digest(own_id) != first


async def test_a_few_are_asked_at_a_time_and_the_others_wait() -> None:
    answers: set[int] = set()

    async def ask() -> None:
        answers.add(await digest(own_id))

    async with anyio.create_task_group() as tasks:
        for _ in range(10):
            tasks.start_soon(ask)
    assert answers
    assert len(digesting._idle) <= digesting.MOST_IDLE


async def test_the_child_stands_apart() -> None:
    """From the terminal's signals, and from what lies in the working directory."""
    assert await digest(surroundings) == ("/", False, True)


async def test_no_process_to_be_had_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: object, **options: object) -> None:
        raise OSError(24, "Too many open files")

    digesting._end_idle()
    monkeypatch.setattr(subprocess, "Popen", refuse)
    with pytest.raises(Indigestible, match="no process can be started to read it: Too many open files"):
        await digest(add, 1, 1)


async def test_the_child_ends_when_the_daemon_does() -> None:
    code = (
        "import anyio, os, signal\n"
        "from runexpd.runtime.digest import digest\n"
        "async def main():\n"
        "    print(await digest(os.getpid), flush=True)\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
        "anyio.run(main)\n"
    )
    done = await anyio.run_process([sys.executable, "-c", code], check=False)
    await ended(int(done.stdout))


async def test_one_child_is_enough_for_what_is_soon_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(digesting, "_BUSY_SECONDS", 30)
    answers: set[int] = set()

    async def ask() -> None:
        answers.add(await digest(own_id))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(warm)  # who is about to be ready is waited for, too
        await anyio.lowlevel.checkpoint()
        for _ in range(3):
            tasks.start_soon(ask)
    assert len(answers) == 1


async def test_a_child_that_is_busy_for_long_holds_nobody_up(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    with anyio.fail_after(30):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(digest, sleep_long, str(note))
            while not note.exists():
                await anyio.sleep(0.01)
            assert await digest(add, 1, 1) == 2
            tasks.cancel_scope.cancel()


async def test_while_outputs_are_looked_into_a_child_waits_for_verdicts_with_all_it_needs(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(digesting, "_SOON_SECONDS", 0)
    await warm()
    assert len(digesting._idle) == 1
    async with anyio.create_task_group() as tasks:
        for _ in range(3):  # one is started, however often it is said
            tasks.start_soon(digesting.spare)
        await digest(time.sleep, 0.1, lane=Lane.LOOKING)
    assert len(digesting._idle) == 2
    assert {"omegaconf", "runexpd.runtime.understand"} <= await digest(loaded)
    assert await digest(gc.get_freeze_count) > 10_000, (
        "what was imported isn't looked through after each question"
    )
    idle = list(digesting._idle)
    await digesting.spare()
    assert digesting._idle == idle
