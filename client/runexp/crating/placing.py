"""Where a crate goes: a directory, or a ZIP archive. Whole or not at all, and over nothing that nobody said to replace."""

import errno
import os
import tempfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from runexp.crating import graph


class Taken(Exception):
    """Raised where something is that stays: one line of what, with what can be done about it."""

    def __init__(self, what: str, hint: str) -> None:
        super().__init__(what)
        self.what = what
        self.hint = hint


def check(target: Path, replaces: bool) -> None:
    """Raises Taken, and OSError where the directory that it goes into isn't there."""
    if not target.parent.is_dir():
        raise NotADirectoryError(errno.ENOTDIR, "there is no such directory", str(target.parent))
    if not os.path.lexists(target):
        return
    if not replaces:
        raise Taken(f"{target} is there already", "name another, or: --replace")
    if is_zip(target) != target.is_file() or not (target.is_file() or (target / graph.NAME).is_file()):
        raise Taken(f"{target} is there, and is no crate: it stays", "name another, or move it away")


def is_zip(target: Path) -> bool:
    return target.suffix.lower() == ".zip"


@contextmanager
def beside(target: Path) -> Iterator[Path]:
    """A directory that nobody else has, on the disk of the target; gone afterwards. Raises OSError."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix=".runexp-export-") as made:
        yield Path(made)


def place(crate: Path, target: Path, made: Path) -> None:
    """Put a crate that is whole where it is to be, by way of the directory `made`. Raises OSError."""
    if is_zip(target):
        packed = made / "packed"
        _pack(crate, packed)
        packed.replace(target)
        return
    if os.path.lexists(target):
        _exchange(crate, target, made / "before")
    else:
        crate.rename(target)


def _exchange(crate: Path, target: Path, before: Path) -> None:
    target.rename(before)
    try:
        crate.rename(target)
    except BaseException:
        before.rename(target)
        raise


def _pack(crate: Path, packed: Path) -> None:
    files = sorted(path for path in crate.rglob("*") if path.is_file())
    with zipfile.ZipFile(packed, "x", zipfile.ZIP_DEFLATED) as archive:
        # First of all, for who reads no further.
        for path in sorted(files, key=lambda path: path.name != graph.NAME):
            archive.write(path, path.relative_to(crate).as_posix())
