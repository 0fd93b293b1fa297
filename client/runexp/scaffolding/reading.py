"""Files that an experiment is made of."""

from pathlib import Path

from runexp import reading
from runexp.scaffolding.problems import CannotBe


def whole(path: Path, most_bytes: int, hint: str) -> bytes:
    """What a file holds. Raises CannotBe, and OSError where it is not there."""
    try:
        return reading.whole(path, most_bytes)
    except reading.Unreadable as why:
        raise CannotBe(f"{path} {why}", hint) from None
