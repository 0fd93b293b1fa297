"""What is in a token's room on the head node, as submit.sh, resolve.sh and rooms.sh tell it. Pure."""

import re
from collections.abc import Iterator
from posixpath import normpath

import msgspec

from runexpd.clusters.slurm.parse import US, Accounted, Queued, job_id, lines, seconds
from runexpd.clusters.slurm.usage import number

#: Behind each line of what a command wrote.
RS = "\x1e"
#: From the lock to the job at most: sbatch gives up after two minutes of tries.
SBATCH_SECONDS = 600.0
_SUBMITTED = re.compile(r"Submitted batch job ([0-9]{1,15})\b.*")
#: A command line of ours leads through a room, wherever the link ~/.runexp may lead: see submit.sh.
_OF_A_ROOM = re.compile(r"/[^/ ]+-[^/ ]+/\.\./\.\./")


class Room(msgspec.Struct, frozen=True):
    """When, by whom, as what and from where something was submitted."""

    #: The lock's and the receipt's time, in seconds since 1970, as the file server has it; None: not there.
    begun_at: float | None = None
    ended_at: float | None = None
    user: str = ""
    #: Empty where the script's own word stood.
    name: str = ""
    #: The directory that it was to run in, as it was said and without its links.
    places: frozenset[str] = frozenset()

    @property
    def is_older(self) -> bool:
        """Made by a runexpd that noted neither name nor directory."""
        return not self.name and not self.places


class Receipt(msgspec.Struct, frozen=True):
    """What became of a token."""

    token: str
    #: done, refused, locked, withdrawn, later, doubtful, gone or room.
    what: str
    #: sbatch's.
    exit_code: int = 0
    #: The lines that it wrote to its output, and to stderr.
    out: tuple[str, ...] = ()
    said: tuple[str, ...] = ()
    #: Only resolve.sh and rooms.sh look for it.
    room: Room = Room()

    @property
    def job_id(self) -> str | None:
        """What begins with an id is one, whatever follows; and a site's wrapper may say it in a line among others."""
        first, *_ = (*self.out, "")
        if id := job_id(first):
            return id
        ids = {id for line in self.out if (id := id_in(line))}
        return ids.pop() if len(ids) == 1 else None


def id_in(line: str) -> str | None:
    """In what sbatch says: `7`, `7;cluster`, `Submitted batch job 7 on cluster x`."""
    said = _SUBMITTED.fullmatch(line.strip())
    return said[1] if said else job_id(line)


def receipts(text: str) -> Iterator[Receipt]:
    """What sbatch wrote comes last: it may hold anything, separators too."""
    for line in lines(text):
        if line.count(US) >= 9:
            token, what, begun_at, ended_at, user, name, directory, real, out, said = line.split(US, 9)
            what, _, code = what.partition(" ")
            places = frozenset(place for place in (directory, real) if place)
            room = Room(seconds(begun_at), seconds(ended_at), user, name, places)
            yield Receipt(token, what, number(code) or 0, _split(out), _split(said), room)


def _split(text: str) -> tuple[str, ...]:
    return tuple(line for line in text.split(RS) if line.strip())


def is_silent(row: Queued | Accounted) -> bool:
    """Whether its command line doesn't say whose it is: a site's sbatch submitted a copy, or sacct has no SubmitLine."""
    return not _OF_A_ROOM.search(_line(row))


def _line(row: Queued | Accounted) -> str:
    return row.command if isinstance(row, Queued) else row.submit_line or ""


def fits(room: Room, row: Queued | Accounted, clocks_seconds: float, *, seen: bool = False) -> bool:
    """Whether a job that is silent is what was submitted from a room: by user, directory, name and time.

    `clocks_seconds`: how far the file server's clock and slurmctld's may differ. `seen`: it fitted before, and
    Slurm, which dates a job that it requeues anew, may have done so.
    """
    if room.begun_at is None or row.submitted_at is None or not is_silent(row):
        return False
    latest = room.ended_at if room.ended_at is not None else room.begun_at + SBATCH_SECONDS
    timely = seen or row.submitted_at <= latest + clocks_seconds
    known = row.user == room.user and (room.is_older or _agrees(room, row))
    return known and timely and row.submitted_at >= room.begun_at - clocks_seconds


def _agrees(room: Room, row: Queued | Accounted) -> bool:
    places = {_kept(place) for place in room.places}
    return _kept(row.name) == _kept(room.name) and bool(
        {_kept(row.workdir), _kept(normpath(row.workdir))} & places
    )


def _kept(text: str) -> str:
    """As the accounting of Slurm 20.11 keeps a text: it has no double quotes."""
    return text.replace('"', "`")
