"""Whether a safetensors file is whole, by its header: no torch, and a few bytes a file.

Format: 8 bytes, little-endian, the length n of a JSON header; the header; the tensors, whose `data_offsets` are relative to
the header's end (https://github.com/huggingface/safetensors#format). So a whole file has 8 + n + max(data_offsets) bytes.
"""

import msgspec

from runexpd.hosts.base import FileFact, Files

#: A header of a model with a million tensors is smaller; anything larger is no header.
_MOST_HEADER_BYTES = 256 * 1024 * 1024


class _Tensor(msgspec.Struct):
    data_offsets: tuple[int, int]


async def whole_bytes(files: Files, shard: FileFact) -> int | None:
    """How large it is when it is whole; None if it can't be told: it is something else. Raises FileMissing."""
    length = int.from_bytes(await files.read(shard.path, 0, 8), "little")
    if not 2 <= length <= min(_MOST_HEADER_BYTES, shard.size_bytes - 8):
        return None
    try:
        return 8 + length + data_bytes(await files.read(shard.path, 8, length))
    except msgspec.MsgspecError:
        return None


def data_bytes(header: bytes) -> int:
    """How many bytes of tensors follow a header. Raises msgspec.MsgspecError."""
    entries = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
    tensors = [
        msgspec.json.decode(raw, type=_Tensor) for name, raw in entries.items() if name != "__metadata__"
    ]
    return max((tensor.data_offsets[1] for tensor in tensors), default=0)
