"""Blocking calls that don't come back: nobody waits for them, and they never pile up. An event stands in for a hung file system."""

import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import anyio
import pytest

from runexpd.hosts.base import FileRefused, HostUnreachable, Limits, StatPath
from runexpd.hosts.local import LocalHost
from runexpd.hosts.threads import Threads

MOST = 3


@pytest.fixture
def threads() -> Threads:
    return Threads(MOST, "no answer: {count} hang")


@pytest.fixture
def hang() -> Iterator[threading.Event]:
    event = threading.Event()
    yield event
    event.set()


async def wait_for(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.001)


async def give_up(threads: Threads, hang: threading.Event) -> None:
    with pytest.raises(HostUnreachable, match=r"^/x: no answer in 0\.01 s$"):
        await threads.run("/x", hang.wait, 0.01)


async def test_what_it_returns_is_returned_and_what_it_raises_raised(threads: Threads) -> None:
    def refuse() -> None:
        raise FileRefused("no")

    assert await threads.run("/x", lambda: 7, 10) == 7
    with pytest.raises(FileRefused, match="no"):
        await threads.run("/x", refuse, 10)


async def test_it_runs_beside_the_loop(threads: Threads) -> None:
    assert await threads.run("/x", threading.get_ident, 10) != threading.get_ident()


async def test_a_time_out_that_the_call_itself_raises_is_its_own(threads: Threads) -> None:
    def time_out() -> None:
        raise TimeoutError("the call's own")

    with pytest.raises(TimeoutError, match="the call's own"):
        await threads.run("/x", time_out, 10)
    assert threads.given_up == 0


async def test_more_than_the_most_wait_for_each_other(threads: Threads) -> None:
    busy, peak, lock = 0, 0, threading.Lock()

    def work() -> None:
        nonlocal busy, peak
        with lock:
            busy += 1
            peak = max(peak, busy)
        threading.Event().wait(0.002)
        with lock:
            busy -= 1

    async with anyio.create_task_group() as tasks:
        for _ in range(20):
            tasks.start_soon(threads.run, "/x", work, 30)
    assert 1 <= peak <= MOST
    assert threads.given_up == 0


async def test_a_call_that_hangs_holds_up_no_other(threads: Threads, hang: threading.Event) -> None:
    for _ in range(MOST - 1):
        await give_up(threads, hang)
    assert threads.given_up == MOST - 1
    assert await threads.run("/y", lambda: "served", 10) == "served"


async def test_when_all_hang_the_next_is_refused_at_once_and_starts_nothing(
    threads: Threads, hang: threading.Event
) -> None:
    for _ in range(MOST):
        await give_up(threads, hang)
    before = threading.active_count()
    for _ in range(50):
        with pytest.raises(HostUnreachable, match=r"^/y: no answer: 3 hang$"):
            await threads.run("/y", lambda: None, 10_000)
    assert threading.active_count() <= before


async def test_when_they_return_all_is_as_before(threads: Threads, hang: threading.Event) -> None:
    for _ in range(MOST):
        await give_up(threads, hang)
    hang.set()
    await wait_for(lambda: threads.given_up == 0)
    for _ in range(3 * MOST):
        assert await threads.run("/y", lambda: "served", 10) == "served"


async def test_one_that_waits_for_its_turn_is_let_go_in_time_too(
    threads: Threads, hang: threading.Event
) -> None:
    async with anyio.create_task_group() as tasks:
        for _ in range(MOST):
            tasks.start_soon(threads.run, "/x", hang.wait, 10_000)
        await anyio.wait_all_tasks_blocked()
        with pytest.raises(HostUnreachable, match="no answer in"):
            await threads.run("/y", lambda: None, 0.01)
        assert threads.given_up == 0
        hang.set()


async def test_a_caller_that_is_cancelled_does_not_wait(threads: Threads, hang: threading.Event) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(threads.run, "/x", hang.wait, 10_000)
        await anyio.wait_all_tasks_blocked()
        tasks.cancel_scope.cancel()
    assert threads.given_up == 1
    hang.set()
    await wait_for(lambda: threads.given_up == 0)


async def test_no_thread_to_be_had_is_no_answer(threads: Threads, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    with monkeypatch.context() as patched:
        patched.setattr(threading.Thread, "start", fail)
        for _ in range(2 * MOST):
            with pytest.raises(HostUnreachable, match="can't start new thread"):
                await threads.run("/x", lambda: None, 10)
    assert await threads.run("/x", lambda: "served", 10) == "served"


def test_a_process_with_a_call_that_hangs_can_end() -> None:
    script = """
import threading, anyio
from runexpd.hosts.base import HostUnreachable
from runexpd.hosts.threads import Threads

async def main():
    try:
        await Threads(3, "").run("/x", threading.Event().wait, 0.01)
    except HostUnreachable:
        print("let go")

anyio.run(main)
"""
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, timeout=50, check=True, env=environment
    )
    assert done.stdout == b"let go\n"


async def test_a_file_system_that_hangs_holds_up_no_other_host(
    tmp_path: Path, hang: threading.Event, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.stat

    def stat(path: str, *rest: object, **more: object) -> os.stat_result:
        if str(path) == "/hung":
            hang.wait()
        return real(path)

    monkeypatch.setattr(os, "stat", stat)
    slow, other = LocalHost(limits=Limits(files_timeout_seconds=0.01)), LocalHost()
    for _ in range(16):
        with pytest.raises(HostUnreachable, match=r"^/hung: no answer in 0\.01 s$"):
            await slow.fetch([StatPath("/hung")])
    with pytest.raises(HostUnreachable, match="its file system gives no answer: 16 operations hang"):
        await slow.stat(f"{tmp_path}")
    assert (await slow.run(["echo", "commands run"])).stdout == "commands run\n"
    assert await other.stat(f"{tmp_path}") is not None
    hang.set()
    with anyio.fail_after(30):
        while True:
            try:
                assert await slow.stat("/") is not None
            except HostUnreachable:
                await anyio.sleep(0.001)
            else:
                break
