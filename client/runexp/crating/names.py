"""What files in a crate are called: whatever a job is called, a plain name below the crate, and no two alike. Pure."""

import re
from pathlib import PurePosixPath

_MOST_CHARACTERS = 80


def safe(name: str) -> str:
    """Only letters, digits, `.`, `_` and `-` of ASCII: no path, nothing hidden, nothing that a URL would quote."""
    plain = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip(".-")
    return plain[-_MOST_CHARACTERS:].strip(".-") or "unnamed"


def apart(name: str, taken: set[str]) -> str:
    """The name, with a number where it is taken, in whatever case: some disks know none. It is taken from now on."""
    path, number = PurePosixPath(name), 1
    while name.lower() in taken:
        number += 1
        name = f"{path.stem}-{number}{path.suffix}"
    taken.add(name.lower())
    return name
