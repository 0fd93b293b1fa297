"""Commands of this machine: what becomes of one that goes on for ever, and of a machine that has run out of something."""

import errno
import os
import subprocess
from pathlib import Path

import anyio
import pytest

from runexpd.hosts.base import HostUnreachable, Limits
from runexpd.hosts.local import LocalHost


async def wait_until_gone(pid: int) -> None:
    with anyio.fail_after(30):
        while Path(f"/proc/{pid}/stat").exists() and " Z " not in Path(f"/proc/{pid}/stat").read_text():
            await anyio.sleep(0.001)


async def test_one_that_never_stops_writing_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    host = LocalHost(limits=Limits(output_bytes=100_000))
    script = f"yes & echo $! >{tmp_path}/child; echo $$ >{tmp_path}/parent; wait"
    with pytest.raises(HostUnreachable, match=r"^sh: more than 100000 bytes of output, so it was ended$"):
        await host.run(["sh", "-c", script])
    for name in ("child", "parent"):
        await wait_until_gone(int((tmp_path / name).read_text()))


async def test_one_that_takes_too_long_is_ended_with_all_its_processes(tmp_path: Path) -> None:
    script = f"sleep 1000 & echo $! >{tmp_path}/child; echo $$ >{tmp_path}/parent; wait"
    with pytest.raises(HostUnreachable, match=r"^sh gave no answer in 0\.5 s$"):
        await LocalHost().run(["sh", "-c", script], timeout_seconds=0.5)
    for name in ("child", "parent"):
        await wait_until_gone(int((tmp_path / name).read_text()))


async def test_one_that_closed_its_output_is_waited_for() -> None:
    ran = await LocalHost().run(["sh", "-c", "exec >&- 2>&-; sleep 0.05; exit 4"])
    assert ran.exit_code == 4


async def test_one_that_does_not_read_its_input_is_no_trouble() -> None:
    assert (await LocalHost().run(["true"], stdin=b"x" * 1_000_000)).exit_code == 0


async def test_lines_before_a_command_change_nothing_of_its_answer() -> None:
    host = LocalHost(("echo loading; cat", "WORD=set; export WORD"))
    ran = await host.run(["sh", "-c", "echo $WORD; cat; exit 3"], stdin=b"input\n")
    assert (ran.exit_code, ran.stdout, ran.stderr) == (3, "set\ninput\n", "loading\n")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ENOMEM, errno.EAGAIN])
async def test_a_machine_that_has_run_out_of_something_gives_no_answer(
    monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    def fail(*arguments: object, **more: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(subprocess, "Popen", fail)
    with pytest.raises(HostUnreachable, match=f"^true: {os.strerror(number)}$"):
        await LocalHost().run(["true"])


async def test_what_is_no_program_is_answered(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("words")
    ran = await LocalHost().run([f"{tmp_path}/text"])
    assert (ran.exit_code, ran.stderr) == (126, f"{tmp_path}/text: Permission denied")


@pytest.mark.parametrize("number", [errno.EMFILE, errno.ESTALE, errno.EIO, errno.ETIMEDOUT, errno.ENOTCONN])
async def test_a_file_that_the_system_gives_no_answer_about_is_not_called_refused(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, number: int
) -> None:
    def fail(*arguments: object, **more: object) -> int:
        raise OSError(number, os.strerror(number))

    (tmp_path / "file").write_bytes(b"there")
    with monkeypatch.context() as patched:
        patched.setattr(os, "open", fail)
        with pytest.raises(HostUnreachable, match=f"/file: {os.strerror(number)}$"):
            await LocalHost().read(f"{tmp_path}/file")
    assert await LocalHost().read(f"{tmp_path}/file") == b"there"
