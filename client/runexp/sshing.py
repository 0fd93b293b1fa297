"""What the user's own ssh knows: the hosts of ~/.ssh/config, and what a cluster says of itself where no question is asked."""

import re
import subprocess
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from runexp import paths, reading

_SECONDS = 20
_MOST_BYTES, _MOST_FILES = 1_000_000, 1_000
_WORD = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MARK = "runexp-account"


def hosts(config: Path | None = None) -> list[str]:
    """The aliases of ~/.ssh/config and of what it includes, in their order; patterns are none."""
    return list(dict.fromkeys(_hosts(config or paths.expanded("~") / ".ssh" / "config", set())))


def _hosts(path: Path, seen: set[Path]) -> list[str]:
    """Each file once, whoever includes it."""
    try:
        text = reading.whole(path, _MOST_BYTES).decode(errors="replace")
    except (OSError, reading.Unreadable):
        return []
    found: list[str] = []
    for line in text.split("\n"):
        words = line.replace("=", " ", 1).replace('"', "").split()
        if len(words) < 2:
            continue
        if words[0].lower() == "host":
            found += [word for word in words[1:] if _WORD.fullmatch(word)]
        elif words[0].lower() == "include":
            for pattern in words[1:]:
                base = paths.expanded(pattern)
                place = base if base.is_absolute() else paths.expanded("~") / ".ssh" / base
                for each in sorted({*_matching(place)} - seen)[:_MOST_FILES]:
                    if each not in seen:
                        seen.add(each)
                        found += _hosts(each, seen)
    return found


def _matching(place: Path) -> Iterator[Path]:
    """Files of that name, in which there may be `*` and `?`; none where it can be nobody's."""
    with suppress(OSError, ValueError):
        yield from place.parent.glob(place.name)


def offers(host: str) -> tuple[list[str], list[str]]:
    """Partitions, the default first, and accounts of the user. Both empty where ssh would ask something, or nobody answers."""
    asked = f"sinfo -h -o %P; echo {_MARK}; sacctmgr -nP show assoc user=$USER format=account"
    command = ["ssh", "-o", "BatchMode=yes", "-o", "ConnectTimeout=10", "--", host, asked]
    try:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_SECONDS,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired):
        return [], []
    partitions, _, accounts = done.stdout.partition(_MARK)
    every = sorted(partitions.split(), key=lambda name: not name.endswith("*"))
    return _words(name.rstrip("*") for name in every), _words(accounts.split())


def _words(said: Iterable[str]) -> list[str]:
    return list(dict.fromkeys(word for word in said if _WORD.fullmatch(word)))
