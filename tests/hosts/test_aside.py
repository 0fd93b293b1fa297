"""Old results are moved beside where they were, never over anything, and as often as one likes."""

import subprocess
from pathlib import Path

import pytest

from runexpd.hosts.aside import aside_command


def moved(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = aside_command("e1", 1, [str(path) for path in paths])
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_what_is_there_is_moved_and_what_is_gone_is_passed_over(tmp_path: Path) -> None:
    epoch, log = tmp_path / "artifacts" / "epoch 0", tmp_path / "logs" / "-x.eval"
    for path in (epoch, log.parent):
        path.mkdir(parents=True)
    (epoch / "model.safetensors").write_text("m")
    log.write_text("l")
    for _ in range(2):  # as after a lost answer
        assert moved(epoch, log).returncode == 0
    assert (tmp_path / "artifacts" / "aside-e1-1" / "epoch 0" / "model.safetensors").read_text() == "m"
    assert (tmp_path / "logs" / "aside-e1-1" / "-x.eval").read_text() == "l"
    assert not epoch.exists()


def test_nothing_is_ever_overwritten(tmp_path: Path) -> None:
    log = tmp_path / "logs" / "x.eval"
    log.parent.mkdir()
    log.write_text("first")
    assert moved(log).returncode == 0
    log.write_text("second")
    refused = moved(log)
    assert refused.returncode == 1
    assert "is there already" in refused.stderr
    assert log.read_text() == "second"


@pytest.mark.parametrize("path", ["x", "/", "/home", "/a/../b"])
def test_what_is_no_path_of_a_result_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="no path of a result"):
        aside_command("e1", 1, [path])
