"""Files brought home from a real cluster by both transports, over a connection that is cut while they come."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from cluster import Cluster
from fakes.experiments import Run
from fakes.home import BIN, wait_for
from fakes.remote import SETTINGS, Remote

pytestmark = [pytest.mark.real, pytest.mark.timeout(300)]
#: After each, the link waits twice as long before it logs in again: 10 and 20 s.
CUTS = 2
MB = 1024 * 1024


@pytest.fixture(params=["asyncssh", "openssh"])
def remote(request: pytest.FixtureRequest, tmp_path: Path, slurm: Cluster) -> Iterator[Remote]:
    remote = Remote(tmp_path / "home", slurm, {**SETTINGS, "transport": request.param})
    with remote.running():
        yield remote


def test_a_checkpoint_comes_whole_though_the_connection_is_cut_again_and_again(
    remote: Remote, slurm: Cluster, tmp_path: Path
) -> None:
    dir = remote.experiment(Run("rank8"))
    assert remote.run(dir).returncode == 0
    shard = next(dir.rglob("epoch_0")) / "large model.bin"
    data = os.urandom(MB) * 12
    shard.write_bytes(data)
    out = tmp_path / "out"
    part = out / shard.relative_to(dir).with_name(shard.name + ".runexp-fetch-part")
    argv: list[str | Path] = [BIN / "runexp", "fetch", "words", out, "--checkpoints", "--bandwidth", "2M"]
    with subprocess.Popen(argv, env=remote.environment, stdout=subprocess.PIPE, text=True) as fetch:
        for cut in range(1, CUTS + 1):
            wait_for(lambda: part.exists() and part.stat().st_size > cut * 2 * MB, "some of it is there")  # noqa: B023
            slurm.cut_ssh()
        remote.runexp("status", "words")
        said, _ = fetch.communicate(timeout=200)
    assert fetch.returncode == 0, said + remote.log()
    assert "verified by size alone" not in said
    assert (out / shard.relative_to(dir)).read_bytes() == data
    assert not list(out.rglob("*.runexp-fetch-part"))
    assert remote.runexp("fetch", "words", str(out), "--checkpoints").stdout.endswith("were there\n")
