"""What accounting says a job was given and used, as numbers. Pure. The forms are those of sacct(1); others mean: not known."""

import re
from collections.abc import Sequence

from runexp.wire.jobs import Usage

_NUMBER = re.compile(r"[0-9]{1,15}")
_MULTIPLES = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
#: More than anything has, and still a number that can be stored.
_MOST_BYTES = 1 << 62
#: What sacct says of a job that was given no node.
_NOWHERE = ("", "None assigned", "None", "(null)")
#: Of a list of nodes.
_MOST_NODES_CHARACTERS = 200
#: The fields of a job's row that tell, in the order in which `usage` takes them; steps' rows have MaxRSS, too.
FIELDS = ("TimelimitRaw", "AllocCPUS", "AllocTRES", "TotalCPU", "ReqMem", "NodeList")


def number(text: str) -> int | None:
    """Of ASCII digits, and not too many of them; None for anything else."""
    return int(text) if _NUMBER.fullmatch(text) else None


def usage(given: Sequence[str], max_rss: Sequence[str]) -> Usage:
    """Of a job's FIELDS, and the MaxRSS of each of its steps."""
    limit_minutes, alloc_cpus, alloc_tres, total_cpu, req_mem, nodes = given
    gpus = re.search(r"(?:^|,)gres/gpu=([0-9]{1,15})", alloc_tres)
    cpus, minutes = number(alloc_cpus), number(limit_minutes)
    peaks = [peak for text in max_rss if (peak := memory_bytes(text)) is not None]
    return Usage(
        time_limit_seconds=None if minutes is None else minutes * 60.0,
        cpus=cpus,
        # Left out where there were none, and where the site doesn't account for them.
        gpus=int(gpus[1]) if gpus else None,
        cpu_seconds=cpu_seconds(total_cpu),
        memory_bytes=memory_bytes(req_mem, cpus or 1),
        # Nothing held at all: nothing was gathered.
        peak_memory_bytes=max(peaks, default=0) or None,
        nodes="" if nodes in _NOWHERE else nodes[:_MOST_NODES_CHARACTERS],
    )


def cpu_seconds(text: str) -> float | None:
    """`[days-[hours:]]minutes:seconds[.fraction]`; none at all of an ended job means that nothing was gathered."""
    match = re.fullmatch(
        r"(?:(?:([0-9]{1,15})-)?([0-9]{1,15}):)?([0-9]{1,15}):([0-9]{1,15}(?:\.[0-9]{1,15})?)", text
    )
    if match is None:
        return None
    days, hours, minutes, seconds = (float(part or 0) for part in match.groups())
    return ((days * 24 + hours) * 60 + minutes) * 60 + seconds or None


def memory_bytes(text: str, cpus: int = 1) -> int | None:
    """`4000M`, or of an older Slurm `4000Mc` (a CPU) and `4Gn` (a node); 0 is no limit."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,15})?)([KMGT]?)([cn]?)", text)
    if match is None:
        return None
    found = int(float(match[1]) * _MULTIPLES[match[2]] * (cpus if match[3] == "c" else 1))
    return found if 0 < found < _MOST_BYTES else None
