"""Slurm's command lines. Pure: what is run, never running it."""

import re
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from runexpd.clusters.base import Known, Submission
from runexpd.clusters.slurm import usage
from runexpd.clusters.slurm.errors import STOPS

#: Keeps one command below what Linux takes as one argument (128 KiB), paths of 500 characters included.
BATCH = 100
#: Options that a site may want a default for.
DEFAULTED = ("partition", "account")
#: A name with a line's end or a separator in it would break the tables that name it: the script's own word then stands.
_PRINTABLE = re.compile(r"[^\x00-\x1f|]+")

#: Sections of an answer are told apart by these lines, each with the exit code of what was asked.
QUEUE, ACCOUNTING, TAKEN, NOW = "==queue", "==accounting", "==taken", "==now"

#: What is asked of sacct. SubmitLine holds the token; it is there from Slurm 21.08 on.
FIELDS = (
    *("JobID", "State", "ExitCode", "Start", "End", "User", "Submit", "JobName", "WorkDir"),
    *usage.FIELDS,
    "MaxRSS",
    "SubmitLine",
)

_QUERY = """
us=$(printf '\\037')
ids=$1
export SLURM_TIME_FORMAT=%s
echo "==accounting"
timeout 30 sacct -n -P --delimiter="$us" -j "$ids" --format="$2"
echo "==end $?"
echo "==queue"
timeout 30 squeue -h -t all -j "$ids" -o "%i$us%T$us%r$us%S$us%o"
echo "==end $?"
"""


def _script(name: str) -> str:
    return (resources.files("runexpd.clusters.slurm") / name).read_text()


def submit(batch: Sequence[Submission], defaults: Mapping[str, str]) -> list[str]:
    """Submit each once, in order. `defaults`: by DEFAULTED, for what a script leaves open."""
    words = [word for submission in batch for word in _words(submission, defaults)]
    return ["sh", "-c", _script("submit.sh"), "runexp-submit", STOPS, *words]


def _words(submission: Submission, defaults: Mapping[str, str]) -> Iterator[str]:
    """As submit.sh reads them."""
    yield from (submission.token, submission.workdir, submission.script)
    yield submission.name if _PRINTABLE.fullmatch(submission.name) else ""
    first, second, *_ = (*submission.output_dirs, "", "")
    yield from (first, second)
    for option in DEFAULTED:
        yield defaults[option] if option in defaults and option not in submission.directives else ""


def resolve(tokens: Sequence[str], fields: Sequence[str]) -> list[str]:
    """What became of these."""
    return ["sh", "-c", _script("resolve.sh"), "runexp-resolve", ",".join(fields), *tokens]


def query(jobs: Sequence[Known], fields: Sequence[str]) -> list[str]:
    """sacct and squeue, once each, whatever the number of jobs. With steps: only they know their memory."""
    ids = ",".join(job.slurm_job_id for job in jobs)
    return ["sh", "-c", _QUERY, "runexp-query", ids, ",".join(fields)]


def list_all() -> list[str]:
    """Every job of this user that the queue knows, with its script and its directory."""
    ask = 'us=$(printf "\\037"); timeout 30 squeue -h -t all -u "$(id -un)" -o "%i$us%T$us%o$us%Z"'
    return ["sh", "-c", ask, "runexp-list"]


def details(ids: Sequence[str]) -> list[str]:
    """scontrol's record of each: for a site without accounting."""
    show = 'for id; do SLURM_TIME_FORMAT=%s scontrol -o show job "$id"; done'
    return ["sh", "-c", show, "runexp-details", *ids]


def look_over() -> list[str]:
    """What the cluster is like."""
    return ["sh", "-c", _script("doctor.sh"), "runexp-doctor"]


def list_jobs(jobs: Sequence[Known]) -> list[str]:
    """The queue's rows of these."""
    ask = 'us=$(printf "\\037"); timeout 30 squeue -h -t all -j "$1" -o "%i$us%T$us%r$us%S$us%o"'
    return ["sh", "-c", ask, "runexp-list", ",".join(job.slurm_job_id for job in jobs)]


def cancel(ids: Sequence[str]) -> list[str]:
    """End these."""
    return ["scancel", *ids]
