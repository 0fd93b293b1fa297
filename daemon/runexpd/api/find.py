"""Which experiment, which jobs somebody means."""

from posixpath import normpath

from runexp.wire.refusals import Code
from runexpd.api.refusal import Refusal
from runexpd.core.state import Experiment, State


def experiment(state: State, named: str) -> Experiment:
    """By exact id, directory, name, or an unambiguous prefix of the id. Raises Refusal."""
    known = list(state.experiments.values())
    for matches in (
        [e for e in known if e.id == named],
        [e for e in known if e.dir == normpath(named) or f"{e.cluster}:{e.dir}" == named],
        [e for e in known if e.name == named],
        [e for e in known if named and e.id.startswith(named)],
    ):
        if len(matches) == 1:
            return matches[0]
        if matches:
            choices = "; ".join(f"{e.id} {e.name} ({e.cluster}:{e.dir})" for e in matches)
            what = f"{named} is {len(matches)} experiments: {choices}"
            raise Refusal(Code.AMBIGUOUS, what, hint="name it by its id, or by its directory")
    names = ", ".join(sorted({e.name for e in known})) or "none yet"
    raise Refusal(
        Code.UNKNOWN, f"no experiment is called {named}", hint=f"`runexp ls` shows them; known: {names}"
    )


def job(e: Experiment, named: str) -> str:
    """A job's id, by the id or an unambiguous prefix of it. Raises Refusal."""
    if named in e.jobs:
        return named
    matches = [id for id in e.jobs if id.startswith(named)]
    if len(matches) == 1:
        return matches[0]
    what = f"{named} is {len(matches)} jobs of {e.name}" if matches else f"{e.name} has no job {named}"
    hint = f"one of: {', '.join(matches or e.jobs)}"
    raise Refusal(Code.AMBIGUOUS if matches else Code.UNKNOWN, what, hint=hint)
