"""A tree of a directory by one command: GNU find's arguments, and what it prints. Pure."""

from runexpd.hosts.base import FileFact, Kind

#: A record an entry, links followed, ended by NUL: type, size, time of change, path. Of GNU find.
_RECORD = r"%Y %s %T@ %p\0"
#: `%Y`: file, directory, FIFO, socket, devices, door; and of links: to nothing, in a circle, unknown.
_KINDS = {"f": Kind.FILE, "d": Kind.DIRECTORY} | dict.fromkeys("lpscbDNLU?", Kind.OTHER)


def argv(path: str, depth: int) -> list[str]:
    """GNU find that prints every entry below `path` as a record; links are followed for what they are, not walked into."""
    follow = ["sh", "-c", 'exec find -L "$@" -maxdepth 0 -printf "$0"', _RECORD, "{}", "+"]
    limits = ["-mindepth", "1", "-maxdepth", str(depth)]
    return ["find", "-H", path, *limits, "(", "-type", "l", "-exec", *follow, "-o", "-printf", _RECORD, ")"]


def parse(output: bytes) -> list[FileFact]:
    """The entries that find printed, sorted by path. Raises ValueError for what find doesn't print."""
    records = output.decode("utf-8", "surrogateescape").split("\0")
    if records.pop():
        raise ValueError("cut short")
    return sorted((_parse_record(record) for record in records), key=lambda fact: fact.path)


def _parse_record(record: str) -> FileFact:
    letter, size, modified_at, path = record.split(" ", 3)
    if letter not in _KINDS:
        raise ValueError(f"no kind of file: {letter}")
    # Whole seconds, since SFTP has no finer ones: the same file is to have the same facts however it was seen.
    return FileFact(path, int(size), float(int(modified_at.partition(".")[0])), _KINDS[letter])
