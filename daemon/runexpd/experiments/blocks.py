"""A block of a run log: the form that existing readers harvest, and that no text from outside can imitate. Pure.

`[time] ACTION: subject`, `Details:`, for submissions `Job ID:` on the third line, `Result:`, and an empty line.
"""

import re
from collections.abc import Sequence

import msgspec

from runexp.text import on_one_line, printable
from runexpd.experiments.actions import Action

#: The orchestration log; the phases' logs go by the phase's name. Keys of `Experiment.logs`.
EXPERIMENT = "experiment"
#: What readers look for, wherever on a line: here it says so in blocks of ours alone.
_KEYS = re.compile(r"(SUBMIT_JOB|SUBMIT_EVAL|Job ID):")


class Block(msgspec.Struct, frozen=True):
    """A block of one log."""

    log: str
    action: Action
    subject: str
    details: str
    result: str
    job_id: str | None = None
    #: Lines after the result.
    body: Sequence[str] = ()

    def text(self, stamp: str) -> str:
        lines = [f"[{stamp}] {self.action}: {_harmless(self.subject)}", f"Details: {_harmless(self.details)}"]
        if self.job_id is not None:
            lines.append(f"Job ID: {_harmless(self.job_id)}")
        lines.append(f"Result: {_harmless(self.result)}")
        if self.body:
            lines += ["", *(_body_line(line) for line in self.body)]
        return "\n".join([*lines, "", ""])


def _harmless(text: str) -> str:
    """On one line: a block's lines are its form."""
    return _KEYS.sub(r"\1 :", printable(text))


def _body_line(text: str) -> str:
    """As it is aligned, but nothing that begins a block."""
    line = _KEYS.sub(r"\1 :", on_one_line(text)).rstrip()
    return f" {line}" if line.startswith("[") else line
