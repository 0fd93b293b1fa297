"""How a script is packed for whatever shell the user has at the other end, and how its answer is found."""

import os
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from runexpd.hosts import envelope

SHELLS = [shell for shell in ("sh", "bash", "zsh", "tcsh", "fish", "ksh") if shutil.which(shell)]
#: These read ahead on their input, so nothing is left of it for others.
GREEDY = ("tcsh", "fish")
ODD_WORDS = [
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
PRINT_ALL = ["sh", "-c", 'for word; do printf "%s\\0" "$word"; done', "sh"]
words = st.lists(
    st.text(st.characters(blacklist_characters="\0", blacklist_categories=["Cs"]), max_size=20), max_size=5
)


def run_as_sshd_does(
    shell: str, script: str, environment: Mapping[str, str] | None = None, before: str = ""
) -> envelope.Ended | None:
    """`before`: what a start-up file says first."""
    marks = envelope.marks()
    done = subprocess.run(
        [shell, "-c", before + envelope.COMMAND],
        input=envelope.sealed(script, marks),
        capture_output=True,
        check=False,
        timeout=30,
        env=None if environment is None else {"PATH": os.environ["PATH"], **environment},
    )
    return envelope.opened(done.stdout, done.stderr, marks)


def answered(shell: str, script: str, before: str = "") -> envelope.Ended:
    ended = run_as_sshd_does(shell, script, before=before)
    assert ended is not None
    return ended


@pytest.mark.parametrize("shell", SHELLS)
def test_every_shell_passes_on_what_it_was_given(shell: str) -> None:
    ended = answered(shell, envelope.running([*PRINT_ALL, *ODD_WORDS], b"", ()))
    assert ended.stdout.decode().split("\0")[:-1] == ODD_WORDS


@settings(deadline=None, max_examples=40)
@given(arguments=words)
def test_arguments_arrive_as_they_are(arguments: list[str]) -> None:
    ended = answered("sh", envelope.running([*PRINT_ALL, *arguments], b"", ()))
    assert ended.stdout.decode().split("\0")[:-1] == arguments


@settings(deadline=None, max_examples=40)
@given(data=st.binary(max_size=100))
def test_input_arrives_byte_for_byte(data: bytes) -> None:
    assert answered("sh", envelope.running(["cat"], data, ())).stdout == data


def test_the_login_shell_sees_nothing_that_shells_disagree_on() -> None:
    assert envelope.COMMAND.isascii()
    assert envelope.COMMAND.isprintable()
    assert "!" not in envelope.COMMAND
    assert envelope.COMMAND.count("'") == 2


def test_much_is_packed_and_arrives() -> None:
    data = bytes(range(256)) * 4000
    ended = answered("sh", envelope.running(["sh", "-c", "cat; echo $#", "sh", *["word"] * 40_000], data, ()))
    assert ended.stdout == data + b"40000\n"


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("another", [shell for shell in SHELLS if shell not in GREEDY])
def test_a_start_up_file_that_goes_on_in_another_shell_loses_nothing(shell: str, another: str) -> None:
    ended = answered(shell, envelope.running(["cat"], b"and the input\n", ()), before=f"exec {another}; ")
    assert ended.stdout == b"and the input\n"


@pytest.mark.parametrize(
    "before",
    [
        "echo Welcome; ",
        "printf 'no line end'; ",
        "printf '\\377\\200\\001\\033[31m'; ",
        "echo oops >&2; ",
        "set -eu; ",
        "set -x; ",
        "set -v; ",
        "umask 0; cd /; ",
        "head -c 1000000 /dev/zero; ",
        "cat() { echo mine; }; ",
        "alias cat=false exec=false printf=false; ",
        "trap 'echo bye' EXIT; ",
    ],
)
def test_what_a_start_up_file_does_is_not_the_answer(before: str) -> None:
    ended = answered(
        "bash", envelope.running(["sh", "-c", "echo out; echo err >&2; exit 3"], b"", ()), before
    )
    assert (ended.exit_code, ended.stdout) == (3, b"out\n")
    assert ended.stderr.startswith(b"err\n")


#: Where a shell that isn't asked for anything looks for aliases all the same, and how they are written there.
ALIASING = {
    "bash": ("BASH_ENV", "env", "shopt -s expand_aliases\nalias {}=false\n"),
    "zsh": ("ZDOTDIR", ".zshenv", "alias {}=false\n"),
    "tcsh": ("HOME", ".tcshrc", "alias {} false\n"),
}


@pytest.mark.parametrize("shell", [shell for shell in SHELLS if shell in ALIASING])
@pytest.mark.parametrize("before", ["", "exec zsh; "])
def test_aliases_of_whatever_we_say_are_not_the_answer(shell: str, before: str, tmp_path: Path) -> None:
    if before and not shutil.which("zsh"):
        pytest.skip("no zsh")
    environment = {"ZDOTDIR": str(tmp_path)}
    for variable, name, line in ALIASING.values():
        words = ("cat", "exec", "eval", "printf", "sh", "test", "unset")
        (tmp_path / name).write_text("".join(line.format(word) for word in words))
        environment[variable] = str(tmp_path / name if name == "env" else tmp_path)
    script = envelope.running(["echo", "out"], b"", ())
    ended = run_as_sshd_does(shell, script, environment, before.replace("exec", "'exec'"))
    assert ended is not None
    assert (ended.exit_code, ended.stdout) == (0, b"out\n")


@pytest.mark.parametrize(
    "environment",
    [
        {"SHELLOPTS": "errexit:nounset:xtrace"},
        {"BASH_ENV": "/nowhere", "ENV": "/nowhere"},
        {"CDPATH": "/:/usr", "IFS": "x", "POSIXLY_CORRECT": "1"},
        {f"BASH_FUNC_{name}%%": "() { echo mine; }" for name in ("cat", "printf", "test", "echo", "command")},
    ],
)
def test_what_the_environment_holds_is_not_the_answer(environment: dict[str, str]) -> None:
    ended = run_as_sshd_does("bash", envelope.running(["sh", "-c", "false; echo out"], b"", ()), environment)
    assert ended is not None
    assert (ended.exit_code, ended.stdout) == (0, b"out\n")


def test_lines_before_a_command_neither_write_into_its_output_nor_read_its_input() -> None:
    script = envelope.running(
        ["sh", "-c", "echo $WORD; cat"], b"input\n", ("echo loading; cat", "WORD=set; export WORD", "false")
    )
    ended = answered("sh", script)
    assert (ended.exit_code, ended.stdout, ended.stderr) == (0, b"set\ninput\n", b"loading\n")


def test_lines_before_a_command_that_end_it_are_no_answer_of_the_commands() -> None:
    ended = answered("sh", envelope.running(["echo", "out"], b"", ("exit 9",)))
    assert (ended.exit_code, ended.stdout) == (9, b"")


@pytest.mark.parametrize(("does", "code"), [("exit 7", 7), ("exit 255", 255), ("kill -KILL $$", -9)])
def test_how_it_ended(does: str, code: int) -> None:
    assert answered("sh", envelope.running(["sh", "-c", does], b"", ())).exit_code == code


@given(banner=st.binary(max_size=50), said=st.binary(max_size=50), code=st.integers(0, 255))
def test_what_stands_between_the_marks_is_the_answer(banner: bytes, said: bytes, code: int) -> None:
    marks = envelope.marks()
    end = marks.end + f"{code}\n".encode()
    ended = envelope.opened(banner + marks.begin + said + end + banner, banner, marks)
    assert ended is not None
    assert (ended.stdout, ended.stderr) == (said, banner)


@given(said=st.binary(max_size=80))
def test_anything_else_is_no_answer(said: bytes) -> None:
    marks = envelope.marks()
    assert envelope.opened(said, said, marks) is None
    assert envelope.opened(marks.begin + said, said, marks) is None
    assert envelope.opened(said + marks.end + b"0\n", said, marks) is None
    assert envelope.opened(marks.begin + said + marks.end, said, marks) is None


@pytest.mark.long
@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_a_script_that_was_cut_short_runs_nothing(shell: str, tmp_path: Path) -> None:
    """As where the connection is lost while it is sent: what has come is all that there will be."""
    marks = envelope.marks()
    script = envelope.running(["touch", f"{tmp_path}/ran"], b"", ("true",))
    sealed = envelope.sealed(script, marks)
    for end in range(len(sealed.rstrip())):
        subprocess.run(
            [shell, "-c", envelope.COMMAND], input=sealed[:end], capture_output=True, check=False, timeout=30
        )
        is_whole = sealed[:end].count(b"\n)") == 1
        assert (tmp_path / "ran").exists() == is_whole, sealed[:end]
        if is_whole:
            break
