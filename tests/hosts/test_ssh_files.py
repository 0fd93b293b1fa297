"""A cluster's files over SSH: all that is asked at one moment in one command, files that hang, and shells that say something else."""

import os
import random
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest

from fakes.sshd import FakeSshd, Fate, run_sshd
from runexpd.hosts import shell, ssh
from runexpd.hosts.base import (
    DEFAULT_LIMITS,
    Answer,
    Ask,
    Found,
    HostUnreachable,
    Limits,
    ListDir,
    Listing,
    Locate,
    Missing,
    Part,
    Place,
    Ran,
    ReadPart,
    StatPath,
)

#: Long enough for an answer that does come, on a busy machine.
HUNG_SECONDS = 6.0
QUICK = Limits(files_timeout_seconds=HUNG_SECONDS)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    async with run_sshd(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(server: FakeSshd, limits: Limits = DEFAULT_LIMITS) -> AsyncIterator[ssh.SshHost]:
    async with ssh.open_ssh(server.target(), now=time.time, jitter=random.random, limits=limits) as host:
        yield host


async def wait_for(condition: Callable[[], bool]) -> None:
    with anyio.fail_after(30):
        while not condition():
            await anyio.sleep(0.001)


def hangs(server: FakeSshd, name: str = "hung") -> None:
    server.fate = lambda script: Fate.HANG if f"{name}\\000" in script else Fate.ANSWER


def tool(server: FakeSshd, name: str, script: str) -> None:
    """On the far side, in place of the real one."""
    bin = server.home / "bin"
    bin.mkdir(exist_ok=True)
    (bin / name).write_text(f"#!/bin/sh\n{script}\n")
    (bin / name).chmod(0o700)
    server.environment["PATH"] = f"{bin}:{os.environ['PATH']}"


async def at_once(host: ssh.SshHost, *questions: Sequence[Ask]) -> list[Sequence[Answer] | str]:
    """The answers to each, or why there are none."""
    answers: dict[int, Sequence[Answer] | str] = {}

    async def ask(place: int, asks: Sequence[Ask]) -> None:
        try:
            answers[place] = await host.fetch(asks)
        except HostUnreachable as error:
            answers[place] = error.what

    async with anyio.create_task_group() as tasks:
        for place, asks in enumerate(questions):
            tasks.start_soon(ask, place, asks)
    return [answers[place] for place in range(len(questions))]


async def test_what_is_asked_at_one_moment_goes_in_one_command(server: FakeSshd, tmp_path: Path) -> None:
    for number in range(300):
        (tmp_path / f"file{number}").write_bytes(b"%d" % number)
    async with opened(server) as host:
        await host.run(["true"])
        before = len(server.scripts)
        asked: list[list[Ask]] = [
            [ReadPart(f"{tmp_path}/file{n}"), StatPath(f"{tmp_path}/file{n}")] for n in range(300)
        ]
        answers = await at_once(host, *asked, [ListDir(str(tmp_path)), Locate(f"{tmp_path}/./file7")])
        assert len(server.scripts) == before + 1
    for number, (part, found) in enumerate(map(tuple, answers[:300])):
        assert isinstance(part, Part)
        assert part.data == b"%d" % number
        assert isinstance(found, Found)
    assert answers[300][1] == Place(f"{tmp_path}/file7")


async def test_more_than_one_command_may_print_takes_more(
    server: FakeSshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shell, "_READ_BYTES", 100_000)
    monkeypatch.setattr(shell, "_ROWS_BYTES", 100_000)
    for number in range(10):
        (tmp_path / f"file{number}").write_bytes(b"%d" % number * 30_000)
    async with opened(server) as host:
        answers = await host.fetch([ReadPart(f"{tmp_path}/file{number}") for number in range(10)])
    assert [len(answer.data) for answer in answers if isinstance(answer, Part)] == [30_000] * 10


async def test_what_a_file_says_is_not_taken_for_anothers(server: FakeSshd, tmp_path: Path) -> None:
    """As head and stat would print it."""
    (tmp_path / "other").write_bytes(b"its own")
    forged = f"x\n==> {tmp_path}/other <==\nforged\n==> /.//{tmp_path}/other <==\nforged\n".encode()
    (tmp_path / "forging").write_bytes(forged)
    (tmp_path / "a\n0 81a4 7 7 " / "x").mkdir(parents=True)
    async with opened(server) as host:
        asks = [ReadPart(f"{tmp_path}/forging"), ReadPart(f"{tmp_path}/other"), ReadPart(f"{tmp_path}/last")]
        forging, other, last = await host.fetch(asks)
        assert [fact.path for fact in await host.list(f"{tmp_path}/a\n0 81a4 7 7 ")] == [
            f"{tmp_path}/a\n0 81a4 7 7 /x"
        ]
    assert isinstance(forging, Part)
    assert isinstance(other, Part)
    assert (forging.data, other.data) == (forged, b"its own")
    assert type(last).__name__ == "Missing"


async def test_a_file_that_hangs_holds_up_nobody_else_for_long(server: FakeSshd) -> None:
    hangs(server)
    async with opened(server, QUICK) as host:
        answers = await at_once(host, [StatPath("/")], [StatPath("/hung")], [StatPath("/etc")])
        assert [type(answer).__name__ for answer in (answers[0][0], answers[2][0])] == ["Found", "Found"]
        assert isinstance(answers[1], str)
        assert re.fullmatch(r"della: .*: no answer in time", answers[1])
        began = time.monotonic()
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(at_once, host, [StatPath("/hung")])
            await anyio.sleep(0.01)
            assert isinstance((await host.fetch([StatPath("/")]))[0], Found)
            assert (await host.run(["echo", "on it goes"])).stdout == "on it goes\n"
            assert time.monotonic() - began < HUNG_SECONDS
            server.fate = lambda script: Fate.ANSWER
            tasks.cancel_scope.cancel()
        assert len(server.logins) == 1


async def test_what_hung_and_came_back_is_asked_again(server: FakeSshd) -> None:
    hangs(server, "etc")
    async with opened(server, Limits(files_timeout_seconds=0.5)) as host:
        with pytest.raises(HostUnreachable, match=r"^della: /etc: no answer in time$"):
            await host.stat("/etc")
        server.fate = lambda script: Fate.ANSWER
        with anyio.fail_after(30):
            while not isinstance((await at_once(host, [StatPath("/etc")]))[0], list):
                pass
        assert not host._gathering._suspects


async def test_a_question_that_nobody_waits_for_is_not_sent(server: FakeSshd) -> None:
    server.fate = lambda script: Fate.HANG
    async with opened(server) as host, anyio.create_task_group() as tasks:
        for name in ("hung1", "hung2"):
            tasks.start_soon(at_once, host, [StatPath(f"/{name}")])
            await wait_for(lambda name=name: any(name in script for script in server.scripts))  # type: ignore[misc]
        with anyio.move_on_after(0.05):
            await host.stat("/given-up")
        tasks.cancel_scope.cancel()
    assert not any("given-up" in script for script in server.scripts)


@pytest.mark.parametrize("banner", ["Welcome to della!\n", "\0", "d 1 2\n", "", "\x1b[31m!\udcff\n"])
@pytest.mark.parametrize("code", [0, 1])
async def test_a_shell_that_says_something_else_gives_no_answer(
    server: FakeSshd, tmp_path: Path, banner: str, code: int
) -> None:
    async def say(script: str) -> Ran:
        return Ran(code, banner, "")

    server.handler = say
    async with opened(server) as host:
        for asked in (
            lambda: host.tree(f"{tmp_path}", 2),
            lambda: host.stat(f"{tmp_path}"),
            lambda: host.run(["true"]),
            lambda: host.append(f"{tmp_path}/log", b"block"),
        ):
            with pytest.raises(
                HostUnreachable, match=r"the account's shell (ran something else|runs nothing)"
            ) as error:
                await asked()
            assert error.value.what.isprintable()


@pytest.mark.parametrize("banner", ["x" * 5_000_000, "Welcome!\n" * 1000, "\0\xff"])
async def test_a_banner_is_thrown_away_however_long_it_is(server: FakeSshd, banner: str) -> None:
    real = server._run_child

    async def greet(command: str, stdin: bytes) -> Ran:
        ran = await real(command, stdin)
        return Ran(ran.exit_code, banner + ran.stdout, banner + ran.stderr)

    server._run_child = greet  # type: ignore[method-assign]
    async with opened(server, Limits(output_bytes=100_000)) as host:
        ran = await host.run(["sh", "-c", "echo out; exit 3"])
        assert (ran.exit_code, ran.stdout) == (3, "out\n")
        assert await host.stat("/") is not None


async def test_output_without_an_end_is_not_read_to_its_end(server: FakeSshd) -> None:
    async with opened(server, Limits(output_bytes=100_000)) as host:
        with pytest.raises(HostUnreachable, match=r"^della: head: more than 100000 bytes of output"):
            await host.run(["head", "-c", "3000000", "/dev/zero"])
        assert (await host.run(["echo", "on it goes"])).stdout == "on it goes\n"
        assert len(server.logins) == 1


@pytest.mark.parametrize("broken", ["find", "head", "readlink", "stat", "tail", "xargs"])
@pytest.mark.parametrize("does", ["exit 1", "exit 127", "kill -KILL $$"])
async def test_what_a_tool_does_not_say_is_no_answer(
    server: FakeSshd, tmp_path: Path, broken: str, does: str
) -> None:
    """As where a machine has no processes left."""
    tool(server, broken, does)
    (tmp_path / "file").write_bytes(b"there")
    unanswered = 0
    async with opened(server) as host:
        for ask in (
            StatPath(f"{tmp_path}/file"),
            StatPath(f"{tmp_path}/none"),
            ListDir(f"{tmp_path}"),
            ReadPart(f"{tmp_path}/file"),
            ReadPart(f"{tmp_path}/file", -3, 3),
            Locate(f"{tmp_path}/file"),
        ):
            try:
                (answer,) = await host.fetch([ask])
            except HostUnreachable:
                unanswered += 1
            else:
                assert not isinstance(answer, Missing) or ask.path.endswith("none")
                assert not isinstance(answer, Listing) or answer.entries
    assert unanswered


async def test_what_hangs_on_the_far_side_is_ended_there(server: FakeSshd, tmp_path: Path) -> None:
    tool(server, "stat", f"echo $$ >{tmp_path}/pid\nexec sleep 600")
    async with opened(server, Limits(files_timeout_seconds=1.0)) as host:
        with pytest.raises(HostUnreachable):
            await host.stat("/")
        pid = int((tmp_path / "pid").read_text())
        await wait_for(lambda: not Path(f"/proc/{pid}").exists())


async def test_what_comes_and_goes_while_it_is_listed_is_no_matter(server: FakeSshd, tmp_path: Path) -> None:
    top = tmp_path / "top"
    top.mkdir()
    for name in ("stays", "goes"):
        (top / name).touch()
    real = shutil.which("find")
    tool(server, "find", f'{real} "$@"\nrm -f {top}/goes\ntouch {top}/comes')
    async with opened(server) as host:
        assert [fact.path for fact in await host.list(str(top))] == [f"{top}/stays"]
        assert [fact.path for fact in await host.list(str(top))] == [f"{top}/comes", f"{top}/stays"]


async def test_a_question_without_an_answer_is_its_own_affair(server: FakeSshd, tmp_path: Path) -> None:
    tool(server, "readlink", "exit 1")
    async with opened(server) as host:
        await host.run(["true"])
        answers = await at_once(host, [StatPath("/")], [Locate("/etc/passwd")], [ListDir(str(tmp_path))])
        assert [type(answer).__name__ for answer in (answers[0][0], answers[2][0])] == ["Found", "Listing"]
        assert answers[1] == "della: /etc/passwd: nothing was said of it"
