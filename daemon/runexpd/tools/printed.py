"""Where a job's words go: its output, its stderr's own file, files that its script sends them to. Pure."""

import re
import shlex
from collections.abc import Iterator, Sequence
from posixpath import join, normpath
from typing import NamedTuple

from msgspec.structs import replace

from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure, JobSpec, Verdict
from runexpd.experiments import sbatch
from runexpd.hosts.base import Answer, Ask
from runexpd.tools import failures, output, questions, scripts
from runexpd.tools.base import Attempt

#: The fact that holds the files a script sends words to, patterns as in `--output`, one a line.
FACT = "printed"
#: Those of them to whose ends it adds.
APPENDED = "appended"
#: Of a script.
_MOST_FILES = 8
_RUNS_A_TOOL = re.compile(r"\b(?:tune|torchrun|python3?|inspect|accelerate|srun|exec)\b|[./]\w+\.(?:sh|py)\b")
_REDIRECTED = re.compile(r"(?:[12]|&)?>{1,2}[|&]?")
_JOB_ID = re.compile(r"\$(?:SLURM_JOB_?ID\b|\{SLURM_JOB_?ID\})")


def redirected(text: str, runs_in: str) -> tuple[str, ...]:
    """Files that a script's commands print to (`> x 2>&1`, `| tee x`, `exec > x`), where they are written out."""
    return _usable([target.name for target in _targets(text)], runs_in)


def appended(text: str, runs_in: str) -> tuple[str, ...]:
    """Those of them to which it adds (`>> x`, `tee -a x`): what earlier attempts said may be in them."""
    return _usable([target.name for target in _targets(text) if target.adds], runs_in)


def _usable(names: Sequence[str], runs_in: str) -> tuple[str, ...]:
    found = dict.fromkeys(names)
    paths = [normpath(join(runs_in, name)) for name in found if not re.search(r"[$`*?%\\~]", name)]
    patterns = [
        normpath(join(runs_in, name)) for name in found if re.fullmatch(r"[^$`*?\\~]*%j[^$`*?\\~%]*", name)
    ]
    usable = [
        path for path in (*paths, *patterns) if not path.startswith("/dev/") and questions.askable(path)
    ]
    return tuple(usable[:_MOST_FILES])


class _Target(NamedTuple):
    name: str
    adds: bool


def _targets(text: str) -> Iterator[_Target]:
    for line in scripts.expanded(text):
        if (">" in line or "tee" in line) and _RUNS_A_TOOL.search(line) and not line.lstrip().startswith("#"):
            yield from _of_words(_words(_JOB_ID.sub("%j", line)))


def _words(line: str) -> list[str]:
    try:
        lexer = shlex.shlex(line, posix=True, punctuation_chars="|&;<>()")
        lexer.whitespace_split = True
        return list(lexer)
    except ValueError:
        return []


def _of_words(words: Sequence[str]) -> Iterator[_Target]:
    for place, word in enumerate(words):
        after = words[place + 1] if place + 1 < len(words) else ""
        stream = words[place - 1] if place else ""
        if stream.isdecimal() and stream not in ("1", "2"):
            continue
        if _REDIRECTED.fullmatch(word) or word in (">&", "&>", "&>>"):
            if re.match(r"[^\W\d]|[./%-]|\d+\D", after):
                yield _Target(after, ">>" in word)
        elif word == "tee":
            yield from _of_tee(list(_until_operator(words[place + 1 :])))


def _of_tee(arguments: Sequence[str]) -> Iterator[_Target]:
    adds = any(word == "--append" or re.fullmatch("-[ip]*a[ip]*", word) for word in arguments)
    yield from (_Target(word, adds) for word in arguments if not word.startswith("-"))


def _until_operator(words: Sequence[str]) -> Iterator[str]:
    for word in words:
        if set(word) <= set("|&;<>()"):
            return
        yield word


def patterns(job: JobSpec) -> list[str]:
    """Files beside the job's output, as they are named before it is submitted."""
    return [*filter(None, [job.error]), *filter(None, str(job.facts.get(FACT) or "").split("\n"))]


def elsewhere(job: JobSpec, attempt: Attempt | None) -> list[str]:
    """Files beside the job's output; without an attempt those whose names need none."""
    if attempt is None:
        return [pattern for pattern in patterns(job) if "%" not in pattern]
    paths = [
        attempt.error if pattern == job.error and attempt.error else _filled(job, pattern, attempt)
        for pattern in patterns(job)
    ]
    return [path for path in dict.fromkeys(paths) if path != attempt.output]


def _filled(job: JobSpec, pattern: str, attempt: Attempt) -> str:
    return sbatch.output_path(pattern, workdir=job.workdir, job_id=attempt.slurm_job_id, job_name=job.name)


def tails(job: JobSpec, attempt: Attempt) -> list[Ask]:
    """The ends of the output and of all others."""
    return [output.tail(path) for path in (attempt.output, *elsewhere(job, attempt))]


def why(attempt: Attempt, texts: Sequence[str]) -> Failure:
    """Why an attempt didn't end COMPLETED, by the first text that tells: its output's, or what was sent elsewhere."""
    told = [failures.by_state(attempt, text) for text in texts if text.strip()]
    telling = [failure for failure in told if failure.kind != FailureKind.UNKNOWN]
    longest = sorted(told, key=lambda failure: len(failure.said), reverse=True)
    return (telling or longest or [failures.by_state(attempt, "")])[0]


def last_traceback(texts: Sequence[str]) -> Failure | None:
    """The failure, where one of the texts ends in a traceback."""
    return next(filter(None, (failures.traceback_at_end(text) for text in texts)), None)


def told(texts: Sequence[str]) -> Failure | None:
    """What one of the texts says of a failure, whatever the job's end; None if none does."""
    return next(filter(None, map(failures.classify, texts)), None)


def with_said(verdict: Verdict, texts: Sequence[str]) -> Verdict:
    """With the last lines that say something, where its failure has none."""
    if verdict.failure is None or verdict.failure.said:
        return verdict
    said = next(filter(None, map(output.said, texts)), ())
    return replace(verdict, failure=replace(verdict.failure, said=said))


def texts(answers: Sequence[Answer]) -> list[str]:
    return [questions.text(answer) for answer in answers]
