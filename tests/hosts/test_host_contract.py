"""What every Host must do, whichever machine it is: run against each kind there is."""

import os
import pwd
from pathlib import Path

import anyio
import pytest

from runexpd.hosts.base import (
    FileFact,
    FileMissing,
    FileRefused,
    Host,
    HostUnreachable,
    Kind,
    Locate,
    Missing,
    Place,
)

WEIRD_NAMES = (
    "two words",
    "it's",
    'dou"ble',
    "new\nline",
    "back\\slash",
    "bang!",
    "$HOME `id` $(id)",
    "ünï-文",
    "-n",
    "~",
    "star*[a]?",
    "tab\tand end ",
    "\\0101",
    "semi;colon|pipe&",
    os.fsdecode(b"not-utf8-\xff"),
)


async def test_run_gives_exit_code_and_both_outputs(host: Host) -> None:
    ran = await host.run(["sh", "-c", "echo out; echo err >&2; exit 7"])
    assert (ran.exit_code, ran.stdout, ran.stderr) == (7, "out\n", "err\n")


async def test_run_feeds_standard_input(host: Host) -> None:
    data = bytes(range(32, 127)) * 5000
    ran = await host.run(["wc", "-c"], stdin=data)
    assert ran.stdout.strip() == str(len(data))


async def test_run_without_input_reads_an_empty_one(host: Host) -> None:
    assert (await host.run(["cat"], timeout_seconds=10)).stdout == ""


async def test_no_argument_is_seen_by_a_shell(host: Host) -> None:
    arguments = [name for name in WEIRD_NAMES if name.isprintable() or "\n" in name or "\t" in name]
    ran = await host.run(["printf", "%s\\0", *arguments, "", "end\n"])
    assert ran.stdout.split("\0")[:-1] == [*arguments, "", "end\n"]


async def test_very_many_arguments_arrive(host: Host) -> None:
    arguments = [f"it's number {number}!" for number in range(9000)]
    ran = await host.run(["sh", "-c", 'cat; printf "%s\\n" "$@"', "sh", *arguments], stdin=b"and the input\n")
    assert ran.stdout.splitlines() == ["and the input", *arguments]


async def test_a_command_that_does_not_exist_is_answered(host: Host) -> None:
    assert (await host.run(["no-such-command-anywhere"])).exit_code == 127


async def test_a_command_ended_by_a_signal_is_answered(host: Host) -> None:
    assert (await host.run(["sh", "-c", "kill -TERM $$"])).exit_code == -15


async def test_output_that_is_not_utf8_is_kept_as_far_as_it_can_be(host: Host) -> None:
    assert (await host.run(["printf", "a\\377b"])).stdout == "a�b"


async def test_a_command_that_takes_too_long_is_unclear(host: Host) -> None:
    with pytest.raises(HostUnreachable):
        await host.run(["sleep", "3"], timeout_seconds=0.3)
    assert (await host.run(["echo", "on it goes"])).stdout == "on it goes\n"


@pytest.mark.parametrize(
    ("offset", "size", "expected"),
    [
        (0, None, b"0123456789"),
        (0, 4, b"0123"),
        (3, 4, b"3456"),
        (8, 100, b"89"),
        (50, None, b""),
        (50, 5, b""),
        (-3, None, b"789"),
        (-3, 2, b"78"),
        (-50, 2, b"01"),
        (0, 0, b""),
    ],
)
async def test_read_parts(host: Host, tmp_path: Path, offset: int, size: int | None, expected: bytes) -> None:
    (tmp_path / "file").write_bytes(b"0123456789")
    assert await host.read(f"{tmp_path}/file", offset, size) == expected


async def test_read_a_large_file_whole(host: Host, tmp_path: Path) -> None:
    data = os.urandom(1_500_001)
    (tmp_path / "file").write_bytes(data)
    assert await host.read(f"{tmp_path}/file") == data
    assert await host.read(f"{tmp_path}/file", -700_000, 600_000) == data[-700_000:-100_000]


async def test_read_says_what_is_missing_and_what_is_refused(host: Host, tmp_path: Path) -> None:
    with pytest.raises(FileMissing):
        await host.read(f"{tmp_path}/none")
    with pytest.raises(FileRefused):
        await host.read(f"{tmp_path}")


async def test_stat_follows_links(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"123")
    os.utime(tmp_path / "file", (1_700_000_000, 1_700_000_000))
    (tmp_path / "link").symlink_to("file")
    assert await host.stat(f"{tmp_path}/link") == FileFact(f"{tmp_path}/link", 3, 1_700_000_000.0, Kind.FILE)
    found = await host.stat(f"{tmp_path}")
    assert found is not None
    assert found.is_dir
    assert await host.stat(f"{tmp_path}/none") is None


async def test_list_is_sorted_and_flat(host: Host, tmp_path: Path) -> None:
    (tmp_path / "b" / "below").mkdir(parents=True)
    (tmp_path / "c").write_bytes(b"12")
    (tmp_path / "a").symlink_to("b")
    found = await host.list(f"{tmp_path}")
    assert [(fact.path, fact.is_dir) for fact in found] == [
        (f"{tmp_path}/a", True),
        (f"{tmp_path}/b", True),
        (f"{tmp_path}/c", False),
    ]
    assert found[2].size_bytes == 2


async def test_list_and_tree_of_what_is_not_there_are_empty(host: Host, tmp_path: Path) -> None:
    assert list(await host.list(f"{tmp_path}/none")) == []
    assert list(await host.tree(f"{tmp_path}/none", 3)) == []


async def test_list_of_a_file_is_refused(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FileRefused):
        await host.list(f"{tmp_path}/file")


async def test_tree_goes_so_deep_and_does_not_walk_into_links(host: Host, tmp_path: Path) -> None:
    (tmp_path / "top" / "1" / "2" / "3").mkdir(parents=True)
    (tmp_path / "top" / "1" / "shard").write_bytes(b"12345")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "hidden").touch()
    (tmp_path / "top" / "directory-link").symlink_to("../elsewhere")
    (tmp_path / "top" / "file-link").symlink_to("1/shard")
    (tmp_path / "top" / "broken-link").symlink_to("nowhere")
    found = {
        fact.path.removeprefix(f"{tmp_path}/top/"): fact for fact in await host.tree(f"{tmp_path}/top", 2)
    }
    assert list(found) == ["1", "1/2", "1/shard", "broken-link", "directory-link", "file-link"]
    assert [name for name, fact in found.items() if fact.is_dir] == ["1", "1/2", "directory-link"]
    assert found["file-link"].size_bytes == found["1/shard"].size_bytes == 5


async def test_a_link_to_a_directory_can_be_the_top_of_a_tree(host: Host, tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "real" / "file").touch()
    (tmp_path / "link").symlink_to("real")
    assert [fact.path for fact in await host.tree(f"{tmp_path}/link", 1)] == [f"{tmp_path}/link/file"]


async def test_a_file_has_the_same_facts_however_it_is_seen(host: Host, tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"1")
    os.utime(tmp_path / "file", (1_700_000_000.75, 1_700_000_000.75))
    fact = await host.stat(f"{tmp_path}/file")
    assert [fact] == list(await host.list(f"{tmp_path}")) == list(await host.tree(f"{tmp_path}", 1))


@pytest.mark.parametrize("name", WEIRD_NAMES)
async def test_any_name_will_do(host: Host, tmp_path: Path, name: str) -> None:
    directory = f"{tmp_path}/{name}/{name}"
    os.makedirs(directory)
    await host.append(f"{directory}/{name}", b"one")
    await host.replace(f"{directory}/{name}", b"two")
    await host.append(f"{directory}/{name}", b"three")
    assert await host.read(f"{directory}/{name}") == b"twothree"
    assert [fact.path for fact in await host.list(directory)] == [f"{directory}/{name}"]
    assert [fact.path for fact in await host.tree(f"{tmp_path}", 3)] == [
        f"{tmp_path}/{name}",
        directory,
        f"{directory}/{name}",
    ]
    assert await host.resolve(f"{directory}/{name}") == f"{directory}/{name}"


async def test_append_makes_the_file_and_goes_on_at_its_end(host: Host, tmp_path: Path) -> None:
    blocks = [f"block {number}\n".encode() * 20_000 for number in range(3)]
    for block in blocks:
        await host.append(f"{tmp_path}/log", block)
    assert (tmp_path / "log").read_bytes() == b"".join(blocks)


async def test_append_goes_to_the_end_as_it_is_then(host: Host, tmp_path: Path) -> None:
    await host.append(f"{tmp_path}/log", b"ours\n")
    with (tmp_path / "log").open("ab") as file:
        file.write(b"somebody else's\n")
    await host.append(f"{tmp_path}/log", b"ours\n")
    assert (tmp_path / "log").read_bytes() == b"ours\nsomebody else's\nours\n"


async def test_append_where_there_is_no_directory(host: Host, tmp_path: Path) -> None:
    with pytest.raises(FileRefused):
        await host.append(f"{tmp_path}/none/log", b"block")


async def test_replace_leaves_nothing_else_behind(host: Host, tmp_path: Path) -> None:
    await host.replace(f"{tmp_path}/file", b"old")
    await host.replace(f"{tmp_path}/file", b"new" * 100_000)
    assert (tmp_path / "file").read_bytes() == b"new" * 100_000
    assert os.listdir(tmp_path) == ["file"]


async def test_replace_keeps_the_mode(host: Host, tmp_path: Path) -> None:
    for mode in (0o600, 0o755):
        (tmp_path / "file").touch()
        (tmp_path / "file").chmod(mode)
        await host.replace(f"{tmp_path}/file", b"new")
        assert (tmp_path / "file").stat().st_mode & 0o777 == mode


async def test_replace_what_cannot_be_replaced(host: Host, tmp_path: Path) -> None:
    (tmp_path / "directory").mkdir()
    with pytest.raises(FileRefused):
        await host.replace(f"{tmp_path}/directory", b"data")
    assert os.listdir(tmp_path) == ["directory"]


async def test_resolve_follows_links(host: Host, tmp_path: Path) -> None:
    real = await anyio.Path(tmp_path).resolve() / "real"
    await real.mkdir()
    (tmp_path / "link").symlink_to("real")
    assert await host.resolve(f"{tmp_path}/link") == str(real)
    with pytest.raises(FileMissing):
        await host.resolve(f"{tmp_path}/none")


async def test_resolve_knows_home(host: Host) -> None:
    home = await anyio.Path(os.environ["HOME"]).resolve()
    await (home / "below").mkdir()
    assert await host.resolve("~") == str(home)
    assert await host.resolve("~/below") == f"{home}/below"


async def test_resolve_knows_the_homes_of_others(host: Host) -> None:
    user = pwd.getpwuid(os.getuid())
    home = os.path.realpath(user.pw_dir)
    assert await host.resolve(f"~{user.pw_name}") == home
    assert await host.resolve(f"~{user.pw_name}/") == home
    for path in ("~no-such-user-anywhere/x", "~$(touch here)", "~a b/c"):
        with pytest.raises(FileMissing):
            await host.resolve(path)
    assert "here" not in os.listdir(os.environ["HOME"])


async def test_resolve_knows_a_directory_however_it_is_spelled(host: Host, tmp_path: Path) -> None:
    real = os.path.realpath(tmp_path)
    (tmp_path / "real" / "below").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "deep").symlink_to("../real/below")
    for spelled in (
        "real",
        "real/",
        "real//",
        "./real/.",
        "link",
        "link/",
        "elsewhere/../real",
        "elsewhere/deep/..",
    ):
        assert await host.resolve(f"{tmp_path}/{spelled}") == f"{real}/real"


async def test_a_place_may_be_a_file_or_have_any_name(host: Host, tmp_path: Path) -> None:
    real = os.path.realpath(tmp_path)
    (tmp_path / "-d\n").mkdir()
    (tmp_path / "link").symlink_to("-d\n")
    (tmp_path / "file").touch()
    (tmp_path / "to file").symlink_to("file")
    asks = [Locate(f"{tmp_path}/{name}") for name in ("link", "to file", "none", "-d\n")]
    wanted = [Place(f"{real}/-d\n"), Place(f"{real}/file"), Missing(), Place(f"{real}/-d\n")]
    assert await host.fetch(asks) == wanted


async def test_resolve_of_what_leads_nowhere_is_an_error_of_the_hosts(host: Host, tmp_path: Path) -> None:
    (tmp_path / "circle").symlink_to("circle")
    (tmp_path / "file").touch()
    (tmp_path / "broken").symlink_to("none")
    for spelled in ("circle", "circle/x", "file/below", "broken", "n" * 300, "none/" * 2000):
        with pytest.raises((FileMissing, FileRefused)):
            await host.resolve(f"{tmp_path}/{spelled}")


async def test_what_is_large_is_read_apart_with_the_file_as_it_was(host: Host, tmp_path: Path) -> None:
    file = tmp_path / "it's large"
    data = os.urandom(700_000)
    file.write_bytes(data)
    part = await host.read_apart(str(file), 1000, 500_000)
    assert part.data == data[1000:501_000]
    assert (part.fact.size_bytes, part.fact.kind) == (len(data), Kind.FILE)
    assert (await host.read_apart(str(file), len(data), 10)).data == b""
    with pytest.raises(FileMissing):
        await host.read_apart(str(tmp_path / "none"), 0, 10)
    with pytest.raises(FileRefused):
        await host.read_apart(str(tmp_path), 0, 10)
