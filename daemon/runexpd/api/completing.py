"""Directories of a cluster, while somebody types: at once, or not at all. No connection is opened for it."""

import anyio

from runexp.text import printable
from runexp.wire.completing import Directories, DirectoriesReply
from runexpd.api.context import Context
from runexpd.hosts.base import Host, HostError, ListDir, Listing
from runexpd.hosts.link import Connected

#: Nobody waits longer for a Tab.
SECONDS = 2.0
_MOST = 200


async def directories(context: Context, asked: Directories) -> DirectoriesReply:
    cluster, link = context.clusters.get(asked.cluster), context.links.get(asked.cluster)
    found: list[str] = []
    if cluster is not None and (link is None or isinstance(link.status, Connected)):
        with anyio.move_on_after(SECONDS):
            found = await _below(cluster.host, asked.path)
    return DirectoriesReply(paths=tuple(found))


async def _below(host: Host, typed: str) -> list[str]:
    """Hidden ones where a dot was typed. What a terminal can't show is left out."""
    parent, slash, begun = typed.rpartition("/")
    try:
        (listed,) = await host.fetch([ListDir(await host.resolve(parent or slash or "."))])
    except HostError:
        return []
    entries = listed.entries if isinstance(listed, Listing) else ()
    names = sorted(entry.path.rpartition("/")[2] for entry in entries if entry.is_dir)
    fit = [
        name
        for name in names
        if name.startswith(begun)
        and name.startswith(".") <= begun.startswith(".")
        and name == printable(name)
    ]
    return [f"{parent}{slash}{name}/" for name in fit[:_MOST]]
