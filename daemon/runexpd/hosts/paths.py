"""What can be a path or a word of a command at all, and what is said of paths that are refused. Pure."""

from collections.abc import Sequence

from runexpd.hosts.base import FileRefused

#: Characters of an argument: it may be a whole script.
_MOST_SHOWN = 80


def check(path: str) -> None:
    """Raises FileRefused for a path that no host can be asked about."""
    if why := _trouble(path):
        raise FileRefused(f"{path}: {why}")


def is_sendable(path: str) -> bool:
    return not _trouble(path)


def check_words(argv: Sequence[str]) -> None:
    """Raises FileRefused for words that no command can be given."""
    for word in argv:
        if why := _trouble(word):
            raise FileRefused(f"{argv[0]}: an argument {why}: {word[:_MOST_SHOWN]}")


def irregular(path: str) -> FileRefused:
    return FileRefused(f"{path}: not a regular file")


def is_link(path: str) -> FileRefused:
    return FileRefused(f"{path}: is a link, and is not followed")


def too_many(path: str, most: int) -> FileRefused:
    return FileRefused(f"{path}: more than {most} entries: too many to be looked at")


def _trouble(word: str) -> str:
    if "\0" in word:
        return "holds a NUL"
    try:
        word.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError:
        return "holds a character that has no bytes"
    return ""
