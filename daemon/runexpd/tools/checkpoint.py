"""Whether an epoch's directory holds a whole model: every shard of its index, each of the size that it says itself."""

from collections.abc import Collection, Sequence
from posixpath import splitext

import anyio
import msgspec

from runexpd.hosts.base import FileFact, FileMissing, Files
from runexpd.tools import safetensors, torch_zip

#: By the ending of a shard's name.
FORMATS = {".safetensors": safetensors, ".bin": torch_zip}
#: A model in one file; one in several has an index by this name. transformers, too, takes the first of them that is there.
SINGLE = ("model.safetensors", "pytorch_model.bin")
#: Requests under way at a time; over SFTP each is a round trip.
_CONCURRENT_READS = 8


class _Index(msgspec.Struct):
    weight_map: dict[str, str]


class Checkpoint(msgspec.Struct, frozen=True):
    """An epoch's directory. `problem` is empty if every shard is there and whole."""

    shards: Sequence[FileFact] = ()
    problem: str = ""


async def inspect(files: Files, directory: str) -> Checkpoint:
    """Look at an epoch's directory. Raises HostUnreachable."""
    entries = {fact.path: fact for fact in await files.list(directory)}
    if not entries:
        return Checkpoint(problem="is missing")
    names = await _shard_names(files, directory, entries.keys())
    if isinstance(names, str):
        return Checkpoint(problem=names)
    absent = sorted(name for name in names if f"{directory}/{name}" not in entries)
    if absent:
        return Checkpoint(problem=f"lacks {', '.join(absent)}")
    shards = [entries[f"{directory}/{name}"] for name in sorted(names)]
    problems = [problem for problem in await _problems(files, shards) if problem]
    return Checkpoint(shards, "; ".join(problems))


async def _shard_names(files: Files, directory: str, paths: Collection[str]) -> set[str] | str:
    """The shards that the index names, or the single file; or why there are none."""
    for single in SINGLE:
        if f"{directory}/{single}.index.json" in paths:
            return await _indexed(files, f"{directory}/{single}.index.json")
        if f"{directory}/{single}" in paths:
            return {single}
    if any(path.rpartition("/")[2].startswith("adapter_model.") for path in paths):
        return "holds only adapter weights (save_adapter_weights_only), which can't be evaluated as they are"
    return "holds no model"


async def _indexed(files: Files, path: str) -> set[str] | str:
    try:
        index = msgspec.json.decode(await files.read(path), type=_Index)
    except (msgspec.MsgspecError, FileMissing) as error:
        return f"has a broken index: {error}"
    names = set(index.weight_map.values())
    return names if names and all("/" not in name for name in names) else "has an index that names no shard"


async def _problems(files: Files, shards: Sequence[FileFact]) -> list[str]:
    found = [""] * len(shards)
    limit = anyio.CapacityLimiter(_CONCURRENT_READS)

    async def look(place: int) -> None:
        async with limit:
            found[place] = await _problem(files, shards[place])

    async with anyio.create_task_group() as tasks:
        for place in range(len(shards)):
            tasks.start_soon(look, place)
    return found


async def _problem(files: Files, shard: FileFact) -> str:
    name = shard.path.rpartition("/")[2]
    ending = splitext(name)[1]
    form = FORMATS.get(ending)
    if form is None:
        return f"{name} is of no known format ({', '.join(FORMATS)})"
    try:
        size = await form.whole_bytes(files, shard)
    except FileMissing:
        return f"{name} is gone"
    if size is None:
        return f"{name} is no whole {ending.removeprefix('.')} file"
    return "" if size == shard.size_bytes else f"{name} has {shard.size_bytes} of {size} bytes"
