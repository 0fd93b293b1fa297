"""Files: which there are of an experiment, and one of them piece by piece, in bounded memory.

The client writes them, not the daemon: it is the one that knows where it stands, whose disk is full, and when to stop. A piece
is about a second's worth, and one at a time is read of a cluster, in a command of its own: nothing else waits for longer.
"""

import math
from collections.abc import AsyncIterator

import anyio

from runexp.wire import requests
from runexp.wire.files import FileAsk, FileEnd, FilesAsk, FilesReply, Piece
from runexpd.api import find
from runexpd.api.context import Context
from runexpd.hosts.base import FileMissing, Host, HostUnreachable
from runexpd.runtime import clock, listing

#: Of a piece: at first, and at most.
FIRST_BYTES, MOST_BYTES = 256 * 1024, 4 * 1024 * 1024
#: How long a piece is to take.
_PIECE_SECONDS = 1.0
#: To read a file for its hash, at the least.
_HASH_SECONDS, _HASH_BYTES_PER_SECOND = 60.0, 20e6


async def files(context: Context, asked: FilesAsk) -> FilesReply:
    e = await find.experiment(context, asked.experiment)
    named = [find.job(context, e, name) for name in asked.jobs] or list(e.jobs)
    found, left_out = await listing.files(
        find.cluster(context, e.cluster).host, e, asked.kinds, [e.jobs[id] for id in named]
    )
    return FilesReply(
        experiment=e.id,
        name=e.name,
        cluster=e.cluster,
        dir=e.dir,
        files=tuple(found),
        left_out=tuple(left_out),
    )


async def file(context: Context, asked: FileAsk) -> AsyncIterator[requests.Reply]:
    e = await find.experiment(context, asked.experiment)
    cluster = find.cluster(context, e.cluster)
    offset, size = asked.offset, FIRST_BYTES
    if asked.bytes_per_second:
        size = min(size, asked.bytes_per_second)
    while True:
        began = clock.steady()
        async with context.bulk[cluster.name]:
            read = clock.steady()
            part = await cluster.host.read_apart(asked.path, offset, size)
            took = clock.steady() - read
        if not part.data:
            break
        yield Piece(
            offset=offset,
            data=part.data,
            size_bytes=part.fact.size_bytes,
            modified_at=part.fact.modified_at,
        )
        offset += len(part.data)
        size = _next_size(size, took, asked.bytes_per_second)
        if asked.bytes_per_second:
            await anyio.sleep(max(0.0, began + len(part.data) / asked.bytes_per_second - clock.steady()))
    sha256 = await _sha256(cluster.host, asked.path, part.fact.size_bytes)
    after = await cluster.host.stat(asked.path)
    if after is None:
        raise FileMissing(f"{asked.path}: no such file or directory")
    yield FileEnd(size_bytes=after.size_bytes, modified_at=after.modified_at, sha256=sha256)


def _next_size(size: int, took_seconds: float, bytes_per_second: int) -> int:
    grown = size * 2 if took_seconds < _PIECE_SECONDS / 2 else size
    fitting = max(FIRST_BYTES, size // 2) if took_seconds > 2 * _PIECE_SECONDS else grown
    most = min(MOST_BYTES, bytes_per_second) if bytes_per_second else MOST_BYTES
    return min(fitting, most)


async def _sha256(host: Host, path: str, size_bytes: int) -> str:
    """Empty where it can't be had."""
    seconds = _HASH_SECONDS + math.ceil(size_bytes / _HASH_BYTES_PER_SECOND)
    try:
        ran = await host.run(["sha256sum", "--", path], timeout_seconds=seconds)
    except HostUnreachable:
        return ""
    said = ran.stdout.lstrip("\\")[:64]  # a backslash before it: the name holds one
    return said if ran.exit_code == 0 and len(said) == 64 else ""
