"""What names an experiment on a command line, as a word that a shell reads as typed. Pure."""

import shlex

from runexp.wire.views import ExperimentLine
from runexpd.core.state import Experiment, State


def typed(state: State, experiment: Experiment | ExperimentLine) -> str:
    """Its name, where that means this experiment alone; else its id."""
    name = experiment.name
    shared = sum(other.name == name for other in state.known()) > 1
    # A client takes these for an option, a path, a cluster, or another's id.
    odd = (
        name.startswith(("-", ".", "~"))
        or "/" in name
        or ":" in name
        or name in state.experiments
        or name in state.shelved
    )
    return experiment.id if shared or odd else shlex.quote(name)
