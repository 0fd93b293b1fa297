"""What tools of the far side say of a path that they can't do anything with, as GNU's and busybox's put it in the C locale. Pure."""

import re

import msgspec

#: There can be nothing at such a path.
NOTHING_THERE = frozenset(
    {"No such file or directory", "Not a directory", "Too many levels of symbolic links"}
)
#: `stat: cannot statx '/a': Permission denied`, `stat: can't stat '/a': ...`, `head: /a: ...`.
_ABOUT = re.compile(rb"^[\w/.-]+: [^/'\n]{0,80}'?(/[^'\n]*?)'?(?: for \w+)?: ([^:\n]{1,200})$", re.MULTILINE)
_LINE = re.compile(rb"^(?:stat|find|head|tail|readlink|dd|mv|rm)\b[^\n]*: ([^:\n]{1,200})$", re.MULTILINE)


class Said(msgspec.Struct, frozen=True):
    #: In words, by path.
    reasons: dict[str, str]
    #: What was said of paths that are quoted in a way of the tool's own, or of none.
    others: tuple[str, ...]

    def about(self, path: str) -> str:
        """Why there is nothing to be had from a path; empty where nothing was said."""
        return self.reasons.get(path) or next((why for why in self.others if why not in NOTHING_THERE), "")

    def below(self, path: str) -> str:
        """Why not all of a directory could be looked at; empty where it could. What went away meanwhile is no reason."""
        start = path.rstrip("/") + "/"
        for each, why in self.reasons.items():
            if (each == path or each.startswith(start)) and why not in NOTHING_THERE:
                return f"{each}: {why}"
        return ""


def read(stderr: bytes) -> Said:
    reasons = {_text(path): _text(why) for path, why in _ABOUT.findall(stderr)}
    others = [_text(why) for why in _LINE.findall(_ABOUT.sub(b"", stderr))]
    return Said(reasons, tuple(dict.fromkeys(others)))


def last(stderr: bytes) -> str:
    """The reason in the last complaint; empty where there is none."""
    return _text(found[-1]) if (found := _LINE.findall(stderr)) else ""


def _text(said: bytes) -> str:
    return said.decode("utf-8", "surrogateescape")
