"""Slurm's command lines. Pure: what is run, never running it."""

import math
import re
import shlex
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import resources

from runexp.text import printable
from runexp.wire.states import END_STATES
from runexpd.clusters.base import Known, Submission
from runexpd.clusters.slurm import usage
from runexpd.clusters.slurm.errors import STOPS

#: Submissions of one command, and their bytes: Linux takes 128 KiB as one argument, and the script is in it, too.
BATCH, _BATCH_BYTES = 250, 96 * 1024
#: What one command gets done in time: on a file system that is far or busy each room takes a tenth of a second.
PIECE = 500
#: Of Linux: a path's, with the zero at its end, and a name's.
_MOST_PATH_BYTES, _MOST_NAME_BYTES = 4095, 255
#: From a command to its beginning on a head node, about; a look takes a while, too.
_ON_ITS_WAY_SECONDS = 10.0
#: Options that a site may want a default for.
DEFAULTED = ("partition", "account")
#: A name with a line's end or a separator in it would break the tables that name it: the script's own word then stands.
_PRINTABLE = re.compile(r"[^\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff|]{1,1024}")
#: Nothing that a shell, or rm, could take for something else.
_TOKEN = re.compile(r"[0-9a-z]{1,32}(?:-[0-9a-z]{1,32}){1,2}")
#: What cuts a row of squeue's or of sacct's, or is no text.
_ODD = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

#: Sections of an answer are told apart by these lines, each with the exit code of what was asked.
QUEUE, ACCOUNTING, ASKED, TAKEN, NOW = "==queue", "==accounting", "==asked", "==taken", "==now"

#: What is asked of sacct. SubmitLine holds the token; it is there from Slurm 21.08 on.
FIELDS = (
    *("JobID", "State", "ExitCode", "Start", "End", "User", "Submit", "JobName", "WorkDir"),
    *usage.FIELDS,
    "MaxRSS",
    "SubmitLine",
)


def _script(name: str) -> str:
    return (resources.files("runexpd.clusters.slurm") / name).read_text()


#: Read once, and not on the event loop.
_SHARED = _script("shared.sh")
_MARKS = _SHARED + _script("marks.sh")
_SUBMIT, _TAKEN = (_MARKS + _script(name) for name in ("submit.sh", "taken.sh"))
_RESOLVE, _QUERY, _ROOMS, _LOOK_OVER = (
    _SHARED + _script(name) for name in ("resolve.sh", "query.sh", "rooms.sh", "doctor.sh")
)
_ENDS = ",".join(sorted(END_STATES))


def unfit(submission: Submission) -> str:
    """Why Slurm's commands can't be given its paths, in words; empty if they can."""
    paths = (submission.script, submission.workdir, submission.chdir or "", submission.results)
    for path in (*paths, *submission.output_dirs):
        shown = printable(path[:100])
        if _ODD.search(path):
            return (
                f"{shown}: Slurm's tables can't hold this path: a control character, or not UTF-8; rename it"
            )
        names = path.encode().split(b"/")
        if (
            sum(map(len, names)) + len(names) > _MOST_PATH_BYTES + 1
            or max(map(len, names)) > _MOST_NAME_BYTES
        ):
            return f"{shown}...: File name too long"
    if _bytes(submission) > _BATCH_BYTES:
        return f"{printable(submission.script[:100])}...: paths too long for one command"
    return ""


def batches(submissions: Sequence[Submission]) -> Iterator[Sequence[Submission]]:
    """In order, so many at a time as one command can hold."""
    batch: list[Submission] = []
    held_bytes = 0
    for submission in submissions:
        more_bytes = _bytes(submission)
        if len(batch) == BATCH or held_bytes + more_bytes > _BATCH_BYTES:
            yield batch
            batch, held_bytes = [], 0
        batch.append(submission)
        held_bytes += more_bytes
    if batch:
        yield batch


def pieces(asked: Sequence[str]) -> Iterator[Sequence[str]]:
    """In order, so many at a time."""
    for start in range(0, len(asked), PIECE):
        yield asked[start : start + PIECE]


def _bytes(submission: Submission) -> int:
    """As a shell is given them."""
    words = (*_words(submission, {}), "partition", "account")
    return sum(len(shlex.quote(word).encode()) + 1 for word in words)


def submit(batch: Sequence[Submission], defaults: Mapping[str, str], daemon: str = "") -> list[str]:
    """Submit each once, in order. `defaults`: by DEFAULTED, for what a script leaves open. `daemon`: whose they are, for people."""
    words = [word for submission in batch for word in _words(submission, defaults)]
    return ["sh", "-c", _SUBMIT, "runexp-submit", STOPS, _ENDS, daemon, *words]


def taken(daemon: str = "") -> list[str]:
    """Whose jobs train where those on its input would."""
    return ["sh", "-c", _TAKEN, "runexp-taken", _ENDS, daemon]


def places(batch: Sequence[Submission]) -> bytes:
    """As `taken` reads them."""
    return "".join(f"{each.token}\n{each.results}\n" for each in batch).encode()


def _words(submission: Submission, defaults: Mapping[str, str]) -> Iterator[str]:
    """As submit.sh reads them."""
    yield from (submission.token, submission.workdir, submission.script)
    yield submission.name if _PRINTABLE.fullmatch(submission.name) else ""
    first, second, *_ = (*submission.output_dirs, "", "")
    chdir = submission.chdir or ""
    yield from (first, second)
    for option in DEFAULTED:
        yield defaults[option] if option in defaults and option not in submission.directives else ""
    yield chdir
    yield submission.results
    yield submission.variable
    yield _seconds_since(submission.looked_at)


def _seconds_since(at: float) -> str:
    """When a head node comes to it; empty: that doesn't count. Nobody compares the clocks of two machines."""
    seconds = time.time() - at + _ON_ITS_WAY_SECONDS
    return str(math.ceil(seconds)) if math.isfinite(seconds) and seconds > 0 else ""


def resolve(tokens: Sequence[str], fields: Sequence[str]) -> list[str]:
    """What became of these."""
    return ["sh", "-c", _RESOLVE, "runexp-resolve", ",".join(fields), *tokens]


def query(fields: Sequence[str]) -> list[str]:
    """squeue once, and sacct where it must be; ids on its input. With steps: only they know their memory."""
    return ["sh", "-c", _QUERY, "runexp-query", ",".join(fields), _ENDS]


def ids(jobs: Sequence[Known]) -> bytes:
    """As commands read them."""
    return "".join(f"{job.slurm_job_id}\n" for job in jobs).encode()


def rooms() -> list[str]:
    """What the rooms say of the tokens on its input."""
    return ["sh", "-c", _ROOMS, "runexp-rooms"]


def kept() -> list[str]:
    """What lies in the directory of rooms, one a line."""
    return ["sh", "-c", 'cd "$HOME/.runexp" 2>/dev/null || exit 0; ls', "runexp-kept"]


def forget() -> list[str]:
    """Delete the rooms of the tokens on its input."""
    return ["sh", "-c", 'cd "$HOME/.runexp" && xargs rm -rf --', "runexp-forget"]


def is_token(name: str) -> bool:
    """As core.steps.submit makes them; the first builds' had three parts."""
    return _TOKEN.fullmatch(name) is not None


def tokens(tokens: Sequence[str]) -> bytes:
    return "".join(f"{token}\n" for token in tokens).encode()


def details(ids: Sequence[str]) -> list[str]:
    """scontrol's record of each: for a site without accounting."""
    show = 'for id; do SLURM_TIME_FORMAT=%s scontrol -o show job "$id"; done'
    return ["sh", "-c", show, "runexp-details", *ids]


def node_names(nodes: Sequence[str]) -> list[str]:
    """A line for each, or some where it is in several partitions: its host's name, and its own. Nothing of one that it doesn't know."""
    return ["sinfo", "-h", "-N", "-n", ",".join(nodes), "-o", "%n %N"]


def look_over(prepend: Sequence[str]) -> list[str]:
    """What the cluster is like, and what becomes of the lines that are put before every command."""
    return ["sh", "-c", _LOOK_OVER, "runexp-doctor", *prepend]


def list_queue() -> list[str]:
    """The queue's rows of this user's jobs."""
    return ["sh", "-c", f"{_SHARED}queue", "runexp-list"]


def cancel() -> list[str]:
    """End those whose ids come on its input."""
    return ["xargs", "-n", "500", "scancel"]
