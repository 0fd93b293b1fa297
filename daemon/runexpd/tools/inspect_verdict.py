"""What a log, or its absence, proves. The log decides, not the exit code; and where there is none, the job's end. Pure."""

import posixpath
import shlex
from collections.abc import Sequence

from msgspec.structs import replace

from runexp.wire.failures import FailureKind
from runexp.wire.jobs import Failure, Finding, Verdict
from runexp.wire.states import COMPLETED, FAILED
from runexpd.tools import eval_log, output, printed, questions
from runexpd.tools.base import Attempt
from runexpd.tools.inspect_logs import Log

#: No evaluation has more; and no count of a log that says so is believed.
_MOST_SAMPLES = 10**9
_MOST_ODD = 10

_CANCELLED = "cancelled"


def judge(log_dir: str, attempt: Attempt | None, found: Log | None, said: Sequence[str]) -> Verdict:
    """The verdict by the newest log and the ends of what the attempt printed."""
    return printed.with_said(_judged(log_dir, attempt, found, said), said)


def _judged(log_dir: str, attempt: Attempt | None, found: Log | None, said: Sequence[str]) -> Verdict:
    if found is None:
        return _without_header(
            attempt, said, Failure(FailureKind.NO_LOG, _no_log(log_dir, attempt, said)), None
        )
    path = questions.path(found.fact.path)
    match found.header:
        case eval_log.Unreadable() as why:
            return unreadable(found.fact.path, str(why))
        case eval_log.NotALog() as why:
            begun = Failure(FailureKind.EVAL_STARTED, questions.line(f"a log was begun, but {why}"))
            return _cut_short(attempt, said, begun, path)
        case eval_log.Header(status="started"):
            begun = Failure(FailureKind.EVAL_STARTED, "the log says started")
            return _cut_short(attempt, said, begun, path)
        case eval_log.Header() as header:
            return _with_end(judge_header(header, path), attempt)


def was_begun(found: Log) -> bool:
    """Whether it is a log that was begun, and never finished."""
    match found.header:
        case eval_log.NotALog():
            return True
        case eval_log.Header(status=status):
            return status == "started"
        case _:
            return False


def judge_header(header: eval_log.Header, path: str) -> Verdict:
    """What a finished log proves."""
    results = header.results
    if header.invalidated:
        return _bad(FailureKind.INVALIDATED, f"{path} was invalidated", path)
    if header.status == "error":
        return _error(header.error or eval_log.Error(), path)
    if header.status == _CANCELLED:
        return _bad(FailureKind.EVAL_CANCELLED, "the log says cancelled", path)
    if header.status != "success":
        return _bad(FailureKind.EVAL_LOG, f"the log says {questions.line(header.status, 100)}", path)
    if results is not None and (odd := _odd_counts(results)):
        return _bad(FailureKind.EVAL_LOG, odd, path)
    return _scored(header, results, path)


def _error(error: eval_log.Error, path: str) -> Verdict:
    message = error.message.strip().split("\n")[0] or "status error, with no message"
    verdict = _bad(FailureKind.EVAL_ERROR, message, path)
    failure = Failure(
        FailureKind.EVAL_ERROR, verdict.detail, output.said(error.traceback[-output.TAIL_BYTES :])
    )
    return replace(verdict, failure=failure)


def _cut_short(attempt: Attempt | None, said: Sequence[str], begun: Failure, path: str) -> Verdict:
    verdict = _without_header(attempt, said, begun, path)
    if not path.endswith(".eval"):
        return verdict  # of a .json log `inspect log recover` knows nothing
    return replace(verdict, warnings=(*verdict.warnings, _recovery(path)))


def _recovery(path: str) -> str:
    """How inspect goes on where a log ends. Commands of inspect-ai 0.3: `inspect log recover`, `inspect eval-retry`."""
    recovered = f"{path.removesuffix('.eval')}-recovered.eval"
    recover = f"inspect log recover {shlex.quote(path)}"
    retry = f"inspect eval-retry {shlex.quote(recovered)} --log-dir {shlex.quote(posixpath.dirname(path))}"
    return f"what it had scored can be kept: where it ran, in its directory, `{recover}` and `{retry}`, then `runexp run`"


def _odd_counts(results: eval_log.Results) -> str:
    """What is wrong with the counts; empty if they can be."""
    done, total = results.completed_samples, results.total_samples
    if 0 <= done <= total <= _MOST_SAMPLES:
        return ""
    return f"the log says that {_number(done)} of {_number(total)} samples were completed, which can't be"


def _number(count: int) -> str:
    return str(count) if abs(count) < 10**30 else "very many"


def _scored(header: eval_log.Header, results: eval_log.Results | None, path: str) -> Verdict:
    values, odd = (eval_log.scores(results), eval_log.not_numbers(results)) if results else ((), ())
    odd = odd[:_MOST_ODD]
    if results is not None and results.completed_samples and not values and not odd:
        odd = ("no scorer has a metric: scores are in the samples alone",)
    elif results is None or not values or results.completed_samples == 0:
        scored = f"all it has is {', '.join(odd)}" if odd else "nothing was scored"
        return _bad(FailureKind.NOT_SCORED, f"the log says success, but {scored}", path)
    count = f"{results.completed_samples} of {results.total_samples} samples"
    some = results.completed_samples < results.total_samples
    return Verdict(
        finding=Finding.GOOD,
        detail=count,
        artifacts=(path,),
        scores=values,
        warnings=(*((f"only {count} were completed",) if some else ()), *odd),
        begun_at=eval_log.begun_at(header),
    )


def _with_end(verdict: Verdict, attempt: Attempt | None) -> Verdict:
    """A script's exit code says little beside a complete log: it may be that of anything in it. Other ends are odd."""
    if verdict.finding is not Finding.GOOD or attempt is None or attempt.state == COMPLETED:
        return verdict
    ended = questions.line(f"the job ended {attempt.state} {attempt.exit_code} though its log is complete")
    if attempt.state == FAILED:
        return replace(verdict, detail=questions.line(f"{verdict.detail}; {ended}"))
    return replace(verdict, warnings=(*verdict.warnings, ended))


def _no_log(log_dir: str, attempt: Attempt | None, said: Sequence[str]) -> str:
    if attempt is None:
        return questions.line(f"no log in {log_dir}")
    last = next(filter(None, map(output.last_line, said)), "nothing")
    return questions.line(f"ended well and left no log; last said: {last}")


def _without_header(
    attempt: Attempt | None, said: Sequence[str], failure: Failure, path: str | None
) -> Verdict:
    """No log, or one that isn't finished: mostly the evaluation was killed. The job's end tells."""
    if attempt is None:
        return _bad(failure.kind, failure.message, path)
    if attempt.state != COMPLETED:
        ended = printed.why(attempt, said)
        return (_unclear if ended.kind == FailureKind.UNKNOWN else _bad)(ended.kind, ended.message, path)
    if at_end := printed.last_traceback(said):
        return _bad(at_end.kind, at_end.message, path)
    if path is None and (told := printed.told(said)):
        message = f"ended well and left no log; last said: {told.message}"
        return _unclear(told.kind, message)
    return _unclear(failure.kind, failure.message, path)


def unreadable(path: str, why: str) -> Verdict:
    """It waits for a person: whether there are results can't be told."""
    return Verdict(finding=Finding.UNCLEAR, detail=questions.line(f"{path} can't be read: {why}"))


def _unclear(kind: str, message: str, path: str | None = None) -> Verdict:
    return replace(_bad(kind, message, path), finding=Finding.UNCLEAR)


def _bad(kind: str, message: str, path: str | None = None) -> Verdict:
    message = questions.line(message)
    return Verdict(
        finding=Finding.BAD,
        detail=message,
        failure=Failure(kind, message),
        artifacts=(path,) if path else (),
    )
