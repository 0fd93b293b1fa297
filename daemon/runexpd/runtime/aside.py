"""What is observed, admitted: in a thread where it is large, so that the loop goes on meanwhile."""

from runexpd.core.observations import Observation, RetryWanted, ScaffoldSeen
from runexpd.core.state import State
from runexpd.hosts.threads import aside
from runexpd.runtime.admission import Admitted
from runexpd.runtime.admission import admit as admitted


async def admit(state: State, observation: Observation, now: float, last_seq: int) -> Admitted:
    """See admission.admit; whole scaffolds, which may be of ten thousand runs, aside."""
    if isinstance(observation, ScaffoldSeen | RetryWanted):
        return await aside(lambda: admitted(state, observation, now, last_seq))
    return admitted(state, observation, now, last_seq)
