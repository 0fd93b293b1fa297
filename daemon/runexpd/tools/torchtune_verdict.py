"""What the evidence of a training proves, and what is only not there. Pure.

What contradicts decides at once. What isn't there may come to light: a network file system shows files late. And results of
somebody else's that are whole and whose steps nobody can show are left for a person: never trained over.
"""

from collections.abc import Iterator, Mapping
from posixpath import basename

import msgspec

from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure, Finding, Remedy, Verdict
from runexpd.tools import environment, questions, shards
from runexpd.tools.base import Attempt
from runexpd.tools.checkpoint import Checkpoint
from runexpd.tools.shards import Problem, State
from runexpd.tools.torchtune_config import MOST_EPOCHS, Training
from runexpd.tools.torchtune_steps import CLOCK_TOLERANCE_SECONDS, Seen

OLDER = "is older than this training: an earlier one left it"
#: Of what is whole, and most likely worthless.
DIVERGED = "the loss of its last step is no number: what it saved is likely worthless"
NO_INDEX = (
    "its epochs have no index, as in torchtune's own format and Meta's: transformers loads none of them"
)
OWN_ADAPTERS = (
    "its epochs are adapters in torchtune's own format (adapter_model.pt), which neither transformers nor peft loads: "
    "an evaluation of theirs has to merge or convert them first"
)
NO_STEPS = "trained no step: is the batch larger than the data set?"


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    output_dir: str
    #: Those that should be there; and what was found of those that are.
    epochs: tuple[int, ...]
    checkpoints: Mapping[int, Checkpoint]
    #: None: results count whoever made them.
    attempt: Attempt | None
    seen: Seen
    #: It went on where an earlier training stopped: all epochs but the last may be that one's.
    resumes: bool = False
    #: Where steps were looked for.
    looked: tuple[str, ...]
    #: Those that evaluations run in, as far as they are known.
    environments: tuple[environment.Environment, ...] = ()


def epochs(training: Training, config: str) -> tuple[int, ...] | Failure:
    """The epochs that a training saves."""
    wanted = training.epochs_to_save
    count = len(wanted) if wanted else training.epochs
    if not count:
        return Failure(FailureKind.BAD_CONFIG, questions.line(f"{config} doesn't say how many epochs"))
    if count > MOST_EPOCHS:
        what = f"{config} says {count} epochs: more than {MOST_EPOCHS} can't be looked for"
        return Failure(FailureKind.BAD_CONFIG, questions.line(what))
    return wanted or tuple(range(count))


def judge(evidence: Evidence) -> Verdict:
    problems = list(_problems(evidence))
    judged = _judge_earlier if evidence.attempt is None else _judge_own
    return msgspec.structs.replace(
        judged(evidence, problems), is_absent=all(map(_is_bare, evidence.checkpoints.values()))
    )


def _is_bare(found: Checkpoint) -> bool:
    """Whether nothing is left of a model, but for what jobs wrote beside it, and what was copied."""
    gone = found.problem is not None and found.problem.state is State.ABSENT
    return gone and not found.has_weights


def _judge_own(evidence: Evidence, problems: list[Problem]) -> Verdict:
    worst = shards.worst(problems)
    if worst is not None and worst.state is State.BROKEN:
        return bad(_failure(worst))
    if evidence.seen.steps == 0:
        return bad(Failure(FailureKind.NO_STEPS, NO_STEPS))
    if worst is not None and worst.state is State.WITHHELD:
        return unclear(worst.text)
    if worst is not None:
        return unclear(worst.text, _failure(worst))
    return _good(evidence)


def _judge_earlier(evidence: Evidence, problems: list[Problem]) -> Verdict:
    """Results that no attempt vouches for: bad means that they would be made anew, over what is there."""
    steps, worst = evidence.seen.steps, shards.worst(problems)
    hidden = [problem for problem in problems if problem.state is State.WITHHELD]
    if hidden:
        return unclear("; ".join(problem.text for problem in hidden))
    if worst is not None and worst.kind == FailureKind.STALE_LOCAL_BASE_PATH:
        return unclear(worst.text)
    if not evidence.checkpoints and not steps:
        return bad(Failure(FailureKind.NOT_TRAINED, "no log of a training with steps"))
    if steps == 0 and problems and all(problem.text.endswith(OLDER) for problem in problems):
        return unclear("a later training made no step; the epochs are older than it, and whole")
    if steps == 0:
        return bad(Failure(FailureKind.NO_STEPS, NO_STEPS))
    if worst is not None:
        return bad(_failure(worst))
    if steps is None:
        return unclear(f"{_count(evidence)}, whole, but {_no_sign(evidence)}")
    return _good(evidence)


def _problems(evidence: Evidence) -> Iterator[Problem]:
    newest = 0.0
    for epoch in evidence.epochs:
        found = evidence.checkpoints.get(epoch) or Checkpoint(problem=Problem(State.ABSENT, "is missing"))
        since = 0.0 if evidence.resumes and epoch != evidence.epochs[-1] else evidence.seen.since
        problem = _aged(found, since, newest) or found.problem
        if problem is not None:
            yield msgspec.structs.replace(problem, text=f"epoch_{epoch} {problem.text}")
        if evidence.attempt is None:
            newest = max([newest, *(shard.modified_at for shard in found.shards)])


def _aged(found: Checkpoint, since: float, before: float) -> Problem | None:
    """An epoch that is older than the training, or than the epoch before it. What is broken in it says nothing then."""
    if found.shards and min(shard.modified_at for shard in found.shards) < since - CLOCK_TOLERANCE_SECONDS:
        return Problem(State.ABSENT, OLDER)
    if found.shards and max(shard.modified_at for shard in found.shards) < before - CLOCK_TOLERANCE_SECONDS:
        return Problem(State.ABSENT, "is older than the epoch before it: an earlier training left it")
    return None


def _failure(problem: Problem) -> Failure:
    return Failure(problem.kind, questions.line(problem.text))


def _good(evidence: Evidence) -> Verdict:
    steps = evidence.seen.steps
    merged = any(found.merged_adapter for found in evidence.checkpoints.values())
    indexless = any(found.lacks_index for found in evidence.checkpoints.values())
    own_adapters = any(found.is_own_adapter for found in evidence.checkpoints.values())
    rope = any(found.rope_for_5 for found in evidence.checkpoints.values())
    return Verdict(
        finding=Finding.GOOD,
        detail=_count(evidence) + (f", {steps} steps" if steps else ""),
        artifacts=tuple(questions.path(f"{evidence.output_dir}/epoch_{epoch}") for epoch in evidence.epochs),
        warnings=(
            *([] if steps else [questions.line(_no_sign(evidence))]),
            *([NO_INDEX] if indexless else []),
            *([OWN_ADAPTERS] if own_adapters else []),
            *([DIVERGED] if evidence.seen.diverged else []),
            *_age_warnings(evidence.attempt),
            *(environment.of_merged(evidence.environments) if merged else ()),
            *(environment.of_rope(evidence.environments) if rope else ()),
        ),
        begun_at=evidence.seen.begun_at,
    )


def _count(evidence: Evidence) -> str:
    count = len(evidence.epochs)
    return f"{count} epoch{'s' if count > 1 else ''}"


def _no_sign(evidence: Evidence) -> str:
    log_dir, *outputs = evidence.looked
    names = ", ".join(basename(path) for path in outputs if basename(path)) or "its output"
    return f"no sign of a training step: not in {log_dir}, not in {names}"


def _age_warnings(attempt: Attempt | None) -> list[str]:
    if attempt is None:
        return []
    if attempt.started_at is None:
        return ["when the job began isn't known: whether the epochs are its own can't be told by their age"]
    if attempt.ended_at is not None and attempt.ended_at < attempt.started_at:
        return ["the job ended before it began: whether the epochs are its own can't be told by their age"]
    return []


def bad(failure: Failure, remedy: Remedy | None = None) -> Verdict:
    return Verdict(finding=Finding.BAD, detail=failure.message, failure=failure, remedy=remedy)


def unclear(what: str, failure: Failure | None = None) -> Verdict:
    """It can't be told; in the end it is that failure, or waits for a person if there is none."""
    return Verdict(finding=Finding.UNCLEAR, detail=questions.line(what), failure=failure)


def unreadable(path: str, why: str) -> Verdict:
    return unclear(f"{path} can't be read: {why}")
