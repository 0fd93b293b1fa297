"""The inspect-ai module: evaluation cells in both layouts, and their logs.

The log decides, not the exit code: `inspect eval` exits 0 when the evaluation failed, and a log may say `success` over no
scores. Good is: success, with scores, of samples that were completed.
"""

import re
from collections.abc import Iterator, Sequence
from posixpath import join, normpath

from msgspec.structs import replace

from runexp.wire.jobs import Failure, JobSpec, Progress, Verdict
from runexp.wire.states import COMPLETED, Phase
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import FileFact, Files
from runexpd.tools import eval_log, output, scripts
from runexpd.tools.base import Attempt
from runexpd.tools.torchtune import CLOCK_TOLERANCE_SECONDS, PROGRESS_BYTES

#: The last thing that `inspect eval` says.
_LOG = re.compile(r"^Log:", re.MULTILINE)
_SAMPLES = re.compile(r"Samples:\s*(\d+)/\s*(\d+)")


class InspectAi:
    """A runexpd.tools.base.Tool."""

    name = "inspect-ai"
    phase = Phase.EVALUATION
    log_name = "inspect"

    def discover(self, scaffold: Scaffold) -> Discovery:
        jobs, missing = [], []
        for run, task, epoch in cells(scaffold):
            path = _script(scaffold, run, task, epoch)
            if path is None:
                missing.append(f"{run}/eval/{_cell(task, epoch)}/cell.slurm")
            else:
                jobs.append(_job(scaffold.texts[path], path, run, task, epoch))
        known = {job.script for job in jobs}
        strays = [path for path in scaffold.texts if _is_evaluation(scaffold, path) and path not in known]
        warnings = [
            f"{path} is in no entry of evaluation.matrix, and is left alone" for path in sorted(strays)
        ]
        return Discovery(jobs=tuple(jobs), missing=tuple(missing), warnings=tuple(warnings))

    async def verify(self, files: Files, job: JobSpec, attempt: Attempt | None) -> Verdict:
        found = await _newest(files, job, attempt)
        if found is None:
            return await _no_log(files, job, attempt)
        fact, header = found
        if isinstance(header, eval_log.NotALog):
            return await _headless(files, attempt, fact, header)
        verdict = judge(header, fact.path)
        if verdict.good and attempt is not None and attempt.state != COMPLETED:
            ended = f"the job ended {attempt.state} {attempt.exit_code} though its log is complete"
            return _with_warning(verdict, ended)
        return verdict

    async def progress(self, files: Files, job: JobSpec, attempt: Attempt) -> Progress | None:
        return parse_progress(await output.tail(files, attempt.output, PROGRESS_BYTES))

    def classify(self, output_text: str) -> Failure | None:
        return output.classify(output_text)


TOOL = InspectAi()


def cells(scaffold: Scaffold) -> Iterator[tuple[str, str, int | None]]:
    """The evaluations that the matrix asks for, as (run, task, epoch)."""
    for entry in scaffold.matrix:
        for task in entry.tasks:
            for epoch in entry.epochs or (None,):
                yield entry.run, task, epoch


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


def _job(text: str, path: str, run: str, task: str, epoch: int | None) -> JobSpec:
    workdir = path.rpartition("/")[0]
    options = [words for words in scripts.commands(text) if "eval" in words]
    log_dir = next(filter(None, (scripts.option(words, "--log-dir") for words in options)), None)
    model = next(filter(None, (scripts.option(words, "--model") for words in options)), None)
    id = f"{run}/{task}" if epoch is None else f"{run}/{task}/epoch{epoch}"
    shared = not path.endswith("/cell.slurm")
    return scripts.spec(
        path,
        text,
        id=id,
        phase=Phase.EVALUATION,
        tool=InspectAi.name,
        run=run,
        task=task,
        epoch=epoch,
        facts={
            "log_dir": normpath(join(workdir, log_dir or "logs")),
            "model": model,
            # In the older layout the cells of a run keep their logs in one directory.
            "shared_log_dir": int(shared),
        },
    )


async def _newest(
    files: Files, job: JobSpec, attempt: Attempt | None
) -> tuple[FileFact, eval_log.Header | eval_log.NotALog] | None:
    """The newest log of this job and its header, or why it has none; None for no log at all."""
    earliest = (attempt.started_at or 0.0) - CLOCK_TOLERANCE_SECONDS if attempt else 0.0
    logs = [f for f in await files.list(str(job.facts["log_dir"])) if f.path.endswith(".eval")]
    headless: tuple[FileFact, eval_log.NotALog] | None = None
    for fact in sorted(logs, key=lambda f: f.path.rpartition("/")[2], reverse=True):
        if fact.modified_at < earliest:
            continue
        try:
            header = await eval_log.read_header(files, fact)
        except eval_log.NotALog as why:
            if not job.facts.get("shared_log_dir"):
                return fact, why
            if headless is None and f"_{job.task}_" in fact.path.replace("-", "_"):
                headless = fact, why
            continue
        if _is_of(job, header):
            return fact, header
    return headless


def _is_of(job: JobSpec, header: eval_log.Header) -> bool:
    """Whether a log in a directory that cells share is this cell's: by its task, and by its model or the epoch in its path."""
    if not job.facts.get("shared_log_dir"):
        return True
    if job.task and header.eval.task.rpartition("/")[2].replace("-", "_") != job.task.replace("-", "_"):
        return False
    if job.epoch is None:
        return True
    path = str(header.eval.model_args.get("model_path", ""))
    if found := re.search(r"epoch_?(\d+)(?!.*epoch_?\d)", path) or re.search(
        r"epoch_?(\d+)", header.eval.model
    ):
        return int(found[1]) == job.epoch
    return bool(job.facts.get("model")) and header.eval.model == job.facts["model"]


def judge(header: eval_log.Header, path: str) -> Verdict:
    """What a header proves. Pure."""
    results = header.results
    if header.invalidated:
        return _bad("invalidated", f"{path} was invalidated", path)
    if header.status == "error":
        message = header.error.message.strip() if header.error else ""
        return _bad(
            "eval_error", message.splitlines()[0] if message else "status error, with no message", path
        )
    if header.status != "success":
        return _bad(f"eval_{header.status}", f"the log says {header.status}", path)
    values, odd = (eval_log.scores(results), eval_log.not_numbers(results)) if results else ((), ())
    if results is None or not values or results.completed_samples == 0:
        scored = f"all it has is {', '.join(odd)}" if odd else "nothing was scored"
        return _bad("not_scored", f"the log says success, but {scored}", path)
    count = f"{results.completed_samples} of {results.total_samples} samples"
    some = results.completed_samples < results.total_samples
    return Verdict(
        good=True,
        detail=count,
        artifacts=(path,),
        scores=values,
        warnings=(*((f"only {count} were completed",) if some else ()), *odd),
        begun_at=eval_log.begun_at(header),
    )


async def _no_log(files: Files, job: JobSpec, attempt: Attempt | None) -> Verdict:
    if attempt is None:
        return _bad("no_log", f"no log in {job.facts['log_dir']}")
    text = await output.tail(files, attempt.output)
    if attempt.state != COMPLETED:
        failure = output.by_state(attempt, text)
        return _bad(failure.kind, failure.message)
    said = output.classify(text)
    last = said.message if said else output.last_line(text) or "nothing"
    return _bad(said.kind if said else "no_log", f"ended well and left no log; last said: {last}")


async def _headless(files: Files, attempt: Attempt | None, fact: FileFact, why: eval_log.NotALog) -> Verdict:
    """A log without a header that can be read: mostly the evaluation runs still, or was killed. The job's end tells which."""
    if attempt is not None and attempt.state != COMPLETED:
        failure = output.by_state(attempt, await output.tail(files, attempt.output))
        return _bad(failure.kind, failure.message, fact.path)
    return _bad("eval_started", f"a log was begun, but {why}", fact.path)


def parse_progress(text: str) -> Progress | None:
    """The last `Samples: 4/ 20` of `--display plain`; None if there is none."""
    found: Sequence[tuple[str, str]] = _SAMPLES.findall(text)
    if not found:
        return None
    done, total = found[-1]
    return Progress(done=int(done), total=int(total), unit="samples", finishing=bool(_LOG.search(text)))


def _bad(kind: str, message: str, path: str | None = None) -> Verdict:
    return Verdict(
        good=False,
        detail=message,
        failure=Failure(kind, message),
        artifacts=(path,) if path else (),
    )


def _with_warning(verdict: Verdict, warning: str) -> Verdict:
    return replace(verdict, warnings=(*verdict.warnings, warning))
