"""An experiment's files through a real daemon: which there are, how much memory and how long they take, how fast at most."""

import hashlib
import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.experiments import Run, build
from fakes.home import Home

MB = 1024 * 1024


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home(tmp_path_factory.mktemp("bringing") / "home")
    home.start()
    done = home.runexp("run", str(build(home.dir.parent / "exp", Run("rank8", epochs=2))))
    assert done.returncode == 0, done.stderr
    yield home
    home.stop()


def fetched(home: Home, to: Path, *options: str) -> set[str]:
    done = home.runexp("fetch", "words", str(to), *options)
    assert done.returncode == 0, done.stderr
    return {str(path.relative_to(to)) for path in to.rglob("*") if path.is_file()}


@pytest.mark.long
def test_logs_and_reports_come_and_the_rest_when_it_is_asked_for(home: Home, tmp_path: Path) -> None:
    exp = home.dir.parent / "exp"
    usual = fetched(home, tmp_path / "out")
    logs = {str(path.relative_to(exp)) for path in exp.rglob("*.eval")}
    assert len(logs) == 2
    assert logs < usual
    assert {
        "experiment_summary.yaml",
        "run-experiment.log",
        "report.md",
        "report.html",
        "report.json",
    } < usual
    assert not any("epoch_" in name and name.endswith(".safetensors") for name in usual)
    everything = fetched(home, tmp_path / "out", "--checkpoints", "--outputs")
    assert any(name.endswith(".out") for name in everything)
    shards = [name for name in everything if name.endswith(".safetensors")]
    assert {name.split("epoch_")[1][0] for name in shards} == {"0", "1"}
    for name in shards:
        assert (tmp_path / "out" / name).read_bytes() == (exp / name).read_bytes()


@pytest.mark.long
def test_much_of_it_takes_little_memory_and_a_rate_is_kept(home: Home, tmp_path: Path) -> None:
    exp = home.dir.parent / "exp"
    logs = next(exp.rglob("*.eval")).parent
    large = logs / "large.eval"
    data = os.urandom(MB) * 200
    large.write_bytes(data)
    before = peak(home)
    fetched(home, tmp_path / "all")
    assert peak(home) - before < 100 * MB
    found = next((tmp_path / "all").rglob("large.eval"))
    assert hashlib.sha256(found.read_bytes()).digest() == hashlib.sha256(data).digest()
    large.write_bytes(data[: MB // 2])
    began = time.monotonic()
    fetched(home, tmp_path / "all", "--bandwidth", "300k")
    assert time.monotonic() - began > 1.0
    large.unlink()


def peak(home: Home) -> int:
    """Of the daemon's memory, in bytes."""
    assert home.daemon is not None
    status = Path(f"/proc/{home.daemon.pid}/status").read_text()
    (line,) = (line for line in status.splitlines() if line.startswith("VmHWM:"))
    return int(line.split()[1]) * 1024
