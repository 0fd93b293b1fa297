"""What a failed sbatch means. Pure. Texts of Slurm 22.05; the same in src/common/slurm_errno.c of later ones."""

import re

from runexpd.clusters.base import Answer, Deferred, Refused, Unclear

#: slurmctld may have taken it all the same.
_UNCLEAR = re.compile(
    r"Socket timed out|temporarily unable|send/recv operation|Unexpected message|Zero Bytes were"
)
#: Nothing was submitted, and it will work later.
_LATER = re.compile(
    r"MaxSubmit\w*|AssocGrpSubmit\w*|QOSGrpSubmit\w*|job submit limit|Unable to contact slurm controller|"
    r"controller is in standby|Munge encode failed|Protocol authentication error|Slurm is in the process of|"
    r"Transport endpoint|Too many job|MaxJobCount"
)


def failed(exit_code: int, said: str) -> Answer:
    """From sbatch's exit code (not 0) and what it wrote to stderr, on one line."""
    text = plain(said)
    if exit_code > 128 and exit_code != 255:
        return Unclear(f"sbatch was ended by signal {exit_code - 128}")
    if exit_code == 127:
        return Refused(f"no sbatch on the cluster's PATH: {text}")
    if _UNCLEAR.search(text):
        return Unclear(text)
    if _LATER.search(text):
        return Deferred(text)
    return Refused(text or f"sbatch failed with exit code {exit_code}")


def plain(said: str) -> str:
    """Without the program's name before each line, and what only repeats."""
    text = re.sub(r"\bsbatch: (?:error: )?", "", said)
    return " ".join(re.sub(r"Batch job submission failed: ", "", text).split())
