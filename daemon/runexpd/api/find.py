"""Which experiment, which jobs somebody means."""

from collections.abc import Iterable, Sequence
from posixpath import normpath

from runexp.wire.jobs import BEFORE
from runexp.wire.refusals import Code
from runexp.wire.views import ExperimentLine
from runexpd.api.context import Context
from runexpd.api.refusal import Refusal
from runexpd.clusters.base import Cluster
from runexpd.core import names
from runexpd.core.state import Experiment
from runexpd.hosts.base import HostError

Known = Experiment | ExperimentLine
#: Names that a refusal lists, at most.
_MOST_NAMES = 10


async def experiment(context: Context, named: str) -> Experiment:
    """By exact id, directory (however it is spelled), name, or an unambiguous prefix of the id. Raises Refusal."""
    known = list(context.loop.state.known())
    for matches in (
        [e for e in known if e.id == named],
        await _in_directory(context, known, named),
        [e for e in known if e.name == named],
        [e for e in known if named and e.id.startswith(named)],
    ):
        if len(matches) == 1:
            return await context.at_hand(matches[0].id)
        if matches:
            choices = "; ".join(f"{e.id} {e.name} ({e.cluster}:{e.dir})" for e in matches[:_MOST_NAMES])
            what = f"{named} is {len(matches)} experiments: {choices}"
            raise Refusal(Code.AMBIGUOUS, what, hint="name it by its id, or by its directory")
    all_names = _some(sorted({e.name for e in known})) or "none yet"
    what, hint = f"no experiment is called {named}", f"`runexp ls` shows them; known: {all_names}"
    if "/" in named:
        what, hint = f"no known experiment is in {named}", f"`runexp run DIR` enters one; {hint}"
    raise Refusal(Code.UNKNOWN, what, hint=hint)


async def _in_directory(context: Context, known: Sequence[Known], named: str) -> list[Known]:
    """Links, `..`, `~` and slashes too many lead to the same directory; as it is written, where nobody can tell."""
    if "/" not in named and not named.startswith("~"):
        return []
    cluster, colon, path = named.partition(":")
    if not colon or cluster not in {*context.clusters, *(e.cluster for e in known)}:
        cluster, path = "local", named
    plain = normpath(path)
    if matches := [e for e in known if e.dir == plain and (not colon or e.cluster == cluster)]:
        return matches
    if cluster not in context.clusters:  # it was in the configuration
        return []
    try:
        real = await context.clusters[cluster].host.resolve(path)
    except HostError:
        return []
    return [e for e in known if (e.cluster, e.dir) == (cluster, real)]


def cluster(context: Context, name: str) -> Cluster:
    """Of the configuration, or this machine. Raises Refusal."""
    if name not in context.clusters:
        if any(each.cluster == name for each in context.loop.state.known()):
            what = f"cluster {name} is no longer in the configuration"
            raise Refusal(Code.UNKNOWN, what, hint=context.to_put_back(name))
        known = ", ".join(sorted(context.clusters))
        hint = f"clusters: {known}; others are added by `runexp setup`, or in {context.config_path}"
        raise Refusal(Code.UNKNOWN, f"no cluster is called {name}", hint=hint)
    return context.clusters[name]


def job(context: Context, e: Experiment, named: str) -> str:
    """A job's id, by the id or an unambiguous prefix of it; or what was run before the evaluations. Raises Refusal."""
    if named in e.jobs or (named == BEFORE and e.preparations):
        return named
    matches = [id for id in e.jobs if id.startswith(named)]
    if len(matches) == 1:
        return matches[0]
    what = f"{named} is {len(matches)} jobs of {e.name}" if matches else f"{e.name} has no job {named}"
    typed = names.typed(context.loop.state, e)
    hint = f"one of: {_some(matches or e.jobs)} (`runexp status {typed}` shows them)"
    raise Refusal(Code.AMBIGUOUS if matches else Code.UNKNOWN, what, hint=hint)


def _some(all_names: Iterable[str]) -> str:
    listed = list(all_names)
    more = len(listed) - _MOST_NAMES
    return ", ".join(listed[:_MOST_NAMES]) + (f" and {more} more" if more > 0 else "")
