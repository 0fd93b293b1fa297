"""What a keeper will need to run a submission, or why it is refused. Reads the user's files, and makes directories for outputs.

Whatever a script makes this stumble over is that script's own fault: it is refused, and no other with it. What the machine
can't do for now is told apart.
"""

import errno
import os
import stat
from contextlib import suppress
from pathlib import Path

import msgspec

from runexp import paths
from runexp.text import printable
from runexpd.clusters.base import Submission
from runexpd.clusters.local import directives, processes
from runexpd.clusters.local.spool import Record
from runexpd.experiments import sbatch

#: As Slurm's own max_script_size.
MOST_SCRIPT_BYTES = 4 * 1024 * 1024
#: Of Linux: a path's, with the zero at its end, and a name's.
_MOST_PATH_BYTES, _MOST_NAME_BYTES = 4095, 255
#: Not the submission's fault: the machine's, for now.
_FOR_NOW = frozenset(
    {errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN, errno.EINTR}
)


class Refusal(Exception):
    """Raised when a submission isn't taken: in sbatch's words where it has some."""


class NotNow(Exception):
    """Raised when the machine can't take it for now."""


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """A submission that can be run."""

    submission: Submission
    asked: sbatch.Directives
    script: bytes
    #: Where the script runs.
    workdir: str
    #: The directory that it trains into, and is marked for it; empty: none.
    results: str
    user: str
    #: Where the mark is, once it is there.
    mark: str = ""

    def record(self, id: str) -> Record:
        """What the keeper reads."""
        output, error = self.asked.output, self.asked.error
        return {
            "name": self.name,
            "script": self.submission.script,
            "workdir": self.workdir,
            "submit_dir": self.submission.workdir,
            "output": self._path(output, id) if output else sbatch.default_path(self.workdir, id),
            "error": self._path(error, id) if error else None,
            "open_mode": self.asked.open_mode,
            "limit_seconds": self.asked.time_limit_seconds,
            "user": self.user,
            "mark": self.mark,
            "cpus": directives.cpus_asked(self.asked),
            "cpus_per_task": directives.cpus_per_task(self.asked),
            "tasks": directives.tasks_asked(self.asked),
            "gpus": directives.gpus_asked(self.asked),
        }

    @property
    def name(self) -> str:
        return self.asked.job_name or Path(self.submission.script).name

    def _path(self, pattern: str, id: str) -> str:
        return sbatch.output_path(
            pattern, workdir=self.workdir, job_id=id, job_name=self.name, user=self.user, node=node()
        )


def node() -> str:
    """This machine's short name."""
    return os.uname().nodename.partition(".")[0]


def prepare(submission: Submission) -> Order:
    """Raises Refusal and NotNow."""
    try:
        return _prepare(submission)
    except (Refusal, NotNow):
        raise
    except OSError as problem:
        raise _classified(problem, f"{problem.filename or submission.script}") from problem
    except Exception as problem:  # of one submission: the others are not to wait for it
        raise Refusal(f"it can't be read as a batch script: {type(problem).__name__}: {problem}") from problem


def _classified(problem: OSError, where: str) -> Exception:
    words = f"{where}: {problem.strerror or problem}"
    return NotNow(words) if problem.errno in _FOR_NOW else Refusal(words)


def _prepare(submission: Submission) -> Order:
    for path in (submission.script, submission.workdir):
        _check_path(path)
    script = _read_script(submission.script)
    asked = _read_directives(script)
    if why := directives.refusal(asked, os.cpu_count() or 1, len(processes.gpu_numbers(os.environ))):
        raise Refusal(why)
    workdir = _workdir(submission, asked)
    order = Order(
        submission=submission,
        asked=asked,
        script=script,
        workdir=workdir,
        results=_results(submission, workdir),
        user=paths.user(),
    )
    _check_record(order.record("1"))
    for directory in submission.output_dirs:
        _make_dir(directory, (submission.workdir, workdir))
    return order


def _results(submission: Submission, workdir: str) -> str:
    """Where they are, or can be; else the work directory stands for them."""
    if not submission.results:
        return ""
    with suppress(Refusal, NotNow, OSError):
        _make_dir(submission.results, (submission.workdir, workdir))
        return submission.results
    return submission.workdir


def _read_directives(script: bytes) -> sbatch.Directives:
    try:
        return sbatch.read(script.decode(errors="replace"))
    except sbatch.BadDirective as bad:
        raise Refusal(f"line {bad.line}: {bad.what}") from None


def _read_script(path: str) -> bytes:
    try:
        script = _read_file(path)
    except OSError as problem:
        raise _classified(problem, f"Unable to open file {path}") from None
    if len(script) > MOST_SCRIPT_BYTES:
        raise Refusal(f"Batch script is larger than {MOST_SCRIPT_BYTES // 1024 // 1024} MB: {path}")
    if not script:
        raise Refusal("Batch script is empty!")
    if not script.startswith(b"#!"):
        raise Refusal(
            "This does not look like a batch script. The first line must start with #! and an interpreter"
        )
    if b"\r\n" in script:
        raise Refusal(
            r"Batch script contains DOS line breaks (\r\n) instead of expected UNIX line breaks (\n)"
        )
    return script


def _read_file(path: str) -> bytes:
    """One byte more than it may have, if it has it. A FIFO or a device would keep whoever opens it waiting. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise Refusal(f"Unable to open file {path}: not a regular file")
    with open(handle, "rb") as file:
        return file.read(MOST_SCRIPT_BYTES + 1)


def _workdir(submission: Submission, asked: sbatch.Directives) -> str:
    if not os.path.isdir(submission.workdir):
        raise Refusal(f"{submission.workdir}: no such directory")
    if not asked.chdir:
        return submission.workdir
    _check_path(asked.chdir)
    workdir = os.path.join(submission.workdir, asked.chdir)
    if not os.path.isdir(workdir):
        raise Refusal(f"--chdir={workdir}: no such directory; Slurm would run the job in /tmp")
    return workdir


def _check_record(record: Record) -> None:
    """Paths and words that no program can be given."""
    for option in ("output", "error"):
        if record[option] is not None:
            _check_path(record[option])
    if "\0" in record["name"]:
        raise Refusal("--job-name: a zero byte in it")
    os.fsencode(record["name"])


def _check_path(path: str) -> None:
    shown = printable(path[:100])
    if "\0" in path:
        raise Refusal(f"{shown}: a zero byte in a path")
    name = os.fsencode(path)
    if len(name) > _MOST_PATH_BYTES or any(len(part) > _MOST_NAME_BYTES for part in name.split(b"/")):
        raise Refusal(f"{shown}...: File name too long")


def _make_dir(directory: str, bases: tuple[str, ...]) -> None:
    """For outputs, where it is missing: below a directory that the job is in anyway, and never in place of one."""
    _check_path(directory)
    if os.path.isdir(directory):
        return
    existing, missing = _nearest(directory)
    if not os.path.isdir(existing):
        raise Refusal(f"no directory for its output: {existing} is not a directory")
    real = os.path.realpath(existing)
    below = any(os.path.commonpath((real, base)) == base for base in map(os.path.realpath, bases))
    if not below or ".." in missing:
        raise Refusal(
            f"no directory for its output: {directory} isn't there, and is made only below the work directory"
        )
    try:
        os.makedirs(directory, exist_ok=True)
    except OSError as problem:
        raise _classified(problem, f"no directory for its output: {problem.filename}") from None


def _nearest(directory: str) -> tuple[str, list[str]]:
    """The longest beginning of a path at which there is something, if only a link to nothing, and the names after it."""
    parts = directory.rstrip("/").split("/")
    for count in range(len(parts), 1, -1):
        path = "/".join(parts[:count])
        if os.path.lexists(path):
            return path, parts[count:]
    return "/", parts[1:]
