"""Jobs in the queue that somebody else submitted, by hand or by another tool: recognised by script and work directory."""

from collections.abc import Collection, Iterable, Sequence
from posixpath import basename, dirname

from runexp.wire.jobs import JobSpec
from runexp.wire.states import END_STATES, RUNNING
from runexpd.clusters.base import Found
from runexpd.clusters.slurm.parse import Queued, mark
from runexpd.clusters.slurm.rooms import is_silent
from runexpd.clusters.slurm.usage import number
from runexpd.hosts.base import Host, Locate, Place


async def find(
    host: Host, rows: Iterable[Queued], jobs: Sequence[JobSpec], ours: Collection[str]
) -> dict[str, Found]:
    """By job: the row that runs its script, one that runs already before one that waits."""
    names = {name for job in jobs for name in (basename(job.script), job.name)}
    marks = {mark(token) for token in ours}
    likely = [
        row
        for row in sorted(filter(_is_under_way, rows), key=lambda row: (row.state != RUNNING, int(row.id)))
        if {basename(row.command), row.name} & names and not any(each in row.command for each in marks)
    ]
    real = await _resolved(host, [path for row in likely for path in (row.command, row.workdir)])
    found: dict[str, Found] = {}
    for row in likely:
        for job in jobs:
            if job.id not in found and _runs(job, row, real[row.command], real[row.workdir]):
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


async def _resolved(host: Host, paths: Sequence[str]) -> dict[str, str]:
    """Paths as the experiment's are: without links, as far as they can be looked at."""
    real = {path: path for path in paths}
    asked = [path for path in real if path.startswith("/")]
    answers = await host.fetch([Locate(path) for path in asked])
    return real | {
        path: answer.path for path, answer in zip(asked, answers, strict=True) if isinstance(answer, Place)
    }
