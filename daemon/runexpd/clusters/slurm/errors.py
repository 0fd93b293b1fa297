"""What sbatch's answer means. Pure. Texts of Slurm 22.05; the same in src/common/slurm_errno.c of later ones."""

import re
from collections.abc import Sequence

from runexp.text import printable
from runexpd.clusters.base import Accepted, Answer, Deferred, Refused, Unclear
from runexpd.clusters.slurm.rooms import Receipt

#: Of what a command wrote to stderr.
MOST_CHARACTERS = 1000
#: The words of a limit that sbatch prints before the reason, a line for itself: `QOSMaxSubmitJobPerUserLimit`.
_LIMIT = re.compile(r"[A-Z][A-Za-z]+")
_FAILED = "Batch job submission failed: "
#: A limit on size, time or number, and no word which.
_POLICY = "Job violates accounting/QOS policy"
#: slurmctld may have taken it all the same.
_UNCLEAR = (
    r"Socket timed out|Unexpected message|Zero Bytes were|Slurm temporarily unable|.*send/recv operation"
)
#: Nothing was submitted, and it will work later: a limit on how many are queued, or a service that is away.
_LATER = (
    r"[A-Za-z]*Submit[A-Za-z]*$|Unable to contact slurm controller|Slurm backup controller|Munge encode failed|"
    r".*controller is in standby|Protocol authentication error|Slurm is in the process of|Transport endpoint|Too many job|"
    r"Resource temporarily unavailable|Unable to create job record"
)
#: As well, but another job may pass.
_LATER_FOR_THIS = (
    r"Required partition not available|Required node not available|Requested reservation not usable now"
)
#: It would go the same way with the next one: the rest of a batch is not tried. An extended regular expression, too, for the
#: lines as sbatch prints them. No more than the beginning of a line counts: behind it stands what a person wrote.
STOPS = rf"^(sbatch: )?(error: )?({_FAILED})?({_UNCLEAR}|{_LATER})"


def answer(receipt: Receipt) -> Answer:
    """From what submit.sh or resolve.sh said."""
    if id := receipt.job_id:
        return Accepted(id)
    match receipt.what:
        case "done" if receipt.exit_code == 0:
            return Unclear(f"sbatch printed no job id: {plain((*receipt.out, *receipt.said))}")
        case "done":
            return failed(receipt.exit_code, receipt.said or receipt.out)
        case "refused":
            return Refused(plain(receipt.said))
        case "later" | "doubtful" as what:
            return Deferred(plain(receipt.said), alone=what == "doubtful")
        case "withdrawn":
            return Deferred("it never arrived", at_once=True)
        case _:
            return Unclear(plain(receipt.said) or "it was begun, and has no receipt yet")


def failed(exit_code: int, said: Sequence[str]) -> Answer:
    """From sbatch's exit code (not 0) and the lines that it wrote."""
    text = plain(said)
    if exit_code > 128 and exit_code != 255:
        return Unclear(f"sbatch was ended by signal {exit_code - 128}")
    if exit_code == 127:
        return Refused(f"no sbatch on the cluster's PATH: {text}")
    reasons = _reasons(said)
    if any(re.match(_UNCLEAR, reason) for reason in reasons):
        return Unclear(text)
    if any(re.match(_LATER, reason) for reason in reasons):
        return Deferred(text)
    if any(re.match(_LATER_FOR_THIS, reason) for reason in reasons):
        return Deferred(text, alone=True)
    return Refused(text or f"sbatch failed with exit code {exit_code}")


def may_pass(receipt: Receipt) -> bool:
    """Whether a refusal may be one of a limit on how many are queued, though sbatch doesn't say so.

    Of a job in parts it never does, nor where a site's own plugin refuses. Such a limit passes when a job ends.
    """
    reasons = _reasons(receipt.said)
    named = any(_LIMIT.fullmatch(reason) for reason in reasons)
    return receipt.what == "done" and any(r.startswith(_POLICY) for r in reasons) and not named


def _reasons(said: Sequence[str]) -> list[str]:
    """The lines that say why: the last word, and the limit's name before it; all, where there is no last word."""
    lines = [re.sub(r"^(?:sbatch: )?(?:error: )?", "", line.strip()) for line in said]
    last = [line.removeprefix(_FAILED) for line in lines if line.startswith(_FAILED)]
    return [line for line in lines if _LIMIT.fullmatch(line)] + last if last else lines


def plain(said: Sequence[str]) -> str:
    """On one line, without the program's name before each, and what only repeats; fit to be shown."""
    text = re.sub(r"\bsbatch: (?:error: )?", "", " ".join(said))
    return printable(text.replace(_FAILED, ""))[:MOST_CHARACTERS]
