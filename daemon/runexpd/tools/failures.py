"""Why a job failed: the class and the line that the end of its output gives. Pure; shared by the tools, all Python programs.

The last exception counts, not the first line that looks like one: for ranks of a distributed training that of the first to
fail, and for what was killed the signal. What isn't at the end was lived with.
"""

import re
from collections.abc import Iterable, Sequence

import msgspec

from runexp.wire.failures import FailureKind as Kind
from runexp.wire.jobs import Failure
from runexpd.tools import output, questions, tracebacks
from runexpd.tools.base import Attempt

_ROOT_SIGNAL = re.compile(r"\s*exitcode\s*: -(\d{1,2}) ")
_OUT_OF_MEMORY = (
    (Kind.CUDA_OUT_OF_MEMORY, r"torch\.(cuda\.)?OutOfMemoryError|CUDA out of memory"),
    (Kind.HOST_OUT_OF_MEMORY, r"DefaultCPUAllocator: can't allocate memory|\bMemoryError\b|oom[-_ ]kill"),
)
#: First match wins. (kind, what the exception's lines must hold)
_EXCEPTIONS = (
    *_OUT_OF_MEMORY,
    (Kind.DISK_FULL, r"\[Errno (?:28|122|27)\]|\(os error (?:28|122|27)\)|No space left on device|Disk quota exceeded"),
    (Kind.MISSING_MODEL, r"No file with name: .* found in|Error: .*config\.json'?$|not the path to a directory containing a|"
                         r"Error no file named|Can't load the model|Repo id must|SafetensorError|"
                         r"We couldn't connect to '|Unrecognized model in .*`model_type`|KeyError: 'base_model_name_or_path'"),
    (Kind.MISSING_DATA, r"Unable to find '.*'|FileNotFoundError: .*\.(json|jsonl|csv|parquet)"),
    (Kind.BAD_CONFIG, r"ConfigAttributeError|InterpolationKeyError|InstantiationError|got an unexpected keyword argument|"
                      r"missing \d+ required (?:positional|keyword-only) argument|No model specified|"
                      r"Model API .* not recognized|Relative module names not supported|"
                      r"Are you sure that|size mismatch for|yaml\.\w+\.\w+Error|ScannerError|ParserError|"
                      r"FileNotFoundError: .*\.ya?ml|No module named|output directory cannot be"),
    (Kind.INTERRUPTED, r"^KeyboardInterrupt"),
)  # fmt: skip
#: (kind, what a line must hold that is part of no exception)
_LINES = (
    *_OUT_OF_MEMORY,
    (Kind.BAD_DATA, r"The dataset contains duplicate sample ids"),
    (Kind.MISSING_TASK, r"No inspect tasks were found"),
    (Kind.MISSING_COMMAND, r": command not found|/bin/activate: No such file or directory|EnvironmentNameNotFound|"
                           r"CondaError: Run 'conda init'"),
    (Kind.BAD_CONFIG, r"Are you sure that|: No module named |^(?:tune|inspect)\b.*: error: |^Error: |"
                      r"Relative module names not supported"),
    (Kind.DISK_FULL, r"No space left on device|Disk quota exceeded"),
)  # fmt: skip
_SIGNALS = {2: "SIGINT", 6: "SIGABRT", 7: "SIGBUS", 9: "SIGKILL", 11: "SIGSEGV", 15: "SIGTERM"}
#: Those that a program earns itself; the others are sent to it.
_CRASHES = (4, 6, 7, 8, 11)
#: What a line may say that a signal follows from.
_OF_SIGNALS = (Kind.KILLED, Kind.CRASHED, Kind.HOST_OUT_OF_MEMORY)
_HINTS = {9: ": by a person, or for want of the host's memory"}
#: What bash says of the tool that a script ran: `line 9: 4711 Killed    tune run ...`; of its helpers it doesn't matter.
_SHELL_WORDS = {
    "Killed": Kind.KILLED,
    "Terminated": Kind.KILLED,
    "Segmentation fault": Kind.CRASHED,
    "Aborted": Kind.CRASHED,
    "Bus error": Kind.CRASHED,
}
_TOLD_BY_SHELL = re.compile(
    rf": line \d+: +\d+ ({'|'.join(_SHELL_WORDS)})\b.*\b(?:tune|torchrun|python3?|inspect|accelerate|srun)\b.*"
)


def classify(text: str) -> Failure | None:
    """The class of the failure and its line: the last exception's, else that of a line that tells; None if neither."""
    shown = tracebacks.shown_lines(text)
    causes = tracebacks.causes(shown, _is_for_want_of_memory)
    failure = _killed(shown) or _raised(shown, causes) or _told(shown, causes)
    if failure is None and causes:
        failure = Failure(Kind.EXCEPTION, tracebacks.whole_story(shown, causes))
    return failure and msgspec.structs.replace(failure, said=_said(shown, causes))


def _raised(shown: Sequence[tracebacks.Line], causes: Sequence[int]) -> Failure | None:
    for place in causes:
        if kind := _kind(tracebacks.whole_message(shown, place), _EXCEPTIONS):
            return Failure(kind, tracebacks.message(shown, place))
    return None


def _told(shown: Sequence[tracebacks.Line], causes: Sequence[int]) -> Failure | None:
    for line in reversed(_telling(shown, causes)):
        if kind := _kind([line.text], _LINES):
            return Failure(kind, questions.line(line.text))
    return None


def _said(shown: Sequence[tracebacks.Line], causes: Sequence[int]) -> tuple[str, ...]:
    """The last lines; of a distributed training those of the rank that failed first, and not what was said of its end."""
    end = tracebacks.launchers_words(shown)
    if end < len(shown) and causes and causes[0] < end:
        rank, end = shown[causes[0]].rank, causes[0] + 1
        shown = [line for line in shown[:end] if line.rank == rank]
    return output.said("\n".join(line.text for line in shown[:end] or shown))


def _telling(shown: Sequence[tracebacks.Line], causes: Sequence[int]) -> Sequence[tracebacks.Line]:
    """Lines that may tell what no exception of a known kind does: after the last one, or before what the launcher says."""
    if causes and not tracebacks.is_launchers(shown[causes[0]]):
        return shown[causes[0] + 1 :][-tracebacks.LAST_LINES :]
    before = shown[: tracebacks.launchers_words(shown)]
    return [line for line in before if not output.is_noise(line.text)][-tracebacks.LAST_LINES :]


def traceback_at_end(text: str) -> Failure | None:
    """The failure, where a traceback is the last thing that was said; else None."""
    shown = tracebacks.shown_lines(text)
    begun = [place for place, line in enumerate(shown) if tracebacks.HEAD in line.text]
    raised = tracebacks.raised(shown)
    if not begun or not raised or raised[-1] < begun[-1]:
        return None
    after = shown[raised[-1] + 1 :]
    return None if any(not output.is_aftermath(line.text) for line in after) else classify(text)


def _killed(shown: Sequence[tracebacks.Line]) -> Failure | None:
    """What killed the rank that failed first; or, by the shell's word, the tool that the script ran."""
    ranks = (_ROOT_SIGNAL.match(line.text) for line in tracebacks.after_root(shown))
    if signal := next((int(match[1]) for match in ranks if match), None):
        return _of_signal(signal, "a rank")
    told = [match for line in shown[tracebacks.since(shown) :] if (match := _TOLD_BY_SHELL.search(line.text))]
    if told:
        return Failure(_SHELL_WORDS[told[-1][1]], questions.line(told[-1][0].removeprefix(": ")))
    return None


def _of_signal(signal: int, what: str) -> Failure:
    name = _SIGNALS.get(signal, f"signal {signal}")
    if signal in _CRASHES:
        return Failure(Kind.CRASHED, f"{what} crashed: {name}")
    return Failure(Kind.KILLED, f"{what} was killed by {name}{_HINTS.get(signal, '')}")


def _is_for_want_of_memory(message: Sequence[str]) -> bool:
    return _kind(message, _OUT_OF_MEMORY) is not None


def _kind(shown: Iterable[str], kinds: Sequence[tuple[Kind, str]]) -> Kind | None:
    held = list(shown)
    return next((kind for kind, pattern in kinds if any(re.search(pattern, line) for line in held)), None)


def by_state(attempt: Attempt, text: str) -> Failure:
    """Why an attempt that didn't end COMPLETED failed: what Slurm knows first, then what it said."""
    failure = _by_slurm(attempt, text) or _by_end(attempt, text)
    return failure if failure.said else msgspec.structs.replace(failure, said=output.said(text))


def _by_slurm(attempt: Attempt, text: str) -> Failure | None:
    match attempt.state:
        case "TIMEOUT":
            return Failure(Kind.TIMEOUT, f"reached its time limit; last said: {_last_said(text)}")
        case "CANCELLED":
            return Failure(Kind.CANCELLED, "was cancelled")
        case "OUT_OF_MEMORY":
            return Failure(Kind.HOST_OUT_OF_MEMORY, "ran out of the host's memory (--mem)")
        case "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "DEADLINE" | "REVOKED":
            return Failure(Kind(attempt.state.lower()), f"Slurm ended it: {attempt.state}")
    if attempt.exit_code == "0:53":
        return Failure(
            Kind.NO_OUTPUT_DIRECTORY,
            f"Slurm could not open its output {questions.line(attempt.output)}",
        )
    return None


def _by_end(attempt: Attempt, text: str) -> Failure:
    """By its last words; where a signal ended it, what was said long before is no cause."""
    signal, told = _signal(attempt.exit_code), classify(text)
    if signal and not (traceback_at_end(text) or (told and told.kind in _OF_SIGNALS)):
        return _of_signal(signal, "it")
    exit_code = questions.line(attempt.exit_code)
    return told or Failure(Kind.UNKNOWN, f"exit code {exit_code}; last said: {_last_said(text)}")


def _signal(exit_code: str) -> int:
    """What ended it, by `code:signal`; a shell adds 128. 0: none did."""
    code, _, signal = exit_code.partition(":")
    if signal.isdecimal() and 0 < int(signal) < 65:
        return int(signal)
    return int(code) - 128 if code.isdecimal() and 128 < int(code) < 193 else 0


def _last_said(text: str) -> str:
    return output.last_line(text) or "nothing"
