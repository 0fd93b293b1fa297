"""What a batch script says that tools need to know. Pure."""

import re
import shlex
from collections.abc import Iterator
from posixpath import join, normpath

from runexp.wire.jobs import JobSpec
from runexpd.experiments import sbatch
from runexpd.experiments.problems import BadExperiment

_ACTIVATE = re.compile(r"""^\s*(?:source|\.)\s+["']?([^"'\s]+)/bin/activate\b""", re.MULTILINE)


def spec(path: str, text: str, **known: object) -> JobSpec:
    """A job of a script: submitted from the script's own directory. Raises BadExperiment for a bad #SBATCH line."""
    workdir, _, file = path.rpartition("/")
    try:
        asked = sbatch.read(text)
    except sbatch.BadDirective as bad:
        raise BadExperiment(bad.what, f"{path}:{bad.line}") from None
    runs_in = normpath(join(workdir, asked.chdir or ""))
    return JobSpec(
        script=path,
        workdir=workdir,
        name=asked.job_name or file,
        output=normpath(join(runs_in, asked.output or sbatch.DEFAULT_OUTPUT)),
        error=normpath(join(runs_in, asked.error)) if asked.error else None,
        time_limit_seconds=asked.time_limit_seconds,
        directives=tuple(sorted({name for name, _, _ in asked.options})),
        **known,  # type: ignore[arg-type]
    )


def commands(text: str) -> Iterator[list[str]]:
    """The words of each command line, continuation lines joined; lines that aren't plain words are passed over."""
    for line in text.replace("\\\n", " ").splitlines():
        try:
            words = shlex.split(line, comments=True)
        except ValueError:
            continue
        if words:
            yield words


def option(words: list[str], name: str) -> str | None:
    """The value of `--name value` or `--name=value`; None if it isn't there, or only the shell knows it."""
    for place, word in enumerate(words):
        if word == name and place + 1 < len(words):
            return _literal(words[place + 1])
        if word.startswith(f"{name}="):
            return _literal(word.partition("=")[2])
    return None


def _literal(value: str) -> str | None:
    return None if re.search(r"[$`*?]", value) else value


def environments(text: str) -> list[str]:
    """The virtual environments that a script activates, where they are written out."""
    return [path for path in _ACTIVATE.findall(text) if "$" not in path]
