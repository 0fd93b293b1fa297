"""Submissions to this machine that nobody could digest: each is refused alone, in words, and its siblings run."""

import os
import socket
from collections.abc import Callable
from pathlib import Path

import anyio
import msgspec
import pytest

from clusters.machine import Machine
from runexp.text import printable
from runexpd.clusters.base import Accepted, Answer, Refused, Submission

DIRECTIVES = [
    *[
        f"--ntasks={value}"
        for value in ("²", "٣", "9" * 5000, "0", "-1", "1e3", "+1", "", " ", "0x1", "\uff11")
    ],
    *[f"--cpus-per-task={value}" for value in ("²", "9" * 5000, "99999999999", "None")],
    *[f"--gres=gpu:{value}" for value in ("²", "٣", "9" * 5000, "-1", "a100:²")],
    *[f"--gpus={value}" for value in ("9" * 5000, "²")],
    *[f"--nodes={value}" for value in ("²", "9" * 5000)],
    *[f"--time={value}" for value in ("9" * 5000, "9" * 30, "9" * 400, "²", "1-9999999999999")],
    *[f"--output={value}" for value in ("a\0b", "x" * 300, "d/" * 3000, "%x" * 2000)],
    *[f"--error={value}" for value in ("\0", "%j\0", "x" * 5000)],
    *[f"--chdir={value}" for value in ("a\0b", "x" * 300, "none", "/none/at/all", "..\0", "finetune.slurm")],
    *[f"--job-name={value}" for value in ("a\0b", "x" * 200_000, "x" * 1025)],
    "--ntasks",
    "'",
    "--array=1",
]


def odd(machine: Machine, directives: str = "", token: str = "odd") -> Submission:
    return machine.submission(token, "touch odd-ran", f"#SBATCH --time=1 {directives}")


async def sent_between_two(machine: Machine, *odd_ones: Submission) -> list[Answer]:
    """The answers to the odd ones, once it has been seen that their siblings run."""
    before, after = (machine.submission(token, "true") for token in ("before", "after"))
    answers: dict[str, Answer] = {}
    with anyio.fail_after(30):
        async for part in machine.cluster.submit([before, *odd_ones, after]):
            answers |= part
    assert list(answers) == ["before", *(each.token for each in odd_ones), "after"]
    for token in ("before", "after"):
        machine.learn(token, answers[token])
        assert (await machine.ended(token)).state == "COMPLETED"
    return list(answers.values())[1:-1]


def is_refused_in_words(answer: Answer) -> bool:
    if not isinstance(answer, Refused):
        return False
    assert answer.error == printable(answer.error)
    assert "Traceback" not in answer.error
    return 0 < len(answer.error) < 1000


async def test_a_directive_that_can_not_be_digested(machine: Machine) -> None:
    batch = [odd(machine, directive, f"odd{number}") for number, directive in enumerate(DIRECTIVES)]
    answers = await sent_between_two(machine, *batch)
    taken = [d for d, answer in zip(DIRECTIVES, answers, strict=True) if not is_refused_in_words(answer)]
    assert taken == []
    assert len(os.listdir(machine.dir / "spool" / "tokens")) == 2
    assert not (machine.dir / "odd-ran").exists()
    assert not (machine.dir / "none").exists()


def fifo(path: Path) -> None:
    os.mkfifo(path)


def listener(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(f"/proc/self/cwd/{os.path.relpath(path)}" if len(str(path)) > 100 else str(path))


def large(path: Path) -> None:
    with path.open("wb") as file:
        file.write(b"#!/bin/sh\n")
        file.truncate(1 << 40)


def looped(path: Path) -> None:
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (fifo, "not a regular file"),
        (listener, "Unable to open file"),
        (lambda path: path.symlink_to("/dev/zero"), "not a regular file"),
        (lambda path: path.symlink_to("/dev/tty"), "Unable to open file"),
        (lambda path: path.mkdir(), "not a regular file"),
        (large, "larger than 4 MB"),
        (looped, "Too many levels of symbolic links"),
        (lambda path: path.symlink_to("/none"), "No such file"),
        (lambda path: path.write_bytes(b"\xff\xfe#!/bin/sh"), "does not look like a batch script"),
    ],
)
async def test_a_script_that_is_none(machine: Machine, make: Callable[[Path], None], why: str) -> None:
    submission = odd(machine)
    Path(submission.script).unlink()
    make(Path(submission.script))
    (answer,) = await sent_between_two(machine, submission)
    assert is_refused_in_words(answer)
    assert why in str(answer)


PATHS: list[dict[str, object]] = [
    {"script": "/a\0b"},
    {"script": "/\ud800.slurm"},
    {"script": "x" * 5000},
    {"script": ""},
    {"workdir": "/a\0b"},
    {"workdir": "/\ud800"},
    {"workdir": "/none/\x1b[2J"},
    {"workdir": "/" + "x" * 300},
    {"workdir": ""},
    {"output_dirs": ("/a\0b",)},
    {"output_dirs": ("/\udfff\ud800",)},
    {"output_dirs": ("d/" * 5000,)},
    {"output_dirs": ("/proc/none/x",)},
    {"output_dirs": ("relative/to/nothing",)},
    {"output_dirs": ("",)},
]


async def test_paths_that_no_system_call_takes(machine: Machine) -> None:
    batch = [
        msgspec.structs.replace(odd(machine, token=f"odd{number}"), **changes)
        for number, changes in enumerate(PATHS)
    ]
    answers = await sent_between_two(machine, *batch)
    assert [c for c, answer in zip(PATHS, answers, strict=True) if not is_refused_in_words(answer)] == []


async def test_a_name_that_is_not_utf_8_is_a_name_like_others(machine: Machine) -> None:
    place = Path(os.fsdecode(os.fsencode(machine.dir) + b"/r\xffn"))
    place.mkdir()
    submission = machine.submission("odd", "pwd >where", "#SBATCH --output=logs/%x.txt")
    script = place / "finet\udcffne.slurm"
    Path(submission.script).rename(script)
    answer = await machine.send_as(
        submission, script=str(script), workdir=str(place), output_dirs=(f"{place}/logs",)
    )
    assert answer == Accepted("1")
    assert (await machine.ended("odd")).state == "COMPLETED"
    assert (place / "where").read_bytes().strip() == os.fsencode(place)


async def test_a_directory_to_run_in_is_never_made(machine: Machine) -> None:
    submission = machine.submission("odd", "true", "#SBATCH --chdir=typo --output=logs/%j.out")
    typo = f"{machine.dir}/typo"
    answer = await machine.send_as(submission, chdir=typo, output_dirs=(f"{typo}/logs", typo))
    assert answer == Refused(f"--chdir={typo}: no such directory; Slurm would run the job in /tmp")
    assert not os.path.lexists(typo)


@pytest.mark.parametrize("where", ["logs", "logs/deep/er", "linked/logs", "other/logs", "./logs/"])
async def test_directories_for_outputs_are_made_below_where_the_job_is(machine: Machine, where: str) -> None:
    (machine.dir / "other").mkdir()
    (machine.dir / "run").mkdir()
    (machine.dir / "run" / "linked").symlink_to(machine.dir / "run")
    submission = machine.submission("odd", "true", f"#SBATCH --chdir={machine.dir}/other")
    place = f"{machine.dir}/{where}" if where.startswith("other") else f"{machine.dir}/run/{where}"
    answer = await machine.send_as(
        submission, workdir=f"{machine.dir}/run", chdir=f"{machine.dir}/other", output_dirs=(place,)
    )
    assert answer == Accepted("1")
    assert os.path.isdir(place)
    await machine.ended("odd")


@pytest.mark.parametrize(
    ("where", "why"),
    [
        ("elsewhere", "is made only below the work directory"),
        ("elsewhere/deep", "is made only below the work directory"),
        ("run/../elsewhere", "is made only below the work directory"),
        ("run/new/../../elsewhere", "is made only below the work directory"),
        ("run/out/elsewhere", "is made only below the work directory"),
        ("run2", "is made only below the work directory"),
        ("run/file", "is not a directory"),
        ("run/file/logs", "is not a directory"),
        ("run/nowhere/logs", "is not a directory"),
    ],
)
async def test_directories_for_outputs_are_made_nowhere_else(machine: Machine, where: str, why: str) -> None:
    run = machine.dir / "run"
    run.mkdir()
    (run / "file").touch()
    (run / "nowhere").symlink_to("/none/at/all")
    (run / "out").symlink_to(machine.dir)
    before = sorted(machine.dir.glob("*")), sorted(run.glob("*"))
    submission = machine.submission("odd", "true")
    answer = await machine.send_as(submission, workdir=str(run), output_dirs=(f"{machine.dir}/{where}",))
    assert is_refused_in_words(answer)
    assert why in str(answer)
    Path(submission.script).unlink()
    assert (sorted(machine.dir.glob("*")), sorted(run.glob("*"))) == before
