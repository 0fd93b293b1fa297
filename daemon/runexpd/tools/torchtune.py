"""The torchtune module: fine-tuned runs, their checkpoints, how far a training is, why it failed.

A checkpoint that exists proves nothing: a re-run overwrites epoch_0 in place and leaves an older epoch_1; files copied from
the base model keep its times; a batch larger than the data trains no step and saves complete-looking epochs. So each shard
must be whole, newer than the attempt's start, and the attempt's own log must show steps.
"""

import re
from posixpath import join

import msgspec

from runexp.wire.jobs import Failure, JobSpec, Progress, Remedy, Verdict
from runexp.wire.states import COMPLETED, Phase
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import FileMissing, Files
from runexpd.tools import checkpoint, output, peft, scripts, torchtune_config
from runexpd.tools.base import Attempt
from runexpd.tools.torchtune_config import Training

SCRIPT = "finetune.slurm"
#: File systems and hosts keep time of their own; SFTP has whole seconds only.
CLOCK_TOLERANCE_SECONDS = 2.0
PROGRESS_BYTES = 8 * 1024

_BAR = re.compile(r"^(\d+)\|(\d+)\|Loss: ([\d.e+-]+|nan|inf):(?:.*?\|\s*(\d+)/(\d+) \[)?")
_STEP = re.compile(r"^Step (\d+) \| loss:([\d.e+-]+|nan|inf)\b", re.MULTILINE)
_BATCH_OVERRIDE = re.compile(r"^(batch_size|gradient_accumulation_steps)=", re.MULTILINE)
#: The last thing that a recipe says, after its last epoch.
_SAVED = "The full model checkpoint, including all weights and configurations, has been saved successfully"
_LOG_NAME = re.compile(r"log_(\d+)\.txt")


class Torchtune:
    """A runexpd.tools.base.Tool."""

    name = "torchtune"
    phase = Phase.OPTIMIZATION
    log_name = "torchtune"

    def discover(self, scaffold: Scaffold) -> Discovery:
        jobs, missing = [], []
        for run in scaffold.runs:
            path = f"{scaffold.dir}/{run.name}/{SCRIPT}"
            if run.type == "fine-tuned":
                if path in scaffold.texts:
                    jobs.append(_job(scaffold, run.name, path))
                else:
                    missing.append(f"{run.name}/{SCRIPT}")
        trained = {job.script for job in jobs}
        strays = [path for path in scaffold.texts if path.endswith(f"/{SCRIPT}") and path not in trained]
        warnings = [f"{path} belongs to no fine-tuned run, and is left alone" for path in sorted(strays)]
        return Discovery(jobs=tuple(jobs), missing=tuple(missing), warnings=tuple(warnings))

    async def verify(self, files: Files, job: JobSpec, attempt: Attempt | None) -> Verdict:
        text = await output.tail(files, attempt.output) if attempt else ""
        if attempt is not None and attempt.state != COMPLETED:
            failure = output.by_state(attempt, text)
            return _bad(failure.kind, failure.message, await _remedy(files, job, failure))
        seen = await _trained(files, job, attempt, text)
        if seen.steps == 0:
            if attempt is None:
                return _bad("not_trained", "no log of a training with steps")
            return _bad("no_steps", "trained no step: is the batch larger than the data set?")
        training = await _as_trained(files, job, seen.since)
        return await _judge_epochs(files, job, training, seen)

    async def progress(self, files: Files, job: JobSpec, attempt: Attempt) -> Progress | None:
        seen = parse_progress(await output.tail(files, attempt.output, PROGRESS_BYTES), _int(job, "epochs"))
        if seen is not None:
            return seen
        steps = (await _trained(files, job, attempt, "")).steps
        return Progress(epochs=_int(job, "epochs"), done=steps) if steps else None

    def classify(self, output_text: str) -> Failure | None:
        return output.classify(output_text)


TOOL = Torchtune()


def _job(scaffold: Scaffold, run: str, path: str) -> JobSpec:
    text, rundir = scaffold.texts[path], f"{scaffold.dir}/{run}"
    how = torchtune_config.invocation(text)
    config = join(rundir, how.config)
    training = Training()
    if config in scaffold.texts:
        training = torchtune_config.read(scaffold.texts[config], config, rundir, how.overrides)
    output_dir = training.output_dir or _usual_output_dir(scaffold, run)
    facts: dict[str, str | int | list[int] | None] = {
        "config": config,
        "overrides": "\n".join(how.overrides),
        "output_dir": output_dir,
        "log_dir": training.log_dir or f"{output_dir}/logs",
        "epochs": training.epochs,
        "environments": "\n".join(_environments(scaffold, run)),
    }
    return scripts.spec(
        path, text, id=run, phase=Phase.OPTIMIZATION, tool=Torchtune.name, run=run, facts=facts
    )


def _usual_output_dir(scaffold: Scaffold, run: str) -> str:
    older = f"{scaffold.output_base}/ck-out-{run}" if scaffold.output_base else None
    return older if older and older in scaffold.entries else f"{scaffold.dir}/{run}/artifacts"


def _environments(scaffold: Scaffold, run: str) -> list[str]:
    """Those that the run's evaluations activate."""
    texts = [text for path, text in scaffold.texts.items() if path.startswith(f"{scaffold.dir}/{run}/eval/")]
    return sorted({environment for text in texts for environment in scripts.environments(text)})


class _Trained(msgspec.Struct, frozen=True):
    """What logs tell of a training. Times are seconds since 1970."""

    steps: int
    #: What is older than this is not this training's.
    since: float
    #: By the name of its log; None: it has none.
    begun_at: float | None = None


async def _trained(files: Files, job: JobSpec, attempt: Attempt | None, text: str) -> _Trained:
    """How far this attempt (None: the newest training there was) came; `text` is its output's end."""
    logs = {
        int(m[1]): f.path for f in await files.list(_str(job, "log_dir")) if (m := _LOG_NAME.search(f.path))
    }
    earliest = (attempt.started_at or 0.0) - CLOCK_TOLERANCE_SECONDS if attempt else 0.0
    own = [began for began in logs if began >= earliest]
    if own:
        began = max(own)
        log = (await files.read(logs[began], -PROGRESS_BYTES)).decode(errors="replace")
        found = _STEP.findall(log)
        if found:
            since = attempt.started_at or began if attempt else began
            return _Trained(int(found[-1][0]), float(since), float(began))
    bars = [m for line in output.lines(text) if (m := _BAR.match(line))]
    return _Trained(int(bars[-1][2]) if bars else 0, (attempt.started_at or 0.0) if attempt else 0.0)


async def _as_trained(files: Files, job: JobSpec, since: float) -> Training:
    """The config that the attempt wrote beside its checkpoints, overrides included; else the run's own."""
    facts = Training(epochs=_int(job, "epochs"))
    written = f"{_str(job, 'output_dir')}/torchtune_config.yaml"
    fact = await files.stat(written)
    if fact is None or fact.modified_at < since - CLOCK_TOLERANCE_SECONDS:
        return facts
    try:
        return torchtune_config.read(
            (await files.read(written)).decode(errors="replace"), written, job.workdir
        )
    except (BadExperiment, FileMissing):
        return facts


async def _judge_epochs(files: Files, job: JobSpec, training: Training, seen: _Trained) -> Verdict:
    epochs = training.epochs_to_save or tuple(range(training.epochs or 0))
    if not epochs:
        return _bad("bad_config", f"{_str(job, 'config')} doesn't say how many epochs")
    directories = [f"{_str(job, 'output_dir')}/epoch_{epoch}" for epoch in epochs]
    problems = []
    for directory in directories:
        if problem := await _problem(files, directory, seen.since):
            problems.append(f"{directory.rpartition('/')[2]} {problem}")
    if problems:
        return _bad("checkpoint", "; ".join(problems))
    warnings = await peft.warnings(files, directories, _str(job, "environments").splitlines())
    count = f"{len(epochs)} epoch{'s' if len(epochs) > 1 else ''}"
    return Verdict(
        good=True,
        detail=f"{count}, {seen.steps} steps",
        artifacts=tuple(directories),
        warnings=tuple(warnings),
        begun_at=seen.begun_at,
    )


async def _problem(files: Files, directory: str, since: float) -> str:
    found = await checkpoint.inspect(files, directory)
    if found.problem:
        return found.problem
    old = [s for s in found.shards if s.modified_at < since - CLOCK_TOLERANCE_SECONDS]
    return "is older than this training: an earlier one left it" if old else ""


def parse_progress(text: str, epochs: int | None) -> Progress | None:
    """The last progress bar in a training's output; None if there is none.

    A bar is `epoch|step|Loss: x: ...| step/steps [`; the epoch is counted from 1, and so is `epoch_0` here.
    """
    finishing = _SAVED in text
    for line in reversed(output.lines(text)):
        if match := _BAR.match(line):
            epoch, step, loss, _, of_epoch = match.groups()
            total = int(of_epoch) * epochs if of_epoch and epochs else None
            return Progress(
                epoch=int(epoch) - 1,
                epochs=epochs,
                done=int(step),
                total=total,
                loss=_loss(loss),
                finishing=finishing,
            )
    return None


def _loss(text: str) -> float | None:
    """None for nan and inf, which JSON has no word for."""
    value = float(text)
    return value if abs(value) < float("inf") else None


async def _remedy(files: Files, job: JobSpec, failure: Failure) -> Remedy | None:
    """Half the batch, twice the accumulation: the effective batch stays what the experiment says.

    None where that isn't possible: a batch of one, an odd one, or one that the command line sets.
    """
    if failure.kind != "cuda_out_of_memory" or _BATCH_OVERRIDE.search(_str(job, "overrides")):
        return None
    config = _str(job, "config")
    try:  # as it stands now: an earlier remedy may have changed it
        training = torchtune_config.read(
            (await files.read(config)).decode(errors="replace"), config, job.workdir
        )
    except (BadExperiment, FileMissing):
        return None
    batch, steps = training.batch_size, training.gradient_accumulation_steps or 1
    if batch is None or batch < 2 or batch % 2:
        return None
    return Remedy(
        file=config,
        values={"batch_size": batch // 2, "gradient_accumulation_steps": steps * 2},
        summary=f"batch_size {batch} -> {batch // 2}, gradient_accumulation_steps {steps} -> {steps * 2}",
    )


def _bad(kind: str, message: str, remedy: Remedy | None = None) -> Verdict:
    return Verdict(good=False, detail=message, failure=Failure(kind, message), remedy=remedy)


def _str(job: JobSpec, fact: str) -> str:
    return str(job.facts.get(fact) or "")


def _int(job: JobSpec, fact: str) -> int | None:
    value = job.facts.get(fact)
    return value if isinstance(value, int) else None
