"""Make the outputs beside this file anew: every failure once, by the real torchtune, W&B and inspect-ai, on a CPU.

    python tests/tools/failures/record.py WORK VENV [CASE...]

WORK keeps what the jobs leave behind. Paths of this machine are written as /exp and /venv.
"""

import re
import shutil
import subprocess
import sys
from pathlib import Path

from runexp.scaffolding import example
from tools.failures.trials import TRIALS, Trial

HERE = Path(__file__).parent
EXAMPLE = example.TEMPLATE
HEAD = """#!/bin/bash
source {venv}/bin/activate
export OMP_NUM_THREADS=1 HF_HUB_OFFLINE=1 TIKTOKEN_CACHE_DIR= WANDB_MODE=offline
"""


def prepare(work: Path, venv: Path) -> None:
    """A tiny model and its data, once."""
    for script, out in (("make_tiny_model.py", "models/tiny-llama"), ("make_data.py", "words.json")):
        if not (work / out).exists():
            (work / out).parent.mkdir(parents=True, exist_ok=True)
            subprocess.run([venv / "bin" / "python", EXAMPLE / script, work / out], check=True)
    shutil.copy(EXAMPLE / "post_finetune.py", work)


def scaffold(run: Path, trial: Trial, venv: Path) -> None:
    shutil.rmtree(run, ignore_errors=True)
    (run / "artifacts").mkdir(parents=True)
    for name, text in trial.files.items():
        (run / name).write_text(text)
    shutil.copy(EXAMPLE / "task.py", run)
    config = (EXAMPLE / "finetune.yaml").read_text()
    for before, after in trial.edits:
        assert before in config, (trial.name, before)
        config = config.replace(before, after)
    (run / "finetune.yaml").write_text(config)
    (run / "finetune.slurm").write_text(HEAD.format(venv=venv) + trial.script)


def record(work: Path, venv: Path, trial: Trial) -> int:
    """Run a trial as a job does; its exit code."""
    run = work / trial.name
    scaffold(run, trial, venv)
    output = run / "artifacts" / "slurm-1.out"
    with output.open("w") as out:
        ended = subprocess.run(
            ["bash", "finetune.slurm"], cwd=run, stdout=out, stderr=out, timeout=300, check=False
        )
    return ended.returncode


def plain(text: str, work: Path, venv: Path) -> str:
    """Without what is this machine's own; of a traceback's frames and a resolved config only what tells."""
    text = text.replace(str(work), "/exp").replace(str(venv), "/venv")
    return re.sub(r"/[\w./-]*/lib/python3\.\d+/", "/venv/lib/python3/", text)


def main() -> None:
    work, venv, *wanted = sys.argv[1:]
    prepare(Path(work), Path(venv))
    for trial in TRIALS:
        if not wanted or trial.name in wanted:
            code = record(Path(work), Path(venv), trial)
            print(trial.name, code, flush=True)
            for name in (("artifacts/slurm-1.out", "txt"), ("train.log", "train.log")):
                file = Path(work) / trial.name / name[0]
                if file.exists():
                    said = plain(file.read_text(errors="replace"), Path(work), Path(venv))
                    (HERE / f"{trial.name}.{name[1]}").write_text(said)


if __name__ == "__main__":
    main()
