"""What of a text has a meaning: a comment, a blank line, and where Slurm is to run it have none. Pure."""

import re
from hashlib import sha256

_DIRECTIVE = re.compile(r"\s*#SBATCH\s+(?P<option>-[A-Za-z]|--[a-z-]+)")
#: Where and how long it runs, and under which name; not what.
_PLACING = frozenset(
    {
        *("-t", "--time", "--time-min", "--mem", "--mem-per-cpu", "--mem-per-gpu", "-p", "--partition"),
        *(
            "-A",
            "--account",
            "-q",
            "--qos",
            "-J",
            "--job-name",
            "-o",
            "--output",
            "-e",
            "--error",
            "--open-mode",
        ),
        *("--mail-type", "--mail-user", "-C", "--constraint", "-w", "--nodelist", "-x", "--exclude"),
        *("--reservation", "--comment", "-b", "--begin", "--nice", "--priority", "--requeue", "--no-requeue"),
        *("--signal", "--wckey", "-k", "--no-kill", "--deadline", "--exclusive", "--tmp"),
    }
)
_COMMENT = re.compile(r"(?:^|\s)#(?!\{).*$")
_QUOTED = re.compile(r"[\"'`\\]")


def lines(text: str) -> list[str]:
    """Those that have a meaning, without comments and what surrounds them."""
    return [line for raw in text.split("\n") if (line := _line(raw))]


def digest(text: str) -> str:
    return sha256("\n".join(lines(text)).encode("utf-8", "surrogateescape")).hexdigest()


def _line(raw: str) -> str:
    if (directive := _DIRECTIVE.match(raw)) is not None:
        return "" if directive["option"] in _PLACING else raw.strip()
    if raw.lstrip().startswith("#"):
        return raw.strip() if raw.startswith("#!") else ""
    # Behind a quote, `#` may be a part of a text.
    return raw.rstrip() if _QUOTED.search(raw) else _COMMENT.sub("", raw).rstrip()
