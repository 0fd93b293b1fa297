"""What Slurm and the scripts print, as data. Pure. A row that isn't as expected is passed over: it is no news."""

import re
from collections.abc import Iterator

import msgspec

from runexp.wire.states import END_STATES
from runexpd.clusters.base import Known

US = "\x1f"


class Receipt(msgspec.Struct, frozen=True):
    """What submit.sh or resolve.sh said of a token."""

    token: str
    #: id, error, locked, withdrawn or dying.
    what: str
    #: sbatch's exit code, or for `dying` the seconds since.
    number: int
    text: str


class Section(msgspec.Struct, frozen=True):
    """What one command printed, and its exit code; None: it never ended."""

    text: str
    exit_code: int | None


class Queued(msgspec.Struct, frozen=True):
    """A row of squeue."""

    id: str
    state: str
    reason: str | None
    #: Seconds since 1970; an estimate while it is pending.
    start: float | None
    command: str


class Stranger(msgspec.Struct, frozen=True):
    """A row of squeue, of a job that may be anybody's."""

    id: str
    state: str
    command: str
    workdir: str


class Accounted(msgspec.Struct, frozen=True):
    """A row of sacct."""

    id: str
    state: str
    exit_code: str
    start: float | None
    end: float | None
    user: str
    submit_line: str


def receipts(text: str) -> Iterator[Receipt]:
    for line in text.splitlines():
        parts = line.split(US)
        if len(parts) == 3:
            what, _, number = parts[1].partition(" ")
            yield Receipt(parts[0], what, int(number) if number.isdigit() else 0, parts[2].strip())


def sections(text: str) -> dict[str, Section]:
    """The parts between `==name` and `==end CODE`, by name."""
    found: dict[str, Section] = {}
    name, lines = "", [""]
    for line in text.splitlines():
        if match := re.fullmatch(r"==end (\d+)", line):
            found[name] = Section("\n".join(lines), int(match[1]))
            name, lines = "", []
        elif line.startswith("=="):
            name, lines = line, []
        else:
            lines.append(line)
    if name:
        found[name] = Section("\n".join(lines), None)
    return found


def queue(text: str) -> list[Queued]:
    """Rows of `squeue -o "%i %T %r %S %o"`; an array's elements keep their `7_3`."""
    rows = []
    for line in text.splitlines():
        parts = line.split(US)
        if len(parts) == 5:
            id, state, reason, start, command = parts
            rows.append(Queued(id, state, None if reason in ("None", "") else reason, _time(start), command))
    return rows


def accounting(text: str) -> list[Accounted]:
    """Rows of sacct's JobID, State, ExitCode, Start, End, User, SubmitLine. `CANCELLED by 1001` is CANCELLED."""
    rows = []
    for line in text.splitlines():
        parts = line.split(US, 6)
        if len(parts) == 6:  # a site whose sacct has no SubmitLine
            parts.append("")
        if len(parts) == 7 and re.fullmatch(r"\d+(?:[_+].*)?", parts[0]):
            id, state, exit_code, start, end, user, submit_line = parts
            rows.append(
                Accounted(id, state.split(" ")[0], exit_code, _time(start), _time(end), user, submit_line)
            )
    return rows


def details(text: str) -> dict[str, Accounted]:
    """`scontrol -o show job`, by id: the same facts for a site without accounting."""
    found = {}
    for line in text.splitlines():
        fields = dict(re.findall(r"(?:^|\s)(JobId|JobState|ExitCode|StartTime|EndTime|Command)=(\S+)", line))
        if "JobId" in fields and "JobState" in fields:
            found[fields["JobId"]] = Accounted(
                fields["JobId"],
                fields["JobState"],
                fields.get("ExitCode", ""),
                _time(fields.get("StartTime", "")),
                _time(fields.get("EndTime", "")),
                "me",
                fields.get("Command", ""),
            )
    return found


def mark(token: str) -> str:
    """What a command line holds that leads through the token's room: see submit.sh."""
    return f"/{token}/"


def bears(command: str, job: Known) -> bool:
    """Whether a command line is that of this job."""
    return (job.mark or mark(job.token)) in command


def strangers(text: str) -> list[Stranger]:
    """Rows of `squeue -o "%i %T %o %Z"`: jobs that are not over, arrays left out."""
    rows = (line.split(US) for line in text.splitlines())
    return [
        Stranger(*row)
        for row in rows
        if len(row) == 4 and row[0].isdigit() and row[1] not in END_STATES and row[1] != "COMPLETING"
    ]


def job_id(parsable: str) -> str | None:
    """The id in `sbatch --parsable`: `7`, or `7;cluster`. None where there is none."""
    match = re.fullmatch(r"(\d+)(?:;\S+)?", parsable.strip())
    return match[1] if match else None


def _time(text: str) -> float | None:
    return float(text) if text.isdigit() else None
