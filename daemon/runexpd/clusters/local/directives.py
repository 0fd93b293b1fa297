"""Which #SBATCH options one machine can honour. Pure.

What the machine satisfies by itself, or what concerns only a site's book-keeping, is taken as it is. Anything else is
refused, with its line: a script that asked for an array and got one job would mislead.
"""

import re

from runexpd.experiments.sbatch import Directives

HONOURED = frozenset({"job-name", "output", "error", "chdir", "time", "open-mode"})
SATISFIED = frozenset(
    {"account", "comment", "exclusive", "hint", "mail-type", "mail-user", "mem", "mem-per-cpu", "mem-per-gpu", "nice",
     "no-requeue", "ntasks-per-node", "oversubscribe", "parsable", "partition", "priority", "qos", "quiet", "requeue",
     "threads-per-core", "tmp", "verbose", "wckey"}
)  # fmt: skip
GPU_OPTIONS = frozenset({"gres", "gpus", "gpus-per-node", "gpus-per-task"})
#: Slurm counts in 32 bits; no machine has a million of anything, and no job runs for a century.
_COUNT = re.compile(r"[0-9]{1,10}")
_GPUS = re.compile(r"(?:[A-Za-z][A-Za-z0-9_.-]*:)?([0-9]{1,10})")
MOST_SECONDS = 100 * 366 * 24 * 3600
#: Slurm's own limit for names (MAX_STR_LEN).
MOST_NAME_CHARACTERS = 1024


def refusal(directives: Directives, cpus: int, gpus: int) -> str:
    """Why a script can't run on a machine with so many CPUs and GPUs, in one line; empty if it can."""
    for name, value, line in directives.options:
        if why := _why_not(name, value or "", cpus, gpus):
            return f"line {line}: --{name}{'=' + _shortened(value) if value else ''}: {why}"
    if (directives.time_limit_seconds or 0) > MOST_SECONDS:
        return "Invalid --time specification: more than a hundred years"
    asked = cpus_asked(directives)
    if asked > cpus:
        return f"Requested node configuration is not available: {asked} CPUs asked, {cpus} here"
    return ""


def _shortened(value: str) -> str:
    return value if len(value) <= 100 else f"{value[:100]}..."


def _why_not(name: str, value: str, cpus: int, gpus: int) -> str:
    if name == "job-name":
        return "" if len(value) <= MOST_NAME_CHARACTERS else f"longer than {MOST_NAME_CHARACTERS} characters"
    if name in HONOURED | SATISFIED:
        return ""
    if name in ("ntasks", "cpus-per-task"):
        return "" if count(value) else "Invalid numeric value"
    if name == "nodes":
        return "" if value in ("1", "1-1") else "this machine is one node"
    if name == "export":
        return "" if value.upper() == "ALL" else "only ALL: a job here has the daemon's environment"
    if name in GPU_OPTIONS:
        asked = gpus_in(name, value)
        if asked is None:
            return "Invalid generic resource (gres) specification"
        return "" if asked <= gpus else f"{asked} GPUs asked, {gpus} on this machine"
    return "can't be honoured on this machine; take the line out, or run on a Slurm cluster"


def count(value: str) -> int | None:
    """A number as Slurm reads one; None for anything else, and for what no machine has."""
    return int(value) if _COUNT.fullmatch(value) else None


def gpus_in(option: str, value: str) -> int | None:
    """How many GPUs `--gres=gpu:a100:2`, `--gpus=a100:2`, `--gres=gpu` ask for; None for another resource or nonsense."""
    if option == "gres":
        resource, _, value = value.partition(":")
        if resource != "gpu":
            return None
    match = _GPUS.fullmatch(value or "1")
    return int(match[1]) if match else None


def gpus_asked(directives: Directives) -> int:
    asked = [gpus_in(name, value or "") for name, value, _ in directives.options if name in GPU_OPTIONS]
    return max((each or 0 for each in asked), default=0)


def tasks_asked(directives: Directives) -> int:
    return _last(directives, "ntasks") or 1


def cpus_per_task(directives: Directives) -> int | None:
    return _last(directives, "cpus-per-task")


def cpus_asked(directives: Directives) -> int:
    return tasks_asked(directives) * (cpus_per_task(directives) or 1)


def _last(directives: Directives, option: str) -> int | None:
    """The last of a kind wins."""
    values = [value for name, value, _ in directives.options if name == option]
    return count(values[-1] or "") if values else None
