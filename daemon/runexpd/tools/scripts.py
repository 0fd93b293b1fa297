"""What a batch script says that tools need to know. Pure, and quick on whatever a script holds: what is too long for a command
that a person wrote is passed over.
"""

import re
import shlex
from collections.abc import Iterator
from posixpath import join, normpath

from runexp.wire.jobs import JobSpec
from runexpd.experiments import sbatch
from runexpd.experiments.problems import BadExperiment

#: Of a script, and of a command line with its continuations, as far as they are looked at.
_SCRIPT_CHARACTERS = 256 * 1024
_LINE_CHARACTERS = 16 * 1024

_ACTIVATE = re.compile(r"""[ \t]*(?:source|\.)[ \t]+["']?([^"'\s]+)/bin/activate\b""")
#: `conda activate NAME` and its kin; `source ROOT/bin/activate NAME` is conda's, too.
_CONDA = re.compile(
    r"""[ \t]*(?:(?:conda|mamba|micromamba)[ \t]+activate|(?:source|\.)[ \t]+(?:\S*/bin/)?activate)[ \t]+["']?([^"'\s;&#]+)"""
)
_CONDA_NAME = re.compile(r"/bin/activate[\"']?[ \t]+[^\s;&|#]")
_CONDA_ROOT = re.compile(
    r"(/[^\s\"'$();]{0,400}?)/(?:etc/profile\.d/(?:conda|mamba)\.sh|(?:cond)?bin/(?:conda|mamba|activate))\b"
)
_CONDA_PLACES = (".conda", "miniconda3", "anaconda3", "miniforge3", "mambaforge")
#: `OUT=/scratch/me/out`, with no command after it; and where it is used.
_ASSIGNED = re.compile(
    r"[ \t]*(?:export[ \t]+|readonly[ \t]+)?([A-Za-z_]\w{0,99})=(\S{0,1000})[ \t]*(?:#.*)?"
)
_VARIABLE = re.compile(r"\$(?:\{([A-Za-z_]\w{0,99})\}|([A-Za-z_]\w{0,99}))")


def spec(path: str, text: str, **known: object) -> JobSpec:
    """A job of a script: submitted from the script's own directory.

    Raises BadExperiment for a #SBATCH line that can't be read, or that would go half.
    """
    workdir, _, file = path.rpartition("/")
    try:
        asked = sbatch.read(text)
    except sbatch.BadDirective as bad:
        raise BadExperiment(bad.what, f"{path}:{bad.line}", "mend that #SBATCH line") from None
    if unfit := sbatch.unfit(asked):
        raise BadExperiment(unfit.what, f"{path}:{unfit.line}", unfit.hint)
    chdir = normpath(join(workdir, asked.chdir)) if asked.chdir else None
    if strayed := sbatch.strayed(asked, chdir or workdir):
        raise BadExperiment(strayed.what, f"{path}:{strayed.line}", strayed.hint)
    return JobSpec(
        script=path,
        workdir=workdir,
        name=asked.job_name or file,
        output=normpath(join(chdir or workdir, asked.output or sbatch.DEFAULT_OUTPUT)),
        error=normpath(join(chdir or workdir, asked.error)) if asked.error else None,
        time_limit_seconds=asked.time_limit_seconds,
        chdir=chdir,
        directives=tuple(sorted({name for name, _, _ in asked.options})),
        **known,  # type: ignore[arg-type]
    )


def runs_in(job: JobSpec) -> str:
    """The directory that paths in its command line and config are relative to."""
    return job.chdir or job.workdir


def commands(text: str, word: str) -> Iterator[list[str]]:
    """The words of each command line that holds a word, continuation lines joined; what isn't plain words is passed over."""
    for line in expanded(text):
        if word in line:
            try:
                words = shlex.split(line, comments=True)
            except ValueError:
                continue
            yield words


def lines(text: str) -> list[str]:
    """Those that a person wrote."""
    return [line for line in text[:_SCRIPT_CHARACTERS].split("\n") if len(line) <= _LINE_CHARACTERS]


def expanded(text: str) -> Iterator[str]:
    """Its lines, continuation lines joined, with the variables filled in that the script itself sets to plain words."""
    known: dict[str, str] = {}
    for line in lines(text.replace("\\\n", " ")):
        filled = _VARIABLE.sub(lambda m: known.get(m[1] or m[2], m[0]), line)[:_LINE_CHARACTERS]
        yield filled
        if assigned := _ASSIGNED.fullmatch(filled):
            name, value = assigned[1], assigned[2].strip("\"'")
            known.pop(name, None)
            if not re.search(r"[$`*?\s\"']", value):
                known[name] = value


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


def environments(text: str, home: str = "") -> list[str]:
    """Where the environments are that a script activates, as far as it says: virtual ones, and conda's by path or name.

    `home`: below which conda is looked for where the script names no root of it; empty: nowhere.
    """
    filled = list(expanded(text))
    found = [match[1] for line in filled if (match := _ACTIVATE.match(line)) and not _CONDA_NAME.search(line)]
    named = [match[1] for line in filled if (match := _CONDA.match(line))]
    roots = [match[1] for line in filled for match in _CONDA_ROOT.finditer(line)]
    likely = [f"{home}/{place}" for place in _CONDA_PLACES] if home and not roots else []
    for name in named:
        found += [name] if "/" in name else [f"{root}/envs/{name}" for root in (*roots, *likely)]
    return [path for path in dict.fromkeys(found) if "$" not in path]


def home_of(path: str) -> str:
    """The home directory that a path lies in, by custom; empty where it doesn't."""
    match = re.match(r"/(?:home|Users)/[^/]+|/root(?=/)", path)
    return match[0] if match else ""
