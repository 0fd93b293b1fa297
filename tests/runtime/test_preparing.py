"""What is run before the evaluations: begun once by whoever asks first, seen to its end, whatever becomes of who asked."""

import contextlib
import os
import shutil
import signal
import socket
from pathlib import Path

import anyio
import pytest

from runexpd.core.commands import EndPreparation, Prepare
from runexpd.core.observations import PreparationSaid
from runexpd.hosts.base import HostUnreachable, Ran
from runexpd.hosts.local import LocalHost
from runexpd.runtime import preparing

SLEEP = shutil.which("sleep")


@pytest.fixture
def host(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> LocalHost:
    """One whose login shell says nothing of its own, whoever runs the tests."""
    monkeypatch.setenv("HOME", str(tmp_path_factory.mktemp("home")))
    return LocalHost()


def command(tmp_path: Path, text: str, number: int = 1) -> Prepare:
    room = tmp_path / "logs" / "before-evaluations" / f"e1-{number}"
    return Prepare("local", "e1", str(tmp_path), str(room), text, number)


async def test_it_runs_in_the_experiments_directory_and_tells_how_it_ended(
    host: LocalHost, tmp_path: Path
) -> None:
    asked = command(tmp_path, "pwd; echo 'CACHE_BUILT: words.json'; exit 3")
    said = await preparing.see_through(host, asked)
    assert said == PreparationSaid(
        experiment="e1", number=1, exit_code=3, said=(str(tmp_path), "CACHE_BUILT: words.json")
    )
    assert (Path(asked.room) / "output.log").read_text().startswith(str(tmp_path))


async def test_whoever_asks_again_or_beside_it_is_told_the_same(host: LocalHost, tmp_path: Path) -> None:
    asked = command(tmp_path, "echo once >> ran; sleep 0.3")
    ends = []

    async def ask() -> None:
        ends.append(await preparing.see_through(host, asked))

    async with anyio.create_task_group() as asking:
        for _ in range(3):
            asking.start_soon(ask)
    assert [end.exit_code for end in ends] == [0, 0, 0]
    assert (tmp_path / "ran").read_text() == "once\n"
    assert (await preparing.see_through(host, command(tmp_path, "echo twice >> ran", 2))).exit_code == 0
    assert (tmp_path / "ran").read_text() == "once\ntwice\n"


async def test_it_outlives_a_lost_link(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "WAIT_SECONDS", 0)
    monkeypatch.setattr(preparing, "_CALL_SECONDS", 30.0)
    asked = command(tmp_path, "touch began; while [ ! -e go ]; do sleep 0.05; done; echo gone")
    async with anyio.create_task_group() as asking:
        asking.start_soon(preparing.see_through, host, asked)
        while not (tmp_path / "began").exists():
            await anyio.sleep(0.02)
        asking.cancel_scope.cancel()
    (tmp_path / "go").touch()
    assert (await preparing.see_through(host, asked)).said == ("gone",)


async def test_one_that_was_killed_is_nobodys_success(host: LocalHost, tmp_path: Path) -> None:
    asked = command(tmp_path, "touch began; exec sleep 1000")
    async with anyio.create_task_group() as asking:

        async def ask() -> None:
            assert (await preparing.see_through(host, asked)).exit_code is None

        asking.start_soon(ask)
        while not (tmp_path / "began").exists():
            await anyio.sleep(0.02)
        os.killpg(int((Path(asked.room) / "pid").read_text()), signal.SIGKILL)
    for pid in processes_of(Path(asked.room)):
        os.kill(int(pid), signal.SIGKILL)


@pytest.mark.parametrize("fractions", ["taken", "refused"])
async def test_its_end_is_looked_for_often_at_first(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fractions: str
) -> None:
    """And where sleep takes no fractions of a second, with whole ones."""
    sleep = tmp_path / "bin" / "sleep"
    sleep.parent.mkdir()
    naps, whole = tmp_path / "naps", "" if fractions == "taken" else "case $1 in *.*) exit 1 ;; esac"
    sleep.write_text(f'#!/bin/sh\necho $1 >>"{naps}"\n{whole}\nexec {SLEEP} "$1"\n')
    sleep.chmod(0o755)
    monkeypatch.setenv("PATH", f"{sleep.parent}:{os.environ['PATH']}")
    until = f'until [ "$(grep -c . "{naps}")" -gt 3 ]; do {SLEEP} 0.01; done'
    said = await preparing.see_through(host, command(tmp_path, f"{until} 2>/dev/null"))
    assert said.exit_code == 0
    took = naps.read_text().split()
    assert took[0] == "0.1"
    assert ("1" in took) == (fractions == "refused")


async def test_one_whose_number_is_another_process_s_now_is_lost(host: LocalHost, tmp_path: Path) -> None:
    asked = command(tmp_path, "true")
    room = Path(asked.room)
    room.mkdir(parents=True)
    (room / "host").write_text(f"{socket.gethostname()}\n")
    (room / "pid").write_text(f"{os.getpid()}\n")
    assert (await preparing.see_through(host, asked)).exit_code is None


async def test_a_directory_that_is_no_more_is_told(host: LocalHost, tmp_path: Path) -> None:
    asked = Prepare("local", "e1", str(tmp_path / "gone"), str(tmp_path / "room" / "1"), "true", 1)
    assert (await preparing.see_through(host, asked)).exit_code == 1


@pytest.mark.parametrize("stdout", ["", "levitating\n", "ended\n", "ended x\n", "lost\nsome words\n"])
def test_an_answer_that_says_nothing_is_no_success(stdout: str, tmp_path: Path) -> None:
    said = preparing.understood(command(tmp_path, "true"), Ran(0, stdout, "sh: no such thing"))
    assert said is not None
    assert said.exit_code is None


def test_of_much_that_it_wrote_the_end_is_told(tmp_path: Path) -> None:
    lines = "".join(f"line {n} \x1b[31m{'x' * 1000}\n" for n in range(100))
    said = preparing.understood(command(tmp_path, "true"), Ran(0, f"ended 0\n{lines}", ""))
    assert said is not None
    assert len(said.said) == 50
    assert all(len(line) <= 500 and "\x1b" not in line for line in said.said)
    assert said.said[-1].startswith("line 99")


async def test_a_host_that_gives_no_answer_is_asked_again_later(tmp_path: Path) -> None:
    class Silent(LocalHost):
        async def run(self, *args: object, **known: object) -> Ran:
            raise HostUnreachable("no route")

    with pytest.raises(HostUnreachable):
        await preparing.see_through(Silent(), command(tmp_path, "true"))


async def test_it_is_ended_with_all_that_it_began_wherever_that_went(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "GRACE_SECONDS", 1)
    began = "setsid sleep 1001 & sleep 1002 & trap '' TERM; echo begins; while :; do sleep 0.1; done"
    asked = command(tmp_path, began)
    room = Path(asked.room)
    ending = EndPreparation("local", "e1", asked.dir, asked.room, 1)
    async with anyio.create_task_group() as asking:

        async def ask() -> None:
            assert (await preparing.see_through(host, asked)).exit_code != 0

        asking.start_soon(ask)
        while len(processes_of(room)) < 4:
            await anyio.sleep(0.02)
        said = await preparing.end(host, ending)
    assert (said.exit_code, said.said[0]) == (137, "begins")  # the shell may tell of who was killed before it
    assert processes_of(room) == []
    assert await preparing.end(host, ending) == said


def processes_of(room: Path) -> list[str]:
    mark, found = f"RUNEXP_BEFORE={room}".encode(), []
    for each in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if mark in (each / "environ").read_bytes().split(b"\0"):
                found.append(each.name)
    return found


async def test_what_is_ended_before_it_began_never_begins(host: LocalHost, tmp_path: Path) -> None:
    asked = command(tmp_path, "touch began")
    said = await preparing.end(host, EndPreparation("local", "e1", asked.dir, asked.room, 1))
    assert said.exit_code == 143
    assert await preparing.see_through(host, asked) == said
    assert not (tmp_path / "began").exists()


async def test_what_does_not_end_is_left_alone_in_the_end(
    host: LocalHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began on a login node that is no more."""
    asked = command(tmp_path, "true")
    room = Path(asked.room)
    room.mkdir(parents=True)
    (room / "host").write_text("elsewhere\n")
    (room / "pid").write_text("1\n")
    monkeypatch.setattr(preparing, "WAIT_SECONDS", 0)
    monkeypatch.setattr(preparing, "ENDING_SECONDS", 0.2)
    said = await preparing.end(host, EndPreparation("local", "e1", asked.dir, asked.room, 1))
    assert said.exit_code is None
    assert said.said == (f"it doesn't end: look in {room}, on the host named there",)
