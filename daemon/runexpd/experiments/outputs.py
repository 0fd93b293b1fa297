"""Where a job prints: its `--output` and `--error`, with their patterns filled in. Pure."""

from posixpath import dirname

import msgspec

from runexp.wire.jobs import JobSpec
from runexpd.experiments import sbatch

#: Letters that only a submission tells, or only a job's start.
_LATER = frozenset("AaJjNu")


class Start(msgspec.Struct, frozen=True):
    """What patterns are filled with. Empty: not known yet."""

    slurm_job_id: str
    #: Who the job is run by.
    user: str = ""
    #: The short name of the first host that it runs on.
    node: str = ""


def output_of(job: JobSpec, start: Start) -> str:
    """The path of its output; empty as long as it can't be told."""
    if is_default(job):
        return sbatch.default_path(job.chdir or job.workdir, start.slurm_job_id)
    return _filled(job, job.output, start)


def error_of(job: JobSpec, start: Start) -> str:
    """The path of the file that its stderr has for itself; empty where it has none, or as long as it can't be told."""
    return _filled(job, job.error, start) if job.error else ""


def is_default(job: JobSpec) -> bool:
    """Whether its script leaves `--output` out."""
    usual = f"{job.chdir or job.workdir}/{sbatch.DEFAULT_OUTPUT}"
    return "output" not in job.directives and job.output == usual


def is_open(job: JobSpec) -> bool:
    """Whether its submission doesn't tell where it prints."""
    return any(sbatch.letters(pattern) & {"u", "N"} for pattern in (job.output, job.error or ""))


def directories(job: JobSpec) -> tuple[str, ...]:
    """Where its files will be, as far as that is known before it is submitted; but for its work directory."""
    patterns = [pattern for pattern in (None if is_default(job) else job.output, job.error) if pattern]
    parents = {dirname(pattern) for pattern in patterns}
    known = {_filled(job, parent, Start("")) for parent in parents if not sbatch.letters(parent) & _LATER}
    return tuple(sorted(known - {job.workdir}))


def _filled(job: JobSpec, pattern: str, start: Start) -> str:
    unknown = {letter for letter, word in (("u", start.user), ("N", start.node)) if not word}
    if sbatch.letters(pattern) & unknown:
        return ""
    return sbatch.output_path(
        pattern,
        workdir=job.workdir,
        job_id=start.slurm_job_id,
        job_name=job.name,
        user=start.user,
        node=start.node,
    )
