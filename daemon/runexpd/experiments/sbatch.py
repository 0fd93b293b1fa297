"""#SBATCH lines and output patterns, as sbatch(1) reads them. Pure."""

import re
import shlex
from collections.abc import Iterator

import msgspec

from runexpd.experiments import limits

DEFAULT_OUTPUT = "slurm-%j.out"

#: sbatch's short options that take a value (sbatch(1)); the rest take none.
_SHORT = {
    "a": "array", "A": "account", "B": "extra-node-info", "C": "constraint", "c": "cpus-per-task", "d": "dependency",
    "D": "chdir", "e": "error", "F": "nodefile", "G": "gpus", "i": "input", "J": "job-name", "L": "licenses",
    "M": "clusters", "m": "distribution", "N": "nodes", "n": "ntasks", "o": "output", "p": "partition", "q": "qos",
    "S": "core-spec", "t": "time", "w": "nodelist", "x": "exclude", "b": "begin",
}  # fmt: skip
_FLAGS = {
    "H": "hold",
    "k": "no-kill",
    "O": "overcommit",
    "s": "oversubscribe",
    "Q": "quiet",
    "v": "verbose",
    "W": "wait",
}
#: Long options whose value is optional, or that have none: the next word is not theirs.
_BARE = frozenset(
    {"hold", "no-kill", "overcommit", "oversubscribe", "quiet", "verbose", "wait", "requeue", "no-requeue", "exclusive",
     "contiguous", "parsable", "reboot", "spread-job", "use-min-nodes", "get-user-env", "propagate", "ignore-pbs",
     "kill-on-invalid-dep", "nice", "overlap", "test-only"}
)  # fmt: skip
_PATTERN = re.compile(r"%([0-9]*)([%AaJjNnstux])")
_MAGIC = "#SBATCH"
#: A line that ends the directives: its first character that is no blank, in C's sense, is no `#`.
_COMMAND = re.compile(r"[ \t\v\f\r]*[^ \t\v\f\r#]")
_CONTROL = re.compile("[\x00-\x08\x0a-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]")
_TIME = re.compile(r"(?:([0-9]{1,9})-)?([0-9]{1,9})(?::([0-9]{1,9}))?(?::([0-9]{1,9}))?")


class BadDirective(Exception):
    """Raised when a #SBATCH line can't be read."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.what = what
        #: Counted from 1.
        self.line = line


class Directives(msgspec.Struct, frozen=True, kw_only=True):
    job_name: str | None = None
    output: str | None = None
    error: str | None = None
    chdir: str | None = None
    time_limit_seconds: int | None = None
    open_mode: str | None = None
    #: Every option seen: its long name without dashes, its value, and its line, counted from 1.
    options: tuple[tuple[str, str | None, int], ...] = ()


def read(script: str) -> Directives:
    """The directives of a batch script: those before its first command. The last of a kind wins. Raises BadDirective."""
    options: list[tuple[str, str | None, int]] = []
    for number, line in _lines(script):
        options += [(name, value, number) for name, value in _options(_words(line, number), number)]
    values = {name: value for name, value, _ in options}
    return Directives(
        job_name=values.get("job-name"),
        output=values.get("output"),
        error=values.get("error"),
        chdir=values.get("chdir"),
        time_limit_seconds=_time_limit(options),
        open_mode=values.get("open-mode"),
        options=tuple(options),
    )


def _lines(script: str) -> Iterator[tuple[int, str]]:
    """What stands behind each `#SBATCH`, with its line. Slurm ends a line at a newline and nowhere else."""
    characters = 0
    for number, line in enumerate(script.split("\n"), start=1):
        if not line.startswith(_MAGIC):
            if _COMMAND.match(line):
                return
            continue
        characters += len(line)
        if len(line) > limits.DIRECTIVE_CHARACTERS:
            raise BadDirective(f"a #SBATCH line of {len(line)} characters", number)
        if characters > limits.DIRECTIVES_CHARACTERS:
            raise BadDirective(
                f"more than {limits.DIRECTIVES_CHARACTERS} characters in #SBATCH lines", number
            )
        if _CONTROL.search(line.rstrip("\r")):
            raise BadDirective("a control character in a #SBATCH line", number)
        yield number, line.removeprefix(_MAGIC)


def _time_limit(options: list[tuple[str, str | None, int]]) -> int | None:
    limit = None
    for name, value, line in options:
        if name == "time":
            try:
                limit = seconds(value or "")
            except ValueError:
                raise BadDirective("Invalid --time specification", line) from None
    return limit


def _words(text: str, line: int) -> list[str]:
    try:
        return shlex.split(text, comments=True)
    except ValueError as error:
        raise BadDirective(f"unmatched quote in #SBATCH line: {error}", line) from None


def _options(words: list[str], line: int) -> list[tuple[str, str | None]]:
    found: list[tuple[str, str | None]] = []
    rest = iter(words)
    for word in rest:
        if word == "hetjob":
            found.append(("hetjob", None))
        elif word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            found.append((name, value if equals else None if name in _BARE else _next(rest, name, line)))
        elif len(word) > 1 and word[0] == "-" and word[1] in _SHORT:
            name = _SHORT[word[1]]
            found.append((name, word[2:].removeprefix("=") or _next(rest, name, line)))
        elif len(word) > 1 and word[0] == "-" and all(letter in _FLAGS for letter in word[1:]):
            found += [(_FLAGS[letter], None) for letter in word[1:]]
        else:
            raise BadDirective(f"unrecognized option '{limits.shown(word)}'", line)
    return found


def _next(rest: Iterator[str], name: str, line: int) -> str:
    value = next(rest, None)
    if value is None:
        raise BadDirective(f"option '--{limits.shown(name)}' requires an argument", line)
    return value


def seconds(limit: str) -> int | None:
    """Slurm's time formats: M, M:S, H:M:S, D-H, D-H:M, D-H:M:S. None for no limit. Raises ValueError."""
    if limit.upper() in ("UNLIMITED", "INFINITE", "0"):
        return None
    match = _TIME.fullmatch(limit.strip())
    if not match:
        raise ValueError("not a time limit")
    days, first, second, third = (int(part) if part is not None else None for part in match.groups())
    if days is not None:
        hours, minutes, rest = first or 0, second or 0, third or 0
    elif third is not None:
        hours, minutes, rest = first or 0, second or 0, third
    else:
        hours, minutes, rest = 0, first or 0, second or 0
    return ((days or 0) * 24 + hours) * 3600 + minutes * 60 + rest


def output_path(
    pattern: str, *, workdir: str, job_id: str, job_name: str, user: str = "", node: str = ""
) -> str:
    """The file that a pattern names, absolute; see "filename pattern" in sbatch(1). A backslash switches patterns off."""
    if "\\" in pattern:
        path = pattern.replace("\\", "")
    else:
        values = {
            "%": "%", "A": job_id, "a": "4294967294", "J": job_id, "j": job_id, "N": node, "n": "0", "s": "batch",
            "t": "0", "u": user, "x": job_name,
        }  # fmt: skip
        path = _PATTERN.sub(lambda m: _padded(values[m[2]], m[1], m[2]), pattern)
    return path if path.startswith("/") else f"{workdir}/{path}"


def _padded(value: str, width: str, letter: str) -> str:
    """Numbers are padded with zeros, to ten digits at most."""
    if letter not in "AaJjnt":
        return value
    wide = width.lstrip("0")
    return value.zfill(min(int(wide[:3] or "0"), 10))
