"""Where the daemon's files are. Both sides ask here, so they agree.

`RUNEXP_HOME=DIR` puts everything below one directory: a private daemon for a demo or a test.
"""

import os
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
    return home / "state" if home else platformdirs.user_state_path("runexp", appauthor=False)


def cache() -> Path:
    """The directory of what can be had again: logs that were brought to be looked at. The client's own."""
    home = _home()
    return home / "cache" if home else platformdirs.user_cache_path("runexp", appauthor=False)


def config() -> Path:
    """The configuration file."""
    home = _home()
    return (
        home / "config.yaml"
        if home
        else platformdirs.user_config_path("runexp", appauthor=False) / "config.yaml"
    )


def make_private(path: Path) -> None:
    """A directory, whatever the umask: a parent that is missing is as private as what it is made for. Raises OSError."""
    missing = [level for level in (path, *path.parents) if not os.path.lexists(level)]
    for level in reversed(missing):
        try:
            os.mkdir(level, PRIVATE)
        except FileExistsError:  # somebody else was faster
            continue
        os.chmod(level, PRIVATE)  # a umask can also take from the owner
