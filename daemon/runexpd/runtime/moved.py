"""Where trainings that are about to be sent leave their results, as their files stand now: they were read when somebody asked.

What isn't known holds up none: it is found out by whoever sends it, or by its own job.
"""

from collections.abc import Mapping, Sequence

from runexp.text import printable
from runexp.wire.jobs import JobSpec
from runexpd.core.commands import Submit
from runexpd.hosts.base import Files, HostUnreachable
from runexpd.runtime import clock, rounds
from runexpd.runtime.rounds import Pace
from runexpd.tools.base import Placing, Question, Tool

_PACE = Pace(most_rounds=4, together=200, seconds=10.0, alone_seconds=5.0)
_MOST_CHARACTERS = 1000
#: What was read so lately is as it was: what goes at once, as most does, costs neither a question nor a round trip more.
LATELY_SECONDS = 60.0


async def moved(tools: Mapping[str, Tool], files: Files, batch: Sequence[Submit]) -> dict[str, str]:
    """By token, of those that would train elsewhere by now, where: nobody has looked what lies there, and nobody would afterwards."""
    placed = [
        each
        for each in batch
        if isinstance(tools.get(each.job.tool), Placing) and each.job.results and not _is_fresh(each)
    ]
    about = [(tools[each.job.tool], each.job) for each in placed]
    if not about:
        return {}
    try:
        found = await rounds.put(_place, about, files.fetch, _PACE)
    except HostUnreachable:
        return {}
    places = zip(placed, found, strict=True)
    return {
        each.token: _words(each.job, place)
        for each, place in places
        if place not in ("", each.job.results)
        if isinstance(place, str)
    }


def _is_fresh(command: Submit) -> bool:
    return 0 <= clock.now() - command.looked_at < LATELY_SECONDS


def _place(about: tuple[Tool, JobSpec]) -> Question[str]:
    tool, job = about
    assert isinstance(tool, Placing)  # as it was asked for
    return (yield from tool.results(job))


def _words(job: JobSpec, place: str) -> str:
    what = (
        f"it would leave its results in {place} by now, and in {job.results} when it was looked at: "
        "`runexp retry` looks again"
    )
    return printable(what)[:_MOST_CHARACTERS]
