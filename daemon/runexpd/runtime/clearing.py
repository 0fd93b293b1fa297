"""What was made before goes out of the way of what is made anew, unless somebody else's job is writing there."""

from runexp.wire.states import Phase
from runexpd.clusters.base import Cluster
from runexpd.core.commands import SetAside
from runexpd.core.steps import submit
from runexpd.hosts.aside import aside_command
from runexpd.hosts.base import FileRefused
from runexpd.runtime import submitter


async def clear(cluster: Cluster, command: SetAside) -> str:
    """Why it can't go; empty where it has. Raises ClusterUnreachable and HostUnreachable."""
    return await _taken(cluster, command) or await _moved(cluster, command)


async def _taken(cluster: Cluster, command: SetAside) -> str:
    """Whose job trains there, in words, where it isn't ours: what it has written so far stays where it is; empty: nobody's."""
    if command.job.phase is not Phase.OPTIMIZATION:
        return ""
    token = submit.token_of(command.experiment, 0)
    return (await submitter.taken(cluster, {token: command.job})).get(token, "")


async def _moved(cluster: Cluster, command: SetAside) -> str:
    try:
        ran = await cluster.host.run(aside_command(command.experiment, command.number, command.paths))
    except FileRefused as error:
        return error.what
    return "" if ran.exit_code == 0 else _last_line(ran.stderr) or f"mv ended with {ran.exit_code}"


def _last_line(text: str) -> str:
    return text.strip().rpartition("\n")[2]
