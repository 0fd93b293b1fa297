"""Whether what torch.save wrote is whole, by its end: no torch, and a hundred bytes a file.

Format: a zip archive without a comment; its directory and the records that say where that begins are written last
(APPNOTE.TXT 4.3.14 to 4.3.16; torch writes the 64-bit records, too, however small the file is).
"""

import struct

from runexpd.hosts.base import FileFact, Files

_END, _LOCATOR, _END_64 = 22, 20, 56


async def whole_bytes(files: Files, shard: FileFact) -> int | None:
    """How large it is when it is whole; None if it can't be told: it is cut short, or something else. Raises FileMissing."""
    tail = min(shard.size_bytes, _END + _LOCATOR + _END_64)
    return archive_bytes(await files.read(shard.path, -tail)) if tail >= _END else None


def archive_bytes(tail: bytes) -> int | None:
    """The size of an archive by its last 98 bytes: where its directory begins, how long that is, and these records."""
    end = tail[-_END:]
    if not end.startswith(b"PK\5\6"):
        return None
    if not tail[-_END - _LOCATOR :].startswith(b"PK\6\7"):
        size, offset = struct.unpack("<LL", end[12:20])
        return int(offset + size + _END)
    end_64 = tail[-_END - _LOCATOR - _END_64 :]
    if not end_64.startswith(b"PK\6\6"):
        return None
    size, offset = struct.unpack("<QQ", end_64[40:56])
    return int(offset + size + _END_64 + _LOCATOR + _END)
