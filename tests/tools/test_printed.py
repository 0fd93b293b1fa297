"""Where a job's words go, by its script."""

from pathlib import Path

import pytest

from fakes.evidence import answered
from runexp.wire.jobs import Finding
from runexpd.tools.printed import appended, redirected
from runexpd.tools.torchtune import TOOL
from tools.trainings import Trained, age, kind

TUNE = "tune run lora_finetune_single_device --config finetune.yaml"


@pytest.mark.parametrize(
    ("command", "files"),
    [
        (f"{TUNE} > train.log 2>&1", ["/r/train.log"]),
        (f"{TUNE} \\\n  epochs=2 &> logs/a.log", ["/r/logs/a.log"]),
        (f"{TUNE} 2>&1 | tee -a logs/train_${{SLURM_JOB_ID}}.log", ["/r/logs/train_%j.log"]),
        ("exec > >(tee out.txt) 2>&1", ["/r/out.txt"]),
        ("srun python train.py 2> err.log >/abs/out.log &", ["/r/err.log", "/abs/out.log"]),
        (f'OUT=/scratch/x\nexport LOG="$OUT/train.log"\n{TUNE} > "$LOG" 2>&1', ["/scratch/x/train.log"]),
        (f'{TUNE} > "$LOG" 2>&1', []),
        (f"{TUNE} > /dev/null", []),
        (f"# {TUNE} > train.log", []),
        ("nvidia-smi --query-gpu=utilization.gpu --format=csv > gpu_metrics.csv &", []),
        ("exec 9>>.lock", []),
        (f"{TUNE} dataset.prompt='a > b'", []),
        (f"{TUNE} 'unbalanced > quote", []),
        (f"{TUNE} > {'x' * 5000}", []),
    ],
)  # fmt: skip
def test_where_a_script_sends_words(command: str, files: list[str]) -> None:
    assert list(redirected(f"#!/bin/bash\n{command}\n", "/r")) == files


def test_to_which_of_them_it_adds() -> None:
    script = f"{TUNE} >> a.log 2>&1\n{TUNE} > b.log\n{TUNE} | tee -a c.log\n{TUNE} |& tee -ia d.log\n{TUNE} | tee e.log"
    assert appended(script, "/r") == ("/r/a.log", "/r/c.log", "/r/d.log")


def redirect(trained: Trained) -> Path:
    """The script's words go into a file of their own from now on, as they did in the attempt that there was."""
    script = trained.rundir / "finetune.slurm"
    script.write_text(script.read_text() + "python x.py > train.log 2>&1\n")
    return trained.rundir / "train.log"


def test_steps_are_seen_where_the_script_sends_its_words(trained: Trained) -> None:
    sent = redirect(trained)
    attempt = trained.train()
    trained.log.unlink()
    trained.output.rename(sent)
    for whose in (attempt, None):
        assert trained.verdict(whose).detail == "2 epochs, 8 steps"
    age(sent)
    assert trained.verdict(attempt).warnings[0].endswith("not in slurm-7.out, train.log")


def test_a_failure_is_told_by_what_the_script_sends_elsewhere(trained: Trained) -> None:
    sent = redirect(trained)
    attempt = trained.train("--fate", "bad_config")
    trained.output.rename(sent)
    trained.output.write_text("srun: error: node1: task 0: Exited with exit code 1\n")
    verdict = trained.verdict(attempt)
    assert kind(verdict) == "bad_config"
    assert verdict.failure is not None
    assert verdict.failure.said[-1] == "omegaconf.errors.ConfigAttributeError: Missing key epochs"


def test_a_traceback_at_the_end_of_what_was_sent_elsewhere_decides(trained: Trained) -> None:
    sent = redirect(trained)
    attempt = trained.train()
    sent.write_text("Traceback (most recent call last):\n  File x\nValueError: no\n")
    assert kind(trained.verdict(attempt)) == "exception"


def test_stderr_may_have_a_file_of_its_own(trained: Trained) -> None:
    script = trained.rundir / "finetune.slurm"
    script.write_text(
        script.read_text().replace("#!/bin/bash\n", "#!/bin/bash\n#SBATCH --error=err-%j.txt\n")
    )
    attempt = trained.train()
    trained.log.unlink()
    trained.output.rename(trained.rundir / "err-7.txt")
    verdict = trained.verdict(attempt)
    assert (verdict.finding, verdict.detail) == (Finding.GOOD, "2 epochs, 8 steps")


def test_of_a_file_that_is_added_to_only_the_newest_training_is_the_attempts(trained: Trained) -> None:
    redirect(trained)
    attempt = trained.train("--fate", "no_steps")
    log = trained.rundir / "train.log"
    log.write_text(
        "2|124|Loss: 0.5: 100%|# | 62/62 [00:01<00:00, 50.0it/s]\nRunning X with resolved config:\n"
    )
    assert answered(TOOL.progress(trained.job, attempt)) is None
    with log.open("a") as file:
        file.write("1|1|Loss: 2.5:   2%|# | 1/62 [00:01<00:00, 50.0it/s]\n")
    progress = answered(TOOL.progress(trained.job, attempt))
    assert progress is not None
    assert progress.done == 1
