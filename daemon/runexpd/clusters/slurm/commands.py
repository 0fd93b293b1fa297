"""Slurm's command lines. Pure: what is run, never running it."""

import re
from collections.abc import Sequence
from importlib import resources

from runexpd.clusters.base import Known, Submission

#: Keeps one command below what Linux takes as one argument (128 KiB), paths of 500 characters included.
BATCH = 100
#: Names that a shell script's own --job-name need not be asked for: a file's.
_PLAIN = re.compile(r"[\w.+=@,-]+")

#: Sections of an answer are told apart by these lines, each with the exit code of what was asked.
QUEUE, ACCOUNTING, END = "==queue", "==accounting", "==end"

_QUERY = """
us=$(printf '\\037')
ids=$1
export SLURM_TIME_FORMAT=%s
echo "==accounting"
timeout 30 sacct -n -X -P --delimiter="$us" -j "$ids" --format=JobIDRaw,State,ExitCode,Start,End,User,SubmitLine
echo "==end $?"
echo "==queue"
timeout 30 squeue -h -t all -j "$ids" -o "%i$us%T$us%r$us%S$us%o"
echo "==end $?"
"""
_CANCEL = """
while [ $# -ge 2 ]; do
  case "$(squeue -h -t all -j "$1" -o %o 2>/dev/null)" in
    *"$2"*) scancel "$1" ;;
  esac
  shift 2
done
"""


def _script(name: str) -> str:
    return (resources.files("runexpd.clusters.slurm") / name).read_text()


def submit(batch: Sequence[Submission]) -> list[str]:
    """Submit each once, in order."""
    words = [
        w for s in batch for w in (s.token, s.workdir, s.script, s.name if _PLAIN.fullmatch(s.name) else "")
    ]
    return ["sh", "-c", _script("submit.sh"), "runexp-submit", *words]


def resolve(tokens: Sequence[str]) -> list[str]:
    """What became of these."""
    return ["sh", "-c", _script("resolve.sh"), "runexp-resolve", *tokens]


def query(jobs: Sequence[Known]) -> list[str]:
    """sacct and squeue, once each, whatever the number of jobs."""
    return ["sh", "-c", _QUERY, "runexp-query", ",".join(job.slurm_job_id for job in jobs)]


def details(ids: Sequence[str]) -> list[str]:
    """scontrol's record of each: for a site without accounting."""
    show = 'for id; do SLURM_TIME_FORMAT=%s scontrol -o show job "$id"; done'
    return ["sh", "-c", show, "runexp-details", *ids]


def cancel(jobs: Sequence[Known]) -> list[str]:
    """End each that is still ours."""
    words = [word for job in jobs for word in (job.slurm_job_id, job.token)]
    return ["sh", "-c", _CANCEL, "runexp-cancel", *words]
