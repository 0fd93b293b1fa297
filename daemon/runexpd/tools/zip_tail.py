"""A file of a zip archive, read from the archive's end alone. Pure, and never more than was asked for: sizes that an archive
states are its own word; what counts is what comes out.
"""

import io
import struct
import zipfile
import zlib

import zstandard

_END = b"PK\x05\x06"
_LOCAL = b"PK\x03\x04"
_END_BYTES = 22
_LOCAL_BYTES = 30
#: A frame says how much memory its decompression needs.
_MOST_WINDOW_BYTES = 128 * 1024 * 1024


class NotAnArchive(Exception):
    """Raised when the end of a file isn't that of an archive: it isn't finished, cut short, or something else."""


class NoSuchFile(Exception):
    """Raised when an archive doesn't hold the file."""


class NeedsMore(Exception):
    """Raised when the end that was given doesn't reach back to the file."""

    def __init__(self, least_bytes: int) -> None:
        super().__init__(least_bytes)
        #: Of the end that is needed, as far as it can be told.
        self.least_bytes = least_bytes


class Unreadable(Exception):
    """Raised when the file is there and can't be read: damaged, too large, packed in a way that isn't known."""


def read(tail: bytes, name: str, most_bytes: int) -> bytes:
    """A file of an archive. Raises NotAnArchive, NoSuchFile, NeedsMore, Unreadable."""
    place = tail.rfind(_END, max(0, len(tail) - _END_BYTES - 0xFFFF))
    if place < 0 or len(tail) - place < _END_BYTES:
        raise NotAnArchive("not finished, or cut short")
    (directory_bytes,) = struct.unpack("<L", tail[place + 12 : place + 16])
    try:
        # zipfile takes what stands before the archive for a prefix, and so reads a tail as it is.
        with zipfile.ZipFile(io.BytesIO(tail)) as archive:
            info = archive.getinfo(name)
    except KeyError:
        raise NoSuchFile(name) from None
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, struct.error):
        raise NeedsMore(directory_bytes + _END_BYTES) from None
    if info.header_offset < 0:
        raise NeedsMore(len(tail) - info.header_offset)
    packed = _packed(tail, info)
    data = _unpacked(packed, info.compress_type, most_bytes)
    if zlib.crc32(data) != info.CRC:
        raise Unreadable("it is damaged")
    return data


def names(tail: bytes) -> tuple[str, ...]:
    """Of the files of an archive, in order; none where its end doesn't hold them all, or isn't one's."""
    try:
        with zipfile.ZipFile(io.BytesIO(tail)) as archive:
            return tuple(archive.namelist())
    except (zipfile.BadZipFile, ValueError, OSError, EOFError, NotImplementedError, struct.error):
        return ()


def first(head: bytes, name: str, most_bytes: int) -> bytes:
    """An archive's first file, from the archive's beginning. Raises Unreadable, also where it is another."""
    if len(head) < _LOCAL_BYTES or not head.startswith(_LOCAL):
        raise Unreadable("it is no archive")
    method, crc, size, name_bytes, extra_bytes = struct.unpack("<8xH4xLL4xHH", head[:_LOCAL_BYTES])
    begin = _LOCAL_BYTES + name_bytes + extra_bytes
    if head[_LOCAL_BYTES : _LOCAL_BYTES + name_bytes] != name.encode() or begin + size > len(head):
        raise Unreadable(f"it doesn't begin with {name}")
    data = _unpacked(head[begin : begin + size], method, most_bytes)
    if zlib.crc32(data) != crc:
        raise Unreadable("it is damaged")
    return data


def _packed(tail: bytes, info: zipfile.ZipInfo) -> bytes:
    local = tail[info.header_offset : info.header_offset + _LOCAL_BYTES]
    if len(local) < _LOCAL_BYTES or not local.startswith(_LOCAL):
        raise Unreadable("it is damaged")
    name_bytes, extra_bytes = struct.unpack("<HH", local[26:30])
    begin = info.header_offset + _LOCAL_BYTES + name_bytes + extra_bytes
    return tail[begin : begin + info.compress_size]


def _unpacked(packed: bytes, method: int, most_bytes: int) -> bytes:
    try:
        data = _decompressed(packed, method, most_bytes + 1)
    except (zlib.error, zstandard.ZstdError, MemoryError) as error:
        raise Unreadable(f"it is damaged: {error}") from None
    if len(data) > most_bytes:
        raise Unreadable(f"it is larger than {most_bytes} bytes")
    return data


def _decompressed(packed: bytes, method: int, most_bytes: int) -> bytes:
    """As much as comes out of it, up to a size."""
    match method:
        case zipfile.ZIP_STORED:
            return packed[:most_bytes]
        case zipfile.ZIP_DEFLATED:
            return zlib.decompressobj(-zlib.MAX_WBITS).decompress(packed, most_bytes)
        case 93:  # zstd, APPNOTE.TXT 4.4.5; zipfile itself knows it from Python 3.14 on
            reader = zstandard.ZstdDecompressor(max_window_size=_MOST_WINDOW_BYTES).stream_reader(packed)
            return reader.read(most_bytes)
        case _:
            raise Unreadable(f"it is packed by method {method}, which isn't known here")
