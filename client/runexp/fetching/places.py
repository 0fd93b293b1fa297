"""Where a file from outside goes: below one directory, whatever its name is."""

import hashlib
import os
import re
from pathlib import Path

#: Behind the name of a file that isn't whole.
PART = ".runexp-fetch-part"
#: For what lies elsewhere than in the experiment's directory.
ELSEWHERE = "elsewhere"
_MOST_BYTES = 255


class NoPlace(Exception):
    """Raised for a name that has no place: one line of why."""


def plain(name: str) -> str:
    """What a file of an experiment's is named after it: what it is called may be anything. Pure."""
    return re.sub(r"[^\w.-]+", "-", name).strip(".-") or "experiment"


def relative(below: str, path: str) -> Path:
    """Of a file `below` the experiment's directory (empty: at `path`, elsewhere). Pure. Raises NoPlace."""
    parts = below.split("/") if below else [ELSEWHERE, *path.strip("/").split("/")]
    for part in parts:
        if (
            part in ("", ".", "..")
            or "\0" in part
            or len(part.encode("utf-8", "surrogateescape")) > _MOST_BYTES
        ):
            raise NoPlace("its name leads elsewhere")
    if parts[0].startswith(".runexp-fetch"):
        raise NoPlace("it is named as what fetch keeps for itself")
    return Path(*parts)


def part(target: Path) -> Path:
    """Where a file is until it is whole: beside it, under a name that is never too long."""
    name = target.name + PART
    if len(os.fsencode(name)) > _MOST_BYTES:
        name = f".{hashlib.sha256(os.fsencode(target.name)).hexdigest()}{PART}"
    return target.with_name(name)


def prepared(root: Path, where: Path) -> Path:
    """The path below `root`, its directories made. No link leads out of there. Raises NoPlace, OSError."""
    target = root / where
    if not target.parent.resolve().is_relative_to(root.resolve()):
        raise NoPlace(f"{target.parent} is a link that leads out of {root}")
    target.parent.mkdir(parents=True, exist_ok=True)
    if target.is_symlink() or (target.exists() and not target.is_file()):
        raise NoPlace(f"{target} is there, and is no regular file")
    return target
