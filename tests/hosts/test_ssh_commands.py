"""How a command is packed for whatever shell the user has at the other end, and what find prints."""

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runexpd.hosts import find, script, ssh
from runexpd.hosts.base import FileFact, Kind

SHELLS = [shell for shell in ("sh", "bash", "zsh", "tcsh", "fish") if shutil.which(shell)]
words = st.lists(
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20), max_size=5
)


def run_as_sshd_does(shell: str, script: str, stdin: bytes = b"") -> subprocess.CompletedProcess[bytes]:
    command, before = ssh.wrap(script)
    return subprocess.run(
        [shell, "-c", command], input=before + stdin, capture_output=True, check=False, timeout=20
    )


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_passes_on_what_it_was_given(shell: str) -> None:
    arguments = [
        "it's",
        "x!y",
        "!!",
        "back\\slash",
        "\\\\",
        "new\nline",
        "$HOME `id`",
        "*",
        "~",
        "%d",
        "\\0101",
        "",
    ]
    done = run_as_sshd_does(shell, script.pack(["printf", "%s\\0", *arguments], ()))
    assert done.stdout.decode().split("\0")[:-1] == arguments


@given(arguments=words)
def test_arguments_arrive_as_they_are(arguments: list[str]) -> None:
    done = run_as_sshd_does(
        "sh", script.pack(["sh", "-c", 'for word; do printf "%s\\0" "$word"; done', "sh", *arguments], ())
    )
    assert done.stdout.decode().split("\0")[:-1] == arguments


@given(script=st.text())
def test_the_login_shell_sees_nothing_that_shells_disagree_on(script: str) -> None:
    command, _ = ssh.wrap(script)
    assert command.isascii()
    assert command.isprintable()
    assert "!" not in command
    assert command.count("'") == 4


def test_a_long_script_goes_ahead_of_the_input() -> None:
    packed = script.pack(["sh", "-c", "cat; echo $#", "sh", *["word"] * 40_000], ())
    command, before = ssh.wrap(packed)
    assert len(command) < 100
    assert before == packed.encode()
    assert run_as_sshd_does("sh", packed, b"input\n").stdout == b"input\n40000\n"


def test_lines_before_a_command_neither_write_into_its_output_nor_read_its_input() -> None:
    packed = script.pack(
        ["sh", "-c", "echo $WORD; cat"], ("echo loading; cat", "WORD=set; export WORD", "false")
    )
    done = run_as_sshd_does("sh", packed, b"input\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, b"set\ninput\n", b"loading\n")


def test_a_nul_is_refused() -> None:
    with pytest.raises(ValueError, match="NUL"):
        script.pack(["echo", "a\0b"], ())


def test_find_takes_paths_that_look_like_options(tmp_path: Path) -> None:
    (tmp_path / "-delete").mkdir()
    (tmp_path / "-delete" / "-exec").symlink_to("/etc")
    done = subprocess.run(find.argv(f"{tmp_path}", 2), capture_output=True, check=True)
    assert [(fact.path, fact.is_dir) for fact in find.parse(done.stdout)] == [
        (f"{tmp_path}/-delete", True),
        (f"{tmp_path}/-delete/-exec", True),
    ]


def test_records_of_find() -> None:
    output = b"d 4096 1700000000.1234567890 /exp/a b\0f 12 1700000001.9 /exp/a b/new\nline\0"
    assert find.parse(output) == [
        FileFact("/exp/a b", 4096, 1_700_000_000.0, Kind.DIRECTORY),
        FileFact("/exp/a b/new\nline", 12, 1_700_000_001.0, Kind.FILE),
    ]
    assert find.parse(b"") == []


def test_a_name_that_is_not_utf8_is_kept() -> None:
    assert find.parse(b"f 1 1.0 /exp/\xff\0")[0].path == "/exp/\udcff"


@pytest.mark.parametrize("letter", "plscbNL?")
def test_only_files_are_files(letter: str) -> None:
    assert find.parse(f"{letter} 1 1.0 /exp/x\0".encode())[0].kind is Kind.OTHER


@pytest.mark.parametrize(
    "output",
    [
        b"Welcome to della!\n",
        b"Welcome to della!\0",
        b"Welcome\nd 4096 1.0 /exp\0",
        b"Last login: today from here\nd 4096 1.0 /exp\0",
        b"f 12 1.0 /exp/cut",
        b"f twelve 1.0 /exp\0",
        b"f 12 now /exp\0",
    ],
)
def test_what_find_does_not_print_is_not_taken_for_its_words(output: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        find.parse(output)
