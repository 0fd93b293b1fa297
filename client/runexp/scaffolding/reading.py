"""Files that somebody names: regular ones, of a size that is looked into. Nothing is waited for."""

import os
import stat
from pathlib import Path

from runexp.scaffolding.problems import CannotBe


def whole(path: Path, most_bytes: int, hint: str) -> bytes:
    """What a file holds. Raises CannotBe, and OSError where it is not there."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        fact = os.fstat(handle)
        if not stat.S_ISREG(fact.st_mode):
            raise CannotBe(f"{path} is no regular file", hint)
        if fact.st_size > most_bytes:
            raise CannotBe(f"{path} has {fact.st_size >> 20} MB: too much to look into here", hint)
        return file.read(most_bytes)
