"""Habits of sites and of accounts, with whole experiments on a real Slurm, over a real SSH."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster
from fakes.experiments import Run, executions
from fakes.home import wait_for
from fakes.remote import SETTINGS, Remote

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]

#: Hide jobs, make several of one, block sbatch, send jobs elsewhere, change what is printed.
WISHES = {
    "SQUEUE_PARTITION": "nope",
    "SQUEUE_FORMAT": "%T",
    "SACCT_FORMAT": "JobName",
    "SCANCEL_NAME": "nope",
    "SBATCH_ARRAY_INX": "0-1",
    "SBATCH_WAIT": "1",
    "SBATCH_OUTPUT": "/dev/null",
    "SBATCH_PARTITION": "nope",
    "SBATCH_CLUSTERS": "other",
    "SLURM_CLUSTERS": "other",
    "SLURM_TIME_FORMAT": "relative",
    "SLURM_JOB_ID": "77",
}


@pytest.fixture
def remote(tmp_path: Path, slurm: Cluster) -> Iterator[Remote]:
    remote = Remote(tmp_path / "home", slurm)
    with remote.running():
        yield remote


@pytest.fixture
def wishes(slurm: Cluster) -> Iterator[None]:
    """In what the account's shell reads, whoever logs in."""
    rc = slurm.home / ".bashrc"
    rc.write_text("".join(f"export {name}={value}\n" for name, value in WISHES.items()))
    yield
    rc.unlink()


@pytest.mark.usefixtures("wishes")
def test_an_account_full_of_wishes(remote: Remote) -> None:
    dir = remote.experiment(Run("base", epochs=0), Run("rank4"), Run("gone", seconds=100))
    remote.run(dir, "--detach")
    wait_for(lambda: remote.states("words")["gone"] == "RUNNING", "it runs")
    assert remote.runexp("cancel", "--yes", "words", "gone").returncode == 0
    done = remote.runexp("attach", "words")
    assert done.returncode == 5, done.stdout + done.stderr + remote.log()
    assert remote.states("words")["gone"] == "CANCELLED"
    assert executions(dir) == ["base/words", "gone", "rank4", "rank4/words_epoch0"]
    said = remote.runexp("doctor", "test").stdout
    assert "SQUEUE_PARTITION" in said


def test_one_that_is_too_large_fails_at_once_and_the_others_go_on(remote: Remote, slurm: Cluster) -> None:
    for words in (
        ["add", "qos", "deny", "set", "Flags=DenyOnLimit", "MaxTRESPerJob=cpu=2"],
        ["modify", "user", slurm.user, "set", "QOS=normal,deny"],
    ):
        slurm.run("sacctmgr", "-i", *words, check=False)
    large = Run("large", directives="#SBATCH --qos=deny\n#SBATCH --ntasks=4\n")
    dir = remote.experiment(large, Run("base", epochs=0), Run("rank4"), Run("rank8"))
    done = remote.run(dir)
    slurm.run("sacctmgr", "-i", "modify", "user", slurm.user, "set", "QOS=normal")
    assert done.returncode == 3, done.stdout + done.stderr + remote.log()
    assert remote.states("words")["large"] == "SUBMIT_FAILED"
    assert "QOSMaxCpuPerJobLimit Job violates accounting/QOS policy" in done.stdout
    assert not remote.of_type("SubmitDeferred")
    assert executions(dir) == ["base/words", "rank4", "rank4/words_epoch0", "rank8", "rank8/words_epoch0"]


@pytest.mark.parametrize(
    ("directive", "why"),
    [
        ("-a 0-3", "--array=0-3: the script would run many times over"),
        ("-QW", "--wait: sbatch would not return before the job is over"),
        ("-Mother", "--clusters=other: the job would be on a cluster where nobody looks for it"),
        ("--wrap=hostname", "--wrap=hostname: sbatch ignores it in a script"),
    ],
)
def test_what_would_go_half_is_refused_by_plan(remote: Remote, directive: str, why: str) -> None:
    dir = remote.experiment(Run("base", epochs=0), Run("rank4", directives=f"#SBATCH {directive}\n"))
    for command in ("plan", "run"):
        refused = remote.runexp(command, f"test:{dir}")
        assert refused.returncode == 1, refused.stdout + refused.stderr
        assert why in refused.stderr
        assert "finetune.slurm:4" in refused.stderr
        assert "take it out" in refused.stderr
    assert not remote.of_type("AttemptIntended")


def test_a_site_whose_sbatch_submits_a_copy(tmp_path: Path, slurm: Cluster) -> None:
    bin = slurm.home / "wrapped"
    bin.mkdir()
    (bin / "sbatch").write_text(
        '#!/bin/sh\nfor script; do :; done\ncopy=$(mktemp)\ncp "$script" "$copy"\necho "12 hours are left"\n'
        'exec "$REAL" "$2" "$copy"\n'  # --job-name
    )
    (bin / "sbatch").chmod(0o755)
    prepend = [f"export REAL=$(command -v sbatch) PATH={bin}:$PATH"]
    remote = Remote(tmp_path / "home", slurm, {**SETTINGS, "prepend": prepend})
    with remote.running():
        dir = remote.experiment(Run("base", epochs=0), Run("rank4"), Run("gone", seconds=100))
        remote.run(dir, "--detach")
        wait_for(lambda: remote.states("words")["gone"] == "RUNNING", "it runs")
        remote.kill()
        remote.start()
        assert remote.runexp("cancel", "--yes", "words", "gone").returncode == 0
        done = remote.runexp("attach", "words")
        assert done.returncode == 5, done.stdout + done.stderr + remote.log()
        assert executions(dir) == ["base/words", "gone", "rank4", "rank4/words_epoch0"]
