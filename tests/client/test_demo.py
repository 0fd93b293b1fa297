"""The demo where nobody looks on, with stand-ins for its tools; and its steps in a terminal."""

import io
import os
import subprocess
import sys
from pathlib import Path

import pytest

from runexp import steps


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


#: The demo, but for what it is an example of.
DEMO = """
import sys
from fakes.experiments import build
from runexp.cli import main
from runexp.scaffolding import example

def scaffold(directory, environment, step):
    step("writing scripts and configs")
    build(directory, name="capitalization-tiny")

example.scaffold = scaffold
main(["demo", sys.argv[1]])
"""


@pytest.mark.long
def test_redirected_it_is_a_line_a_step_and_a_line_a_job(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}
    argv = [sys.executable, "-c", DEMO, str(tmp_path / "demo")]
    done = subprocess.run(
        argv, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False
    )
    assert done.returncode == 0, done.stdout
    lines = done.stdout.splitlines()
    assert lines[0] == "==> writing scripts and configs"
    assert [line.split()[0] for line in lines if " VERIFIED: " in line][:6] == [f"{n}/6" for n in range(1, 7)]
    assert "capitalization-tiny: succeeded: 6 VERIFIED" in lines
    assert len(lines) < 30
    assert "Detached" not in done.stdout, "it looks on, and nothing is left to come back to"
    assert not (tmp_path / "demo" / "home" / "run" / "runexpd.sock").exists(), "its daemon has ended"


def test_in_a_terminal_the_steps_are_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = Terminal()
    monkeypatch.setattr("sys.stderr", shown)
    with steps.steps(2) as told:
        told.step("making the data")
        told.step("starting")
    first, second, last = shown.getvalue().split("\r")[1:]
    assert first.strip() == f"[{'.' * 30}] making the data"
    assert second.strip() == f"[{'#' * 15}{'.' * 15}] starting"
    assert last.strip() == f"[{'#' * 30}] done"
    assert last.endswith("\n")
    assert max(map(len, (first, second))) < 80
    with pytest.raises(ValueError, match="x"):
        _begun_in_vain()
    assert shown.getvalue().rstrip().endswith("not done")


def _begun_in_vain() -> None:
    with steps.steps(2) as told:
        told.step("making the data")
        raise ValueError("x")
