"""Where the daemon's files are. Both sides ask here, so they agree.

`RUNEXP_HOME=DIR` puts everything below one directory: a private daemon for a demo or a test.
"""

import getpass
import os
from collections.abc import Callable
from pathlib import Path

import platformdirs

#: A directory for each user who is logged in (pam_systemd).
SESSIONS = Path("/run/user")
_SOCKET = "runexpd.sock"
#: Of what is ours alone.
PRIVATE = 0o700


def _home() -> Path | None:
    home = os.environ.get("RUNEXP_HOME")
    return Path(home).absolute() if home else None


def _placed(place: Callable[..., Path]) -> Path:
    """Where the platform would have it. Raises OSError for a user without a home: it would be wherever one stands."""
    try:
        if (found := place("runexp", appauthor=False)).is_absolute():
            return found
    except RuntimeError:
        pass
    raise OSError(f"no home directory is known for the user {user()}: set HOME, or RUNEXP_HOME=DIR")


def expanded(path: str) -> Path:
    """With `~` and `~somebody` followed; as it stands where nobody is called so, or has no home."""
    return Path(os.path.expanduser(path))


def user() -> str:
    """What we are called; in a container we may be a number that has no name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return str(os.getuid())


def directories() -> tuple[Path, ...]:
    """The directories that are ours alone, the outer one first."""
    home = _home()
    own = (state(), socket().parent)
    return (home, *own) if home else own


def socket() -> Path:
    """The daemon's Unix socket: the same for all processes of a user, whatever their environment says of the session."""
    home = _home()
    if home:
        return home / "run" / _SOCKET
    places = [directory / "runexp" / _SOCKET for directory in _session()]
    places.append(state() / "run" / _SOCKET)
    # A session's directory comes and goes; a daemon that began without one stays where it is.
    return next((place for place in places if os.path.lexists(place)), places[0])


def _session() -> list[Path]:
    """What the system keeps for a user who is logged in, or who lingers."""
    directory = SESSIONS / str(os.getuid())
    try:
        return [directory] if directory.stat().st_uid == os.getuid() else []
    except OSError:
        return []


def state() -> Path:
    """The directory of the ledger and of the local backend's jobs."""
    home = _home()
    return home / "state" if home else _placed(platformdirs.user_state_path)


def cache() -> Path:
    """The directory of what can be had again: logs that were brought to be looked at. The client's own."""
    home = _home()
    return home / "cache" if home else _placed(platformdirs.user_cache_path)


def config() -> Path:
    """The configuration file."""
    home = _home()
    return home / "config.yaml" if home else _placed(platformdirs.user_config_path) / "config.yaml"


def make_private(path: Path) -> None:
    """A directory, whatever the umask: a parent that is missing is as private as what it is made for. Raises OSError."""
    missing = [level for level in (path, *path.parents) if not os.path.lexists(level)]
    for level in reversed(missing):
        try:
            os.mkdir(level, PRIVATE)
        except FileExistsError:  # somebody else was faster
            continue
        os.chmod(level, PRIVATE)  # a umask can also take from the owner
