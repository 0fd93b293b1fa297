"""What was printed, as a person sees it: its lines, and the last of them that say something. Pure; shared by the tools."""

import re

from runexpd.hosts.base import Ask, ReadPart
from runexpd.tools import questions

#: Enough for a traceback with a progress bar after it.
TAIL_BYTES = 64 * 1024
#: Of a line, as far as it is looked at: patterns take their time on what is longer.
_LINE_CHARACTERS = 2000
#: What goes with a failure.
_MOST_SAID = 15
_SAID_LINE_CHARACTERS = 200
_SAID_CHARACTERS = 2000

_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
#: What is written where a bar left off, as a shell does of a job that was killed.
_AFTER_BAR = re.compile(r"((?:it/s|s/it|examples/s)\])(?=[^\s\]])")
#: What says nothing: bars (torchtune's, tqdm's, inspect-ai's), W&B's chatter, torchao's greeting, rules and underlines.
_NOISE = re.compile(
    r"[\W_]*$"
    r"|(?:\[\w{1,20}\]:\s?)?(?:\d{1,9}\|\d{1,9}\|Loss|wandb:(?! ERROR)|Skipping import of cpp extensions)"
    r"|.{0,200}?(?:\d{1,3}%\|.{0,200}\[|\d{1,15}(?:it|ex| examples) \[\d\d:|\| Steps:[ ]{0,20}\d|\d examples/s)"
)
#: What may follow a last exception: noise, Slurm's own words, the rest of an error of CUDA's.
_AFTERMATH = re.compile(
    r"\s|(?:srun|slurmstepd): |CUDA kernel errors might|For debugging consider|"
    r"Compile with `TORCH_USE_CUDA_DSA`|Device-side assertion|Set the environment variable HYDRA_FULL_ERROR|"
    r"full_key: |object_type="
)


def tail(path: str, size_bytes: int = TAIL_BYTES) -> Ask:
    """The end of a job's output."""
    return ReadPart(path, -size_bytes, size_bytes)


def lines(text: str) -> list[str]:
    """As a person sees them: progress bars overwrite themselves with carriage returns and escapes."""
    shown = re.split(r"[\r\n]", _AFTER_BAR.sub(r"\1\n", _ESCAPE.sub("", text)))
    return [line[:_LINE_CHARACTERS].rstrip() for line in shown if line.strip()]


def is_noise(line: str) -> bool:
    return _NOISE.match(line) is not None


def is_aftermath(line: str) -> bool:
    """Whether a line after an exception leaves it the last thing that was said."""
    return is_noise(line) or _AFTERMATH.match(line) is not None


def said(text: str) -> tuple[str, ...]:
    """The last lines that say something, as they can be shown: fifteen at most, and of two thousand characters."""
    kept: list[str] = []
    room = _SAID_CHARACTERS
    for line in reversed(lines(text)):
        if not is_noise(line):
            shown = questions.indented(line, _SAID_LINE_CHARACTERS)
            room -= len(shown)
            if room < 0 or len(kept) == _MOST_SAID:
                break
            kept.append(shown)
    return tuple(reversed(kept))


def last_line(text: str) -> str:
    """The last thing said; empty if nothing was."""
    return next((questions.line(line) for line in reversed(lines(text)) if not is_noise(line)), "")
