"""What a training did at each step: from its own log, else from the bars in its output, in W&B's copy of it, or in files that
its script sends its words to. Pure.
"""

from collections.abc import Iterator, Mapping

from runexp.wire import metrics
from runexp.wire.jobs import JobSpec
from runexpd.hosts.base import ListDir
from runexpd.tools import curves, gpu_metrics, output, printed, questions, torchtune_steps
from runexpd.tools.base import Attempt, Question
from runexpd.tools.curves import Mark, Point, Read, Source


def follow(job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]) -> Question[tuple[Read, ...]]:
    """One round where the log is known, two where it is found."""
    log_dir, output_dir = str(job.facts.get("log_dir") or ""), str(job.facts.get("output_dir") or "")
    gpus = Source(f"{output_dir}/{gpu_metrics.FILE}", gpu_metrics.parse)
    log = next((path for path, mark in marks.items() if mark.points and _is_log(path)), None)
    if log is not None:
        return (yield from curves.follow([Source(log, curves.steps), gpus], marks, attempt))
    console = torchtune_steps.console(log_dir)
    shown = attempt.output if not _has_given(marks, console) else console
    sources = [Source(shown, lines), gpus]
    if not _has_given(marks, shown):
        sources.append(Source(console, lines))
    sources += _elsewhere(job, attempt)
    (listing,), found = yield from questions.both(
        questions.ask([ListDir(log_dir)]), curves.follow(sources, marks, attempt)
    )
    newest = torchtune_steps.newest_log(listing, torchtune_steps.starts(attempt))
    if newest is None:
        return found
    return (*found, *(yield from curves.follow([Source(newest.path, curves.steps)], marks, attempt)))


def _elsewhere(job: JobSpec, attempt: Attempt) -> Iterator[Source]:
    """What adds to a file leaves in it what earlier attempts said: of that only the end is looked at, for where this one begins."""
    appended = str(job.facts.get(printed.APPENDED) or "").splitlines()
    for path in printed.elsewhere(job, attempt):
        yield Source(path, lines) if path not in appended else Source(path, latest, -curves.MOST_BYTES)


def _has_given(marks: Mapping[str, Mark], path: str) -> bool:
    return path in marks and marks[path].points > 0


def _is_log(path: str) -> bool:
    return torchtune_steps.is_log(path.rpartition("/")[2])


def lines(text: str, head: str) -> tuple[Iterator[Point], str]:
    """Bars, and the lines of StdoutLogger."""
    return _shown(text), head


def latest(text: str, head: str) -> tuple[Iterator[Point], str]:
    """Of those, the steps since the last that was a training's first."""
    points = list(_shown(text))
    firsts = [n for n, point in enumerate(points) if point.step == 1 and (not n or points[n - 1].step != 1)]
    return iter(points[firsts[-1] if firsts else 0 :]), head


def _shown(text: str) -> Iterator[Point]:
    shown = output.lines(text)
    for line in shown:
        if (bar := torchtune_steps.bar(line)) is not None:
            yield Point(metrics.LOSS, bar.step, float("nan") if bar.loss is None else bar.loss)
    yield from curves.steps("\n".join(shown), "")[0]
