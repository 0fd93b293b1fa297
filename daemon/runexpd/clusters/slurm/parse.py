"""What Slurm and the scripts print, as data. Pure. A row that isn't as expected is passed over: it is no news."""

import re
from collections.abc import Iterator

import msgspec

from runexp.text import printable
from runexp.wire.jobs import Usage
from runexpd.clusters.base import Known
from runexpd.clusters.slurm.usage import number, usage

US = "\x1f"


class Section(msgspec.Struct, frozen=True):
    """What one command printed, and its exit code; None: it never ended."""

    text: str
    exit_code: int | None


class Queued(msgspec.Struct, frozen=True, gc=False):
    """A row of squeue."""

    id: str
    state: str
    reason: str | None
    #: Seconds since 1970; an estimate while it is pending.
    start: float | None
    command: str
    submitted_at: float | None = None
    user: str = ""
    #: The first that it was given.
    node: str = ""
    workdir: str = ""
    name: str = ""


class Accounted(msgspec.Struct, frozen=True):
    """A row of sacct."""

    id: str
    state: str
    exit_code: str
    start: float | None
    end: float | None
    user: str
    #: None: this sacct has no such field. A stub's is empty.
    submit_line: str | None
    submitted_at: float | None = None
    name: str = ""
    workdir: str = ""
    usage: Usage = Usage()


def lines(text: str) -> list[str]:
    """Those that the line feeds make, and no other character: names of directories and jobs may hold any."""
    found = [line.removesuffix("\r") for line in text.split("\n")]
    return found if found[-1] else found[:-1]


def _rows(text: str) -> Iterator[str]:
    """The lines that aren't empty, one at a time: a table of ten thousand is held once."""
    return (match[0].removesuffix("\r") for match in re.finditer(r"[^\n]+", text))


def sections(text: str) -> dict[str, Section]:
    """The parts between `==name` and `==end CODE`, by name."""
    found: dict[str, Section] = {}
    name, inside = "", ""
    whole = text.replace("\r\n", "\n").removesuffix("\r").removesuffix("\n")
    for part in f"\n{whole}".split("\n==")[1:]:
        mark, _, rest = part.partition("\n")
        if match := re.fullmatch(r"end ([0-9]{1,3})", mark):
            found[name] = Section(inside, int(match[1]))
            name, inside = "", ""
        else:
            name, inside = f"=={mark}", rest
    if name:
        found[name] = Section(inside, None)
    return found


def count(section: Section | None) -> int:
    """A section that is a number; 0 where it is none."""
    return int(section.text) if section is not None and re.fullmatch(r"[0-9]{1,6}", section.text) else 0


def queue(text: str) -> Iterator[Queued]:
    """Rows of shared.sh's queue; an array's elements keep their `7_3`."""
    for line in _rows(text):
        parts = line.split(US, 9)
        if len(parts) == 10:
            id, state, reason, start, submitted_at, user, node, workdir, command, name = parts
            yield Queued(
                id=id,
                state=printable(state),
                reason=None if reason in ("None", "") else printable(reason),
                start=seconds(start),
                command=command,
                submitted_at=seconds(submitted_at),
                user=user,
                node=first_node(node),
                workdir=workdir,
                name=name,
            )


def accounting(text: str) -> list[Accounted]:
    """Jobs of sacct's commands.FIELDS, with SubmitLine or without. `CANCELLED by 1001` is CANCELLED.

    Rows of a job's steps (`7.batch`) add to its usage.
    """
    table = [parts for line in lines(text) if len(parts := line.split(US, 16)) in (16, 17)]
    max_rss: dict[str, list[str]] = {}
    for parts in table:
        max_rss.setdefault(parts[0].split(".")[0], []).append(parts[15])
    rows = []
    for parts in table:
        if re.fullmatch(r"[0-9]+(?:[_+][^.]*)?", parts[0]):
            id, state, exit_code, start, end, user, submitted_at, name, workdir = parts[:9]
            rows.append(
                Accounted(
                    id=id,
                    state=printable(state.split(" ")[0]),
                    exit_code=printable(exit_code),
                    start=seconds(start),
                    end=seconds(end),
                    user=user,
                    submit_line=parts[16] if len(parts) == 17 else None,
                    submitted_at=seconds(submitted_at),
                    name=name,
                    workdir=workdir,
                    usage=usage(parts[9:15], max_rss[id]),
                )
            )
    return rows


def first_node(nodes: str) -> str:
    """`cn007` of `cn[007-009,12],gpu1`; empty where there is none yet."""
    if not nodes:
        return ""
    first = re.match(r"(?:[^\[,]|\[[^\]]*\])*", nodes)
    named = re.sub(r"\[([^\],-]*)[^\]]*\]", r"\1", first[0] if first else "")
    return named if re.fullmatch(r"[A-Za-z0-9][\w.-]{0,254}", named) else ""


def node_hosts(text: str) -> dict[str, list[str]]:
    """sinfo's `HOST NODE`, by node."""
    found: dict[str, list[str]] = {}
    for line in lines(text):
        if len(names := line.split()) == 2:
            found.setdefault(names[1], []).append(names[0])
    return found


def details(text: str) -> dict[str, Accounted]:
    """`scontrol -o show job`, by id: the same facts for a site without accounting."""
    found = {}
    for line in lines(text):
        fields = dict(part.partition("=")[::2] for part in re.split(r" (?=[A-Z][A-Za-z]*=)", line))
        if "JobId" in fields and "JobState" in fields:
            found[fields["JobId"]] = Accounted(
                fields["JobId"],
                printable(fields["JobState"]),
                printable(fields.get("ExitCode", "")),
                seconds(fields.get("StartTime", "")),
                seconds(fields.get("EndTime", "")),
                fields.get("UserId", "").partition("(")[0],
                fields.get("Command", ""),
                seconds(fields.get("SubmitTime", "")),
                fields.get("JobName", ""),
                fields.get("WorkDir", ""),
            )
    return found


def mark(token: str) -> str:
    """What a command line holds that leads through the token's room: see submit.sh."""
    return f"/{token}/"


def rooms_in(command: str) -> list[str]:
    """All that may be a token whose mark a command line holds."""
    return command.split("/")[1:-1]


def bears(command: str, job: Known) -> bool:
    """Whether a command line is that of this job."""
    return (job.mark or mark(job.token)) in command


def job_id(parsable: str) -> str | None:
    """The id in `sbatch --parsable`: `7`, or `7;cluster`. None where there is none."""
    match = re.fullmatch(r"([0-9]{1,15})(?:;\S+)?", parsable.strip())
    return match[1] if match else None


def seconds(text: str) -> float | None:
    """Since 1970, in whole ones; None for `Unknown`, `N/A` and the like."""
    whole = number(text)
    return None if whole is None else float(whole)
