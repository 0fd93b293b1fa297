"""Jobs in the spool that no ledger of ours submitted: one that was moved aside did. Known by script and directory."""

import os
from collections.abc import Collection, Sequence
from contextlib import suppress
from pathlib import Path

from runexp.wire.jobs import JobSpec
from runexpd.clusters.base import Found
from runexpd.clusters.local import spool

#: A script's directory without links, and its name.
Place = tuple[str, str]


def find(root: Path, jobs: Sequence[JobSpec], ours: Collection[str]) -> dict[str, Found]:
    """By job: the one in the spool that runs its script and has no end, one that runs already before one that waits.

    The mark of each is the token that it was submitted with. Raises OSError.
    """
    wanted = {place: job.id for job in reversed(jobs) if (place := _place_of(job)) is not None}
    tokens = {id: token for id, token in spool.tokens(root).items() if token not in ours}
    strangers = [directory for directory in spool.unended(root) if directory.name in tokens]
    found: dict[str, Found] = {}
    for directory in sorted(strangers, key=_waits):
        job = wanted.get(_recorded(directory) or ("", ""))
        if job is not None and job not in found:
            found[job] = Found(directory.name, tokens[directory.name])
    return found


def _waits(directory: Path) -> bool:
    return not (directory / "start.json").exists()


def _place_of(job: JobSpec) -> Place | None:
    with suppress(OSError, ValueError):  # a path that no system call takes is nobody's
        return job.place or os.path.realpath(job.workdir), os.path.basename(job.script)
    return None


def _recorded(directory: Path) -> Place | None:
    with suppress(OSError, ValueError, spool.Damaged):
        job = spool.read(directory / "job.json") or {}
        workdir, name = os.path.split(str(job.get("script")))
        return os.path.realpath(workdir), name
    return None
