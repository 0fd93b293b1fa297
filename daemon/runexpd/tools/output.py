"""What the end of a job's output says about why it failed. Pure; shared by the tools, since all are Python programs."""

import re

from runexp.wire.jobs import Failure
from runexpd.hosts.base import FileMissing, Files
from runexpd.tools.base import Attempt

#: Enough for a traceback with a progress bar after it.
TAIL_BYTES = 64 * 1024

_EXCEPTION = re.compile(r"^(?:\w+\.)*\w*(?:Error|Exception|Interrupt|Exit)\b.*")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: First match wins. (kind, what the text must hold)
_KINDS = (
    ("cuda_out_of_memory", r"torch\.(cuda\.)?OutOfMemoryError|CUDA out of memory"),
    ("host_out_of_memory", r"DefaultCPUAllocator: can't allocate memory|\bMemoryError\b|oom[-_ ]kill"),
    ("missing_command", r": command not found|/bin/activate: No such file or directory"),
    ("missing_model", r"No file with name: .* found in|config\.json'?$|not the path to a directory containing a|"
                      r"Error no file named|Can't load the model|Repo id must be|SafetensorError"),
    ("missing_data", r"Unable to find '.*'|FileNotFoundError: .*\.(json|jsonl|csv|parquet)"),
    ("bad_config", r"ConfigAttributeError|InterpolationKeyError|InstantiationError|got an unexpected keyword argument|"
                   r"Are you sure that|size mismatch for|yaml\.\w+\.\w+Error|ScannerError|ParserError|"
                   r"FileNotFoundError: .*\.ya?ml|No module named|output directory cannot be"),
)  # fmt: skip


def lines(text: str) -> list[str]:
    """As a person sees them: progress bars overwrite themselves with carriage returns and escapes."""
    return [line.rstrip() for line in re.split(r"[\r\n]", _ESCAPE.sub("", text)) if line.strip()]


def classify(text: str) -> Failure | None:
    """The class of the failure and its line: the last exception, else the line that told the class; None if neither."""
    shown = lines(text)
    exceptions = [(place, line) for place, line in enumerate(shown) if _EXCEPTION.match(line)]
    for kind, pattern in _KINDS:
        if found := [line for line in shown if re.search(pattern, line)]:
            return Failure(
                kind, _short(exceptions[-1][1] if kind == "bad_config" and exceptions else found[-1])
            )
    if exceptions:
        place, line = exceptions[-1]
        follows = shown[place + 1] if line.endswith(":") and place + 1 < len(shown) else ""
        return Failure("exception", _short(f"{line} {follows}".strip()))
    return None


def last_line(text: str) -> str:
    """The last thing said; empty if nothing was."""
    shown = lines(text)
    return _short(shown[-1]) if shown else ""


def _short(line: str) -> str:
    return line if len(line) <= 300 else f"{line[:297]}..."


async def tail(files: Files, path: str, size_bytes: int = TAIL_BYTES) -> str:
    """The end of a job's output; empty if there is none. Raises HostUnreachable."""
    try:
        return (await files.read(path, -size_bytes)).decode(errors="replace")
    except FileMissing:
        return ""


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
        return Failure("no_output_directory", f"Slurm could not open its output {attempt.output}")
    said = classify(text)
    if said is not None:
        return said
    return Failure("unknown", f"exit code {attempt.exit_code}; last said: {last_line(text) or 'nothing'}")
