"""A cluster that asks a person: parked until `runexp login` relays its questions to a real terminal. Slurm is the fake."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from anyio.to_thread import run_sync

from fakes.experiments import Run, build
from fakes.home import Home
from fakes.slurm import FakeSlurm
from fakes.sshd import FakeSshd, Question, run_sshd
from fakes.terminal import Terminal

PASSWORD, CODE = "correct-horse-battery", "passcode-424242"
QUESTIONS = (
    Question("Della", "Use your \x1b[31mphone.", (("Password: ", False),), (PASSWORD,)),
    Question("Duo", "", (("Code: ", True),), (CODE,)),
)


@pytest.fixture
async def sshd(tmp_path: Path) -> AsyncIterator[FakeSshd]:
    (tmp_path / "cluster").mkdir()
    async with run_sshd(tmp_path / "cluster") as sshd:
        sshd.accepts_key, sshd.questions = False, QUESTIONS
        slurm = FakeSlurm(tmp_path / "slurm")
        sshd.environment["PATH"] = f"{slurm.bin}:/usr/local/bin:/usr/bin:/bin"
        yield sshd


@pytest.fixture
async def home(tmp_path: Path, sshd: FakeSshd) -> AsyncIterator[Home]:
    home = Home(tmp_path / "home", "clusters: {della: {host: della, stagger_seconds: 0}}\n")
    ssh = tmp_path / "user" / ".ssh"
    ssh.mkdir(parents=True)
    where = f"HostName 127.0.0.1\n Port {sshd.port}\n User alice\n UserKnownHostsFile {sshd.known_hosts}"
    (ssh / "config").write_text(f"Host della\n {where}\n")
    home.environment["HOME"] = str(tmp_path / "user")
    await run_sync(home.start)
    yield home
    await run_sync(home.stop)


@pytest.mark.timeout(120)
async def test_two_prompts_are_relayed_and_the_connection_is_held(
    home: Home, sshd: FakeSshd, tmp_path: Path
) -> None:
    dir = build(tmp_path / "exp", Run("base", epochs=0), Run("rank4"))
    parked = await run_sync(home.runexp, "run", f"della:{dir}")
    assert parked.returncode == 1
    assert "login needed" in parked.stderr
    assert "runexp login della" in parked.stderr
    assert len(sshd.logins) == 1

    terminal = Terminal(home, "login", "della")
    await run_sync(terminal.until, "Password: ")
    terminal.press(f"{PASSWORD}\n")
    await run_sync(terminal.until, "Code: ")
    terminal.press(f"{CODE}\n")
    assert await run_sync(terminal.exit_code) == 0
    assert "Use your phone." in terminal.seen
    assert PASSWORD not in terminal.seen
    assert "della: connected" in terminal.seen
    terminal.close()

    done = await run_sync(home.runexp, "run", f"della:{dir}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(sshd.logins) == 2
    everything = home.log() + "".join(str(event) for event in home.events())
    assert PASSWORD not in everything
    assert CODE not in everything


async def test_giving_up_leaves_it_parked(home: Home, sshd: FakeSshd) -> None:
    terminal = Terminal(home, "login", "della")
    await run_sync(terminal.until, "Password: ")
    terminal.press("\x03")
    assert await run_sync(terminal.exit_code) == 1
    assert "login needed" in terminal.seen
    terminal.close()
    doctor = await run_sync(home.runexp, "doctor", "della")
    assert doctor.returncode == 4
    assert "login needed" in doctor.stdout


async def test_a_wrong_answer_is_no_login(home: Home, sshd: FakeSshd) -> None:
    done = await run_sync(lambda: home.runexp("login", "della", stdin="wrong\nwrong\nwrong\nwrong\n"))
    assert done.returncode == 1
    assert "login needed" in done.stderr
