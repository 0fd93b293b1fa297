"""What sbatch's answer means. Pure. Texts of Slurm 22.05; the same in src/common/slurm_errno.c of later ones."""

import re

from runexp.text import printable
from runexpd.clusters.base import Accepted, Answer, Deferred, Refused, Unclear
from runexpd.clusters.slurm import parse
from runexpd.clusters.slurm.parse import Receipt

#: Of what a command wrote to stderr.
MOST_CHARACTERS = 1000
#: slurmctld may have taken it all the same.
_UNCLEAR = r"Socket timed out|temporarily unable|send/recv operation|Unexpected message|Zero Bytes were"
#: Nothing was submitted, and it will work later.
_LATER = (
    r"MaxSubmit|AssocGrpSubmit|QOSGrpSubmit|job submit limit|Unable to contact slurm controller|"
    r"controller is in standby|Munge encode failed|Protocol authentication error|Slurm is in the process of|"
    r"Transport endpoint|Too many job|MaxJobCount"
)
#: It would go the same way with the next one: the rest of a batch is not tried. An extended regular expression, too.
STOPS = f"{_UNCLEAR}|{_LATER}"


def answer(receipt: Receipt) -> Answer:
    """From what submit.sh or resolve.sh said."""
    match receipt.what:
        case "id":
            id = parse.job_id(receipt.text)
            return Accepted(id) if id else Unclear(f"sbatch printed no job id: {plain(receipt.text)}")
        case "error":
            return failed(receipt.exit_code, receipt.text)
        case "refused":
            return Refused(plain(receipt.text))
        case "later":
            return Deferred(plain(receipt.text))
        case "withdrawn":
            return Deferred("it never arrived", at_once=True)
        case _:
            return Unclear(plain(receipt.text) or "it was begun, and has no receipt yet")


def failed(exit_code: int, said: str) -> Answer:
    """From sbatch's exit code (not 0) and what it wrote to stderr, on one line."""
    text = plain(said)
    if exit_code > 128 and exit_code != 255:
        return Unclear(f"sbatch was ended by signal {exit_code - 128}")
    if exit_code == 127:
        return Refused(f"no sbatch on the cluster's PATH: {text}")
    if re.search(_UNCLEAR, text):
        return Unclear(text)
    if re.search(_LATER, text):
        return Deferred(text)
    return Refused(text or f"sbatch failed with exit code {exit_code}")


def plain(said: str) -> str:
    """Without the program's name before each line, and what only repeats; fit to be shown."""
    text = re.sub(r"\bsbatch: (?:error: )?", "", said)
    return printable(re.sub(r"Batch job submission failed: ", "", text))[:MOST_CHARACTERS]
