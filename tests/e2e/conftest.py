"""What tests of whole experiments share."""

import os
import subprocess
import sys
import sysconfig
from pathlib import Path

import pytest

from cluster import Cluster

PACKAGES = sysconfig.get_path("purelib")


def usable(python: str, slurm: Cluster) -> bool:
    """Whether the cluster's user can run this Python, and read what is installed here, where its jobs run."""
    test = f"import sys; sys.path.append({PACKAGES!r}); import msgspec; print(sys.version_info[:2])"
    # By way of a shell, as in a job: a program that root hands over to another user is judged more leniently.
    shell = slurm.there("sh", "-c", '"$0" -c "$1"', python, test)
    done = subprocess.run(shell, capture_output=True, text=True, check=False, cwd="/")
    return done.stdout.strip() == str(sys.version_info[:2])


@pytest.fixture
def environment(slurm: Cluster) -> Path:
    """A virtual environment that the cluster's user can activate, with the packages that are installed here."""
    if (venv := slurm.path / "env").exists():
        return venv
    pythons = [
        path
        for path in (sys.executable, "/usr/local/bin/python3", "/usr/bin/python3")
        if os.path.exists(path)
    ]
    python = next((path for path in pythons if usable(path, slurm)), None)
    if python is None:
        pytest.skip(f"{slurm.user} can neither read {PACKAGES} nor run a Python {sys.version_info[:2]}")
    subprocess.run([python, "-m", "venv", "--without-pip", venv], check=True)
    site = next((venv / "lib").glob("python3*/site-packages"))
    (site / "installed.pth").write_text(f"{PACKAGES}\n")
    for name in ("tune", "inspect"):
        script = (Path(sys.executable).parent / name).read_text().splitlines(keepends=True)
        (venv / "bin" / name).write_text(f"#!{venv}/bin/python\n{''.join(script[1:])}")
        (venv / "bin" / name).chmod(0o755)
    return venv
