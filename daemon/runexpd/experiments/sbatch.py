"""#SBATCH lines and output patterns, as sbatch(1) reads them. Pure."""

import contextlib
import itertools
import re
import shlex
from collections.abc import Iterator

import msgspec

from runexpd.experiments import limits, options

DEFAULT_OUTPUT = "slurm-%j.out"

_PATTERN = re.compile(r"%([0-9]*)([%AaJjNnstux])")
_MAGIC, _PBS_MAGIC = "#SBATCH", "#PBS"
#: What separates the parts of a heterogeneous job. The script runs in the first.
_PARTS = ("hetjob", "packjob")
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


class Unfit(msgspec.Struct, frozen=True):
    """A directive of a script that is not to be submitted as it is."""

    what: str
    hint: str
    #: Counted from 1.
    line: int


#: What would go half: an option, why, and what to do instead.
_UNFIT = {
    "array": ("the script would run many times over, for one result", "take it out; each run has a script of its own"),
    "wait": (
        "sbatch would not return before the job is over, and hold up what comes after it",
        "take it out; runexp waits by itself",
    ),
    "clusters": (
        "the job would be on a cluster where nobody looks for it",
        "take it out; a cluster gets an entry in the configuration, with `export SLURM_CLUSTERS=NAME` under `prepend`",
    ),
    "wrap": ("sbatch ignores it in a script", "take it out"),
    "test-only": ("sbatch would submit nothing", "take it out"),
}  # fmt: skip


def unfit(asked: Directives) -> Unfit | None:
    """The first directive that would go half; None where all is well."""
    for name, value, line in asked.options:
        if name in _UNFIT:
            why, hint = _UNFIT[name]
            shown = f"--{name}{'' if value is None else f'={limits.shown(value)}'}"
            return Unfit(f"{shown}: {why}", hint, line)
    return None


def read(script: str) -> Directives:
    """The directives of a batch script: those before its first command. The last of a kind wins. Raises BadDirective."""
    found: list[tuple[str, str | None, int]] = []
    for number, line in _lines(script):
        found += [(name, value, number) for name, value in _options(_words(line, number), number)]
    if not any(name == "ignore-pbs" for name, _, _ in found):
        found += _pbs_arrays(script)
    first = list(itertools.takewhile(lambda option: option[0] not in _PARTS, found))
    values = {name: value for name, value, _ in first}
    return Directives(
        job_name=values.get("job-name"),
        output=values.get("output"),
        error=values.get("error"),
        chdir=values.get("chdir"),
        time_limit_seconds=_time_limit(first),
        open_mode=values.get("open-mode"),
        options=tuple(found),
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
            raise BadDirective(f"a {_MAGIC} line of {len(line)} characters", number)
        if characters > limits.DIRECTIVES_CHARACTERS:
            raise BadDirective(
                f"more than {limits.DIRECTIVES_CHARACTERS} characters in {_MAGIC} lines", number
            )
        if _CONTROL.search(line.rstrip("\r")):
            raise BadDirective(f"a control character in a {_MAGIC} line", number)
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


def _pbs_arrays(script: str) -> Iterator[tuple[str, str | None, int]]:
    """Slurm reads a site's older lines, too, wherever they stand: of those, what makes an array.

    What can't be read is Slurm's to refuse.
    """
    for number, line in enumerate(script.split("\n"), start=1):
        if line.startswith(_PBS_MAGIC) and len(line) <= limits.DIRECTIVE_CHARACTERS:
            with contextlib.suppress(BadDirective):
                words = iter(_words(line.removeprefix(_PBS_MAGIC), number))
                yield from (
                    ("array", word[2:] or next(words, ""), number)
                    for word in words
                    if word[:2] in ("-t", "-J")
                )


def _options(words: list[str], line: int) -> Iterator[tuple[str, str | None]]:
    rest = iter(words)
    for word in rest:
        if word in _PARTS:
            yield word, None
        elif len(word) > 2 and word.startswith("--"):
            name, equals, value = word[2:].partition("=")
            name = options.whole(name)
            yield name, value if equals else None if name in options.BARE else _next(rest, name, line)
        elif len(word) > 1 and word[0] == "-":
            yield from _short(word, rest, line)
        else:
            raise _unrecognized(word, line)


def _short(word: str, rest: Iterator[str], line: int) -> Iterator[tuple[str, str | None]]:
    """Flags may stand together, and the last letter's value behind it, or be the next word."""
    for at, letter in enumerate(word[1:], start=2):
        if letter in options.SHORT:
            name = options.SHORT[letter]
            yield name, word[at:] or _next(rest, name, line)
            return
        if letter not in options.FLAGS:
            raise _unrecognized(word, line)
        yield options.FLAGS[letter], None


def _unrecognized(word: str, line: int) -> BadDirective:
    return BadDirective(f"unrecognized option '{limits.shown(word)}'", line)


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
    """The file that a pattern names, absolute; see "filename pattern" in sbatch(1). A backslash switches patterns off.

    The work directory's own path is a part of the pattern, and is read as one: so does sbatch (seen with 22.05, 24.11, 26.05).
    """
    whole = pattern if pattern.startswith("/") else f"{workdir}/{pattern}"
    if "\\" in whole:
        return whole.replace("\\", "")
    values = {
        "%": "%", "A": job_id, "a": "4294967294", "J": job_id, "j": job_id, "N": node, "n": "0", "s": "batch",
        "t": "0", "u": user, "x": job_name,
    }  # fmt: skip
    return _PATTERN.sub(lambda m: _padded(values[m[2]], m[1], m[2]), whole)


def default_path(workdir: str, job_id: str) -> str:
    """Where a job prints whose script has no `--output`. What the directory is called is no pattern then."""
    return f"{workdir}/{DEFAULT_OUTPUT.replace('%j', job_id)}"


def letters(pattern: str) -> frozenset[str]:
    """Those that stand for something in a pattern: `j` in `%5j`."""
    return frozenset() if "\\" in pattern else frozenset(found for _, found in _PATTERN.findall(pattern))


def strayed(asked: Directives, workdir: str) -> Unfit | None:
    """The first relative `--output` or `--error` that Slurm would look for elsewhere, for what `workdir` is called."""
    read_as = "\\" if "\\" in workdir else next((m[0] for m in _PATTERN.finditer(workdir)), "")
    for name, value, line in asked.options if read_as else ():
        if name in ("output", "error") and value and not value.startswith("/"):
            what = f"--{name}={limits.shown(value)}: Slurm takes {read_as} in its directory's own path for a pattern"
            return Unfit(what, f"rename {limits.shown(workdir)}, or leave --{name} out", line)
    return None


def _padded(value: str, width: str, letter: str) -> str:
    """Numbers are padded with zeros, to ten digits at most."""
    if letter not in "AaJjnt":
        return value
    wide = width.lstrip("0")
    return value.zfill(min(int(wide[:3] or "0"), 10))
