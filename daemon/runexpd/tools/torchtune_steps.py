"""What tells that a training made steps: its own log, the bars in a job's output, W&B's copy of the console. Pure.

Three answers: so many steps, none (a log is there and shows none), or no sign of any, which is not a sign of none: outputs are
redirected, and loggers leave no text.
"""

import re
from collections.abc import Sequence
from posixpath import dirname

import msgspec

from runexp.wire.jobs import JobSpec, Progress
from runexpd.hosts.base import Answer, Ask, FileFact, ListDir, Missing, Part, ReadPart
from runexpd.tools import output, printed, questions
from runexpd.tools.base import Attempt
from runexpd.tools.torchtune_config import Training

#: File systems and hosts keep time of their own; times come in whole seconds.
CLOCK_TOLERANCE_SECONDS = 2.0
PROGRESS_BYTES = 8 * 1024
#: A log whose name says that it was begun so long after its last change was named by somebody else.
_MOST_AHEAD_SECONDS = 24 * 3600.0

_BAR = re.compile(
    r"^(\d{1,9})\|(\d{1,9})\|Loss: ([\d.e+-]{1,40}|nan|-?inf):(?:.*?\|\s*(\d{1,9})/(\d{1,9}) \[)?"
)
_STEP = re.compile(r"^Step (\d{1,9}) \|", re.MULTILINE)
_LOGGED_LOSS = re.compile(r"^Step \d{1,9} \| loss:(\S{1,40})", re.MULTILINE)
#: The last thing that a recipe says, after its last epoch; and what it says of adapters alone.
_SAVED = "The full model checkpoint, including all weights and configurations, has been saved successfully"
_FINAL, _FINAL_SAVED = (
    "Saving final epoch checkpoint.",
    re.compile("Checkpoint saved in|Saving checkpoint took"),
)
#: The first thing that a recipe says of itself.
_BEGINS = re.compile(rb"^Running \w{1,100} with resolved config:", re.MULTILINE)
_LOG_NAME = re.compile(r"log_(\d{1,12})\.txt")


class Log(msgspec.Struct, frozen=True):
    """A log of DiskLogger's, named by its beginning in seconds since 1970."""

    path: str
    began: int


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What is known of a training's steps. Times are seconds since 1970."""

    #: None: no sign of any.
    steps: int | None
    #: What is older than this is not this training's; 0: it can't be told.
    since: float
    #: By the name of its log; None: it has none.
    begun_at: float | None = None
    #: The loss of the last step that is shown is no number, or infinite.
    diverged: bool = False


class Sources(msgspec.Struct, frozen=True, kw_only=True):
    """Where steps may show: ends of files, as they were answered."""

    log: Log | None
    log_end: Answer | None
    #: The attempt's own output.
    printed: Answer | None
    #: W&B's copy of it, what the script sends elsewhere, and without an attempt the newest outputs there are.
    copies: tuple[Answer, ...]


class Bar(msgspec.Struct, frozen=True):
    """A progress bar: `epoch|step|Loss: x: ...| step/steps [`; the epoch is counted from 1."""

    epoch: int
    step: int
    loss: float | None
    of_epoch: int | None
    steps_of_epoch: int | None


def starts(attempt: Attempt | None) -> float:
    """What is older isn't this attempt's; 0 where that can't be told: no start is known, or clocks went wrong."""
    if attempt is None or attempt.started_at is None:
        return 0.0
    backwards = attempt.ended_at is not None and attempt.ended_at < attempt.started_at
    return 0.0 if backwards else attempt.started_at


def places(job: JobSpec, log_dir: str, attempt: Attempt | None) -> list[Ask]:
    """Where to look first: the logs, W&B's copy, the attempt's output (None: all outputs there are), what was sent elsewhere."""
    out: Ask = ListDir(dirname(job.output)) if attempt is None else output.tail(attempt.output)
    sent = [output.tail(path) for path in printed.elsewhere(job, attempt)]
    return [ListDir(log_dir), output.tail(console(log_dir)), out, *sent]


def console(log_dir: str) -> str:
    """Where W&B keeps the console of its latest run."""
    return f"{log_dir}/wandb/latest-run/files/output.log"


def is_log(name: str) -> bool:
    """Whether a file's name is that of a log of DiskLogger's."""
    return _LOG_NAME.fullmatch(name) is not None


def newest_log(listing: Answer, earliest: float) -> Log | None:
    """The newest log that was begun at a time or after it."""
    found = [
        Log(fact.path, int(match[1]))
        for fact in questions.entries(listing)
        if questions.is_file(fact)
        and (match := _LOG_NAME.fullmatch(questions.name(fact)))
        and earliest - CLOCK_TOLERANCE_SECONDS <= int(match[1]) <= fact.modified_at + _MOST_AHEAD_SECONDS
    ]
    return max(found, key=lambda log: log.began, default=None)


def newest_outputs(job: JobSpec, listing: Answer) -> list[FileFact]:
    """Of the job's output, and of what else it prints to beside it, the newest file with patterns filled in."""
    beside = [path for path in printed.patterns(job) if dirname(path) == dirname(job.output) and "%" in path]
    found = (_newest(path.rpartition("/")[2], listing) for path in (job.output, *beside))
    return [fact for fact in found if fact is not None]


def _newest(pattern: str, listing: Answer) -> FileFact | None:
    before, variable, rest = pattern.partition("%")
    after = re.sub(r"^\d{0,2}[A-Za-z]", "", rest.rpartition("%")[2])

    def fits(name: str) -> bool:
        return name.startswith(before) and name.endswith(after) if variable else name == pattern

    found = [f for f in questions.entries(listing) if questions.is_file(f) and fits(questions.name(f))]
    return max(found, key=lambda fact: fact.modified_at, default=None)


def ends(log: Log | None, outputs: Sequence[FileFact]) -> list[Ask]:
    """What the listings led to: the end of the newest log, and of the newest outputs."""
    asks: list[Ask] = [ReadPart(log.path, -PROGRESS_BYTES, PROGRESS_BYTES)] if log else []
    return [*asks, *(output.tail(fact.path) for fact in outputs)]


def seen(sources: Sources, attempt: Attempt | None, training: Training, saved_last: float) -> Seen:
    """What the sources show together. `saved_last`: when the newest shard was written."""
    logged = in_log(sources.log_end)
    began = float(sources.log.began) if sources.log else None
    since = starts(attempt) or (began if attempt is None and began else 0.0)
    exact = training.log_every_n_steps in (None, 1)
    blank = logged == 0 and exact
    # A log of every step needs no bars beside it; one of nobody's attempt is newer than any output that could speak against it.
    told = (logged and exact) or (attempt is None and (logged or blank))
    shown = None if told else _shown(sources, attempt, training, saved_last)
    if shown and shown.step > (logged or 0):
        lost = shown.loss is None
        return Seen(steps=shown.step, since=since, begun_at=began if logged else None, diverged=lost)
    if logged:
        return Seen(steps=logged, since=since, begun_at=began, diverged=_is_logged_as_lost(sources.log_end))
    return Seen(steps=0 if blank else None, since=since)


def _is_logged_as_lost(log_end: Answer | None) -> bool:
    losses = _LOGGED_LOSS.findall(questions.text(log_end)) if log_end is not None else []
    return bool(losses) and _loss(losses[-1]) is None


def _shown(sources: Sources, attempt: Attempt | None, training: Training, saved_last: float) -> Bar | None:
    """The furthest bar; None: there is none that can be believed."""
    if attempt is not None:
        copies = [own(copy, attempt) for copy in sources.copies]
        bars = [last_bar(questions.text(part)) for part in (sources.printed, *copies) if part]
    else:
        bars = [_last_of_all(part, training.epochs, saved_last) for part in sources.copies]
    return max(filter(None, bars), key=lambda bar: bar.step, default=None)


def own(part: Answer, attempt: Attempt) -> Answer:
    """An output that others may have written, too, if it was written to while an attempt ran: from its last training's beginning."""
    if not isinstance(part, Part):
        return part
    if part.fact.modified_at < starts(attempt) - CLOCK_TOLERANCE_SECONDS:
        return Missing()
    begun = [match.start() for match in _BEGINS.finditer(part.data)]
    return msgspec.structs.replace(part, data=part.data[begun[-1] :]) if begun else part


def _last_of_all(part: Answer | None, epochs: int | None, saved_last: float) -> Bar | None:
    """Of an output that no attempt vouches for: its last bar is the very last one, and nothing was saved after it."""
    if not isinstance(part, Part) or part.fact.modified_at < saved_last - CLOCK_TOLERANCE_SECONDS:
        return None
    last = last_bar(questions.text(part))
    if last is None or last.epoch != epochs or last.of_epoch is None or last.of_epoch != last.steps_of_epoch:
        return None
    return last


def in_log(answer: Answer | None) -> int | None:
    """Steps in a log of DiskLogger's: 0 where it is blank, None where there is none, or it is of another form."""
    if not isinstance(answer, Part):
        return None
    text = answer.data.decode(errors="replace")
    if found := _STEP.findall(text):
        return int(found[-1])
    return None if text.strip() else 0


def last_bar(text: str) -> Bar | None:
    """The last progress bar of an output's end."""
    found = map(bar, reversed(output.lines(text)))
    return next((each for each in found if each is not None), None)


def bar(line: str) -> Bar | None:
    """A line, where it is one."""
    if (match := _BAR.match(line)) is None:
        return None
    epoch, step, loss, of_epoch, steps = match.groups()
    return Bar(int(epoch), int(step), _loss(loss), _whole(of_epoch), _whole(steps))


def progress(text: str, epochs: int | None) -> Progress | None:
    """By the last bar in a training's output; None if there is none. Its epoch is counted from 0, as in `epoch_0`."""
    last = last_bar(text)
    if last is None:
        return None
    return Progress(
        epoch=last.epoch - 1,
        epochs=epochs,
        done=last.step,
        total=last.steps_of_epoch * epochs if last.steps_of_epoch and epochs else None,
        loss=last.loss,
        finishing=_SAVED in text or _FINAL_SAVED.search(text.partition(_FINAL)[2]) is not None,
    )


def _loss(text: str) -> float | None:
    """None for nan and inf, which JSON has no word for."""
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < float("inf") else None


def _whole(text: str | None) -> int | None:
    return int(text) if text else None
