"""Which log is a job's: the newest that it can have written, in a directory of its own or one that cells share. Pure."""

import re
from collections.abc import Mapping, Sequence

import msgspec

from runexp.wire.jobs import JobSpec
from runexpd.hosts.base import Answer, FileFact
from runexpd.tools import eval_log, questions
from runexpd.tools.base import Attempt, Question
from runexpd.tools.torchtune_steps import CLOCK_TOLERANCE_SECONDS, starts

#: Logs that are looked at, in a directory that cells share; and of those whose header is further in than usual.
_MOST_LOGS = 256
_MOST_SECOND_LOOKS = 8
_PATH_CHARACTERS = 4096
_EPOCH = re.compile(r"epoch_?(\d{1,9})")

#: What a log's file turned out to be.
Header = eval_log.Header | eval_log.NotALog | eval_log.Unreadable


class Log(msgspec.Struct, frozen=True):
    fact: FileFact
    header: Header


def newest(job: JobSpec, attempt: Attempt | None, listing: Answer) -> Question[Log | None]:
    """The newest log of this job; None for no log at all."""
    earliest = starts(attempt) - CLOCK_TOLERANCE_SECONDS
    logs = [
        fact for fact in questions.entries(listing) if eval_log.is_log(fact) and fact.modified_at >= earliest
    ]
    logs.sort(key=eval_log.order, reverse=True)
    if not job.facts.get("shared_log_dir"):
        headers = yield from _headers(logs[:1])
        return Log(logs[0], headers[logs[0].path]) if logs else None
    # By name first those of the task; a name may have been chosen by somebody, so that the others count, too.
    logs = sorted(logs, key=lambda fact: not _names_task(job, fact))[:_MOST_LOGS]
    headers = yield from _headers(logs)
    return _own(job, sorted(logs, key=eval_log.order, reverse=True), headers)


def _names_task(job: JobSpec, fact: FileFact) -> bool:
    return f"_{job.task}_".replace("-", "_") in questions.name(fact).replace("-", "_")


def _headers(logs: Sequence[FileFact]) -> Question[Mapping[str, Header]]:
    """All of them, in two rounds at most."""
    answers = yield from questions.ask([eval_log.first_look(fact) for fact in logs])
    found: dict[str, Header] = {}
    longer = {}
    for fact, answer in zip(logs, answers, strict=True):
        try:
            found[fact.path] = eval_log.read(answer)
        except eval_log.NeedsMore as needed:
            longer[fact.path] = needed.more
            found[fact.path] = eval_log.NotALog("its header can't be read")
        except (eval_log.NotALog, eval_log.Unreadable) as why:
            found[fact.path] = why
    again = dict(list(longer.items())[:_MOST_SECOND_LOOKS])
    answers = yield from questions.ask(list(again.values()))
    return found | {path: _read_again(answer) for path, answer in zip(again, answers, strict=True)}


def _read_again(answer: Answer) -> Header:
    try:
        return eval_log.read(answer)
    except eval_log.NeedsMore:
        return eval_log.NotALog("its header can't be read")
    except (eval_log.NotALog, eval_log.Unreadable) as why:
        return why


def _own(job: JobSpec, logs: Sequence[FileFact], headers: Mapping[str, Header]) -> Log | None:
    """The newest log that says that it is this cell's, else the newest that says nothing and is named like one."""
    nameless: Log | None = None
    for fact in logs:
        log = Log(fact, headers[fact.path])
        if isinstance(log.header, eval_log.Header):
            if _is_of(job, log.header):
                return log
        elif nameless is None and _names_task(job, fact):
            nameless = log
    return nameless


def _is_of(job: JobSpec, header: eval_log.Header) -> bool:
    """Whether a log in a directory that cells share is this cell's: by its task, and by its model or the epoch in its path."""
    if job.task and _task(job, header.eval.task) != job.task.replace("-", "_"):
        return False
    if job.epoch is None:
        return True
    path = str(header.eval.model_args.get("model_path", ""))[-_PATH_CHARACTERS:]
    if found := _EPOCH.findall(path) or _EPOCH.findall(header.eval.model[:_PATH_CHARACTERS])[:1]:
        return int(found[-1]) == job.epoch
    return bool(job.facts.get("model")) and header.eval.model == job.facts["model"]


def _task(job: JobSpec, name: str) -> str:
    """Which of a run's tasks a log's is: a scaffold may add a label of the matrix to the name, as `words_lr2`."""
    name = name.rpartition("/")[2].replace("-", "_")
    tasks = {task.replace("-", "_") for task in str(job.facts.get("tasks") or job.task).split("\n")}
    labelled = [task for task in tasks if name.startswith(f"{task}_")]
    return name if name in tasks else max(labelled, key=len, default=name)
