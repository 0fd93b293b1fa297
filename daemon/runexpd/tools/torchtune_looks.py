"""What is looked at for the verdict on a training: all that can be asked at once in the first round, then what that led to.

A checkpoint that exists proves nothing: a re-run overwrites epoch_0 in place and leaves an older epoch_1; files copied from
the base model keep its times; a batch larger than the data trains no step and saves complete-looking epochs. So each shard
must be whole, newer than the attempt's start, and nothing may show that no step was made.
"""

import re
from collections.abc import Iterable, Mapping, Sequence

from msgspec.structs import replace

from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure, JobSpec, Remedy, Verdict
from runexp.wire.states import COMPLETED
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts.base import Answer, Ask, FileFact, ListDir, Part, ReadPart, Withheld
from runexpd.tools import (
    adapter,
    checkpoint,
    environment,
    facts,
    output,
    printed,
    questions,
    scripts,
    torchtune_config,
    torchtune_steps,
    torchtune_verdict,
)
from runexpd.tools.base import Attempt, Question
from runexpd.tools.checkpoint import Checkpoint
from runexpd.tools.torchtune_config import Training
from runexpd.tools.torchtune_verdict import Evidence

_CONFIG_BYTES = 4 * 1024 * 1024
#: Epochs.
_MOST_GUESSED = 16

_BATCH_OVERRIDE = re.compile(r"^(batch_size|gradient_accumulation_steps)=", re.MULTILINE)


def verify(job: JobSpec, attempt: Attempt | None) -> Question[Verdict]:
    """See runexpd.tools.base.Tool."""
    if attempt is not None and attempt.state != COMPLETED:
        return (yield from _failed(job, attempt))
    (found, texts), environments = yield from questions.both(
        _looked(job, attempt), environment.look(facts.text(job, "environments").splitlines())
    )
    if isinstance(found, Evidence):
        found = torchtune_verdict.judge(replace(found, environments=tuple(environments)))
    return found if attempt is None else printed.with_said(found, texts)


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
        return torchtune_verdict.unreadable(facts.text(job, "output_dir"), listing.why), texts
    started = torchtune_steps.starts(attempt)
    log = torchtune_steps.newest_log(places[0], started)
    training = _as_trained(job, written, started or (log.began if log else 0.0))
    epochs = torchtune_verdict.epochs(training, facts.text(job, "config"))
    if isinstance(epochs, Failure):
        return torchtune_verdict.bad(epochs), texts
    return (yield from _evidence(job, attempt, training, epochs, log, first, early)), texts


def _failed(job: JobSpec, attempt: Attempt) -> Question[Verdict]:
    console = torchtune_steps.console(facts.text(job, "log_dir"))
    config, copied, *ends = yield [_config(job), output.tail(console), *printed.tails(job, attempt)]
    own = [*ends[:1], *(torchtune_steps.own(end, attempt) for end in (*ends[1:], copied))]
    failure = printed.why(attempt, printed.texts(own))
    return torchtune_verdict.bad(failure, _remedy(job, failure, config))


def _config(job: JobSpec) -> Ask:
    return ReadPart(facts.text(job, "config"), 0, _CONFIG_BYTES)


def _first_look(job: JobSpec, attempt: Attempt | None) -> list[Ask]:
    output_dir = facts.text(job, "output_dir")
    written: Ask = ReadPart(f"{output_dir}/torchtune_config.yaml", 0, _CONFIG_BYTES)
    places = torchtune_steps.places(job, facts.text(job, "log_dir"), attempt)
    return [written, _config(job), ListDir(output_dir), *places]


def _guessed(job: JobSpec) -> list[str]:
    """Where its epochs should be: asked at once what else would have to wait for the listing. Of very many, it waits."""
    epochs = facts.number(job, "epochs") or 0
    return (
        [f"{facts.text(job, 'output_dir')}/epoch_{n}" for n in range(epochs)]
        if epochs <= _MOST_GUESSED
        else []
    )


def _as_trained(job: JobSpec, written: Answer, since: float) -> Training:
    """The config that the attempt wrote beside its checkpoints, overrides included; else the run's own."""
    own = Training(
        epochs=facts.number(job, "epochs"),
        log_every_n_steps=facts.number(job, "log_every_n_steps"),
        resumes=bool(job.facts.get("resumes")),
        adapters=tuple(facts.text(job, "adapters").splitlines()) or adapter.WEIGHTS,
    )
    if not isinstance(written, Part):
        return own
    if written.fact.modified_at < since - torchtune_steps.CLOCK_TOLERANCE_SECONDS:
        return own
    try:
        trained = torchtune_config.read(questions.text(written), written.fact.path, scripts.runs_in(job))
    except BadExperiment:
        return own
    # An epoch that was added to the run's config since is one that is missing.
    return replace(trained, epochs=max(trained.epochs or 0, own.epochs or 0) or None)


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
        checkpoint.inspect([fact.path for fact in there.values()], early, training.adapters),
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
        output_dir=facts.text(job, "output_dir"),
        epochs=epochs,
        checkpoints=checkpoints,
        attempt=attempt,
        seen=torchtune_steps.seen(sources, attempt, training, _saved_last(checkpoints.values())),
        looked=(
            facts.text(job, "log_dir"),
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
    if failure.kind != FailureKind.CUDA_OUT_OF_MEMORY or _BATCH_OVERRIDE.search(facts.text(job, "overrides")):
        return None
    path = facts.text(job, "config")
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
