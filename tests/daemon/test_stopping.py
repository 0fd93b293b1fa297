"""SIGTERM ends the process, whatever hangs in it. Real processes, since none of this can be undone in one's own."""

import os
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path

import pytest

LIMIT_SECONDS = 40
BEGINNING = """
grace_seconds = 0.5
import os, re, sys, threading, time
import anyio
from runexpd import stopping

def ready():
    os.write(1, b"ready\\n")

def stuck():
    ready()
    open(sys.argv[1]).read()  # a FIFO that nobody writes to

async def until_stopped(*tasks):
    async with anyio.create_task_group() as group:
        for task in tasks:
            group.start_soon(task)
        await stopping.asked(grace_seconds)
        group.cancel_scope.cancel()
"""


class Script:
    def __init__(self, dir: Path) -> None:
        self.fifo = dir / "fifo"
        os.mkfifo(self.fifo)
        self.process: subprocess.Popen[str] | None = None
        self.said = ""

    def start(self, text: str) -> subprocess.Popen[str]:
        """Returns once it is where it should be stopped."""
        argv = [sys.executable, "-c", BEGINNING + textwrap.dedent(text), str(self.fifo)]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(argv, stdout=pipe, stderr=pipe, text=True)
        assert self.process.stdout is not None
        assert self.process.stdout.readline() == "ready\n"
        return self.process

    def stop(self, text: str, number: signal.Signals = signal.SIGTERM) -> tuple[int, str]:
        """Its exit code, and what it said."""
        process = self.start(text)
        process.send_signal(number)
        self.said, errors = process.communicate(timeout=LIMIT_SECONDS)
        return process.returncode, errors


@pytest.fixture
def script(tmp_path: Path) -> Iterator[Script]:
    script = Script(tmp_path)
    yield script
    if script.process is not None:
        with script.process:  # closes its pipes
            script.process.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_where_nothing_hangs_it_ends_without_a_word(script: Script, number: signal.Signals) -> None:
    stopped = script.stop(
        """
        async def said():
            ready()
            await anyio.sleep_forever()

        anyio.run(until_stopped, said)
        stopping.leave(0)
        """,
        number,
    )
    assert stopped == (0, "")


def test_a_worker_that_hangs_on_a_fifo_keeps_nobody(script: Script) -> None:
    code, said = script.stop(
        """
        async def hang():
            await anyio.to_thread.run_sync(stuck)

        anyio.run(until_stopped, hang)
        """
    )
    assert code == 0
    assert "something still hangs" in said
    assert len(said.splitlines()) == 1


def test_a_worker_that_was_abandoned_does_not_keep_the_end_waiting(script: Script) -> None:
    code, said = script.stop(
        """
        grace_seconds = 30  # of the two that would end it, only one is asked about

        async def hang():
            await anyio.to_thread.run_sync(stuck, abandon_on_cancel=True)

        anyio.run(until_stopped, hang)
        stopping.leave(0)
        """
    )
    assert code == 0
    assert "left without it" in said
    assert len(said.splitlines()) == 1


def test_the_interpreter_that_waits_for_a_thread_is_ended_too(script: Script) -> None:
    code, said = script.stop(
        """
        async def hang():
            threading.Thread(target=stuck).start()

        anyio.run(until_stopped, hang)
        """
    )
    assert code == 0
    assert "something still hangs" in said


def test_a_loop_that_is_busy_in_python_is_ended(script: Script) -> None:
    code, said = script.stop(
        """
        async def busy():
            ready()
            while True:
                pass

        anyio.run(until_stopped, busy)
        """
    )
    assert code == 0
    assert "something still hangs" in said


def test_a_loop_that_hangs_in_the_system_is_ended(script: Script) -> None:
    code, said = script.stop(
        """
        async def hang():
            stuck()

        anyio.run(until_stopped, hang)
        """
    )
    assert code == 0
    assert "something still hangs" in said


@pytest.mark.long
def test_a_regular_expression_that_lets_no_thread_run_is_ended(script: Script) -> None:
    code, said = script.stop(
        """
        async def match():
            ready()
            re.match(r"(a|aa)+$", "a" * 200 + "b")

        anyio.run(until_stopped, match)
        """
    )
    assert code == 1
    assert "in match" in said  # where it hung


def test_an_error_output_that_nobody_reads_keeps_nobody(script: Script) -> None:
    process = script.start(
        """
        async def say():
            ready()
            while True:
                os.write(2, b"x" * 4096)

        anyio.run(until_stopped, say)
        """
    )
    process.send_signal(signal.SIGTERM)
    assert process.wait(LIMIT_SECONDS) == 0


def test_a_terminal_that_closes_ends_it_and_begins_nothing_anew(script: Script) -> None:
    stopped = script.stop(
        """
        async def said():
            ready()
            await anyio.sleep_forever()

        async def until_asked():
            async with anyio.create_task_group() as group:
                group.start_soon(said)
                received = await stopping.asked(grace_seconds)
                group.cancel_scope.cancel()
            print(received.name, received is stopping.AGAIN)

        anyio.run(until_asked)
        stopping.leave(0)
        """,
        signal.SIGHUP,
    )
    assert stopped == (0, "")
    assert script.said == "SIGHUP False\n"


def test_being_asked_to_begin_again_before_anybody_listens_and_twice_ends_nothing(script: Script) -> None:
    process = script.start(
        """
        stopping.expect()
        os.kill(os.getpid(), stopping.AGAIN)
        ready()
        received = anyio.run(stopping.asked, grace_seconds)
        os.kill(os.getpid(), stopping.AGAIN)
        print(received is stopping.AGAIN, flush=True)
        os._exit(0)
        """
    )
    assert process.communicate(timeout=LIMIT_SECONDS) == ("True\n", "")
    assert process.returncode == 0
