"""Whether what torch.save wrote is whole, by its end: no torch, and a hundred bytes a file. Pure.

Format: a zip archive without a comment; its directory and the records that say where that begins are written last
(APPNOTE.TXT 4.3.14 to 4.3.16; torch writes the 64-bit records, too, however small the file is).
"""

import struct

_END, _LOCATOR, _END_64 = 22, 20, 56
TAIL_BYTES = _END + _LOCATOR + _END_64


def whole_bytes(tail: bytes) -> int | None:
    """The size of an archive by its last 98 bytes: where its directory begins, how long that is, and these records.

    None if it can't be told: it is cut short, it is empty, or something else.
    """
    end = tail[-_END:]
    if len(end) < _END or not end.startswith(b"PK\5\6"):
        return None
    if not tail[-_END - _LOCATOR :].startswith(b"PK\6\7"):
        size, offset = struct.unpack("<LL", end[12:20])
        return int(offset + size + _END) if size and offset else None
    end_64 = tail[-TAIL_BYTES:]
    if len(end_64) < TAIL_BYTES or not end_64.startswith(b"PK\6\6"):
        return None
    size, offset = struct.unpack("<QQ", end_64[40:56])
    return int(offset + size + _END_64 + _LOCATOR + _END) if size and offset else None
