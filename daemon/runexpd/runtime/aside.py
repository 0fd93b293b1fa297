"""What is observed, admitted: in a thread where it is large, so that the loop goes on meanwhile."""

from runexpd.core.observations import Listed, Observation, RetryWanted, ScaffoldSeen
from runexpd.core.state import State
from runexpd.hosts.threads import aside
from runexpd.runtime.admission import Admitted
from runexpd.runtime.admission import admit as admitted

#: News of so many jobs is taken in on the loop.
_FEW = 500


async def admit(state: State, observation: Observation, now: float, last_seq: int) -> Admitted:
    """See admission.admit; whole scaffolds and what a cluster says, which may be of ten thousand jobs, aside."""
    if _is_large(observation):
        return await aside(lambda: admitted(state, observation, now, last_seq))
    return admitted(state, observation, now, last_seq)


def _is_large(observation: Observation) -> bool:
    if isinstance(observation, Listed):
        return len(observation.reports) > _FEW
    return isinstance(observation, ScaffoldSeen | RetryWanted)
