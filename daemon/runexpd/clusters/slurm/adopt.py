"""Jobs in the queue that somebody else submitted, by hand or by another tool: recognised by script and work directory."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from posixpath import basename, dirname

from runexp.wire.jobs import JobSpec
from runexp.wire.states import END_STATES, RUNNING
from runexpd.clusters.base import Found
from runexpd.clusters.slurm.parse import Queued, rooms_in
from runexpd.clusters.slurm.rooms import is_silent
from runexpd.clusters.slurm.usage import number
from runexpd.hosts.base import Host, Locate, Place
from runexpd.hosts.threads import aside


async def find(
    host: Host, rows: Iterable[Queued], jobs: Sequence[JobSpec], ours: Collection[str]
) -> dict[str, Found]:
    """By job: the row that runs its script, one that runs already before one that waits."""
    likely = await aside(lambda: _likely(rows, jobs, ours))
    real = await _resolved(host, [path for row in likely for path in (row.command, row.workdir)])
    return await aside(lambda: _matched(likely, jobs, real))


def _likely(rows: Iterable[Queued], jobs: Sequence[JobSpec], ours: Collection[str]) -> list[Queued]:
    """Of somebody else's what may run one of these, what runs already first."""
    names, tokens = {name for job in jobs for name in (basename(job.script), job.name)}, frozenset(ours)
    return [
        row
        for row in sorted(filter(_is_under_way, rows), key=lambda row: (row.state != RUNNING, int(row.id)))
        if {basename(row.command), row.name} & names and tokens.isdisjoint(rooms_in(row.command))
    ]


def _matched(rows: Iterable[Queued], jobs: Sequence[JobSpec], real: Mapping[str, str]) -> dict[str, Found]:
    by_path: dict[str, list[JobSpec]] = {}
    for job in jobs:
        for path in {job.script, _real_script(job), job.workdir, job.place}:
            by_path.setdefault(path, []).append(job)
    found: dict[str, Found] = {}
    for row in rows:
        script, workdir = real[row.command], real[row.workdir]
        for job in (*by_path.get(script, ()), *by_path.get(workdir, ())):
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


async def _resolved(host: Host, paths: Sequence[str]) -> dict[str, str]:
    """Paths as the experiment's are: without links, as far as they can be looked at."""
    real = {path: path for path in paths}
    asked = [path for path in real if path.startswith("/")]
    answers = await host.fetch([Locate(path) for path in asked])
    return real | {
        path: answer.path for path, answer in zip(asked, answers, strict=True) if isinstance(answer, Place)
    }
