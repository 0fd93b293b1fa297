"""What the end of a job's output says about why it failed. Pure; shared by the tools, since all are Python programs."""

import re
from collections.abc import Iterable, Sequence

from runexp.wire.jobs import Failure
from runexpd.hosts.base import Ask, ReadPart
from runexpd.tools import questions
from runexpd.tools.base import Attempt

#: Enough for a traceback with a progress bar after it.
TAIL_BYTES = 64 * 1024
#: Of a line, as far as it is looked at: patterns take their time on what is longer.
_LINE_CHARACTERS = 2000
#: The kind of a failure that neither Slurm nor the output explains.
UNEXPLAINED = "unknown"
#: An exception's message may go on for some lines.
_MESSAGE_LINES = 5

_EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b.*")
_TRACEBACK = "Traceback (most recent call last)"
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: Ranks of a distributed training mark their lines.
_RANK = re.compile(r"^\[rank\d{1,6}\]:\s?")
#: What Python says between two exceptions of one cause.
_CHAINED = ("During handling of the above exception", "The above exception was the direct cause")
#: What the launcher of ranks raises when one has failed, and the others when one is gone.
_LAUNCHER = "ChildFailedError"
_ECHO = re.compile(r"DistBackendError|SignalException|Connection (?:closed|reset) by peer")
#: What may follow a last exception: bars, W&B's summary, Slurm's own words, the rest of an error of CUDA's.
_AFTERMATH = re.compile(
    r"\s|\W*$|\d+\|\d+\|Loss|\d+%\||(?:wandb|srun|slurmstepd): |CUDA kernel errors might|For debugging consider|"
    r"Compile with `TORCH_USE_CUDA_DSA`|Device-side assertion"
)
_OUT_OF_MEMORY = (
    ("cuda_out_of_memory", r"torch\.(cuda\.)?OutOfMemoryError|CUDA out of memory"),
    ("host_out_of_memory", r"DefaultCPUAllocator: can't allocate memory|\bMemoryError\b|oom[-_ ]kill"),
)
#: First match wins. (kind, what the exception's lines must hold)
_EXCEPTIONS = (
    *_OUT_OF_MEMORY,
    ("missing_model", r"No file with name: .* found in|Error: .*config\.json'?$|not the path to a directory containing a|"
                      r"Error no file named|Can't load the model|Repo id must be|SafetensorError"),
    ("missing_data", r"Unable to find '.*'|FileNotFoundError: .*\.(json|jsonl|csv|parquet)"),
    ("bad_config", r"ConfigAttributeError|InterpolationKeyError|InstantiationError|got an unexpected keyword argument|"
                   r"Are you sure that|size mismatch for|yaml\.\w+\.\w+Error|ScannerError|ParserError|"
                   r"FileNotFoundError: .*\.ya?ml|No module named|output directory cannot be"),
)  # fmt: skip
#: (kind, what a line must hold that is part of no exception)
_LINES = (
    *_OUT_OF_MEMORY,
    ("missing_command", r": command not found|/bin/activate: No such file or directory"),
    ("bad_config", r"Are you sure that|: No module named "),
)


def tail(path: str, size_bytes: int = TAIL_BYTES) -> Ask:
    """The end of a job's output."""
    return ReadPart(path, -size_bytes, size_bytes)


def lines(text: str) -> list[str]:
    """As a person sees them: progress bars overwrite themselves with carriage returns and escapes."""
    shown = re.split(r"[\r\n]", _ESCAPE.sub("", text))
    return [line[:_LINE_CHARACTERS].rstrip() for line in shown if line.strip()]


def classify(text: str) -> Failure | None:
    """The class of the failure and its line: the last exception's, else that of a line that tells; None if neither."""
    shown = _said(text)
    causes = _causes(shown)
    for place in causes:
        if kind := _kind(shown[place : place + 1 + _MESSAGE_LINES], _EXCEPTIONS):
            return Failure(kind, _message(shown, place))
    for line in reversed(shown[causes[0] + 1 :] if causes else shown):
        if kind := _kind([line], _LINES):
            return Failure(kind, questions.line(line))
    return Failure("exception", _message(shown, causes[0])) if causes else None


def traceback_at_end(text: str) -> Failure | None:
    """The failure, where a traceback is the last thing that was said; else None."""
    shown = _said(text)
    begun = [place for place, line in enumerate(shown) if _TRACEBACK in line]
    raised = [place for place, line in enumerate(shown) if _EXCEPTION.match(line)]
    if not begun or not raised or raised[-1] < begun[-1]:
        return None
    return None if any(not _AFTERMATH.match(line) for line in shown[raised[-1] + 1 :]) else classify(text)


def _said(text: str) -> list[str]:
    return [_RANK.sub("", line) for line in lines(text)]


def _causes(shown: Sequence[str]) -> list[int]:
    """Where the last exception is, and before it those that it was raised in the handling of."""
    places = [place for place, line in enumerate(shown) if _EXCEPTION.match(line)]
    if any(_LAUNCHER in shown[place] for place in places):
        own = [place for place in places if _LAUNCHER not in shown[place]]
        places = [place for place in own if not _ECHO.search(shown[place])] or own or places
    chain = places[-1:]
    for place in reversed(places[:-1]):
        if not any(line.startswith(_CHAINED) for line in shown[place + 1 : chain[-1]]):
            break
        chain.append(place)
    return chain


def _kind(shown: Iterable[str], kinds: Sequence[tuple[str, str]]) -> str | None:
    held = list(shown)
    return next((kind for kind, pattern in kinds if any(re.search(pattern, line) for line in held)), None)


def _message(shown: Sequence[str], place: int) -> str:
    """The exception's line; with the next one that says something, where it ends in a colon."""
    line = shown[place]
    follows = shown[place + 1 : place + 1 + _MESSAGE_LINES] if line.endswith(":") else []
    more = next((text.strip() for text in follows if re.search(r"\w", text)), "")
    return questions.line(f"{line} {more}".strip())


def last_line(text: str) -> str:
    """The last thing said; empty if nothing was."""
    shown = lines(text)
    return questions.line(shown[-1]) if shown else ""


def by_state(attempt: Attempt, text: str) -> Failure:
    """Why an attempt that didn't end COMPLETED failed: what Slurm knows first, then what it said."""
    match attempt.state:
        case "TIMEOUT":
            return Failure("timeout", f"reached its time limit; last said: {last_line(text) or 'nothing'}")
        case "CANCELLED":
            return Failure("cancelled", "was cancelled")
        case "OUT_OF_MEMORY":
            return Failure("host_out_of_memory", "ran out of the host's memory (--mem)")
        case "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED" | "DEADLINE" | "REVOKED":
            return Failure(attempt.state.lower(), f"Slurm ended it: {attempt.state}")
    if attempt.exit_code == "0:53":
        return Failure(
            "no_output_directory", f"Slurm could not open its output {questions.line(attempt.output)}"
        )
    said = classify(text)
    if said is not None:
        return said
    exit_code = questions.line(attempt.exit_code)
    return Failure(UNEXPLAINED, f"exit code {exit_code}; last said: {last_line(text) or 'nothing'}")
