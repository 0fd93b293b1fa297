"""The inspect-ai module: evaluation cells in both layouts, and their logs.

The log decides, not the exit code: `inspect eval` exits 0 when the evaluation failed, and a log may say `success` over no
scores. Good is: success, with scores, of samples that were completed.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from posixpath import join, normpath

from msgspec.structs import replace

from runexp.wire import metrics
from runexp.wire.jobs import Finding, JobSpec, Progress, Verdict
from runexp.wire.states import Phase
from runexpd.experiments import documents
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import ListDir, Withheld
from runexpd.tools import (
    curves,
    eval_samples,
    facts,
    ingredients,
    inspect_call,
    inspect_logs,
    inspect_resume,
    inspect_verdict,
    output,
    printed,
    questions,
    ready_model,
    scripts,
)
from runexpd.tools.base import Attempt, Ingredients, Question, Samples
from runexpd.tools.curves import Mark, Point, Read, Source

_PROGRESS_BYTES = 8 * 1024
_MOST_TASKS = 8
#: The last thing that `inspect eval` says.
_LOG = re.compile(r"^Log:", re.MULTILINE)
_SAMPLES = re.compile(r"Samples:[ ]{0,20}(\d{1,15})/[ ]{0,20}(\d{1,15})")
_METRIC = re.compile(
    r"\s{0,20}\|\s{0,20}([A-Za-z][\w./-]{0,59}):[ ]{0,20}(-?\d{1,12}(?:\.\d{1,12})?)\s{0,20}(?:\||$)"
)


class InspectAi:
    """A runexpd.tools.base.Tool."""

    name = "inspect-ai"
    phase = Phase.EVALUATION
    log_name = "inspect"

    def discover(self, scaffold: Scaffold) -> Discovery:
        jobs, missing, labels = [], [], _labels(scaffold)
        for run, task, epoch in cells(scaffold):
            path = _script(scaffold, run, task, epoch)
            if path is None:
                missing.append(f"{run}/eval/{_cell(task, epoch)}/cell.slurm")
            else:
                job = _job(scaffold, path, run, task, epoch)
                jobs.append(replace(job, label=labels[run, task, epoch]))
        known = {job.script for job in jobs}
        strays = [path for path in scaffold.texts if _is_evaluation(scaffold, path) and path not in known]
        warnings = [
            f"{questions.path(path)} is in no entry of evaluation.matrix, and is left alone"
            for path in sorted(strays)
        ]
        return Discovery(jobs=tuple(jobs), missing=tuple(missing), warnings=tuple(warnings))

    def verify(self, job: JobSpec, attempt: Attempt | None) -> Question[Verdict]:
        log_dir = str(job.facts["log_dir"])
        listing, *ends = yield [ListDir(log_dir), *(printed.tails(job, attempt) if attempt else [])]
        if isinstance(listing, Withheld):
            return inspect_verdict.unreadable(log_dir, listing.why)
        path = str(job.facts.get(ready_model.FACT) or "") if attempt is None else ""
        found, blocked = yield from questions.both(
            inspect_logs.newest(job, attempt, listing), ready_model.blocked(path, job.epoch)
        )
        said = printed.texts(ends)
        verdict = inspect_verdict.judge(log_dir, attempt, found, said)
        if found is not None and attempt is not None and inspect_verdict.was_begun(found):
            verdict = replace(verdict, resume=(yield from inspect_resume.question(job, found, said)))
        if attempt is not None and attempt.resumed_from and verdict.finding is Finding.GOOD:
            taken = yield from inspect_resume.taken_up(verdict)
            verdict = replace(verdict, detail="; ".join(filter(None, (verdict.detail, taken))))
        return replace(verdict, blocked="" if verdict.finding is Finding.GOOD else blocked)

    def samples(self, job: JobSpec, artifacts: Sequence[str]) -> Question[Samples]:
        if not artifacts:
            raise eval_samples.NoSamples("there is no log of it")
        return (yield from eval_samples.question(artifacts[0]))

    def ingredients(self, job: JobSpec) -> Question[Ingredients]:
        beside = f"{job.script.rpartition('/')[0]}/eval.yaml"
        script, config = yield [ingredients.whole(job.script), ingredients.whole(beside)]
        text = questions.text(script)
        words = [word for line in scripts.commands(text, "eval") for word in line]
        tasks = _tasks(words, scripts.runs_in(job))
        written, versions = yield from questions.both(
            questions.ask([ingredients.whole(path) for path in tasks]),
            ingredients.versions(scripts.environments(text)),
        )
        pairs = list(zip(tasks, written, strict=True))
        values = _values(beside, questions.text(config))
        candidates = [*values.values(), *(word.rpartition("=")[2] for word in words if "=" in word)]
        return Ingredients(
            sources=(
                *ingredients.source("script", job.script, script),
                *ingredients.source("eval config", beside, config),
                *(each for path, answer in pairs for each in ingredients.source("task", path, answer)),
            ),
            values=values,
            files=ingredients.files(candidates, scripts.runs_in(job)),
            versions=versions,
            missing=(
                *ingredients.missing(job.script, script),
                *(line for path, answer in pairs for line in ingredients.missing(path, answer)),
            ),
        )

    def progress(self, job: JobSpec, attempt: Attempt) -> Question[Progress | None]:
        (printed,) = yield [output.tail(attempt.output, _PROGRESS_BYTES)]
        return parse_progress(questions.text(printed))

    def curves(self, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]) -> Question[tuple[Read, ...]]:
        return curves.follow([Source(attempt.output, parse_display)], marks, attempt)


TOOL = InspectAi()


def _tasks(words: list[str], runs_in: str) -> list[str]:
    """The files of the tasks that a command names: `task.py`, `dir/task.py@name`."""
    named = (word.partition("@")[0] for word in words)
    paths = (normpath(join(runs_in, name)) for name in named if name.endswith(".py"))
    return [path for path in dict.fromkeys(paths) if questions.askable(path)][:_MOST_TASKS]


def _values(where: str, text: str) -> dict[str, str]:
    try:
        document = documents.plain(text, where) if text else {}
    except BadExperiment:
        return {}
    return ingredients.values(document) if isinstance(document, dict) else {}


def cells(scaffold: Scaffold) -> Iterator[tuple[str, str, int | None]]:
    """The evaluations that the matrix asks for, as (run, task, epoch)."""
    for entry in scaffold.matrix:
        for task in entry.tasks:
            for epoch in (None,) if entry.epochs is None else entry.epochs:
                yield entry.run, task, epoch


def _labels(scaffold: Scaffold) -> dict[tuple[str, str, int | None], str]:
    """What the matrix calls each evaluation; it has no evaluation twice."""
    entries = [(entry.label, replace(scaffold, matrix=(entry,))) for entry in scaffold.matrix]
    return {cell: label for label, alone in entries for cell in cells(alone)}


def _cell(task: str, epoch: int | None) -> str:
    return task if epoch is None else f"{task}_epoch{epoch}"


def _script(scaffold: Scaffold, run: str, task: str, epoch: int | None) -> str | None:
    """Newer layout first; an epoch's own directory before the task's."""
    base = f"{scaffold.dir}/{run}/eval"
    places = [f"{base}/{_cell(task, epoch)}/cell.slurm", f"{base}/{_cell(task, epoch)}.slurm"]
    return next((path for path in places if path in scaffold.texts), None)


def _is_evaluation(scaffold: Scaffold, path: str) -> bool:
    """`<run>/eval/<x>.slurm`, or `<run>/eval/<x>/cell.slurm`."""
    parts = path.removeprefix(f"{scaffold.dir}/").split("/")
    older = len(parts) == 3 and parts[2].endswith(".slurm")
    newer = len(parts) == 4 and parts[3] == "cell.slurm"
    return len(parts) > 1 and parts[1] == "eval" and (older or newer)


def _job(scaffold: Scaffold, path: str, run: str, task: str, epoch: int | None) -> JobSpec:
    text = scaffold.texts[path]
    job = scripts.spec(
        path,
        text,
        id=f"{run}/{task}" if epoch is None else f"{run}/{task}/epoch{epoch}",
        phase=Phase.EVALUATION,
        tool=InspectAi.name,
        run=run,
        task=task,
        epoch=epoch,
    )
    runs_in = scripts.runs_in(job)
    call = inspect_call.read(text, runs_in, scaffold.texts)
    tasks = {each for name, each, _ in cells(scaffold) if name == run}
    ready = next((ready_model.named(each, scaffold.dir) for each in scaffold.runs if each.name == run), None)
    noted: dict[str, facts.Fact] = {
        "log_dir": normpath(join(runs_in, call.log_dir or "logs")),
        "model": call.model,
        # In the older layout the cells of a run keep their logs in one directory.
        "shared_log_dir": int(not path.endswith("/cell.slurm")),
        "tasks": "\n".join(sorted(tasks)),
        ready_model.FACT: ready,
        printed.FACT: "\n".join(printed.redirected(text, runs_in)),
    }
    return replace(job, facts=facts.told(noted))


def parse_display(text: str, head: str) -> tuple[Iterator[Point], str]:
    """Lines of `--display plain`: `... | Samples:   4/ 20 | accuracy: 1.00 | ...`, the metric of the samples scored so far."""
    return _displayed(text), head


def _displayed(text: str) -> Iterator[Point]:
    for line in output.lines(text):
        if (samples := _SAMPLES.search(line)) is None:
            continue
        done = int(samples[1])
        yield Point(metrics.SAMPLES, done, float(done))
        if metric := _METRIC.match(line, samples.end()):
            yield Point(metrics.METRIC, done, float(metric[2]), label=metric[1])


def parse_progress(text: str) -> Progress | None:
    """The last `Samples: 4/ 20` of `--display plain`; None if there is none."""
    found = _SAMPLES.findall(text)
    if not found:
        return None
    done, total = found[-1]
    return Progress(done=int(done), total=int(total), unit="samples", finishing=bool(_LOG.search(text)))
