"""What a person types to tend the daemon: by systemd where it runs it, else by `runexp daemon`. As commands that can be typed."""

import os
import shlex
from pathlib import Path

from runexp import paths


def is_service() -> bool:
    """Whether systemd runs it: its unit is installed (docs/service.md), and this user has a systemd."""
    if os.environ.get("RUNEXP_HOME"):
        return False
    there = paths.SESSIONS / str(os.getuid()) / "systemd"
    return (units() / "runexpd.service").exists() and there.exists()


def units() -> Path:
    """systemd.unit(5): units of a user's own."""
    return Path(os.environ.get("XDG_CONFIG_HOME") or paths.expanded("~") / ".config") / "systemd" / "user"


def log() -> Path:
    """Where a daemon that `runexp daemon start` began writes what it says."""
    return paths.state() / "runexpd.log"


def why() -> str:
    """Where it says what went wrong."""
    if is_service():
        return "it says why: systemctl --user status runexpd, or journalctl --user -u runexpd"
    return f"it says why in {typed(str(log()))}, if `runexp daemon start` began it"


def start() -> str:
    """Also where systemd has given up on it."""
    if is_service():
        return "why it ended: systemctl --user status runexpd; start it: runexpd install-service"
    if os.environ.get("RUNEXP_HOME"):
        return f"start it: {_daemon('start')}"
    return f"start it: {_daemon('start')}; or, for good: runexpd install-service"


def restart() -> str:
    return f"restart it: {'systemctl --user restart runexpd' if is_service() else _daemon('restart')}"


def _daemon(verb: str) -> str:
    home = os.environ.get("RUNEXP_HOME")
    return f"RUNEXP_HOME={typed(home)} runexp daemon {verb}" if home else f"runexp daemon {verb}"


def typed(word: str) -> str:
    """As bash, zsh and ksh take it for one word, on one line: what isn't printable is spelled out."""
    if word.isprintable():
        return shlex.quote(word)
    plain = frozenset(range(0x20, 0x7F)) - frozenset(b"'\\")
    said = (chr(byte) if byte in plain else f"\\x{byte:02x}" for byte in os.fsencode(word))
    return f"$'{''.join(said)}'"
