"""Jobs in the queue that somebody else submitted, by hand or by another tool: recognised by script and work directory."""

from collections.abc import Collection, Iterable, Sequence
from posixpath import basename, dirname

from runexp.wire.jobs import JobSpec
from runexp.wire.states import END_STATES, RUNNING
from runexpd.clusters.base import Found
from runexpd.clusters.slurm.parse import Queued, mark
from runexpd.clusters.slurm.rooms import is_silent
from runexpd.clusters.slurm.usage import number
from runexpd.hosts.base import FileMissing, FileRefused, Host


async def find(
    host: Host, rows: Iterable[Queued], jobs: Sequence[JobSpec], ours: Collection[str]
) -> dict[str, Found]:
    """By job: the row that runs its script, one that runs already before one that waits."""
    names = {name for job in jobs for name in (basename(job.script), job.name)}
    marks = {mark(token) for token in ours}
    real = _Resolved(host)
    found: dict[str, Found] = {}
    for row in sorted(filter(_is_under_way, rows), key=lambda row: (row.state != RUNNING, int(row.id))):
        named = {basename(row.command), row.name} & names
        if not named or any(each in row.command for each in marks):
            continue
        script, workdir = await real.path(row.command), await real.path(row.workdir)
        for job in jobs:
            if job.id not in found and _runs(job, row, script, workdir):
                found[job.id] = Found(row.id, basename(row.command))
                break
    return found


def _runs(job: JobSpec, row: Queued, script: str, workdir: str) -> bool:
    """Its script; or a copy that lies elsewhere, and has its name or, by a site's own sbatch, no more than the job's."""
    if script in (job.script, _real_script(job)):
        return True
    if workdir not in (job.workdir, job.place):
        return False
    if basename(job.script) == basename(row.command):
        return True
    copied = row.command.startswith("/") and dirname(script) != workdir
    return copied and row.name == job.name and is_silent(row)


def _is_under_way(row: Queued) -> bool:
    """Arrays are left out."""
    return number(row.id) is not None and row.state not in END_STATES and row.state != "COMPLETING"


def _real_script(job: JobSpec) -> str:
    """In its directory without links."""
    return f"{job.place or job.workdir}/{basename(job.script)}"


class _Resolved:
    """Paths as the experiment's are: without links. Each is asked for once."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[str, str] = {}

    async def path(self, path: str) -> str:
        if path not in self._known:
            try:
                self._known[path] = await self._host.resolve(path)
            except (FileMissing, FileRefused):
                self._known[path] = path
        return self._known[path]
