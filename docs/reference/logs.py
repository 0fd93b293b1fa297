"""The page of the run logs."""

from reference import comments
from reference.layout import Page
from runexpd.experiments.actions import Action

_TEXT = """runexp writes three logs beside the summary, or in `logs/` where that exists: `run-experiment.log`, and for each phase one that
is named after its tool, such as `run-torchtune.log` and `run-inspect.log`. They are copies of what the ledger knows: delete one, and
it is written again. A block an action:

    [2026-11-24 10:00:00] SUBMIT_JOB: rank8
    Details: sbatch /scratch/me/exp7/rank8/finetune.slurm
    Job ID: 4711
    Result: submitted

`Job ID` is there for submissions alone, on the third line. No text from outside can imitate a block."""


def page() -> Page:
    return Page(title="Run logs", text=_TEXT, sections=(comments.words("Actions", Action),))
