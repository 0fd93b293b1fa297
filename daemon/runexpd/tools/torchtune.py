"""The torchtune module: fine-tuned runs, their checkpoints, how far a training is, why it failed.

A checkpoint that exists proves nothing: a re-run overwrites epoch_0 in place and leaves an older epoch_1; files copied from
the base model keep its times; a batch larger than the data trains no step and saves complete-looking epochs. So each shard
must be whole, newer than the attempt's start, and nothing may show that no step was made.
"""

import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from posixpath import join

from msgspec.structs import replace

from runexp.wire.jobs import Failure, JobSpec, Progress, Remedy, Verdict
from runexp.wire.states import COMPLETED, Phase
from runexpd.experiments.problems import BadExperiment
from runexpd.experiments.scaffold import Discovery, Scaffold
from runexpd.hosts.base import Answer, Ask, FileFact, ListDir, Part, ReadPart, Withheld
from runexpd.tools import (
    checkpoint,
    environment,
    output,
    printed,
    questions,
    scripts,
    torchtune_config,
    torchtune_curves,
    torchtune_ingredients,
    torchtune_steps,
    torchtune_verdict,
)
from runexpd.tools.base import Attempt, Ingredients, Question
from runexpd.tools.checkpoint import Checkpoint
from runexpd.tools.curves import Mark, Read
from runexpd.tools.torchtune_config import Training
from runexpd.tools.torchtune_verdict import Evidence

SCRIPT = "finetune.slurm"
_CONFIG_BYTES = 4 * 1024 * 1024
#: Epochs.
_MOST_GUESSED = 16

_BATCH_OVERRIDE = re.compile(r"^(batch_size|gradient_accumulation_steps)=", re.MULTILINE)


class Torchtune:
    """A runexpd.tools.base.Tool."""

    name = "torchtune"
    phase = Phase.OPTIMIZATION
    log_name = "torchtune"

    def discover(self, scaffold: Scaffold) -> Discovery:
        jobs, missing = [], []
        environments = _environments(scaffold)
        for run in scaffold.runs:
            path = f"{scaffold.dir}/{run.name}/{SCRIPT}"
            if run.type == "fine-tuned":
                if path in scaffold.texts:
                    jobs.append(_job(scaffold, run.name, path, environments[run.name]))
                else:
                    missing.append(f"{run.name}/{SCRIPT}")
        _check_apart(jobs)
        trained = {job.script for job in jobs}
        strays = [path for path in scaffold.texts if path.endswith(f"/{SCRIPT}") and path not in trained]
        warnings = [
            f"{questions.path(path)} belongs to no fine-tuned run, and is left alone"
            for path in sorted(strays)
        ]
        warnings += torchtune_ingredients.disagreements(scaffold, jobs)
        return Discovery(jobs=tuple(jobs), missing=tuple(missing), warnings=tuple(warnings))

    def verify(self, job: JobSpec, attempt: Attempt | None) -> Question[Verdict]:
        if attempt is not None and attempt.state != COMPLETED:
            return (yield from _failed(job, attempt))
        (found, texts), environments = yield from questions.both(
            _looked(job, attempt), environment.look(_str(job, "environments").splitlines())
        )
        if isinstance(found, Evidence):
            found = torchtune_verdict.judge(replace(found, environments=tuple(environments)))
        return found if attempt is None else printed.with_said(found, texts)

    def ingredients(self, job: JobSpec) -> Question[Ingredients]:
        return torchtune_ingredients.of(job)

    def progress(self, job: JobSpec, attempt: Attempt) -> Question[Progress | None]:
        log_dir = _str(job, "log_dir")
        shared = [torchtune_steps.console(log_dir), *printed.elsewhere(job, attempt)]
        places = (attempt.output, *shared)
        logs, own, *copies = yield (
            ListDir(log_dir),
            *(output.tail(path, torchtune_steps.PROGRESS_BYTES) for path in places),
        )
        for answer in (own, *(torchtune_steps.own(copy, attempt) for copy in copies)):
            if seen := torchtune_steps.progress(questions.text(answer), _int(job, "epochs")):
                return seen
        log = torchtune_steps.newest_log(logs, torchtune_steps.starts(attempt))
        ends = yield from questions.ask(torchtune_steps.ends(log, []))
        steps = torchtune_steps.in_log(ends[0]) if ends else None
        return Progress(epochs=_int(job, "epochs"), done=steps) if steps else None

    def curves(self, job: JobSpec, attempt: Attempt, marks: Mapping[str, Mark]) -> Question[tuple[Read, ...]]:
        return torchtune_curves.follow(job, attempt, marks)


TOOL = Torchtune()


def _job(scaffold: Scaffold, run: str, path: str, environments: Iterable[str]) -> JobSpec:
    text = scaffold.texts[path]
    job = scripts.spec(path, text, id=run, phase=Phase.OPTIMIZATION, tool=Torchtune.name, run=run)
    how = torchtune_config.invocation(text)
    runs_in = scripts.runs_in(job)
    places = [join(place, how.config) for place in (runs_in, job.workdir)]
    config = next((place for place in places if place in scaffold.texts), places[0])
    training = Training()
    if config in scaffold.texts:
        training = torchtune_config.read(scaffold.texts[config], config, runs_in, how.overrides)
    output_dir = training.output_dir or _usual_output_dir(scaffold, run)
    facts: dict[str, str | int | list[int] | None] = {
        "config": config,
        "overrides": "\n".join(how.overrides),
        "output_dir": output_dir,
        "log_dir": training.log_dir or f"{output_dir}/logs",
        "epochs": training.epochs,
        "log_every_n_steps": training.log_every_n_steps,
        "resumes": int(training.resumes),
        "pace": training.pace,
        "environments": "\n".join(sorted(environments)),
        printed.FACT: "\n".join(printed.redirected(text, runs_in)),
    }
    return replace(job, facts=facts)


def _check_apart(jobs: Iterable[JobSpec]) -> None:
    """A sweep whose copies kept a path would overwrite each other's checkpoints. Raises BadExperiment."""
    seen: dict[str, str] = {}
    for job in jobs:
        output_dir = _str(job, "output_dir")
        if (other := seen.setdefault(output_dir, job.id)) != job.id:
            what = f"{other} and {job.id} have the same output_dir: {questions.path(output_dir)}"
            raise BadExperiment(what, _str(job, "config"), "give each run a directory of its own")


def _usual_output_dir(scaffold: Scaffold, run: str) -> str:
    older = f"{scaffold.output_base}/ck-out-{run}" if scaffold.output_base else None
    return older if older and older in scaffold.entries else f"{scaffold.dir}/{run}/artifacts"


def _environments(scaffold: Scaffold) -> defaultdict[str, set[str]]:
    """Those that each run's evaluations activate."""
    found: defaultdict[str, set[str]] = defaultdict(set)
    for path, text in scaffold.texts.items():
        run, below = path.removeprefix(f"{scaffold.dir}/").partition("/")[::2]
        if below.startswith("eval/"):
            found[run].update(scripts.environments(text, scripts.home_of(scaffold.dir)))
    return found


def _failed(job: JobSpec, attempt: Attempt) -> Question[Verdict]:
    console = torchtune_steps.console(_str(job, "log_dir"))
    config, copied, *ends = yield [_config(job), output.tail(console), *printed.tails(job, attempt)]
    own = [*ends[:1], *(torchtune_steps.own(end, attempt) for end in (*ends[1:], copied))]
    failure = printed.why(attempt, printed.texts(own))
    return torchtune_verdict.bad(failure, _remedy(job, failure, config))


def _config(job: JobSpec) -> Ask:
    return ReadPart(_str(job, "config"), 0, _CONFIG_BYTES)


def _first_look(job: JobSpec, attempt: Attempt | None) -> list[Ask]:
    output_dir = _str(job, "output_dir")
    written: Ask = ReadPart(f"{output_dir}/torchtune_config.yaml", 0, _CONFIG_BYTES)
    places = torchtune_steps.places(job, _str(job, "log_dir"), attempt)
    return [written, _config(job), ListDir(output_dir), *places]


def _looked(job: JobSpec, attempt: Attempt | None) -> Question[tuple[Verdict | Evidence, Sequence[str]]]:
    """What proves or contradicts it, but for the environments; and the texts of what it printed."""
    guesses = checkpoint.asks(_guessed(job))
    looked = _first_look(job, attempt)
    answers = iter((yield [*looked, *(ask for group in guesses.values() for ask in group)]))
    first = [next(answers) for _ in looked]
    early = {directory: [next(answers) for _ in group] for directory, group in guesses.items()}
    written, config, listing, *places = first
    texts = printed.texts(places[2:])
    if attempt is not None and (failure := printed.last_traceback(texts)):
        return torchtune_verdict.bad(failure, _remedy(job, failure, config)), texts
    if isinstance(listing, Withheld):
        return torchtune_verdict.unreadable(_str(job, "output_dir"), listing.why), texts
    started = torchtune_steps.starts(attempt)
    log = torchtune_steps.newest_log(places[0], started)
    training = _as_trained(job, written, started or (log.began if log else 0.0))
    epochs = torchtune_verdict.epochs(training, _str(job, "config"))
    if isinstance(epochs, Failure):
        return torchtune_verdict.bad(epochs), texts
    return (yield from _evidence(job, attempt, training, epochs, log, first, early)), texts


def _guessed(job: JobSpec) -> list[str]:
    """Where its epochs should be: asked at once what else would have to wait for the listing. Of very many, it waits."""
    epochs = _int(job, "epochs") or 0
    return [f"{_str(job, 'output_dir')}/epoch_{n}" for n in range(epochs)] if epochs <= _MOST_GUESSED else []


def _as_trained(job: JobSpec, written: Answer, since: float) -> Training:
    """The config that the attempt wrote beside its checkpoints, overrides included; else the run's own."""
    facts = Training(
        epochs=_int(job, "epochs"),
        log_every_n_steps=_int(job, "log_every_n_steps"),
        resumes=bool(job.facts.get("resumes")),
    )
    if not isinstance(written, Part):
        return facts
    if written.fact.modified_at < since - torchtune_steps.CLOCK_TOLERANCE_SECONDS:
        return facts
    try:
        trained = torchtune_config.read(questions.text(written), written.fact.path, scripts.runs_in(job))
    except BadExperiment:
        return facts
    # An epoch that was added to the run's config since is one that is missing.
    return replace(trained, epochs=max(trained.epochs or 0, facts.epochs or 0) or None)


def _evidence(
    job: JobSpec,
    attempt: Attempt | None,
    training: Training,
    epochs: tuple[int, ...],
    log: torchtune_steps.Log | None,
    first: Sequence[Answer],
    early: Mapping[str, Sequence[Answer]],
) -> Question[Evidence]:
    """Look at the epochs that are there, and at what the listings led to."""
    _, _, listing, _, console, out, *sent = first
    there = _there(epochs, listing)
    newest = torchtune_steps.newest_outputs(job, out) if attempt is None else []
    found, ends = yield from questions.both(
        checkpoint.inspect([fact.path for fact in there.values()], early),
        questions.ask(torchtune_steps.ends(log, newest)),
    )
    sources = torchtune_steps.Sources(
        log=log,
        log_end=ends[0] if log else None,
        printed=None if attempt is None else out,
        copies=(console, *sent, *ends[len(ends) - len(newest) :]),
    )
    checkpoints = dict(zip(there, found, strict=True))
    return Evidence(
        output_dir=_str(job, "output_dir"),
        epochs=epochs,
        checkpoints=checkpoints,
        attempt=attempt,
        seen=torchtune_steps.seen(sources, attempt, training, _saved_last(checkpoints.values())),
        looked=(
            _str(job, "log_dir"),
            job.output if attempt is None else attempt.output,
            *printed.elsewhere(job, attempt),
        ),
        resumes=training.resumes,
    )


def _saved_last(checkpoints: Iterable[Checkpoint]) -> float:
    return max((shard.modified_at for found in checkpoints for shard in found.shards), default=0.0)


def _there(epochs: tuple[int, ...], listing: Answer) -> dict[int, FileFact]:
    names = {f"epoch_{epoch}": epoch for epoch in epochs}
    entries = [fact for fact in questions.entries(listing) if fact.is_dir and questions.name(fact) in names]
    return {names[questions.name(fact)]: fact for fact in entries}


def _remedy(job: JobSpec, failure: Failure, config: Answer) -> Remedy | None:
    """Half the batch, twice the accumulation: the effective batch stays what the experiment says.

    None where that isn't possible: a batch of one, an odd one, or one that the command line sets.
    """
    if failure.kind != "cuda_out_of_memory" or _BATCH_OVERRIDE.search(_str(job, "overrides")):
        return None
    path = _str(job, "config")
    try:  # as it stands now: an earlier remedy may have changed it
        training = torchtune_config.read(questions.text(config), path, scripts.runs_in(job))
    except BadExperiment:
        return None
    batch, steps = training.batch_size, training.gradient_accumulation_steps or 1
    if batch is None or batch < 2 or batch % 2:
        return None
    return Remedy(
        file=path,
        values={"batch_size": batch // 2, "gradient_accumulation_steps": steps * 2},
        summary=f"batch_size {batch} -> {batch // 2}, gradient_accumulation_steps {steps} -> {steps * 2}",
    )


def _str(job: JobSpec, fact: str) -> str:
    return str(job.facts.get(fact) or "")


def _int(job: JobSpec, fact: str) -> int | None:
    value = job.facts.get(fact)
    return value if isinstance(value, int) else None
