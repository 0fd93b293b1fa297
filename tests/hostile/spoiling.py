"""Ways to put a file, a directory or an oddity where another file was expected."""

import os
import shutil
import socket
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path

#: Changes a directory.
Spoil = Callable[[Path], None]


def nothing(dir: Path) -> None:
    pass


def write(path: str, data: str | bytes) -> Spoil:
    """In place of what is there. A text may hold lone surrogates of bytes that aren't UTF-8."""

    def spoil(dir: Path) -> None:
        made(dir, path).write_bytes(os.fsencode(data) if isinstance(data, str) else data)

    return spoil


def swap(path: str, old: str, new: str) -> Spoil:
    def spoil(dir: Path) -> None:
        text = (dir / path).read_text()
        assert old in text, f"{old!r} is not in {path}"
        (dir / path).write_bytes(os.fsencode(text.replace(old, new)))

    return spoil


def after_first_line(path: str, lines: str) -> Spoil:
    """More #SBATCH lines, mostly."""

    def spoil(dir: Path) -> None:
        first, _, rest = (dir / path).read_text().partition("\n")
        (dir / path).write_bytes(os.fsencode(f"{first}\n{lines}\n{rest}"))

    return spoil


def several(*spoils: Spoil) -> Spoil:
    def spoil(dir: Path) -> None:
        for each in spoils:
            each(dir)

    return spoil


def made(dir: Path, path: str) -> Path:
    """Free: whatever was there is gone, and the directory that it was in is there."""
    found = dir / path
    found.parent.mkdir(parents=True, exist_ok=True)
    if found.is_dir() and not found.is_symlink():
        shutil.rmtree(found)
    found.unlink(missing_ok=True)
    return found


def fifo(path: str) -> Spoil:
    return lambda dir: os.mkfifo(made(dir, path))


def unix_socket(path: str) -> Spoil:
    def spoil(dir: Path) -> None:
        place = made(dir, path)
        handle = os.open(place.parent, os.O_PATH)  # names of sockets are short
        with socket.socket(socket.AF_UNIX) as bound:
            bound.bind(f"/proc/self/fd/{handle}/{place.name}")
        os.close(handle)

    return spoil


def directory(path: str) -> Spoil:
    return lambda dir: made(dir, path).mkdir()


def link(path: str, to: str) -> Spoil:
    return lambda dir: made(dir, path).symlink_to(to)


def forbidden(path: str) -> Spoil:
    """Root is not kept out: what it may read it reads."""
    return lambda dir: (dir / path).chmod(0)


def gone(path: str) -> Spoil:
    def spoil(dir: Path) -> None:
        made(dir, path)

    return spoil


def sparse(path: str) -> Spoil:
    """A terabyte, of which nothing is on the disk."""

    def spoil(dir: Path) -> None:
        with made(dir, path).open("wb") as file:
            file.write(b"x: ")
            file.truncate(1 << 40)

    return spoil


def ring(path: str) -> Spoil:
    """Two links, each to the other."""
    return several(link(f"{path}.b", Path(path).name), link(path, f"{Path(path).name}.b"))


#: What may be in place of a file, by name.
KINDS: dict[str, Callable[[str], Spoil]] = {
    "a FIFO": fifo,
    "a socket": unix_socket,
    "a directory": directory,
    "a dangling link": lambda path: link(path, "nowhere"),
    "a link in a circle": lambda path: link(path, Path(path).name),
    "an endless device": lambda path: link(path, "/dev/zero"),
    "a terminal": lambda path: link(path, "/dev/ptmx"),
    "an empty file": lambda path: write(path, b""),
    "zeros": lambda path: write(path, b"\0" * 5000),
    "bytes": lambda path: write(path, bytes(range(256)) * 20),
    "a byte order mark": lambda path: write(path, b"\xef\xbb\xbf"),
    "a long line": lambda path: write(path, b"x" * 1_500_000),
    "many brackets": lambda path: write(path, b"[{" * 50_000),
    "many quotes": lambda path: write(path, b"\"'" * 50_000),
    "a file that nobody may read": lambda path: several(write(path, b"x"), forbidden(path)),
    "a sparse terabyte": sparse,
    "links in a ring": ring,
    "a file that hangs": lambda path: link(path, "/proc/kmsg"),
}

DEFLATED, ZSTD = zipfile.ZIP_DEFLATED, 93


def log(header: bytes, method: int = DEFLATED, name: str = "header.json") -> bytes:
    """An .eval log around a header, whatever that holds."""
    packed, crc = _packed(header, method), zlib.crc32(header)
    return around(packed, crc=crc, size=len(header), method=method, name=name)


def around(packed: bytes, *, crc: int, size: int, method: int, name: str = "header.json") -> bytes:
    """An archive with one file in it, of which it says what it is told to say."""
    encoded = name.encode()
    fields = struct.pack(
        "<HHHHHLLLHH", 20, 0, method, 0, 0, crc, len(packed), size & 0xFFFFFFFF, len(encoded), 0
    )
    local = b"PK\x03\x04" + fields + encoded + packed
    central = b"PK\x01\x02" + struct.pack("<H", 20) + fields + struct.pack("<HHHLL", 0, 0, 0, 0, 0) + encoded
    end = b"PK\x05\x06" + struct.pack("<HHHHLLH", 0, 0, 1, 1, len(central), len(local), 0)
    return local + central + end


def _packed(data: bytes, method: int) -> bytes:
    if method == DEFLATED:
        packer = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
        return packer.compress(data) + packer.flush()
    if method == ZSTD:
        import zstandard

        return zstandard.ZstdCompressor(level=1).compress(data)
    return data
