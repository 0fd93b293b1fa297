"""The checkpoint that a run without training evaluates: looked at before a job is wasted on one that isn't there. Pure."""

from collections.abc import Sequence
from posixpath import basename, join, normpath

from runexp.wire.jobs import RunSpec
from runexpd.tools import checkpoint, questions
from runexpd.tools.base import Question
from runexpd.tools.shards import State

#: The fact that holds its path.
FACT = "checkpoint_path"


def named(run: RunSpec, dir: str) -> str | None:
    """Where the model is that `parameters.checkpoint_path` of an eval-only run names; a relative one is the experiment's.

    None for a run that is trained or a base model, and for what is the name of a model on a hub.
    """
    path = run.parameters.get(FACT)
    if run.type != "eval-only" or not isinstance(path, str):
        return None
    relative = path.startswith("./") or path.startswith("../") or path.count("/") > 1
    if not path.startswith("/") and not relative:
        return None
    return normpath(join(dir, path)) if questions.askable(path) else None


def blocked(path: str | None, epoch: int | None) -> Question[str]:
    """Why it can't be evaluated; empty where it can, as far as can be told. An epoch may be below the path."""
    if not path:
        return ""
    places = [path]
    if epoch is not None and basename(path) != f"epoch_{epoch}":
        places.append(f"{path}/epoch_{epoch}")
    found = yield from checkpoint.inspect(places)
    return _problem(places, found)


def _problem(places: Sequence[str], found: Sequence[checkpoint.Checkpoint]) -> str:
    problems = [(place, each.problem) for place, each in zip(places, found, strict=True) if each.problem]
    if len(problems) < len(found) or any(problem.state is State.WITHHELD for _, problem in problems):
        return ""
    # A directory of epochs holds no model itself: what is wrong with the epoch tells.
    place, problem = problems[-1] if "holds no model" in problems[0][1].text else problems[0]
    return questions.line(f"{FACT} {questions.path(place)} {problem.text}")
