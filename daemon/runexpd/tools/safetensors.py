"""Whether a safetensors file is whole, by its header: no torch, and a few bytes a file. Pure.

Format: 8 bytes, little-endian, the length n of a JSON header; the header; the tensors, whose `data_offsets` are relative to
the header's end, and which follow one another without a hole (https://github.com/huggingface/safetensors#format). So a whole
file has 8 + n + the last tensor's end bytes.
"""

from itertools import pairwise

import msgspec


class _Tensor(msgspec.Struct):
    data_offsets: tuple[int, int]


def header_end(head: bytes) -> int:
    """Where the header ends, by the beginning of a file; 0 where there is no beginning."""
    return 8 + int.from_bytes(head[:8], "little") if len(head) >= 8 else 0


def whole_bytes(head: bytes) -> int | None:
    """How large the file is when it is whole, by a beginning that holds its header; None if it is something else."""
    end = header_end(head)
    if not 8 < end <= len(head):
        return None
    try:
        tensors = _tensors(head[8:end])
    except (msgspec.MsgspecError, RecursionError):
        return None
    data = _data_bytes(tensors)
    return None if data is None else end + data


def _tensors(header: bytes) -> list[_Tensor]:
    found = msgspec.json.decode(header, type=dict[str, msgspec.Raw])
    return [msgspec.json.decode(raw, type=_Tensor) for name, raw in found.items() if name != "__metadata__"]


def _data_bytes(tensors: list[_Tensor]) -> int | None:
    """How many bytes of tensors follow the header; None where what it says can't be: none at all, holes, overlaps."""
    spans = sorted(tensor.data_offsets for tensor in tensors)
    if not spans or spans[0][0] != 0 or spans[-1][1] == 0:
        return None
    if any(end < begin for begin, end in spans) or any(a[1] != b[0] for a, b in pairwise(spans)):
        return None
    return spans[-1][1]
