"""Whole experiments on a real Slurm, over a real SSH: fast stand-ins for the tools, everything else as it is."""

import os
import random
import re
import shlex
import shutil
import signal
import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from cluster import Cluster
from fakes.experiments import Run, executions, print_to, write_run
from fakes.home import blocks, harvested, wait_for
from fakes.remote import SETTINGS, Remote
from runexp.wire.events import Event, Recorded
from runexpd.core import waiting
from runexpd.core.apply import apply
from runexpd.core.state import State

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
ROUNDS = int(os.environ.get("RUNEXP_CHAOS_ROUNDS", "1"))
AWAY_SECONDS = float(os.environ.get("RUNEXP_AWAY_SECONDS", "12"))
ALL = ["base/words", "rank4", "rank4/words_epoch0", "rank8", "rank8/words_epoch0", "rank8/words_epoch1"]


@pytest.fixture
def remote(tmp_path: Path, slurm: Cluster) -> Iterator[Remote]:
    remote = Remote(tmp_path / "home", slurm)
    with remote.running():
        yield remote


def running(remote: Remote, job: str) -> bool:
    return remote.states("words")[job] == "RUNNING"


def assert_each_once(remote: Remote) -> None:
    """One Slurm job for each accepted attempt, as accounting counts them; none for any other."""
    assert remote.slurm_jobs() == dict.fromkeys(remote.accepted(), 1)


def test_an_experiment_ends_as_it_does_locally(remote: Remote) -> None:
    dir = remote.experiment()
    print_to(dir / "rank8" / "finetune.slurm", "artifacts/%u-%N-%j.out")
    done = remote.run(dir)
    assert done.returncode == 0, done.stdout + done.stderr + remote.log()
    assert executions(dir) == ALL
    scores = [line.split("|")[1:4] for line in done.stdout.splitlines() if line.startswith("| rank8 ")][:2]
    assert [[cell.strip() for cell in row][:2] for row in scores] == [["rank8", "0"], ["rank8", "1"]]
    assert ["0.250" in scores[0][2], "0.500" in scores[1][2]] == [True, True]
    assert_each_once(remote)
    assert "Loss:" in remote.runexp("logs", "words", "rank8").stdout
    jobs = {job["id"]: job["slurm_job_id"] for job in remote.json("status", "words")["jobs"]}
    found = harvested(dir / "run-torchtune.log", "SUBMIT_JOB") + harvested(
        dir / "run-inspect.log", "SUBMIT_EVAL"
    )
    assert dict(found) == jobs
    assert blocks(dir / "run-experiment.log")[-1].startswith("EXPERIMENT_COMPLETE")
    again = remote.run(dir)
    assert again.returncode == 0
    assert "nothing is submitted" in again.stderr
    assert executions(dir) == ALL


def test_one_login_is_enough(remote: Remote, slurm: Cluster) -> None:
    log = slurm.path / "log" / "sshd.out"
    before = log.read_text().count("Accepted publickey")
    for name in ("words", "more"):
        assert remote.run(remote.experiment(name=name)).returncode == 0
    assert log.read_text().count("Accepted publickey") == before + 1


def test_a_daemon_on_a_login_node_needs_no_ssh(tmp_path: Path, slurm: Cluster) -> None:
    """These tests may be root's; jobs, the directories that they write to, and whoever asks for them, are the cluster's user's."""
    for name in ("sbatch", "squeue", "sacct", "scancel", "scontrol", "mkdir", "id"):
        command = shlex.join(slurm.there(f"/usr/bin/{name}"))
        (tmp_path / name).write_text(f'#!/bin/sh\nexec {command} "$@"\n')
        (tmp_path / name).chmod(0o755)
    there = {"SLURM_CONF": slurm.environment()["SLURM_CONF"], "HOME": slurm.home, "PATH": f"{tmp_path}:$PATH"}
    prepend = [f"export {name}={value}" for name, value in there.items()]
    remote = Remote(tmp_path / "home", slurm, {**SETTINGS, "host": None, "prepend": prepend})
    with remote.running():
        dir = remote.experiment()
        slurm.stop("sshd")
        try:
            done = remote.run(dir)
        finally:
            slurm.start("sshd")
        assert done.returncode == 0, done.stdout + done.stderr + remote.log()
        assert executions(dir) == ALL
        assert_each_once(remote)


def test_names_with_spaces_and_quotes(remote: Remote) -> None:
    dir = remote.experiment(
        Run("base", epochs=0),
        Run("r4", directives='#SBATCH --job-name="it\'s my job"\n'),
        name="my 'odd' one",
    )
    done = remote.run(dir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert executions(dir) == ["base/words", "r4", "r4/words_epoch0"]


def test_what_is_run_before_the_evaluations_on_the_login_node_and_as_a_job(
    remote: Remote, slurm: Cluster
) -> None:
    dir = remote.experiment(Run("base", epochs=0), name="my 'odd' one")
    script = dir / "cache.slurm"
    script.write_text("#!/bin/sh\n#SBATCH --job-name=cache\nsleep 100\n")
    on_login_node = "test -n \"$SSH_CONNECTION\" || exit 9; echo 'no room'; exit 7"
    remote.run(dir, "--detach", "--before-evaluations", on_login_node)
    wait_for(lambda: "failed" in trouble(remote), "its failure is shown")
    assert "exit code 7: no room" in trouble(remote)
    remote.run(dir, "--detach", "--before-evaluations", "sbatch --wait cache.slurm")
    wait_for(lambda: slurm.run("squeue", "-h", "-n", "cache", "-t", "R").stdout != "", "it is a job")
    assert remote.runexp("cancel", "--yes", "my 'odd' one", "before-evaluations").returncode == 0
    wait_for(lambda: "was cancelled" in trouble(remote), "it has ended")
    assert slurm.run("squeue", "-h", "-n", "cache", "-t", "R,PD").stdout == ""
    assert executions(dir) == []
    script.write_text("#!/bin/sh\n#SBATCH --job-name=cache\ntouch cache\n")
    done = remote.runexp("retry", "my 'odd' one")
    assert done.returncode == 0, done.stdout + done.stderr
    assert executions(dir) == ["base/words"]
    assert (dir / "cache").exists()


def trouble(remote: Remote) -> str:
    return str(remote.json("status", "my 'odd' one")["trouble"])


def test_a_time_limit_and_a_cancel_by_hand(remote: Remote, slurm: Cluster) -> None:
    """The clock is turned by hand: Slurm's shortest limit is a minute."""
    dir = remote.experiment(
        Run("base", epochs=0), Run("slow", seconds=100), Run("gone", seconds=100), Run("rank4")
    )
    remote.run(dir, "--detach")
    wait_for(lambda: running(remote, "slow") and running(remote, "gone"), "both run")
    slurm.run("scontrol", "update", f"jobid={remote.job_id('slow')}", "EndTime=now+1")
    slurm.run("scancel", remote.job_id("gone"))
    done = remote.runexp("attach", "words")
    assert done.returncode == 3, done.stdout + done.stderr
    states = remote.states("words")
    assert (states["slow"], states["gone"], states["rank4"]) == ("TIMEOUT", "CANCELLED", "VERIFIED")
    assert (states["slow/words/epoch0"], states["rank4/words/epoch0"]) == ("SKIPPED", "VERIFIED")
    assert_each_once(remote)


def test_a_job_that_slurm_requeues_has_not_ended(remote: Remote, slurm: Cluster) -> None:
    dir = remote.experiment(Run("rank4", seconds=6))
    remote.run(dir, "--detach")
    wait_for(lambda: running(remote, "rank4"), "it runs")
    id = remote.job_id("rank4")
    slurm.run("scontrol", "requeue", id)
    wait_for(lambda: remote.states("words")["rank4"] == "PENDING", "it is pending again")
    slurm.run("scontrol", "update", f"jobid={id}", "StartTime=now")
    done = remote.runexp("attach", "words")
    assert done.returncode == 0, done.stdout + done.stderr
    assert executions(dir) == ["rank4", "rank4", "rank4/words_epoch0"]
    assert len(remote.of_type("AttemptIntended")) == 2


def test_a_job_whose_node_fails_is_submitted_again(remote: Remote, slurm: Cluster) -> None:
    dir = remote.experiment(
        Run("rank4", seconds=5, directives="#SBATCH --no-requeue\n#SBATCH --nodelist=sn4\n")
    )
    remote.run(dir, "--detach")
    wait_for(lambda: running(remote, "rank4"), "it runs")
    slurm.run("scontrol", "update", "nodename=sn4", "state=down", "reason=test")
    wait_for(lambda: len(remote.accepted()) == 2, "it is submitted again")
    slurm.run(
        "scontrol", "update", "nodename=sn4", "state=resume", check=False
    )  # it may have come back by itself
    done = remote.runexp("attach", "words")
    assert done.returncode == 0, done.stdout + done.stderr
    attempts = remote.json("status", "words")["jobs"][0]["attempts"]
    assert [attempt["state"] for attempt in attempts] == ["NODE_FAIL", "COMPLETED"]
    assert_each_once(remote)


def test_a_submit_limit_of_the_site_means_wait(remote: Remote, slurm: Cluster) -> None:
    dir = remote.experiment(Run("base", epochs=0), *(Run(f"r{n}", epochs=2, seconds=0.5) for n in range(8)))
    slurm.run("sacctmgr", "-i", "modify", "user", slurm.user, "set", "MaxSubmitJobs=5")
    try:
        done = remote.run(dir)
    finally:
        slurm.run("sacctmgr", "-i", "modify", "user", slurm.user, "set", "MaxSubmitJobs=-1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "AssocMaxSubmitJobLimit" in done.stdout
    assert len(executions(dir)) == 8 + 16 + 1
    assert_each_once(remote)


@pytest.mark.timeout(120 + 3 * AWAY_SECONDS)
@pytest.mark.parametrize("service", ["slurmdbd", "slurmctld"])
def test_a_service_that_is_away_ends_nothing(remote: Remote, slurm: Cluster, service: str) -> None:
    """RUNEXP_AWAY_SECONDS=60 makes it a minute."""
    dir = remote.experiment(Run("base", epochs=0), Run("rank4", seconds=5), Run("rank8", epochs=2, seconds=5))
    remote.run(dir, "--detach")
    wait_for(lambda: running(remote, "rank4"), "it runs")
    slurm.stop(service)
    time.sleep(AWAY_SECONDS)
    assert not [e for e in remote.of_type("JobEnded") if e["state"] != "COMPLETED"]
    slurm.start(service)
    done = remote.runexp("attach", "words")
    assert done.returncode == 0, done.stdout + done.stderr + remote.log()
    assert executions(dir) == ALL
    assert_each_once(remote)


def test_a_submission_that_slurmctld_let_time_out_and_took_all_the_same(
    tmp_path: Path, slurm: Cluster
) -> None:
    remote = Remote(tmp_path / "home", slurm, {**SETTINGS, "stagger_seconds": 3})
    dir = remote.experiment(Run("base", epochs=0), Run("rank4"), Run("rank8", epochs=2))
    with remote.running():
        remote.run(dir, "--detach")
        wait_for(lambda: bool(remote.of_type("SubmitAccepted")), "the first is submitted")
        slurm.send("slurmctld", signal.SIGSTOP)
        try:
            wait_for(lambda: bool(remote.of_type("SubmitUnclear")), "sbatch has timed out")
        finally:
            slurm.send("slurmctld", signal.SIGCONT)
        done = remote.runexp("attach", "words")
        assert done.returncode == 0, done.stdout + done.stderr + remote.log()
        assert executions(dir) == ALL
        assert_each_once(remote)


@pytest.mark.timeout(60 + 60 * ROUNDS)
def test_the_link_is_cut_and_the_daemon_killed_all_the_while(remote: Remote, slurm: Cluster) -> None:
    """RUNEXP_CHAOS_ROUNDS=40 makes it hundreds of times."""
    for round in range(ROUNDS):
        name = f"round{round}"
        dir = remote.experiment(
            Run("base", epochs=0), *(Run(f"r{n}", seconds=0.5) for n in range(6)), name=name
        )
        remote.run(dir, "--detach")
        for _ in range(6):
            time.sleep(random.uniform(0, 0.6))
            if random.random() < 0.7:
                slurm.cut_ssh()
            if random.random() < 0.7:
                remote.kill()
                remote.start()
        done = remote.runexp("attach", name)
        assert done.returncode == 0, done.stdout + done.stderr
        assert len(executions(dir)) == len(set(executions(dir))) == 13
        for log in dir.glob("run-*.log"):
            seen = blocks(log)
            assert len(seen) == len(set(seen)), "a block was written twice"
    assert_each_once(remote)


def test_an_sshd_that_is_away_for_a_while(remote: Remote, slurm: Cluster) -> None:
    dir = remote.experiment(Run("base", epochs=0), Run("rank4", seconds=6))
    remote.run(dir, "--detach")
    wait_for(lambda: running(remote, "rank4"), "it runs")
    slurm.cut_ssh()
    slurm.stop("sshd", signal.SIGKILL)
    try:
        wait_for(lambda: bool(remote.json("status", "words")["trouble"]), "the trouble is shown")
    finally:
        slurm.start("sshd")
    assert remote.runexp("attach", "words").returncode == 0
    assert executions(dir) == ["base/words", "rank4", "rank4/words_epoch0"]


def test_a_run_that_was_broken_is_retried(remote: Remote, slurm: Cluster) -> None:
    dir = remote.experiment(Run("base", epochs=0), Run("rank4", fate="bad_config"), Run("rank8"))
    assert remote.run(dir).returncode == 3
    write_run(dir, Run("rank4"), slurm.home / "jobs")
    remote.give(dir)
    done = remote.runexp("retry", "words")
    assert done.returncode == 0, done.stdout + done.stderr
    assert executions(dir).count("rank4") == 2
    assert executions(dir).count("rank8") == 1


def test_a_batch_that_does_not_fit_is_halved(remote: Remote) -> None:
    dir = remote.experiment(Run("rank4", fate="cuda_oom"))
    done = remote.run(dir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert executions(dir) == ["rank4", "rank4", "rank4", "rank4/words_epoch0"]
    assert "batch_size: 4  # as large as fits" in (dir / "rank4" / "finetune.yaml").read_text()


def test_what_was_submitted_by_hand_is_adopted(remote: Remote, slurm: Cluster) -> None:
    """One run trained and one evaluated before, one in training, one not begun."""
    dir = remote.experiment(Run("base", epochs=0), Run("done"), Run("under-way", seconds=10), Run("new"))
    by_hand(slurm, dir / "done", "finetune.slurm")
    by_hand(slurm, dir / "base" / "eval" / "words", "cell.slurm")
    wait_for(lambda: len(executions(dir)) == 2 and idle(slurm), "these are over")
    id = by_hand(slurm, dir / "under-way", "finetune.slurm")

    plan = remote.runexp("plan", f"test:{dir}").stdout
    decisions = {line["job"]: line for line in remote.json("plan", f"test:{dir}")["lines"]}
    assert {job: line["decision"] for job, line in decisions.items()} == {
        "done": "skip",
        "under-way": "skip",
        "new": "submit",
        "base/words": "skip",
        "done/words/epoch0": "submit",
        "under-way/words/epoch0": "submit",
        "new/words/epoch0": "submit",
    }
    assert f"adopted: job {id}, submitted by somebody else" in plan
    done = remote.run(dir)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(executions(dir)) == len(set(executions(dir))) == 7
    assert ("under-way", id) in harvested(dir / "run-torchtune.log", "SUBMIT_JOB")


def by_hand(slurm: Cluster, dir: Path, script: str) -> str:
    """As a person does it: from the script's directory, by its name."""
    (dir / "artifacts").mkdir(exist_ok=True)
    if os.getuid() == 0:
        shutil.chown(dir / "artifacts", slurm.user, slurm.user)
    submit = f"cd {shlex.quote(str(dir))} && sbatch --parsable {script}"
    return slurm.run("sh", "-c", submit).stdout.strip()


def idle(slurm: Cluster) -> bool:
    return not slurm.run("squeue", "-h").stdout


def test_why_it_waits_and_until_when_is_shown(remote: Remote, slurm: Cluster) -> None:
    """All of a node is taken, by one whose GPU does nothing; the second one waits for it, and the scheduler says how long."""
    whole = "#SBATCH --nodelist=sn3\n#SBATCH --cpus-per-task=16\n#SBATCH --time=1\n"
    dir = remote.experiment(Run("first", seconds=100, directives=whole), name="first")
    remote.run(dir, "--detach")
    wait_for(lambda: remote.states("first")["first"] == "RUNNING", "it runs")
    idle = [f"2026/11/03 12:{n // 2:02}:{n % 2 * 30:02}.000, 0, 0 %, 10 MiB" for n in range(22)]
    head = "timestamp, index, utilization.gpu [%], memory.used [MiB]"
    (dir / "first" / "artifacts" / "gpu_metrics.csv").write_text("\n".join([head, *idle, ""]))
    slurm.run("scontrol", "update", "nodename=sn4", "state=drain", "reason=test")
    try:
        nowhere = Run("third", directives="#SBATCH --nodelist=sn4\n")
        remote.run(remote.experiment(Run("second", directives=whole), nowhere), "--detach")
        said = r"second .*(?:Resources|Priority).*expected to start"
        wait_for(lambda: bool(re.search(said, remote.runexp("status", "words").stdout)), "it is said", 90)
        wait_for(lambda: "its GPU has been idle" in remote.runexp("status", "first").stdout, "it is noticed")
        assert "second" not in said_of_who_waits(remote, 400.0)
        slurm.run("scontrol", "hold", remote.job_id("second"))
        wait_for(lambda: "hold" in said_of_who_waits(remote, 400.0).get("second", ""), "it is held")
        assert "nodes that it needs are down" in said_of_who_waits(remote, 400.0)["third"]
    finally:
        slurm.run("scontrol", "update", "nodename=sn4", "state=resume", check=False)
    for name in ("words", "first"):
        assert remote.runexp("cancel", "--yes", name).returncode == 0
        assert remote.runexp("attach", name).returncode == 5


def said_of_who_waits(remote: Remote, seconds: float) -> dict[str, str]:
    """Of each job what would be wrong, were it so much later with all else as it is."""
    with closing(sqlite3.connect(remote.dir / "state" / "ledger.sqlite")) as ledger:
        rows = ledger.execute("SELECT seq, at, experiment, body FROM events ORDER BY seq").fetchall()
    state = State()
    for seq, at, id, body in rows:
        event = msgspec.json.decode(body, type=Event)
        state = apply(state, Recorded(seq=seq, at=at, experiment=id, event=event))
    found = [each for e in state.experiments.values() for each in waiting.symptoms(e, time.time() + seconds)]
    return {job.spec.id: symptom.what for job, symptom in found if symptom is not None}


def test_a_suspended_job_goes_on(remote: Remote, slurm: Cluster) -> None:
    remote.run(remote.experiment(Run("rank4", seconds=6)), "--detach")
    wait_for(lambda: running(remote, "rank4"), "it runs")
    slurm.run("scontrol", "suspend", remote.job_id("rank4"))
    wait_for(lambda: remote.states("words")["rank4"] == "SUSPENDED", "it is suspended")
    slurm.run("scontrol", "resume", remote.job_id("rank4"))
    assert remote.runexp("attach", "words").returncode == 0


@pytest.mark.long
def test_what_another_daemon_trained_while_one_waited_for_its_turn_is_taken_up(
    tmp_path: Path, slurm: Cluster
) -> None:
    one = Remote(tmp_path / "one", slurm, {**SETTINGS, "max_submit": 1})
    other = Remote(tmp_path / "other", slurm)
    with one.running(), other.running():
        dir = one.experiment(Run("rank4", seconds=600), Run("rank8"))
        one.run(dir, "--detach")
        wait_for(lambda: executions(dir) == ["rank4"], "the first trains")
        other.run(dir, "--detach")  # and watches that one, too
        wait_for(lambda: other.states("words")["rank8"] == "VERIFIED", "the second is trained")
        one.runexp("cancel", "words", "rank4", "--yes")
        for each in (one, other):
            wait_for(lambda: each.outcome("words") is not None, "it is over")  # noqa: B023
        said = {job["id"]: job["detail"] for job in one.json("status", "words")["jobs"]}
        assert "rank8/artifacts was trained into by job" in said["rank8"]
        one.run(dir)
        assert one.states("words")["rank8"] == one.states("words")["rank8/words/epoch0"] == "VERIFIED"
    assert executions(dir) == ["rank4", "rank8", "rank8/words_epoch0"]  # by either
