"""Logging in: parked where a person is needed, prompts relayed, secrets never shown."""

import logging
import random
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import asyncssh
import pytest

from fakes.sshd import FakeSshd, Question, run_sshd
from runexpd.hosts import link, ssh, ssh_link, ssh_target
from runexpd.hosts.base import HostUnreachable

PASSWORD = "correct-horse-battery"
CODE = "passcode-424242"
PACE = ssh_link.Pace(floor_seconds=0.01)
TWO_PROMPTS = (
    Question("Della", "Use your phone.", (("Password: ", False), ("Code: ", True)), (PASSWORD, CODE)),
)
TWO_ROUNDS = (
    Question("Della", "", (("Password: ", False),), (PASSWORD,)),
    Question("Duo", "Passcode or option (1-3): ", (("Code: ", True),), (CODE,)),
)


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    async with run_sshd(tmp_path) as server:
        yield server


@asynccontextmanager
async def opened(target: ssh_target.SshTarget) -> AsyncIterator[ssh.SshHost]:
    async with ssh.open_ssh(target, now=time.time, jitter=random.random, pace=PACE) as host:
        yield host


class Person:
    """Answers every prompt by its text, and remembers what was asked."""

    def __init__(self, **answers: str) -> None:
        self.answers = answers
        self.asked: list[link.Prompts] = []

    async def __call__(self, prompts: link.Prompts) -> Sequence[str] | None:
        self.asked.append(prompts)
        return [self._answer(prompt.text) for prompt in prompts.prompts]

    def _answer(self, text: str) -> str:
        return next(answer for word, answer in self.answers.items() if word in text.lower())


async def ask(host: ssh.SshHost) -> str:
    """What a caller is told."""
    with pytest.raises(HostUnreachable) as told, anyio.fail_after(5):
        await host.run(["true"])
    return told.value.what


@pytest.mark.parametrize("questions", [TWO_PROMPTS, TWO_ROUNDS])
async def test_a_server_that_asks_questions_parks_the_link(
    server: FakeSshd, questions: tuple[Question, ...]
) -> None:
    server.accepts_key, server.questions = False, questions
    async with opened(server.target()) as host:
        for _ in range(5):
            assert await ask(host) == (
                "della: login needed: 127.0.0.1 asks for keyboard-interactive; log in with: runexp login della"
            )
        assert isinstance(host.link.status, link.LoginNeeded)
        assert len(server.logins) == 1


@pytest.mark.parametrize(
    ("questions", "asked"),
    [
        (
            TWO_PROMPTS,
            [
                link.Prompts(
                    "Della",
                    "Use your phone.",
                    (link.Prompt("Password: ", False), link.Prompt("Code: ", True)),
                )
            ],
        ),
        (
            TWO_ROUNDS,
            [
                link.Prompts("Della", "", (link.Prompt("Password: ", False),)),
                link.Prompts("Duo", "Passcode or option (1-3): ", (link.Prompt("Code: ", True),)),
            ],
        ),
    ],
)
async def test_a_person_answers_and_the_connection_is_held(
    server: FakeSshd, questions: tuple[Question, ...], asked: list[link.Prompts]
) -> None:
    server.accepts_key, server.questions = False, questions
    person = Person(password=PASSWORD, code=CODE)
    async with opened(server.target()) as host:
        await ask(host)
        await host.link.login(person)
        assert person.asked == asked
        assert (await host.run(["echo", "in"])).stdout == "in\n"
        await host.link.login(person)
        assert (person.asked, len(server.logins)) == (asked, 2)


async def test_wrong_answers_are_asked_again_a_few_times(server: FakeSshd) -> None:
    server.accepts_key, server.questions = False, TWO_PROMPTS
    person = Person(password="wrong", code=CODE)
    async with opened(server.target()) as host:
        with pytest.raises(HostUnreachable, match="login needed"):
            await host.link.login(person)
        assert len(person.asked) == 3
        assert isinstance(host.link.status, link.LoginNeeded)
        person.answers["password"] = PASSWORD
        await host.link.login(person)
        assert (await host.run(["true"])).exit_code == 0


async def test_a_person_may_give_up(server: FakeSshd) -> None:
    server.accepts_key, server.questions, server.password = False, TWO_PROMPTS, PASSWORD
    asked: list[link.Prompts] = []

    async def give_up(prompts: link.Prompts) -> None:
        asked.append(prompts)

    async with opened(server.target()) as host:
        with pytest.raises(HostUnreachable, match="login needed"):
            await host.link.login(give_up)
        assert len(asked) == 1


async def test_a_person_may_be_lost(server: FakeSshd) -> None:
    server.accepts_key, server.questions = False, TWO_PROMPTS

    async def vanish(prompts: link.Prompts) -> None:
        raise ConnectionAbortedError("the terminal is gone")

    async with opened(server.target()) as host:
        await ask(host)
        with pytest.raises(HostUnreachable, match="the terminal is gone"):
            await host.link.login(vanish)
        assert isinstance(host.link.status, link.LoginNeeded)
        await host.link.login(Person(password=PASSWORD, code=CODE))


async def test_a_login_that_finds_nobody_leaves_the_link_parked(server: FakeSshd) -> None:
    server.accepts_key, server.questions = False, TWO_PROMPTS
    async with opened(server.target()) as host:
        await ask(host)
        await server.stop_listening()
        with pytest.raises(HostUnreachable, match="Connect call failed"):
            await host.link.login(Person())
        assert isinstance(host.link.status, link.LoginNeeded)


async def test_a_login_that_is_cancelled_leaves_the_link_parked(server: FakeSshd) -> None:
    server.accepts_key, server.questions = False, TWO_PROMPTS

    thinking = anyio.CancelScope()

    async def think(prompts: link.Prompts) -> None:
        thinking.cancel()
        await anyio.sleep_forever()

    async with opened(server.target()) as host:
        await ask(host)
        with thinking:
            await host.link.login(think)
        assert "login needed" in await ask(host)
        assert len(server.logins) == 2


async def test_others_are_not_held_up_while_a_person_types(server: FakeSshd) -> None:
    server.accepts_key, server.questions = False, TWO_PROMPTS
    typed, asked = anyio.Event(), anyio.Event()

    async def think(prompts: link.Prompts) -> Sequence[str]:
        asked.set()
        await typed.wait()
        return [PASSWORD, CODE]

    async with opened(server.target()) as host, anyio.create_task_group() as tasks:
        await ask(host)
        tasks.start_soon(host.link.login, think)
        await asked.wait()
        assert "login needed" in await ask(host)
        typed.set()
    assert len(server.logins) == 2


async def test_a_password_is_asked_for_where_the_server_wants_one(server: FakeSshd) -> None:
    server.accepts_key, server.password = False, PASSWORD
    person = Person(password=PASSWORD)
    async with opened(server.target()) as host:
        assert "127.0.0.1 asks for password" in await ask(host)
        await host.link.login(person)
        assert person.asked == [link.Prompts("", "", (link.Prompt("alice@127.0.0.1's password: ", False),))]
        assert (await host.run(["true"])).exit_code == 0


async def test_a_locked_key_needs_its_passphrase(server: FakeSshd) -> None:
    key = asyncssh.read_private_key(server.identity)
    key.write_private_key(server.identity, format_name="pkcs8-pem", passphrase=PASSWORD)
    answers = ["wrong", PASSWORD]

    async def person(prompts: link.Prompts) -> Sequence[str]:
        assert prompts.prompts == (link.Prompt(f"Passphrase for {server.identity}: ", False),)
        return [answers.pop(0)]

    async with opened(server.target()) as host:
        assert f"the passphrase of {server.identity}" in await ask(host)
        await host.link.login(person)
        assert answers == []
        assert (await host.run(["true"])).exit_code == 0


async def test_nothing_typed_is_shown_or_logged(server: FakeSshd, caplog: pytest.LogCaptureFixture) -> None:
    server.accepts_key, server.questions = False, TWO_PROMPTS
    async with opened(server.target()) as host:
        asyncssh.set_log_level("DEBUG")
        asyncssh.set_debug_level(2)
        with caplog.at_level(logging.DEBUG):
            await ask(host)
            with pytest.raises(HostUnreachable):
                await host.link.login(Person(password=PASSWORD, code="not-" + CODE))
            shown = repr(host.link.status) + host.link.trouble()
            await host.link.login(Person(password=PASSWORD, code=CODE))
        asyncssh.set_debug_level(1)
        shown += repr(host.link.status) + repr(vars(host.link)) + caplog.text
    assert "keyboard-interactive" in shown
    assert PASSWORD not in shown
    assert CODE not in shown


async def test_asyncssh_keeps_quiet(server: FakeSshd, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        async with opened(server.target()) as host:
            await host.run(["true"])
            await host.stat("/")
    assert [record for record in caplog.records if record.name.startswith("asyncssh")] == []


async def test_no_permission_is_refused_and_not_tried_again_soon(server: FakeSshd) -> None:
    server.accepts_key = False
    async with opened(server.target()) as host:
        for _ in range(5):
            assert "no key of yours was accepted" in await ask(host)
        assert len(server.logins) == 1
        server.accepts_key = True
        await host.link.login(Person())
        assert (await host.run(["true"])).exit_code == 0


async def test_an_identity_that_does_not_exist_is_said(server: FakeSshd) -> None:
    async with opened(server.target(identity="~/no-such-key")) as host:
        assert "there is no identity file ~/no-such-key" in await ask(host)
