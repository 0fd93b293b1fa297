"""What is released, alone: the sdist, and the wheel made of it in an empty environment, without the checkout."""

import subprocess
import sys
from pathlib import Path

import pytest

from fakes.experiments import build
from fakes.home import CONFIG

ROOT = Path(__file__).parents[2]
pytestmark = [pytest.mark.real, pytest.mark.timeout(600)]


def ran(*words: str | Path, **environment: str) -> str:
    done = subprocess.run(
        words, capture_output=True, text=True, env=environment or None, cwd="/", timeout=300
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def bin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an environment that holds the wheel, made from the sdist, and what it depends on, and nothing else."""
    place = tmp_path_factory.mktemp("wheel")
    ran(sys.executable, "-m", "build", "--outdir", place, ROOT)
    assert list(place.glob("runexp-*.tar.gz"))
    (wheel,) = place.glob("runexp-*.whl")
    bin = place / "venv" / "bin"
    ran(sys.executable, "-m", "venv", "--without-pip", place / "venv")
    ran(sys.executable, "-m", "pip", "--python", bin / "python", "install", "-q", wheel)
    return bin


def test_it_runs_an_experiment(bin: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.mkdir()
    (home / "config.yaml").write_text(CONFIG)
    own = {"RUNEXP_HOME": str(home), "PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    ran(bin / "runexp", "daemon", "start", **own)
    try:
        assert "succeeded" in ran(bin / "runexp", "run", build(tmp_path / "exp"), **own)
    finally:
        ran(bin / "runexp", "daemon", "stop", **own)


def test_it_brings_what_it_needs(bin: Path, tmp_path: Path) -> None:
    units = ran(bin / "runexpd", "install-service", "--print")
    assert f"ExecStart={bin}/runexpd\n" in units
    docs = units.partition("Documentation=file:")[2].partition("\n")[0]
    assert Path(docs).is_file()
    made = ran(bin / "runexp", "init", tmp_path / "trial", "--example", "--environment", sys.prefix, "--json")
    assert "trial/rank4/finetune.slurm" in made
