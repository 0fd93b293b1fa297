"""How an evaluation that was killed goes on: the person's own script runs again, as it is, and finds `inspect` to be a shell function
that calls `inspect eval-retry` on the log in place of its `inspect eval`. Pure.

`inspect eval-retry` takes what the log holds, and what its sample buffer holds beside it (as `inspect log recover` does), and
evaluates the rest. It runs where the evaluation ran: with its environment, its GPUs and its home, where the buffer is. Bash takes
functions from the environment, as sites give theirs for `module`; where one gets lost on its way, the script does what it says, and
evaluates all anew: what was really taken up is told by the log that it leaves, and said then. It is left to a person wherever a
script is none of bash's, calls inspect more than once, or in another way than by a plain line.
"""

import json
import posixpath
import re
import shlex
from collections.abc import Sequence

import msgspec

from runexp.wire.jobs import JobSpec, Resume, Verdict
from runexpd.hosts.base import Answer, Part, ReadPart
from runexpd.tools import eval_log, eval_samples, ingredients, inspect_call, questions, scripts, zip_tail
from runexpd.tools.base import Question
from runexpd.tools.inspect_logs import Log

#: A directory of ten thousand samples, and the beginning of a log with all their ids, are shorter.
_MOST_BYTES = 1024 * 1024
_MOST_START_BYTES = 16 * 1024 * 1024
_START = "_journal/start.json"
_SAMPLES = "samples/"
_SHOWN = re.compile(r"Samples:[ ]{0,20}(\d{1,9})/[ ]{0,20}\d{1,9}")
#: With these only what is in the log itself can be kept.
_KEEPS_LESS = {"--no-log-samples", "--no-log-realtime"}


class _Dataset(msgspec.Struct):
    samples: int | None = None
    sample_ids: list[object] | None = None


class _Config(msgspec.Struct):
    epochs: int | None = None


class _Eval(msgspec.Struct):
    dataset: _Dataset = msgspec.field(default_factory=_Dataset)
    config: _Config = msgspec.field(default_factory=_Config)


class _Start(msgspec.Struct):
    eval: _Eval = msgspec.field(default_factory=_Eval)


def question(job: JobSpec, log: Log, said: Sequence[str]) -> Question[Resume | None]:
    """How it goes on with a log that was begun and never finished; None where it can't, or nothing was finished.

    `said`: what the attempt printed.
    """
    path, size = log.fact.path, min(log.fact.size_bytes, _MOST_BYTES)
    if not path.endswith(eval_log.ENDING) or not path.isprintable():
        return None
    script, head, tail = yield [
        ingredients.whole(job.script),
        ReadPart(path, 0, size),
        ReadPart(path, -size, size),
    ]
    text, total = questions.text(script), _total(head)
    words, log_dir = inspect_call.alone(text), _log_dir(job, text, path)
    if words is None or log_dir is None or "export" in job.directives:
        return None
    done = max(_logged(tail), 0 if _KEEPS_LESS & set(words) else _shown(said))
    if not 0 < done <= total:
        return None
    return Resume(path=path, done=done, total=total, variable=_variable(words, log_dir, path))


def taken_up(verdict: Verdict) -> Question[str]:
    """What a good result that was to go on holds of the attempt that was killed, by its samples' own times; empty where they say none."""
    (path,), begun_at = verdict.artifacts, verdict.begun_at
    if begun_at is None or not path.endswith(eval_log.ENDING):
        return ""
    try:
        ends = yield from eval_samples.ends(path)
    except eval_samples.NoSamples:
        return ""
    before = sum(at < begun_at for at in ends)
    if before:
        return f"{before} of them of an attempt that was killed"
    return "all of them made anew, though some were finished before" if ends else ""


def _log_dir(job: JobSpec, script: str, path: str) -> str | None:
    """Where its logs go, as the script spells it: the buffer is found by that. None where it is more than it says."""
    runs_in = scripts.runs_in(job)
    spelled = inspect_call.read(script, runs_in, {}).log_dir or "logs"
    is_there = posixpath.normpath(posixpath.join(runs_in, spelled)) == posixpath.dirname(path)
    return spelled if is_there else None


def _total(head: Answer) -> int:
    """How many samples it was to have; 0: it doesn't say."""
    try:
        data = head.data if isinstance(head, Part) else b""
        start = msgspec.convert(json.loads(zip_tail.first(data, _START, _MOST_START_BYTES)), _Start)
    except (zip_tail.Unreadable, ValueError, RecursionError):
        return 0
    dataset = start.eval.dataset
    samples = dataset.samples if dataset.sample_ids is None else len(dataset.sample_ids)
    return (samples or 0) * (start.eval.config.epochs or 1)


def _logged(tail: Answer) -> int:
    """Samples that are in the log."""
    names = zip_tail.names(tail.data) if isinstance(tail, Part) else ()
    return len({name for name in names if name.startswith(_SAMPLES)})


def _shown(said: Sequence[str]) -> int:
    """Samples that it said were done: those that aren't in the log yet are in the buffer beside it."""
    return max((int(count) for text in said for count in _SHOWN.findall(text)[-1:]), default=0)


def _variable(words: Sequence[str], log_dir: str, path: str) -> str:
    """The function, as bash exports one."""
    log = posixpath.join(log_dir, posixpath.basename(path))
    display = scripts.option(list(words), "--display")
    shown = ["--display", display] if display else []
    retry = shlex.join(["inspect", "eval-retry", log, "--log-dir", log_dir, *shown])
    told = shlex.quote(f"runexp: it was killed, and goes on: {retry}")
    return (
        'BASH_FUNC_inspect%%=() { if [ "${1-}" != eval ]; then command inspect "$@"; return; fi; '
        f"unset -f inspect; echo {told} >&2; {retry}; }}"
    )
