"""One run log's file: what of a text stands there already, and the rest of it at the end. Nothing outside its experiment."""

from posixpath import dirname

from runexpd.hosts.base import FileRefused, Host
from runexpd.runtime.together import together

#: How much of what somebody else may have written behind ours is searched for a text that is ours.
_LOOKED_AT_BYTES = 4 * 1024 * 1024
#: A text begins with a block's time: enough to find where it may begin.
_HEAD_BYTES = len("[2026-01-01 00:00:00] ")


async def check_place(host: Host, path: str, experiment_dir: str) -> None:
    """Raises FileRefused where a log's directory is a link that leads out of the experiment's; FileMissing if there is none."""
    inside, place = await together(lambda: host.resolve(experiment_dir), lambda: host.resolve(dirname(path)))
    if place != inside and not place.startswith(inside.rstrip("/") + "/"):
        leads = f"{path}: {dirname(path)} leads to {place}, out of the experiment"
        raise FileRefused(f"{leads}: put a directory in its place, and the log is written there")


async def size_bytes(host: Host, path: str) -> int:
    fact = await host.stat(path)
    return fact.size_bytes if fact else 0


async def complete(host: Host, path: str, start: int, size: int, text: bytes) -> int:
    """Have `text` stand in a file of `size` bytes, behind its first `start` ones, once; returns where it ends.

    An earlier try may have left all of it, or a part; others may have written there too.
    """
    there = await host.read(path, start, _LOOKED_AT_BYTES + len(text)) if size > start else b""
    if (found := there.find(text)) >= 0:
        return start + found + len(text)
    missing = text[begun(text, there) :]
    await host.append(path, missing)
    return max(size, start + len(there)) + len(missing)


def begun(text: bytes, there: bytes) -> int:
    """How many of the first bytes of `text` are the last ones of `there`."""
    head = text[:_HEAD_BYTES]
    start = there.find(head, max(0, len(there) - len(text)))
    while start >= 0:
        if text.startswith(there[start:]):
            return len(there) - start
        start = there.find(head, start + 1)
    return next((n for n in range(len(head), 0, -1) if there.endswith(head[:n])), 0)
