"""A crate's files, put below one directory one by one; what each of them is goes into the metadata."""

from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath

import msgspec

#: https://www.iana.org/assignments/media-types, and what is usual where it has none.
_MEDIA = {
    ".json": "application/json",
    ".jsonl": "application/jsonl",
    ".csv": "text/csv",
    ".html": "text/html",
    ".md": "text/markdown",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
    ".py": "text/x-python",
    ".sh": "application/x-sh",
    ".slurm": "application/x-sh",
}


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A file of the crate."""

    #: Below the crate, of plain names: as a URL has it, too.
    path: str
    #: What it is, for the reader.
    name: str
    media: str
    size_bytes: int


class Payload:
    """What was put below `root` so far."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self.parts: list[Part] = []

    def put(self, path: str, name: str, pieces: Iterable[str]) -> str:
        """Write a file that isn't there yet; its path, as it was given. Raises OSError."""
        target = self._root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        with target.open("x", encoding="utf-8", errors="backslashreplace", newline="") as file:
            file.writelines(pieces)
        media = _MEDIA.get(PurePosixPath(path).suffix.lower(), "text/plain")
        self.parts.append(Part(path=path, name=name, media=media, size_bytes=target.stat().st_size))
        return path

    def lines(self, path: str) -> Iterator[bytes]:
        """Of a file that was put there. Raises OSError."""
        with (self._root / path).open("rb") as file:
            yield from file
