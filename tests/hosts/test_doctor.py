"""What doctor says of a connection, and of the shell at its other end."""

import os
import random
import shutil
import time
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fakes.sshd import FakeSshd, Question, run_sshd
from runexp.wire.views import Check, Verdict
from runexpd.hosts import ssh, ssh_doctor
from runexpd.hosts.base import Ran

CHECKS = ["login", "host key", "shell", "commands", "files", "round trip", "MaxSessions"]


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    async with run_sshd(tmp_path) as server:
        yield server


async def examined(server: FakeSshd) -> dict[str, Check]:
    async with ssh.open_ssh(server.target(), now=time.time, jitter=random.random) as host:
        checks = await ssh_doctor.examine(host)
    assert all(check.found.isprintable() and check.hint.isprintable() for check in checks)
    return {check.name: check for check in checks}


async def test_where_all_is_well_nothing_need_be_done(server: FakeSshd) -> None:
    found = await examined(server)
    assert list(found) == CHECKS
    assert {check.verdict for check in found.values()} == {Verdict.OK}
    assert "a barrier takes about 1." in found["round trip"].found


@pytest.mark.parametrize(
    ("banner", "verdict"), [("Welcome\x1b[31m to della!\n", Verdict.OK), ("x" * 20_000, Verdict.WARNING)]
)
async def test_a_shell_that_greets_is_heard(server: FakeSshd, banner: str, verdict: Verdict) -> None:
    real = server._run_child

    async def greet(command: str, stdin: bytes) -> Ran:
        ran = await real(command, stdin)
        return Ran(ran.exit_code, banner + ran.stdout, ran.stderr)

    server._run_child = greet  # type: ignore[method-assign]
    found = await examined(server)
    assert found["shell"].verdict is verdict
    assert "of its own before a command" in found["shell"].found
    assert found["commands"].verdict is found["files"].verdict is Verdict.OK


async def test_a_shell_that_greets_much_is_heard_in_a_session_that_was_opened_ahead(server: FakeSshd) -> None:
    server.greeting = b"x" * 100_000
    async with ssh.open_ssh(server.target(), now=time.time, jitter=random.random) as host:
        for _ in range(2):
            (shell,) = [c for c in await ssh_doctor.examine(host) if c.name == "shell"]
            assert shell.verdict is Verdict.WARNING
            assert "or more of its own before a command" in shell.found


async def test_a_shell_that_runs_something_else_is_said(server: FakeSshd) -> None:
    async def refuse(script: str) -> Ran:
        return Ran(1, "This account is for git only.\n", "")

    server.handler = refuse
    found = await examined(server)
    assert found["commands"].verdict is Verdict.BAD
    assert "This account is for git only." in found["commands"].found


async def test_a_command_that_nothing_came_back_of_says_nothing_of_the_shell(server: FakeSshd) -> None:
    async def vanish(script: str) -> Ran:
        return Ran(255, "", "")

    server.handler = vanish
    found = (await examined(server))["commands"]
    assert found.verdict is Verdict.BAD
    assert found.found == "nothing came back: the connection has gone, or the account's shell runs nothing"


async def test_a_machine_without_the_tools_is_said(server: FakeSshd, tmp_path: Path) -> None:
    bin = tmp_path / "bin"
    bin.mkdir()
    for name in (
        "sh",
        "cat",
        "printf",
        "true",
        "timeout",
        "env",
        "xargs",
        "stat",
        "head",
        "tail",
        "readlink",
    ):
        os.symlink(shutil.which(name) or "/nowhere", bin / name)
    server.environment["PATH"] = str(bin)
    found = await examined(server)
    assert found["files"].verdict is Verdict.BAD
    assert "find: not found" in found["files"].found


@pytest.mark.parametrize(
    ("most", "verdict", "words"),
    [(2, Verdict.WARNING, "no more than 2 at a time"), (3, Verdict.OK, "room for 3 sessions")],
)
async def test_room_for_few_sessions_is_said(
    server: FakeSshd, most: int, verdict: Verdict, words: str
) -> None:
    server.most_sessions = most
    found = await examined(server)
    assert found["MaxSessions"].verdict is verdict
    assert words in found["MaxSessions"].found


async def test_without_a_connection_nothing_else_is_looked_at(server: FakeSshd) -> None:
    server.accepts_key = False
    assert list(await examined(server)) == ["login"]


async def test_a_server_that_wants_a_person_gets_one(server: FakeSshd) -> None:
    server.accepts_key, server.questions = False, (Question("Duo", "", (("Code: ", True),), ("42",)),)
    found = await examined(server)
    assert list(found) == ["login"]
    assert "`runexp login della`" in found["login"].hint
