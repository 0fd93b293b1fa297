"""Where a cluster's login node is, read as OpenSSH would: ~/.ssh/config, identities, known_hosts, jump hosts.

Differs from asyncssh's own reading where that would be less safe or less forgiving than OpenSSH: host keys are always
verified (also under `UserKnownHostsFile none` and `StrictHostKeyChecking no`), identity files and known_hosts files that
don't exist are passed over, and so are lines of known_hosts that can't be read. Opens no connection.
"""

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import cast

import asyncssh
import msgspec
from asyncssh.config import SSHClientConfig

from runexp import paths

_USER_KNOWN_HOSTS = ("~/.ssh/known_hosts", "~/.ssh/known_hosts2")
_GLOBAL_KNOWN_HOSTS = ("/etc/ssh/ssh_known_hosts", "/etc/ssh/ssh_known_hosts2")
_IDENTITIES = ("~/.ssh/id_ed25519", "~/.ssh/id_ecdsa", "~/.ssh/id_rsa")
_MOST_HOPS = 8


class SshTarget(msgspec.Struct, frozen=True, kw_only=True):
    """A cluster's login node, as the configuration names it. Whatever is None is left to ~/.ssh/config and its defaults."""

    #: The cluster's name in the configuration.
    name: str
    #: A host name, or an alias of ~/.ssh/config.
    host: str
    user: str | None = None
    port: int | None = None
    #: A private key file; it must exist. The agent's other keys are then left alone, as with `IdentitiesOnly`.
    identity: str | None = None
    #: OpenSSH client configuration files; those that don't exist are passed over.
    config_files: tuple[str, ...] = ("~/.ssh/config",)
    #: The only file with accepted host keys; None: OpenSSH's.
    known_hosts: str | None = None


class Hop(msgspec.Struct, frozen=True, kw_only=True):
    """One SSH server on the way, with what is needed to log in to it."""

    #: As the user wrote it.
    host: str
    user: str | None
    port: int | None
    config_files: tuple[str, ...]
    known_hosts_file: str | None
    known_hosts: asyncssh.SSHKnownHosts
    #: Private key files that can be used as they are.
    identities: tuple[str, ...]
    #: Private key files that need a passphrase.
    locked_identities: tuple[str, ...]
    #: Public halves of the only keys to be asked of the agent; None: all of them.
    agent_identities: tuple[str, ...] | None

    def command(self) -> str:
        """What a person types to get there by hand."""
        words = ["ssh"]
        if self.known_hosts_file is not None:
            words += ["-o", f"UserKnownHostsFile={self.known_hosts_file}"]
        if self.port is not None:
            words += ["-p", str(self.port)]
        return shlex.join([*words, f"{self.user}@{self.host}" if self.user else self.host])


class _Place(msgspec.Struct, frozen=True):
    """One stop as it was written: in the target, or in `ProxyJump`."""

    host: str
    user: str | None = None
    port: int | None = None
    identity: str | None = None


def read_hops(target: SshTarget) -> tuple[Hop, ...]:
    """The servers from here to the target, the target last. Reads files, and runs what `Match exec` says: blocks.

    Raises OSError and ValueError where the configuration or a key can't be read, or jump hosts go in a circle.
    """
    files = tuple(str(path) for path in map(paths.expanded, target.config_files) if path.is_file())
    place = _Place(target.host, target.user, target.port, target.identity)
    return _hops(place, files, target.known_hosts, _MOST_HOPS)


def _hops(place: _Place, files: tuple[str, ...], known_hosts: str | None, most: int) -> tuple[Hop, ...]:
    if most == 0:
        raise ValueError(f"more than {_MOST_HOPS} jump hosts: does ProxyJump lead back to itself?")
    config = _read_config(place, files)
    before: tuple[Hop, ...] = ()
    for index, jump in enumerate(_jumps(config)):
        hops = _hops(_parse_jump(jump), files, known_hosts, most - 1)
        # As with OpenSSH, only the first of several jump hosts may have jump hosts of its own.
        before += hops if index == 0 else hops[-1:]
    return (*before, _hop(place, files, known_hosts, config))


def _hop(place: _Place, files: tuple[str, ...], known_hosts: str | None, config: SSHClientConfig) -> Hop:
    found = _identity_files(config, place.identity)
    locked = tuple(path for path in found if _is_locked(path))
    only = place.identity is not None or bool(config.get("IdentitiesOnly"))
    return Hop(
        host=place.host,
        user=place.user,
        port=place.port,
        config_files=files,
        known_hosts_file=known_hosts,
        known_hosts=_read_known_hosts(_known_hosts_files(config, known_hosts)),
        identities=tuple(path for path in found if path not in locked),
        locked_identities=locked,
        agent_identities=_public_halves(found) if only else None,
    )


def _read_config(place: _Place, files: Sequence[str]) -> SSHClientConfig:
    given = (paths.user(), place.user or (), place.host, place.port or ())
    return cast(SSHClientConfig, SSHClientConfig.load(None, list(files), False, False, False, *given))


def _jumps(config: SSHClientConfig) -> list[str]:
    jumps = cast(str | None, config.get("ProxyJump"))
    return [jump.strip() for jump in jumps.split(",")] if jumps else []


def _parse_jump(jump: str) -> _Place:
    """`[user@]host[:port]`, host perhaps in brackets: ssh_config(5), ProxyJump."""
    user, _, place = jump.removeprefix("ssh://").rpartition("@")
    host, colon, port = place.rpartition(":")
    if not colon or port.endswith("]"):
        host, port = place, ""
    return _Place(host.strip("[]"), user or None, int(port) if port else None)


def _identity_files(config: SSHClientConfig, identity: str | None) -> tuple[str, ...]:
    if identity is not None:
        if not paths.expanded(identity).is_file():
            raise FileNotFoundError(f"there is no identity file {identity}")
        return (str(paths.expanded(identity)),)
    named = cast(Sequence[str], config.get("IdentityFile", _IDENTITIES))
    return tuple(str(path) for path in map(paths.expanded, named) if path.is_file())


def _is_locked(path: str) -> bool:
    try:
        asyncssh.read_private_key(path)
    except asyncssh.KeyImportError as error:
        # asyncssh tells them apart by nothing else, and does the same itself.
        if str(error).startswith("Passphrase"):
            return True
        raise ValueError(f"{path}: {error}") from error
    return False


def _public_halves(identities: Sequence[str]) -> tuple[str, ...]:
    return tuple(f"{path}.pub" for path in identities if Path(f"{path}.pub").is_file())


def _known_hosts_files(config: SSHClientConfig, named: str | None) -> tuple[str, ...]:
    if named is not None:
        return (named,)
    of_user = cast(Sequence[str], config.get("UserKnownHostsFile", _USER_KNOWN_HOSTS))
    of_all = cast(Sequence[str], config.get("GlobalKnownHostsFile", _GLOBAL_KNOWN_HOSTS))
    return (*of_user, *of_all)


def _read_known_hosts(files: Sequence[str]) -> asyncssh.SSHKnownHosts:
    known = asyncssh.SSHKnownHosts()
    for path in map(paths.expanded, files):
        if path.is_file():
            _load_lines(known, path.read_text(errors="replace"))
    return known


def _load_lines(known: asyncssh.SSHKnownHosts, text: str) -> None:
    for line in text.splitlines():
        try:
            known.load(line)
        except ValueError:
            # OpenSSH passes over lines it can't read; a key that isn't known stays refused either way.
            continue
