"""Files that somebody names: regular ones, of a size that is looked into. Nothing is waited for."""

import os
import stat
from pathlib import Path


class Unreadable(Exception):
    """Raised for what is there and isn't read; its text goes behind the path."""


def whole(path: Path, most_bytes: int) -> bytes:
    """What a file holds. Raises Unreadable, and OSError where it is not there."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        fact = os.fstat(handle)
        if not stat.S_ISREG(fact.st_mode):
            raise Unreadable("is no regular file")
        if fact.st_size > most_bytes:
            raise Unreadable(f"has {fact.st_size >> 20} MB: too much to look into here")
        return file.read(most_bytes)
