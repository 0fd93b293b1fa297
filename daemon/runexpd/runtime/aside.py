"""What may take a while, though it only thinks, done in a thread: the loop goes on meanwhile."""

from collections.abc import Callable
from typing import TypeVar

import anyio
import anyio.to_thread

from runexpd.core.observations import Observation, RetryWanted, ScaffoldSeen
from runexpd.core.state import State
from runexpd.runtime.admission import Admitted
from runexpd.runtime.admission import admit as admitted

T = TypeVar("T")


async def aside(work: Callable[[], T]) -> T:
    """What it returns. Raises what it raises."""
    alone = anyio.CapacityLimiter(1)  # all other threads may hang
    return await anyio.to_thread.run_sync(work, limiter=alone)


async def admit(state: State, observation: Observation, now: float, last_seq: int) -> Admitted:
    """See admission.admit; whole scaffolds, which may be of ten thousand runs, aside."""
    if isinstance(observation, ScaffoldSeen | RetryWanted):
        return await aside(lambda: admitted(state, observation, now, last_seq))
    return admitted(state, observation, now, last_seq)
