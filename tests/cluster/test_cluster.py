"""The test cluster itself."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import processes
import pytest
import roots
from guard import guarded

import cluster

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


@pytest.fixture
def dir(slurm: cluster.Cluster) -> Iterator[Path]:
    """For a cluster of a test's own. `slurm`: nothing of it is lacking."""
    dir = Path(tempfile.mkdtemp(prefix="runexp-slurm-"))
    yield dir
    cluster.down(dir)
    shutil.rmtree(dir, ignore_errors=True)


def test_up_after_down_starts_again_with_what_it_had(dir: Path) -> None:
    first = cluster.up(dir)
    assert cluster.up(dir).pids == first.pids, "it was up"
    id = first.run("sbatch", "--parsable", "--hold", "--wrap=true").stdout.strip()
    cluster.down(dir)
    down = cluster.load(dir)
    assert down is not None
    assert not down.is_up
    again = cluster.up(dir)
    with guarded(dir):
        assert again.is_up
        assert again.run("squeue", "-h", "-t", "all", "-o", "%A").stdout.split() == [id]
        assert again.run("sacct", "-n", "-X", "-j", id, "--format=JobID").stdout.split() == [id]
    assert not [pid for pid, since in again.pids.values() if processes.started(pid) == since]


def test_it_is_the_slurm_that_was_asked_for(slurm: cluster.Cluster, dir: Path) -> None:
    assert slurm.version == (cluster.SLURM or roots.own_version())
    assert slurm.run("sbatch", "--version").stdout.split()[1].startswith(slurm.version)
    with pytest.raises(RuntimeError, match=r"no Slurm 1\.2 can be had"):
        cluster.up(dir, "1.2")


def test_another_slurm_is_refused_in_the_same_directory(slurm: cluster.Cluster) -> None:
    with pytest.raises(RuntimeError, match=f"has Slurm {slurm.version}"):
        cluster.up(slurm.path, "1.2")


def test_cutting_ssh_ends_sessions_and_leaves_the_listener(slurm: cluster.Cluster) -> None:
    ssh = ["ssh", "-F", str(slurm.path / "ssh_config"), "cluster", "echo there; exec sleep 60"]
    with subprocess.Popen(ssh, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as session:
        assert session.stdout is not None
        assert session.stdout.readline() == "there\n"
        slurm.cut_ssh()
        assert session.wait(10) == 255
    assert slurm.is_up


def test_nothing_is_left_mounted(slurm: cluster.Cluster) -> None:
    """A removal of the root must not reach through a mount of the cluster's directory or of /dev."""
    mounts = Path("/proc/self/mountinfo").read_text()
    assert str(roots.ROOTS) not in mounts
    assert os.path.exists(slurm.dir)
