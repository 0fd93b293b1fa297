"""Whole experiments on a real Slurm by the user's own `ssh`: over a connection of ours, and over the one that she has open."""

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster
from e2e.test_on_slurm import ALL, assert_each_once
from fakes.experiments import Run, executions
from fakes.home import wait_for
from fakes.remote import SETTINGS, Remote

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def remote(tmp_path: Path, slurm: Cluster) -> Iterator[Remote]:
    remote = Remote(tmp_path / "home", slurm, {**SETTINGS, "transport": "openssh"})
    with remote.running():
        yield remote


def test_an_experiment_ends_as_it_does_by_the_daemon_s_own_ssh(remote: Remote) -> None:
    dir = remote.experiment()
    done = remote.run(dir)
    assert done.returncode == 0, done.stdout + done.stderr + remote.log()
    assert executions(dir) == ALL
    assert_each_once(remote)
    assert "by your own ssh, over a connection of ours" in remote.runexp("doctor", "test").stdout


def test_a_connection_that_is_cut_loses_nothing(remote: Remote, slurm: Cluster) -> None:
    dir = remote.experiment(Run("rank4", seconds=6.0), Run("rank8", seconds=2.0))
    assert remote.runexp("run", "--detach", f"test:{dir}").returncode == 0
    wait_for(lambda: "RUNNING" in remote.states("words").values(), "one runs")
    slurm.cut_ssh()
    assert remote.runexp("attach", "words").returncode == 0
    assert_each_once(remote)


def test_where_she_has_one_open_nobody_else_logs_in(remote: Remote, slurm: Cluster, tmp_path: Path) -> None:
    config = tmp_path / "home" / "user" / ".ssh" / "config"
    text, socket = config.read_text(), tmp_path / "hers"
    config.write_text(f"{text}\n  ControlPath {socket}\n")
    master = subprocess.Popen(["ssh", "-F", config, "-M", "-N", "-o", "BatchMode=yes", "cluster"])
    try:
        wait_for(socket.exists, "it is open")
        # Whoever logged in by the configuration as it is now would get nowhere.
        config.write_text(f"{text}\n  ControlPath {socket}\n  ProxyCommand false\n")
        dir = remote.experiment(Run("rank4"))
        done = remote.run(dir)
        assert done.returncode == 0, done.stdout + done.stderr + remote.log()
        assert "over the connection that you have open" in remote.runexp("doctor", "test").stdout
        assert master.poll() is None  # hers to close
    finally:
        master.terminate()
        master.wait()
    assert_each_once(remote)
