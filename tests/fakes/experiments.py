"""Fast experiments on disk, scaffolded as real ones are: their scripts run the stand-ins of `jobs/`."""

import shlex
from dataclasses import dataclass
from pathlib import Path

JOBS = Path(__file__).parent / "jobs"
TASK = "words"

CONFIG = """# stands in for a torchtune config
run_dir: .
output_dir: ${{run_dir}}/artifacts
checkpointer:
  output_dir: ${{output_dir}}
metric_logger:
  log_dir: ${{output_dir}}/logs
batch_size: 16  # as large as fits
epochs: {epochs}
"""
FINETUNE = """#!/bin/bash
#SBATCH --job-name={run}
#SBATCH --time=10
{directives}#SBATCH --output=artifacts/slurm-%j.out
echo "{run} $SLURM_JOB_ID" >>{executions}
exec 9>>.training
flock -n 9 || echo "{run} $SLURM_JOB_ID" >>{executions}.overlaps
exec python3 -I -S {jobs}/train.py --output-dir artifacts --seconds {seconds} --fate {fate} --shards {shards}
"""
CELL = """#!/bin/bash
#SBATCH --job-name={run}-{cell}
#SBATCH --time=10
echo "{run}/{cell} $SLURM_JOB_ID" >>{executions}
exec python3 -I -S {jobs}/evaluate.py --model-path {model} --score {score} --seconds {seconds} --fate {fate}
"""


@dataclass(frozen=True)
class Run:
    """A fine-tuned run; `epochs` 0: a control run."""

    name: str
    epochs: int = 1
    fate: str = "ok"
    seconds: float = 0.2
    eval_fate: str = "ok"
    eval_seconds: float = 0.1
    #: <run>/eval/<task>_epoch<N>.slurm instead of a directory a cell.
    older_layout: bool = False
    #: More #SBATCH lines of the training, each with its end.
    directives: str = ""
    #: Of each checkpoint.
    shards: int = 1


USUAL = (Run("base", epochs=0), Run("rank4"), Run("rank8", epochs=2))


def build(dir: Path, *runs: Run, name: str = "words", jobs: Path = JOBS) -> Path:
    """Scaffold the runs (none given: the usual ones) in `dir`. `jobs`: where the stand-ins are, for who runs them."""
    runs = runs or USUAL
    dir.mkdir(parents=True, exist_ok=True)
    (dir / "base-model").mkdir(exist_ok=True)
    for run in runs:
        write_run(dir, run, jobs)
    rows = [f"  - {{name: {r.name}, type: {'fine-tuned' if r.epochs else 'control'}}}" for r in runs]
    matrix = [
        f"    - {{run: {r.name}, tasks: [{TASK}], epochs: {list(range(r.epochs)) if r.epochs else 'null'}}}"
        for r in runs
    ]
    summary = [
        f"experiment: {{name: {name}}}",
        "tools: {preparation: torchtune, evaluation: inspect-ai}",
        "runs:",
        *rows,
    ]
    (dir / "experiment_summary.yaml").write_text(
        "\n".join([*summary, "evaluation:", "  matrix:", *matrix]) + "\n"
    )
    return dir


def write_run(dir: Path, run: Run, jobs: Path = JOBS) -> None:
    """A run's scripts and config; again, to mend it."""
    place = dir / run.name
    place.mkdir(exist_ok=True)
    common = {"run": run.name, "executions": shlex.quote(str(dir / "executions.txt")), "jobs": jobs}
    if run.epochs:
        (place / "finetune.yaml").write_text(CONFIG.format(epochs=run.epochs))
        training = {"seconds": run.seconds, "fate": run.fate, "shards": run.shards}
        script = FINETUNE.format(**common, **training, directives=run.directives)
        (place / "finetune.slurm").write_text(script)
    for epoch in range(run.epochs) or [None]:
        cell = TASK if epoch is None else f"{TASK}_epoch{epoch}"
        path = place / "eval" / (f"{cell}.slurm" if run.older_layout else f"{cell}/cell.slurm")
        path.parent.mkdir(parents=True, exist_ok=True)
        model = dir / "base-model" if epoch is None else place / "artifacts" / f"epoch_{epoch}"
        script = CELL.format(**common, cell=cell, model=shlex.quote(str(model)), score=0.25 * ((epoch or 0) + 1), seconds=run.eval_seconds, fate=run.eval_fate)  # fmt: skip
        path.write_text(script)


def print_to(script: Path, pattern: str) -> None:
    """Have a job's output elsewhere."""
    script.write_text(script.read_text().replace("artifacts/slurm-%j.out", pattern))


def executions(dir: Path) -> list[str]:
    """What ran, a word a job, as often as it ran."""
    path = dir / "executions.txt"
    return sorted(line.split()[0] for line in path.read_text().splitlines()) if path.exists() else []


def job_ids(dir: Path) -> list[tuple[str, str]]:
    """What ran, with the id of the job that it ran in, in order."""
    path = dir / "executions.txt"
    lines = path.read_text().splitlines() if path.exists() else []
    return [(name, id) for name, _, id in (line.partition(" ") for line in lines)]


def overlaps(dir: Path) -> str:
    """Trainings that began while another was under way in the same directory, by whichever path; empty: none."""
    path = dir / "executions.txt.overlaps"
    return path.read_text() if path.exists() else ""
