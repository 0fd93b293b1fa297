"""What is no plain file, or is too much, on every kind of host: refused in a line, and nobody ever waits for it."""

import os
import socket
import stat
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from pathlib import Path

import pytest

from runexpd.hosts.base import (
    MOST_READ_BYTES,
    FileMissing,
    FileRefused,
    Found,
    Host,
    HostError,
    HostUnreachable,
    Kind,
    Limits,
    ListDir,
    Listing,
    Missing,
    Part,
    ReadPart,
    StatPath,
    Withheld,
)

OpenHost = Callable[[Limits], AbstractAsyncContextManager[Host]]
#: Names of what `odd` makes that isn't a plain file, and of what leads there.
IRREGULAR = ("fifo", "socket", "x.eval", "fifo-link", "zero-link", "directory-link")
#: Paths that can't be sent to any host.
UNSENDABLE = ("/a\0b", "/half \ud800 a pair", "/\udc00")


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    os.mkfifo(tmp_path / "fifo")
    os.mknod(tmp_path / "socket", stat.S_IFSOCK | 0o600)
    (tmp_path / "x.eval").mkdir()
    (tmp_path / "fifo-link").symlink_to("fifo")
    (tmp_path / "zero-link").symlink_to("/dev/zero")
    (tmp_path / "directory-link").symlink_to("x.eval")
    (tmp_path / "broken-link").symlink_to("nowhere")
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").write_bytes(b"0123456789")
    return tmp_path


def one_line(error: pytest.ExceptionInfo[HostError]) -> str:
    assert str(error.value) == error.value.what
    assert error.value.what.isprintable()
    return error.value.what


@pytest.mark.parametrize("name", IRREGULAR)
async def test_only_regular_files_are_read(host: Host, odd: Path, name: str) -> None:
    with pytest.raises(FileRefused) as error:
        await host.read(f"{odd}/{name}")
    assert one_line(error) == f"{odd}/{name}: not a regular file"


async def test_a_link_to_nothing_is_missing(host: Host, odd: Path) -> None:
    with pytest.raises(FileMissing):
        await host.read(f"{odd}/broken-link")
    assert await host.stat(f"{odd}/broken-link") is None


async def test_a_device_is_not_read(host: Host) -> None:
    with pytest.raises(FileRefused, match="/dev/zero: not a regular file"):
        await host.read("/dev/zero", 0, 10)


async def test_kinds_are_the_same_however_they_are_seen(host: Host, odd: Path) -> None:
    kinds = {
        "broken-link": Kind.OTHER,
        "circle": Kind.OTHER,
        "directory-link": Kind.DIRECTORY,
        "fifo": Kind.OTHER,
        "fifo-link": Kind.OTHER,
        "file": Kind.FILE,
        "socket": Kind.OTHER,
        "x.eval": Kind.DIRECTORY,
        "zero-link": Kind.OTHER,
    }
    for facts in (await host.list(f"{odd}"), await host.tree(f"{odd}", 2)):
        assert {fact.path.removeprefix(f"{odd}/"): fact.kind for fact in facts} == kinds
    for name in sorted(kinds.keys() - {"broken-link", "circle"}):
        fact = await host.stat(f"{odd}/{name}")
        assert fact is not None
        assert fact.kind is kinds[name]


async def test_a_tree_is_the_same_with_and_without_a_circle_in_it(host: Host, odd: Path) -> None:
    with_circle = await host.tree(f"{odd}", 3)
    (odd / "circle").unlink()
    without = await host.tree(f"{odd}", 3)
    assert [fact for fact in with_circle if not fact.path.endswith("circle")] == list(without)


async def test_a_tree_of_a_file_is_refused(host: Host, odd: Path) -> None:
    for name in ("file", "fifo", "zero-link"):
        with pytest.raises(FileRefused, match="not a directory"):
            await host.tree(f"{odd}/{name}", 2)
        with pytest.raises(FileRefused, match="not a directory"):
            await host.list(f"{odd}/{name}")


async def test_below_a_file_there_is_nothing(host: Host, odd: Path) -> None:
    path = f"{odd}/file/below"
    assert (await host.stat(path), list(await host.list(path)), list(await host.tree(path, 2))) == (
        None,
        [],
        [],
    )
    with pytest.raises(FileMissing):
        await host.read(path)


@pytest.mark.parametrize("offset", [10, 2**31, 2**62, 2**63, 2**64, 2**200])
async def test_behind_the_end_there_is_nothing(host: Host, odd: Path, offset: int) -> None:
    assert await host.read(f"{odd}/file", offset, 5) == b""


@pytest.mark.parametrize("offset", [-11, -(2**63), -(2**200)])
async def test_before_the_beginning_is_the_beginning(host: Host, odd: Path, offset: int) -> None:
    assert await host.read(f"{odd}/file", offset, 2) == b"01"


async def test_no_read_is_larger_than_the_most(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("local", "local_files", "shell", "asking"):
        monkeypatch.setattr(f"runexpd.hosts.{module}.MOST_READ_BYTES", 1000)
    (tmp_path / "file").write_bytes(b"x" * 3000)
    path = f"{tmp_path}/file"
    assert len(await host.read(path)) == len(await host.read(path, 5, 2000)) == 1000
    part = (await host.fetch([ReadPart(path, 0, MOST_READ_BYTES)]))[0]
    assert isinstance(part, Part)
    assert (len(part.data), part.fact.size_bytes) == (1000, 3000)


async def test_a_name_that_is_not_utf8_opens_as_it_is_listed(host: Host, tmp_path: Path) -> None:
    path = os.fsencode(tmp_path) + b"/z\xff.eval"
    Path(os.fsdecode(path)).write_bytes(b"there")
    for facts in (await host.list(f"{tmp_path}"), await host.tree(f"{tmp_path}", 1)):
        assert [fact.path for fact in facts] == [os.fsdecode(path)]
        assert await host.read(facts[0].path) == b"there"
    os.unlink(path)
    with pytest.raises(FileMissing) as error:
        await host.read(os.fsdecode(path))
    assert "z\\xff.eval" in one_line(error)


@pytest.mark.parametrize("path", UNSENDABLE)
async def test_a_path_that_cannot_be_sent_is_refused(host: Host, path: str) -> None:
    for asked in (
        lambda: host.read(path),
        lambda: host.stat(path),
        lambda: host.list(path),
        lambda: host.tree(path, 2),
        lambda: host.resolve(path),
        lambda: host.resolve(f"~{path[1:]}"),
        lambda: host.append(path, b""),
        lambda: host.replace(path, b""),
        lambda: host.run(["echo", path]),
    ):
        with pytest.raises(FileRefused) as error:
            await asked()
        one_line(error)
    answers = await host.fetch([StatPath(path), ListDir(path), ReadPart(path)])
    assert [type(answer) for answer in answers] == [Withheld] * 3


async def test_a_name_that_is_too_long_is_refused(host: Host, tmp_path: Path) -> None:
    path = f"{tmp_path}/{'n' * 300}"
    for asked in (host.read(path), host.append(path, b"x"), host.replace(path, b"x")):
        with pytest.raises(FileRefused) as error:
            await asked
        one_line(error)


async def test_nothing_is_appended_through_a_link(host: Host, odd: Path) -> None:
    (odd / "link").symlink_to("file")
    for name in ("link", "broken-link", "circle", "fifo-link", "directory-link"):
        with pytest.raises(FileRefused) as error:
            await host.append(f"{odd}/{name}", b"block")
        assert one_line(error) == f"{odd}/{name}: is a link, and is not followed"
    assert (odd / "file").read_bytes() == b"0123456789"
    assert not (odd / "nowhere").exists()


async def test_nothing_is_appended_to_what_is_no_file(host: Host, odd: Path) -> None:
    for path in (f"{odd}/fifo", f"{odd}/socket", f"{odd}/x.eval", "/dev/null"):
        with pytest.raises(FileRefused, match="not a regular file"):
            await host.append(path, b"block")


async def test_a_pipe_that_somebody_reads_is_not_written_to(host: Host, odd: Path) -> None:
    reader = os.open(odd / "fifo", os.O_RDONLY | os.O_NONBLOCK)
    try:
        with pytest.raises(FileRefused):
            await host.append(f"{odd}/fifo", b"block")
        assert os.read(reader, 10) == b""
    finally:
        os.close(reader)


async def test_nothing_is_replaced_that_is_no_file(host: Host, odd: Path) -> None:
    (odd / "link").symlink_to("file")
    before = sorted(os.listdir(odd))
    for name in ("link", "broken-link", "circle", "fifo", "socket", "x.eval"):
        with pytest.raises(FileRefused):
            await host.replace(f"{odd}/{name}", b"new")
    assert sorted(os.listdir(odd)) == before
    assert (odd / "file").read_bytes() == b"0123456789"
    assert (odd / "link").is_symlink()


async def test_too_many_entries_are_refused(open_host: OpenHost, tmp_path: Path) -> None:
    for number in range(21):
        (tmp_path / "top" / f"{number % 3}").mkdir(parents=True, exist_ok=True)
        (tmp_path / "top" / f"{number % 3}" / f"file{number}").touch()
    async with open_host(Limits(entries=10)) as host:
        assert len(await host.list(f"{tmp_path}/top/0")) == 7
        assert len(await host.tree(f"{tmp_path}/top", 1)) == 3
        with pytest.raises(FileRefused) as error:
            await host.tree(f"{tmp_path}/top", 2)
        assert one_line(error) == f"{tmp_path}/top: more than 10 entries: too many to be looked at"
    async with open_host(Limits(entries=6)) as host:
        with pytest.raises(FileRefused, match="0: more than 6 entries"):
            await host.list(f"{tmp_path}/top/0")
        answer = (await host.fetch([ListDir(f"{tmp_path}/top/0")]))[0]
        assert isinstance(answer, Withheld)


async def test_everything_asked_at_once_is_answered_in_order(host: Host, odd: Path) -> None:
    answers = await host.fetch(
        [
            ReadPart(f"{odd}/file", -3, 2),
            ReadPart(f"{odd}/fifo"),
            ReadPart(f"{odd}/none"),
            StatPath(f"{odd}/file"),
            StatPath(f"{odd}/none"),
            StatPath(f"{odd}/zero-link"),
            ListDir(f"{odd}/x.eval"),
            ListDir(f"{odd}/none"),
            ListDir(f"{odd}/file"),
            ListDir(f"{odd}"),
        ]
    )
    part, fifo, none, file, no_stat, device, empty, no_dir, no_list, all_of_it = answers
    fact = await host.stat(f"{odd}/file")
    assert fact is not None
    assert part == Part(fact, b"78")
    assert fifo == Withheld(f"{odd}/fifo: not a regular file")
    assert (none, no_stat) == (Missing(), Missing())
    assert file == Found(fact)
    assert isinstance(device, Found)
    assert device.fact.kind is Kind.OTHER
    assert (empty, no_dir) == (Listing(()), Listing(()))
    assert no_list == Withheld(f"{odd}/file: not a directory")
    assert all_of_it == Listing(tuple(await host.list(f"{odd}")))


async def test_nothing_asked_is_nothing_answered(host: Host) -> None:
    assert list(await host.fetch([])) == []


async def test_very_much_can_be_asked_at_once(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"x")
    answers = await host.fetch([ReadPart(f"{tmp_path}/file") for _ in range(300)])
    assert [answer.data for answer in answers if isinstance(answer, Part)] == [b"x"] * 300


async def test_a_command_that_writes_too_much_is_unclear(open_host: OpenHost) -> None:
    async with open_host(Limits(output_bytes=100_000)) as host:
        for stream in ("1", "2"):
            with pytest.raises(HostUnreachable, match="more than 100000 bytes of output") as error:
                await host.run(["sh", "-c", f"head -c 3000000 /dev/zero >&{stream}; exit 3"])
            one_line(error)
        ran = await host.run(["sh", "-c", "head -c 50000 /dev/zero; head -c 50000 /dev/zero >&2; exit 3"])
        assert (ran.exit_code, len(ran.stdout), len(ran.stderr)) == (3, 50_000, 50_000)


async def test_a_socket_in_use_is_left_alone(
    host: Host, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)  # names of sockets are short
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind("s")
        listening.listen()
        with pytest.raises(FileRefused):
            await host.read(f"{tmp_path}/s")
        with pytest.raises(FileRefused):
            await host.append(f"{tmp_path}/s", b"block")
