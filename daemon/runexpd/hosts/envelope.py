"""How a script travels to a shell that nobody knows, and how its answer is found in all that comes back. Pure.

sshd hands one string to the user's login shell, which may be sh, bash, zsh, csh or fish, and which may first do whatever its
start-up files say. So the string says only

    /bin/sh -c 'eval "$(cat)"' runexp

(a word with a slash in it is nobody's alias) and the script comes on the input. Where a start-up file says `exec bash`, the
string is lost, and the input is what that shell reads, which goes as well; zsh hands the rest of it to sh.

What the script's command writes stands between two marks made for this one time. What stands before the first was written by
somebody else; without the second nobody knows how it ended.
"""

import re
import secrets
import shlex
from collections.abc import Iterator, Sequence

import msgspec

#: For $0: tells a script that it runs where it should.
_NAME = "runexp"
#: What a login shell is handed.
COMMAND = f"""/bin/sh -c 'eval "$(cat)"' {_NAME}"""
#: A signal's number is added to this in what a shell says of a command that it ended.
_SIGNALLED, _LAST_SIGNAL = 128, 64
#: printf's own words of one line: sh takes long ones, and some slowly.
_LINE_BYTES = 16 * 1024
_STATUS = re.compile(rb"[0-9]{1,9}")
_PLAIN = frozenset(range(0x20, 0x7F)) - frozenset(b"%\\'!")
_ESCAPES = {byte: f"\\{byte:03o}" for byte in range(256) if byte not in _PLAIN}
#: Functions that a shell exported in place of what we call; and what a start-up file switched on for all shells to come.
_CLEAN = (
    "set +eu; 'unset' -f cat command dd echo env find head mv printf readlink rm sh stat tail test timeout xargs; "
    "unset CDPATH; 'unalias' -a"
)


class Marks(msgspec.Struct, frozen=True):
    """Of one script. Each is written in two halves, so that a shell that shows what it reads doesn't write it."""

    token: str

    @property
    def begin(self) -> bytes:
        return f"\n{self.token}>\n".encode()

    @property
    def end(self) -> bytes:
        return f"\n{self.token}<".encode()

    def print_begin(self) -> str:
        return f"printf '\\n%s%s>\\n' {self._halves()}"

    def print_end(self, status: str) -> str:
        return f"printf '\\n%s%s<%s\\n' {self._halves()} {status}"

    def _halves(self) -> str:
        return f"{self.token[:8]} {self.token[8:]}"


class Ended(msgspec.Struct, frozen=True):
    """A script that ended, and said how: minus the signal's number where one ended it."""

    exit_code: int
    stdout: bytes
    stderr: bytes


def marks() -> Marks:
    return Marks(secrets.token_hex(8))


def sealed(script: str, marks: Marks) -> bytes:
    """What comes on the input: the script, between its marks. It runs in a shell of its own, and may exec."""
    lines = [
        f"""'test' "$0" = {_NAME} || 'test' -z "$ZSH_VERSION" || {COMMAND}""",
        _CLEAN,
        marks.print_begin(),
        f"{marks.print_begin()} >&2",
        f"(\n{script}\n)",
        marks.print_end('"$?"'),
    ]
    return ("\n".join(lines) + "\n").encode("utf-8", "surrogateescape")


def running(argv: Sequence[str], stdin: bytes, prepend: Sequence[str]) -> str:
    """A script that runs a command. Lines put before it can neither write into its output nor read its input."""
    words = shlex.join(argv)
    fed = f"{{\n{printed(stdin)}\n}} | exec {words}" if stdin else f"exec {words} </dev/null"
    return "\n".join([*before(prepend), fed])


def before(prepend: Sequence[str]) -> list[str]:
    """Those lines, kept from the command's output and input; none where there are none."""
    return ["{", *prepend, "} >&2 </dev/null"] if prepend else []


def printed(data: bytes) -> str:
    """Lines of sh that write these bytes."""
    return "\n".join(_printed(data)) or ":"


def _printed(data: bytes) -> Iterator[str]:
    for start in range(0, len(data), _LINE_BYTES):
        first, rest = data[start], data[start + 1 : start + _LINE_BYTES].decode("latin-1")
        # Else a dash at the start would begin an option.
        yield f"printf '\\{first:03o}{rest.translate(_ESCAPES)}'"


def opened(stdout: bytes, stderr: bytes, marks: Marks) -> Ended | None:
    """What stands between the marks; None where the second is missing, or the first. What was before the first may be gone."""
    _, begun, rest = stdout.partition(marks.begin)
    written, ended, status = rest.rpartition(marks.end)
    code = status.partition(b"\n")[0]
    if not begun or not ended or not _STATUS.fullmatch(code):
        return None
    said = stderr.partition(marks.begin)
    return Ended(_exit_code(int(code)), written, said[2] if said[1] else stderr)


def _exit_code(status: int) -> int:
    return _SIGNALLED - status if _SIGNALLED < status <= _SIGNALLED + _LAST_SIGNAL else status
