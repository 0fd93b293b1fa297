"""Writing a file as a script for sh, and what is to be understood from how it ended. Pure.

What isn't a regular file, or is a link, is not written to: looked at first, with what a shell does by itself.
"""

import secrets
import shlex
from posixpath import dirname, join

from runexpd.hosts import complaints, paths
from runexpd.hosts.base import FileRefused
from runexpd.hosts.envelope import Ended, printed

_IS_LINK, _IRREGULAR, _NO_DIRECTORY, _FAILED = 81, 82, 83, 84


def append(path: str, data: bytes) -> str:
    """At the end, and on disk."""
    fed = f"{{\n{printed(data)}\n}}"
    return (
        f"{_checked(path)}\n{fed} | dd {_to(path)} oflag=append conv=notrunc,fsync bs=64k || exit {_FAILED}"
    )


def replace(path: str, data: bytes) -> str:
    """Whole, with the old one's mode."""
    temporary = join(dirname(path), f".runexp-{secrets.token_hex(8)}.tmp")
    at, new = _word(path), _word(temporary)
    return "\n".join(
        [
            _checked(path),
            f"mode=$(stat -c %a {at} 2>/dev/null)",
            f"{{\n{printed(data)}\n}} | dd {_to(temporary)} conv=fsync bs=64k && {{",
            f'[ -z "$mode" ] || chmod "$mode" {new}',
            f"}} && mv -f {new} {at} || {{ rm -f {new}; exit {_FAILED}; }}",
        ]
    )


def check(path: str, ended: Ended) -> None:
    """Raises FileRefused where it was not written."""
    match ended.exit_code:
        case 0:
            return
        case code if code == _IS_LINK:
            raise paths.is_link(path)
        case code if code == _IRREGULAR:
            raise paths.irregular(path)
        case code if code == _NO_DIRECTORY:
            raise FileRefused(f"{path}: its directory does not exist")
        case _:
            said = complaints.last(ended.stderr)
            raise FileRefused(f"{path}: {said or 'it could not be written'}")


def _checked(path: str) -> str:
    at = _word(path)
    return "\n".join(
        [
            "export LC_ALL=C",
            f"[ ! -L {at} ] || exit {_IS_LINK}",
            f"[ ! -e {at} ] || [ -f {at} ] || exit {_IRREGULAR}",
            f"[ -d {_word(dirname(path))} ] || exit {_NO_DIRECTORY}",
        ]
    )


def _to(path: str) -> str:
    return shlex.quote(f"of={path}")


def _word(path: str) -> str:
    return shlex.quote(path)
