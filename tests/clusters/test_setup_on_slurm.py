"""`runexp setup`, in a terminal, for a real Slurm over a real SSH."""

import os
import pty
import subprocess
from pathlib import Path

import pytest
import yaml

from cluster import Cluster
from fakes.home import BIN
from fakes.remote import Remote

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]


def test_it_asks_and_ends_in_a_cluster_that_is_found_good(slurm: Cluster, tmp_path: Path) -> None:
    remote = Remote(tmp_path / "home", slurm)
    config = tmp_path / "home" / "config.yaml"
    config.write_text("# mine\n")
    # ssh asks the system for a user's home, not the environment.
    ssh = tmp_path / "ssh"
    ssh.write_text(f'#!/bin/sh\nexec /usr/bin/ssh -F {slurm.path}/ssh_config "$@"\n')
    ssh.chmod(0o755)
    environment = {**remote.environment, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with remote.running():
        ours, theirs = pty.openpty()
        asking = subprocess.Popen(
            [BIN / "runexp", "setup"], env=environment, stdin=theirs, stdout=theirs, stderr=theirs
        )
        os.close(theirs)
        os.write(ours, b"cluster\nasyncssh\n\n\n")  # the cluster, the transport, no partition, no account
        said = ""
        while "next: runexp run cluster:/" not in said:
            said += os.read(ours, 65536).decode()
        assert asking.wait(60) == 0, said
        os.close(ours)
    assert "In ~/.ssh/config: cluster" in said
    assert "Partition for scripts that name none (" in said, "what the cluster has is offered"
    assert yaml.safe_load(config.read_text()) == {
        "clusters": {"cluster": {"host": "cluster", "transport": "asyncssh"}}
    }
    assert config.read_text().startswith("# mine\n")
