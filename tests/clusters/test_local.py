"""The local backend with real processes: turns, ends, crashes."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import anyio
import pytest

from clusters.machine import Machine, keepers
from runexpd.clusters.base import Accepted, Deferred, Known, Refused, Submission
from runexpd.clusters.local import processes, spool, turns


async def test_an_ended_job_tells_what_it_used(machine: Machine) -> None:
    work = f"{sys.executable} -c \"b'x' * 200_000_000; sum(range(20_000_000))\""
    await machine.submit("t1", work, "#SBATCH --time=2")
    usage = (await machine.ended("t1")).usage
    assert usage is not None
    assert (usage.time_limit_seconds, usage.cpus, usage.gpus) == (120.0, 1, 0)
    assert usage.cpu_seconds is not None
    assert 0.05 < usage.cpu_seconds < 20
    assert usage.peak_memory_bytes is not None
    assert 2e8 < usage.peak_memory_bytes < 3e8


async def test_a_job_runs_in_its_directory_and_says_how_it_ended(machine: Machine) -> None:
    assert await machine.submit(
        "t1", "pwd; echo $SLURM_JOB_ID $SLURM_JOB_NAME", "#SBATCH -J words"
    ) == Accepted("1")
    report = await machine.ended("t1")
    assert (report.state, report.exit_code) == ("COMPLETED", "0:0")
    assert machine.output("t1") == f"{machine.dir}\n1 words\n"
    assert report.started_at is not None
    assert report.ended_at is not None
    assert time.time() - 20 < report.started_at <= report.ended_at <= time.time()


async def test_a_script_finds_what_it_is_sent_with(machine: Machine) -> None:
    sent = machine.submission("t1", "inspect eval task.py")
    await machine.send_as(sent, variable="BASH_FUNC_inspect%%=() { echo went on; }")
    await machine.ended("t1")
    assert machine.output("t1") == "went on\n"


async def test_what_is_kept_of_a_job_goes_when_nobody_needs_it_and_no_id_is_used_again(
    machine: Machine,
) -> None:
    for token in ("t1", "t2", "t3"):
        await machine.submit(token, "sleep 60" if token == "t2" else "true")
    for token in ("t1", "t3"):
        await machine.ended(token)
    await machine.cluster.forget(["t1", "t2", "t3", "../..", "t9"])
    # One still runs, and the newest is what the next one's id is counted from.
    assert sorted(await machine.cluster.kept()) == ["t2", "t3"]
    assert await machine.submit("t4", "true") == Accepted("4")
    await machine.ended("t4")
    await machine.cluster.forget(["t3"])
    assert sorted(await machine.cluster.kept()) == ["t2", "t4"]


@pytest.mark.parametrize(
    ("body", "exit_code"),
    [("exit 7", "7:0"), ("exit 200", "200:0"), ("kill -SEGV $$", "0:11"), ("kill -9 $$", "0:9")],
)
async def test_exit_codes_are_real(machine: Machine, body: str, exit_code: str) -> None:
    await machine.submit("t1", body)
    report = await machine.ended("t1")
    assert (report.state, report.exit_code) == ("FAILED", exit_code)


async def test_output_error_chdir_and_name_are_honoured(machine: Machine) -> None:
    (machine.dir / "in side").mkdir()
    directives = (
        "#SBATCH --chdir='in side' --output=%x-%j.out\n#SBATCH --error %x.err\n#SBATCH --job-name=the-name"
    )
    await machine.submit("t1", "echo out; echo err >&2", directives)
    await machine.ended("t1")
    assert (machine.dir / "in side" / "the-name-1.out").read_text() == "out\n"
    assert (machine.dir / "in side" / "the-name.err").read_text() == "err\n"


async def test_slurm_variables_are_those_of_the_job_alone(
    machine: Machine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SLURM_JOB_ID", "99")
    monkeypatch.setenv("SLURM_ARRAY_TASK_ID", "99")
    await machine.submit("t1", "env | grep -E '^SLURM' | sort", "#SBATCH --cpus-per-task=1 --time=10")
    await machine.ended("t1")
    seen = dict(line.split("=", 1) for line in machine.output("t1").splitlines())
    assert "SLURM_ARRAY_TASK_ID" not in seen
    assert seen["SLURM_JOB_ID"] == seen["SLURM_JOBID"] == "1"
    assert seen["SLURM_SUBMIT_DIR"] == str(machine.dir)
    assert (seen["SLURM_CPUS_PER_TASK"], seen["SLURM_NTASKS"], seen["SLURM_NNODES"]) == ("1", "1", "1")
    assert int(seen["SLURM_JOB_END_TIME"]) - int(seen["SLURM_JOB_START_TIME"]) == 600


async def test_a_missing_output_directory_fails_the_job_without_a_word(machine: Machine) -> None:
    await machine.submit("t1", "touch ran", "#SBATCH --output=none/%j.out")
    report = await machine.ended("t1")
    assert (report.state, report.exit_code) == ("FAILED", "0:53")
    assert not (machine.dir / "ran").exists()


async def test_a_missing_interpreter_fails_the_job(machine: Machine) -> None:
    submission = machine.submission("t1", "")
    Path(submission.script).write_text("#!/bin/nosuch\n")
    await machine.send(submission)
    assert (await machine.ended("t1")).exit_code == "2:0"


async def test_a_job_that_reaches_its_limit_is_ended_with_all_its_processes(machine: Machine) -> None:
    await machine.submit("t1", "trap '' TERM; (trap '' TERM; sleep 60) & sleep 60", "#SBATCH --time=0:01")
    report = await machine.ended("t1")
    assert (report.state, report.exit_code) == ("TIMEOUT", "0:0")
    assert machine.processes("t1") == set()


HIDING = """
trap '' TERM
setsid bash -c 'trap "" TERM; echo child; exec sleep 60' &
(setsid python3 -c 'import os, time
if os.fork(): os._exit(0)
os.setsid()
print("daemon", flush=True)
time.sleep(60)' &) &
sleep 60
"""


async def test_cancel_ends_every_process_wherever_it_hides(machine: Machine) -> None:
    await machine.submit("t1", HIDING)
    await machine.until("t1", ["RUNNING"])
    with anyio.fail_after(10):
        while not {"child", "daemon"} <= set(machine.output("t1").split()):
            await anyio.sleep(0.02)
    assert len(machine.processes("t1")) >= 3
    await machine.cluster.cancel([machine.known["t1"]])
    report = await machine.ended("t1")
    assert (report.state, report.exit_code) == ("CANCELLED", "0:15")
    assert machine.processes("t1") == set()


async def test_a_job_of_another_daemon_with_the_same_token_is_left_alone(
    machine: Machine, tmp_path: Path
) -> None:
    other = Machine(tmp_path / "other")
    for each in (machine, other):
        await each.submit("t1", "setsid sleep 60 & sleep 60")
        await each.until("t1", ["RUNNING"])
    await machine.cluster.cancel([machine.known["t1"]])
    assert (await machine.ended("t1")).state == "CANCELLED"
    assert (await other.report("t1")).state == "RUNNING"
    assert other.processes("t1")
    await other.cluster.cancel([other.known["t1"]])
    await other.ended("t1")


async def test_what_a_script_leaves_behind_ends_with_it(machine: Machine) -> None:
    await machine.submit("t1", "setsid sleep 60 & exit 0")
    assert (await machine.ended("t1")).state == "COMPLETED"
    assert machine.processes("t1") == set()


async def test_at_most_so_many_run_and_the_first_come_is_the_first_served(tmp_path: Path) -> None:
    machine = Machine(tmp_path, max_running=1)
    for token in ("t1", "t2", "t3"):
        await machine.submit(token, f"echo {token} >>order; while [ ! -e go ]; do sleep 0.02; done")
    await machine.until("t1", ["RUNNING"])
    reports = [await machine.report(token) for token in ("t2", "t3")]
    assert [(r.state, r.reason) for r in reports] == [("PENDING", "Resources"), ("PENDING", "Priority")]
    (tmp_path / "go").touch()
    for token in ("t1", "t2", "t3"):
        await machine.ended(token)
    assert (tmp_path / "order").read_text().split() == ["t1", "t2", "t3"]


async def test_a_pending_job_is_cancelled_without_a_start(tmp_path: Path) -> None:
    machine = Machine(tmp_path, max_running=1)
    await machine.submit("t1", "sleep 60")
    await machine.submit("t2", "touch ran")
    await machine.cluster.cancel([machine.known["t2"]])
    report = await machine.ended("t2")
    assert (report.state, report.started_at) == ("CANCELLED", None)
    await machine.cluster.cancel([machine.known["t1"]])
    await machine.ended("t1")
    assert not (tmp_path / "ran").exists()


async def test_a_job_whose_keeper_was_killed_is_a_node_failure_and_leaves_nothing_running(
    machine: Machine,
) -> None:
    await machine.submit("t1", "setsid sleep 60 & sleep 60")
    await machine.until("t1", ["RUNNING"])
    with anyio.fail_after(10):
        while len(machine.processes("t1")) < 3:
            await anyio.sleep(0.02)
    for pid in keepers(machine, "1"):
        os.kill(pid, signal.SIGKILL)
    report = await machine.ended("t1")
    assert report.state == "NODE_FAIL"
    assert machine.processes("t1") == set()


async def test_a_job_that_waits_has_no_process_and_the_end_of_another_starts_it(tmp_path: Path) -> None:
    machine = Machine(tmp_path, max_running=1)
    await machine.submit("t1", "while [ ! -e go ]; do sleep 0.02; done")
    for token in ("t2", "t3"):
        await machine.submit(token, f"echo {token} >>ran")
    await machine.until("t1", ["RUNNING"])
    assert [bool(keepers(machine, id)) for id in ("1", "2", "3")] == [True, False, False]
    (tmp_path / "go").touch()
    with anyio.fail_after(20):  # without a look from the daemon
        while not (tmp_path / "spool/jobs/3/end.json").exists():
            await anyio.sleep(0.02)
    assert (tmp_path / "ran").read_text() == "t2\nt3\n"
    assert os.listdir(tmp_path / "spool/queue") == []


async def test_what_waits_when_a_keeper_is_killed_runs_once_somebody_looks(tmp_path: Path) -> None:
    machine = Machine(tmp_path, max_running=1)
    await machine.submit("t1", "sleep 60")
    await machine.submit("t2", "echo ran >>ran")
    await machine.until("t1", ["RUNNING"])
    for pid in keepers(machine, "1"):
        os.kill(pid, signal.SIGKILL)
    assert (await machine.ended("t2")).state == "COMPLETED"
    assert (tmp_path / "ran").read_text() == "ran\n"
    assert (await machine.ended("t1")).state == "NODE_FAIL"


async def test_a_job_has_the_environment_of_its_submission_and_nothing_of_it_stays(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = Machine(tmp_path, max_running=1)
    await machine.submit("t1", "while [ ! -e go ]; do sleep 0.02; done")
    monkeypatch.setenv("SECRET", "of the second\nand more = less")
    await machine.submit("t2", 'printf %s "$SECRET" >seen; test -z "$CUDA_VISIBLE_DEVICES"')
    monkeypatch.setenv("SECRET", "of the third")
    await machine.submit("t3", "true")
    (tmp_path / "go").touch()
    assert {(await machine.ended(token)).state for token in ("t1", "t2", "t3")} == {"COMPLETED"}
    assert (tmp_path / "seen").read_text() == "of the second\nand more = less"
    with anyio.fail_after(10):
        while list((tmp_path / "spool/jobs").glob("*/environment")):
            await anyio.sleep(0.02)


async def test_the_same_token_is_the_same_job(machine: Machine) -> None:
    submission = machine.submission("t1", "echo ran >>ran")
    first, second = await machine.send(submission), await machine.send(submission)
    assert first == second == Accepted("1")
    await machine.ended("t1")
    assert await machine.send(submission) == first
    assert (machine.dir / "ran").read_text() == "ran\n"


async def test_a_token_that_never_arrived_is_told_apart(machine: Machine) -> None:
    await machine.submit("t1", "true")
    sent = [Submission(token=token, script="s", workdir="/", name="s") for token in ("t1", "t2")]
    answers = await machine.cluster.resolve(sent)
    assert answers == {"t1": Accepted("1"), "t2": Deferred("it never arrived", at_once=True)}
    await machine.ended("t1")


async def test_a_job_without_a_record_is_lost_and_not_over(machine: Machine) -> None:
    await machine.submit("t1", "true")
    for unknown in (Known("7", "t7"), Known("7", "t1")):  # the second's id is another's
        (report,) = await machine.cluster.query([unknown])
        assert (report.state, report.final) == ("LOST", False)
    await machine.ended("t1")


SUBMITTER = """
import sys, anyio
from pathlib import Path
from runexpd.clusters.base import Submission
from runexpd.clusters.local.cluster import LocalCluster
from runexpd.hosts.local import LocalHost
async def main(dir, script):
    cluster = LocalCluster(Path(dir) / "spool", LocalHost(), 4)
    batch = [Submission(token=f"t{n}", script=script, workdir=dir, name="x") for n in range(8)]
    print("ready", flush=True)
    async for answer in cluster.submit(batch):
        pass
anyio.run(main, *sys.argv[1:])
"""


@pytest.mark.parametrize("killed_after_seconds", [0.0, 0.03, 0.08, 0.15, 0.3])
async def test_a_submitter_killed_at_any_moment_makes_each_job_once(
    machine: Machine, killed_after_seconds: float
) -> None:
    submission = machine.submission("x", "echo ran >>executions; sleep 0.3; exit 3")
    command = [sys.executable, "-c", SUBMITTER, str(machine.dir), submission.script]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as submitter:
        assert submitter.stdout is not None
        assert submitter.stdout.readline() == b"ready\n"
        await anyio.sleep(killed_after_seconds)
        submitter.kill()
    tokens = [f"t{n}" for n in range(8)]
    for token in tokens:
        await machine.send(
            Submission(token=token, script=submission.script, workdir=str(machine.dir), name=token)
        )
    assert {(await machine.ended(token)).exit_code for token in tokens} == {"3:0"}
    assert (machine.dir / "executions").read_text().split() == ["ran"] * len(tokens)


@pytest.fixture
def gpus(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """A machine with three."""
    real = os.listdir
    devices = ["nvidia0", "nvidia1", "nvidia2", "nvidiactl", "null"]
    monkeypatch.setattr(os, "listdir", lambda path: devices if path == "/dev" else real(path))
    return monkeypatch


def test_a_job_gets_gpus_that_no_other_has(machine: Machine, gpus: pytest.MonkeyPatch) -> None:
    root = machine.dir / "spool"
    (root / "max_running").write_text("3")
    given = [turns._room(root, count, os.environ)[1].get("CUDA_VISIBLE_DEVICES") for count in (1, 1, 2, 1)]
    # Two were asked of the one that is left: the slot is free again for the one that fits.
    assert given == ["0", "1", None, "2"]


async def test_the_gpus_of_one_job_are_no_limit_for_the_next(
    tmp_path: Path, gpus: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "fake"
    fake.mkdir()
    (fake / "sitecustomize.py").write_text(
        "import os\nreal = os.listdir\n"
        "os.listdir = lambda path='.': ['nvidia0', 'nvidia1', 'nvidia2'] if path == '/dev' else real(path)\n"
    )
    gpus.setenv("PYTHONPATH", str(fake), prepend=os.pathsep)
    machine = Machine(tmp_path / "machine", max_running=1)
    await machine.submit("t1", "while [ ! -e go ]; do sleep 0.02; done", "#SBATCH --gres=gpu:1")
    await machine.submit("t2", "echo $CUDA_VISIBLE_DEVICES >seen", "#SBATCH --gres=gpu:3")
    (machine.dir / "go").touch()
    with anyio.fail_after(20):  # started by the first one's keeper, whose own was restricted
        while not (machine.dir / "spool/jobs/2/end.json").exists():
            await anyio.sleep(0.02)
    assert (machine.dir / "seen").read_text() == "0,1,2\n"


def test_only_the_daemon_s_own_gpus_are_given(gpus: pytest.MonkeyPatch) -> None:
    assert processes.gpu_numbers({}) == ["0", "1", "2"]
    assert processes.gpu_numbers({"CUDA_VISIBLE_DEVICES": "2,7"}) == ["2"]


@pytest.mark.parametrize(
    ("directives", "why"),
    [
        ("#SBATCH --array=1-3", "--array=1-3: can't be honoured"),
        ("#SBATCH -d afterok:7", "--dependency=afterok:7: can't be honoured"),
        ("#SBATCH -N 2", "--nodes=2: this machine is one node"),
        ("#SBATCH hetjob", "--hetjob: can't be honoured"),
        ("#SBATCH --begin=now+1hour", "can't be honoured"),
        ("#SBATCH --cpus-per-task=10000", "10000 CPUs asked"),
        ("#SBATCH --gres=gpu:99", "99 GPUs asked"),
        ("#SBATCH --gres=shard:1", "Invalid generic resource"),
        ("#SBATCH --time=soon", "Invalid --time specification"),
        ("#SBATCH --nosuch=1", "--nosuch=1: can't be honoured"),
        ("#SBATCH what", "unrecognized option 'what'"),
        ("#SBATCH -D none", "no such directory"),
    ],
)
async def test_what_can_not_be_honoured_is_refused(machine: Machine, directives: str, why: str) -> None:
    answer = await machine.submit("t1", "touch ran", directives)
    assert isinstance(answer, Refused)
    assert why in answer.error
    assert spool.find(machine.dir / "spool", "t1") is None


@pytest.mark.parametrize(
    ("script", "why"),
    [
        ("", "empty"),
        ("echo", "does not look like a batch script"),
        ("#!/bin/bash\r\necho\r\n", "DOS line breaks"),
        (None, "Unable to open file"),
    ],
)
async def test_what_is_no_script_is_refused_in_sbatchs_words(
    machine: Machine, script: str | None, why: str
) -> None:
    submission = machine.submission("t1", "")
    Path(submission.script).unlink() if script is None else Path(submission.script).write_text(
        script, newline=""
    )
    answer = await machine.send(submission)
    assert isinstance(answer, Refused)
    assert why in answer.error


async def test_what_one_machine_satisfies_is_taken(machine: Machine) -> None:
    directives = (
        "#SBATCH --nodes=1 --ntasks=1 --mem=2G -p gpu -A me --mail-type=END --requeue\n#SBATCH --export=ALL"
    )
    assert isinstance(await machine.submit("t1", "true", directives), Accepted)
    await machine.ended("t1")
