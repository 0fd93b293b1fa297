"""Whether a checkpoint is whole, by the headers of its shards: no torch, and a few bytes a shard.

Format: 8 bytes, little-endian, the length n of a JSON header; the header; the tensors, whose `data_offsets` are relative to
the header's end (https://github.com/huggingface/safetensors#format). So a whole file has 8 + n + max(data_offsets) bytes.
"""

from collections.abc import Collection, Sequence

import anyio
import msgspec

from runexpd.hosts.base import FileFact, FileMissing, Files

INDEX = "model.safetensors.index.json"
#: A header of a model with a million tensors is smaller; anything larger is no header.
_MOST_HEADER_BYTES = 256 * 1024 * 1024
#: Requests under way at a time; over SFTP each is a round trip.
_CONCURRENT_READS = 8


class _Tensor(msgspec.Struct):
    data_offsets: tuple[int, int]


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
    if f"{directory}/{INDEX}" in paths:
        try:
            index = msgspec.json.decode(await files.read(f"{directory}/{INDEX}"), type=_Index)
        except (msgspec.MsgspecError, FileMissing) as error:
            return f"has a broken index: {error}"
        names = set(index.weight_map.values())
        return (
            names if names and all("/" not in name for name in names) else "has an index that names no shard"
        )
    if f"{directory}/model.safetensors" in paths:
        return {"model.safetensors"}
    if any(path.rpartition("/")[2].startswith("adapter_model.") for path in paths):
        return "holds only adapter weights (save_adapter_weights_only), which can't be evaluated as they are"
    return "holds no model"


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
    try:
        length = int.from_bytes(await files.read(shard.path, 0, 8), "little")
        if not 2 <= length <= min(_MOST_HEADER_BYTES, shard.size_bytes - 8):
            return f"{name} is no whole safetensors file"
        size = 8 + length + data_bytes(await files.read(shard.path, 8, length))
    except (msgspec.MsgspecError, FileMissing) as error:
        return f"{name} is no whole safetensors file: {error}"
    return "" if size == shard.size_bytes else f"{name} has {shard.size_bytes} of {size} bytes"


def data_bytes(header: bytes) -> int:
    """How many bytes of tensors follow a header. Raises msgspec.MsgspecError."""
    entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
    tensors = [
        msgspec.json.decode(raw, type=_Tensor) for name, raw in entries.items() if name != "__metadata__"
    ]
    return max((tensor.data_offsets[1] for tensor in tensors), default=0)
