"""Runs what is to be run once before the evaluations, on a cluster's login node, and sees it to its end; or ends it."""

import re
from collections.abc import Sequence
from importlib import resources

import anyio

from runexp.text import printable
from runexpd.core.commands import EndPreparation, Prepare
from runexpd.core.observations import PreparationSaid
from runexpd.hosts.base import FileRefused, Host, Ran
from runexpd.runtime import clock
from runexpd.runtime.patience import pauses

_SCRIPT = (resources.files("runexpd.runtime") / "prepare.sh").read_text()
#: One call waits so long for the end; the pauses between two grow up to the second.
WAIT_SECONDS, FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 5, 0.1, 15.0
#: To end by itself, before it is killed.
GRACE_SECONDS = 5
#: Beside what a call waits, for the way there and back.
_CALL_SECONDS = 60.0
#: What doesn't end within this time is left alone: where it runs may be gone. A network file system shows that it is to end late.
ENDING_SECONDS = 150.0
_CODE = re.compile(r"[0-9]{1,9}")
_MOST_BYTES, _MOST_LINES, _MOST_CHARACTERS = 16 * 1024, 50, 500


async def see_through(host: Host, command: Prepare) -> PreparationSaid:
    """How it ended. Begun once, however often this is called. Raises HostUnreachable."""
    for pause in pauses(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS):
        if (ended := await _asked(host, command, command.text)) is not None:
            return ended
        await anyio.sleep(pause)
    raise AssertionError  # the pauses have no end


async def end(host: Host, command: EndPreparation) -> PreparationSaid:
    """How it ended, now that it is to; never begun, it never will be. Raises HostUnreachable."""
    since = clock.steady()
    while (ended := await _asked(host, command, "")) is None:
        if clock.steady() - since > ENDING_SECONDS:
            return _said(command, None, f"it doesn't end: look in {command.room}, on the host named there")
        await anyio.sleep(FIRST_PAUSE_SECONDS)
    return ended


async def _asked(host: Host, command: Prepare | EndPreparation, text: str) -> PreparationSaid | None:
    """With an empty text it is ended. None: it runs."""
    try:
        ran = await host.run(_argv(command, text), timeout_seconds=_CALL_SECONDS + WAIT_SECONDS)
    except FileRefused as error:
        return _said(command, None, error.what)
    return understood(command, ran)


def understood(command: Prepare | EndPreparation, ran: Ran) -> PreparationSaid | None:
    """None: it runs."""
    first, _, output = ran.stdout.partition("\n")
    word, _, code = first.partition(" ")
    if word == "running":
        return None
    if word == "ended" and _CODE.fullmatch(code.strip()):
        return _said(command, int(code), output)
    return _said(command, None, output if word == "lost" else f"{ran.stderr}\n{ran.stdout}")


def _argv(command: Prepare | EndPreparation, text: str) -> Sequence[str]:
    limits = (str(WAIT_SECONDS), str(_MOST_BYTES), str(GRACE_SECONDS))
    return ["sh", "-c", _SCRIPT, "runexp", command.room, command.dir, text, *limits]


def _said(command: Prepare | EndPreparation, exit_code: int | None, output: str) -> PreparationSaid:
    lines = [printable(line.strip())[:_MOST_CHARACTERS] for line in output.split("\n") if line.strip()]
    return PreparationSaid(
        experiment=command.experiment,
        number=command.number,
        exit_code=exit_code,
        said=tuple(lines[-_MOST_LINES:]),
    )
