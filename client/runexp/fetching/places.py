"""Where a file from outside goes: below one directory, whatever its name is."""

import re
from pathlib import Path

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


def prepared(root: Path, where: Path) -> Path:
    """The path below `root`, its directories made. No link leads out of there. Raises NoPlace, OSError."""
    target = root / where
    target.parent.mkdir(parents=True, exist_ok=True)
    real = target.parent.resolve()
    if not real.is_relative_to(root.resolve()):
        raise NoPlace(f"{target.parent} is a link that leads out of {root}")
    if target.is_symlink() or (target.exists() and not target.is_file()):
        raise NoPlace(f"{target} is there, and is no regular file")
    return target
