"""A corpus of hostile input through every door: each gets an answer, and nothing else happens."""

import shutil
import socket
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from pathlib import Path
from typing import TypeVar

import anyio
import msgspec
import pytest

from fakes.experiments import Run, build
from fakes.home import Home, wait_for
from hostile import arguments, results, scaffolds, summaries
from hostile.spoiling import Spoil, made
from runexp.wire.jobs import Verdict
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts.base import Host, HostError
from runexpd.runtime.inspector import Look, look_at
from runexpd.runtime.reader import read_experiment
from runexpd.tools import registry
from runexpd.tools.base import Attempt

pytestmark = pytest.mark.timeout(300)
TOOLS = registry.load()
AT_A_TIME = 8
#: Cases, each with an attempt and without.
JUDGED_AT_ONCE = 30
T = TypeVar("T")


def spoiled(place: Path, cases: Iterator[tuple[str, Spoil]], below: str = "") -> list[tuple[str, Path]]:
    """An experiment of one run for each case, of which one thing is not as it should be."""
    template = build(place / "template", Run("r"))
    made_ = []
    for number, (name, spoil) in enumerate(cases):
        dir = place / str(number)
        shutil.copytree(template, dir)
        spoil(dir / below)
        made_.append((name, dir))
    return made_


async def at_once(work: Sequence[object], ask: object) -> None:
    limit = anyio.CapacityLimiter(AT_A_TIME)

    async def one(each: object) -> None:
        async with limit:
            await ask(each)  # type: ignore[operator]

    async with anyio.create_task_group() as tasks:
        for each in work:
            tasks.start_soon(one, each)


@pytest.mark.parametrize("cases", [scaffolds.cases, summaries.cases], ids=["scaffolds", "summaries"])
async def test_what_is_read_is_an_experiment_or_a_bad_one(host: Host, tmp_path: Path, cases: object) -> None:
    read, refused = [], []

    async def ask(case: tuple[str, Path]) -> None:
        try:
            reading = await read_experiment(host, str(case[1]), TOOLS, False)
        except (BadExperiment, HostError) as bad:
            words = (bad.what, getattr(bad, "where", "?"), getattr(bad, "hint", "?"))
            assert " ".join(words).isprintable(), case[0]
            assert all(words), (case[0], words)
            refused.append(case[0])
        else:
            msgspec.json.encode(reading)
            assert all(warning.isprintable() for warning in reading.warnings), case[0]
            read.append(case[0])

    await at_once(spoiled(tmp_path, cases()), ask)  # type: ignore[operator]
    assert read
    assert len(refused) > 10


@pytest.mark.parametrize(
    ("cases", "below", "which"),
    [(results.trainings, "r", 0), (results.evaluations, "r/eval/words_epoch0", 1)],
    ids=["trainings", "evaluations"],
)
async def test_what_is_judged_is_good_bad_or_unclear(
    host: Host, tmp_path: Path, cases: object, below: str, which: int
) -> None:
    looks: dict[str, list[Look]] = {}

    async def ask(case: tuple[str, Path]) -> None:
        name, dir = case
        (dir / below / "slurm-7.out").write_bytes(_said(dir / below / "said"))
        reading = await read_experiment(host, str(dir), TOOLS, False)
        job = reading.jobs[which]
        looks[name] = [Look(job, _attempt(f"{dir}/{below}/slurm-7.out")), Look(job, None)]

    await at_once(spoiled(tmp_path, cases(), below), ask)  # type: ignore[operator]
    findings = set()
    for some in batched(looks.items(), JUDGED_AT_ONCE):
        seen = await look_at(TOOLS, host, [look for _, pair in some for look in pair])
        for name, each in zip([name for name, pair in some for _ in pair], seen, strict=True):
            verdict = msgspec.json.decode(msgspec.json.encode(each.verdict), type=Verdict)
            assert verdict.detail.isprintable(), name
            assert not each.in_vain, (name, verdict)
            findings.add(verdict.finding)
    assert len(findings) > 1


def _attempt(output: str) -> Attempt:
    return Attempt(
        slurm_job_id="7", state="COMPLETED", exit_code="0:0", started_at=1.0, ended_at=2e9, output=output
    )


def batched(items: Iterable[T], size: int) -> Iterator[list[T]]:
    left = iter(items)
    while some := list(islice(left, size)):
        yield some


def _said(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Home]:
    home = Home(tmp_path / "home")
    with home.running():
        yield home


def test_hostile_frames_hurt_nobody(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "words", Run("base", epochs=0), Run("r", seconds=2.0))
    assert home.runexp("run", "--detach", str(dir)).returncode == 0
    assert home.daemon is not None
    pid = home.daemon.pid
    answers = {name: _answered(home, data) for name, data in arguments.frames()}
    assert [name for name, said in answers.items() if '"code":"version"' in said] == [
        "a hello of another protocol"
    ]
    wait_for(lambda: home.outcome("words") == "succeeded", "the experiment beside them ends")
    assert home.daemon.pid == pid
    assert home.daemon.poll() is None
    assert "Traceback" not in home.log()


def _answered(home: Home, data: bytes) -> str:
    """All that is said to it, as far as it can be heard."""
    said = b""
    with socket.socket(socket.AF_UNIX) as client:
        client.settimeout(10)
        client.connect(str(home.dir / "run" / "runexpd.sock"))
        with suppress(BrokenPipeError, ConnectionResetError):
            client.sendall(data)
            if data.count(b"\n") < 2:  # more would be waited for
                client.shutdown(socket.SHUT_WR)
            while more := client.recv(65536):
                said += more
    return said.decode()


def test_hostile_words_are_answered_in_a_line(home: Home, tmp_path: Path) -> None:
    dir = build(tmp_path / "words", Run("base", epochs=0))
    assert home.runexp("run", str(dir)).returncode == 0
    for number, words in enumerate(arguments.lines("words")):
        if number % 7 or any("\0" in word or "\ud800" in word for word in words):
            continue  # each command starts a process: a part of them; what no process can be given
        done = home.runexp(*words)
        assert "Traceback" not in done.stderr, words
        assert done.returncode in range(8), words
    assert home.outcome("words") == "succeeded"
    assert "Traceback" not in home.log()


def test_a_plan_of_anything_leaves_no_trace(home: Home, tmp_path: Path) -> None:
    cases = spoiled(tmp_path / "cases", scaffolds.cases())[::9]
    before = len(home.events())
    for _, dir in cases:
        had = sorted(dir.rglob("*"))
        assert home.runexp("plan", str(dir)).returncode in (0, 1)
        assert sorted(dir.rglob("*")) == had
    assert len(home.events()) == before
    assert "Traceback" not in home.log()
    made(tmp_path, "cases").unlink(missing_ok=True)
