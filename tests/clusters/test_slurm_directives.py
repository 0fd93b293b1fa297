"""What the real sbatch makes of a script's first lines, held against what is read of them."""

import shutil
import uuid

import pytest

from cluster import Cluster
from runexpd.experiments import sbatch

#: Each is an array, or isn't.
LINES = [
    *[f"#SBATCH {each}" for each in ("-a 0-1", "-a0-1", "--array 0-1", "--arr=0-1", "-Qa0-1", "-a '0-1'")],
    *["#SBATCH-a0-1", "#SBATCH\t-a 0-1", "#SBATCH --comment 'a #b' -a 0\\-1", "#SBATCH --nice=5 -a0-1"],
    *["#SBATCH --comment=a#b -a 0-1", "##SBATCH -a 0-1", " #SBATCH -a 0-1", "# x\u2028#SBATCH -a 0-1"],
    *["true\n#SBATCH -a 0-1", "# \\\n#SBATCH -a 0-1", "\n \t# x\n#SBATCH -a 0-1", "#SBATCH --wrap=x"],
    *["#PBS -t 0-1", "#PBS -N x -J0-1", "#PBS -t 0-1\n#SBATCH --ignore-pbs", "#BSUB -J x[0-1]", "true\n#PBS -t 0-1"],
]  # fmt: skip
REFUSED = ["stray", "x -a 0-1", "-- -a 0-1", "--array", "-t=10", "-Z", "--nice 5", "--bogus-=1", "-J 'x"]

pytestmark = pytest.mark.real


def submitted(slurm: Cluster, lines: str) -> tuple[str, int]:
    """The id of a job on hold, empty where it was refused; and how many jobs it is."""
    script = slurm.home / f"{uuid.uuid4().hex[:8]}.slurm"
    script.write_text(f"#!/bin/sh\n{lines}\ntrue\n")
    shutil.chown(script, slurm.user)
    id = slurm.run("sbatch", "--hold", "--parsable", str(script), check=False).stdout.strip()
    jobs = slurm.run("squeue", "-h", "-r", "-j", id, "-o", "%i").stdout.split() if id else []
    slurm.run("scancel", *jobs, check=False)
    return id, len(jobs)


def test_an_array_is_what_slurm_makes_one(slurm: Cluster) -> None:
    for lines in LINES:
        unfit = sbatch.unfit(sbatch.read(f"#!/bin/sh\n{lines}\ntrue\n"))
        array = unfit is not None and unfit.what.startswith("--array")
        assert submitted(slurm, lines)[1] == (2 if array else 1), lines


def test_a_line_that_can_not_be_read_is_refused_by_slurm_too(slurm: Cluster) -> None:
    for line in REFUSED:
        assert submitted(slurm, f"#SBATCH {line}") == ("", 0), line
        if line != "--bogus-=1":  # a newer Slurm may know it
            with pytest.raises(sbatch.BadDirective):
                sbatch.read(f"#!/bin/sh\n#SBATCH {line}\ntrue\n")
