"""A ledger that was put back: what was under way then is told of before anybody says what is owed."""

import anyio

from runexp.wire.refusals import Code
from runexp.wire.states import Stage
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.core.state import Experiment

#: More than a round, and the reading of what its jobs have left, take.
WAIT_SECONDS = 60.0
_LOOK_SECONDS = 1.0


async def caught_up(context: Context, known: Experiment | None) -> None:
    """Nothing to wait for but where the ledger was put back. Raises Refusal where the cluster doesn't tell."""
    if known is None or not known.restored:
        return
    if watcher := context.watchers.get(known.cluster):
        watcher.hurry()
    with anyio.move_on_after(WAIT_SECONDS):
        while not _is_told(context, known.id):
            with anyio.move_on_after(_LOOK_SECONDS):
                await context.loop.bell.take().wait()
    if not _is_told(context, known.id):
        what = f"{known.cluster} doesn't tell what became of its jobs since the ledger's copy was made"
        hint = context.hindrance(known.cluster) or "try again: results are looked for for some minutes"
        raise Refusal(Code.UNREACHABLE, what, known.dir, hint)


def _is_told(context: Context, id: str) -> bool:
    known = context.still(id)
    watcher = context.watchers.get(known.cluster)
    stages = {job.stage for job in known.jobs.values()}
    asked = watcher is not None and watcher.rounds > 0
    return Stage.ENDED not in stages and (asked or Stage.QUEUED not in stages)
