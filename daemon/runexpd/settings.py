"""The daemon's configuration: one YAML file, strict, with defaults for all of it."""

import ipaddress
import os
import re
import stat
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import msgspec

from runexp.wire.choices import ShellCommand
from runexpd.experiments import documents, limits
from runexpd.experiments.problems import BadExperiment
from runexpd.notices import quiet
from runexpd.notices.rules import Rule

_MOST_BYTES = 1024 * 1024
_DESCRIBED = 'see "The daemon" in the README'
#: Of anything: a year of seconds is longer than anybody means, and infinity can't be waited for.
_MOST = 31_536_000
Count = Annotated[int, msgspec.Meta(ge=1, le=_MOST)]
Seconds = Annotated[float, msgspec.Meta(ge=0, le=_MOST)]
#: Between two looks: what looks without a pause does nothing else.
Pause = Annotated[float, msgspec.Meta(ge=0.01, le=_MOST)]
_SSH_WORD = re.compile(r"[^\s-]\S{0,254}")
_CLUSTER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class Local(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """This machine as a cluster."""

    #: Jobs at a time; the rest wait.
    max_running: Count = 2
    #: Of ours queued at a time, over all experiments.
    max_submit: Count = 25
    #: Between two submissions of trainings, which race for the Hugging Face cache otherwise.
    stagger_seconds: Seconds = 5.0
    #: Between two submissions of evaluations.
    stagger_evaluations_seconds: Seconds = 0.0
    #: Run once by a login shell, in the experiment's directory, before its first evaluation.
    before_evaluations: ShellCommand = ""
    #: Between two looks at what runs.
    poll_seconds: Pause = 0.5
    #: From SIGTERM to SIGKILL, for a job that is cancelled or at its limit.
    kill_wait_seconds: Seconds = 5.0
    #: How long results that a network file system shows late are looked for.
    results_seconds: Seconds = 120.0


class Transport(StrEnum):
    """What speaks SSH."""

    #: The daemon itself, which reads ~/.ssh/config.
    ASYNCSSH = "asyncssh"
    #: The user's own `ssh`, with all of her configuration, and over the connection that she has open.
    OPENSSH = "openssh"


class Cluster(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A Slurm cluster. Without a host: Slurm on this machine."""

    #: An alias of ~/.ssh/config, or an address; without it: Slurm on the machine where the daemon runs.
    host: str | None = None
    #: User, port and identity are for what ~/.ssh/config doesn't say.
    user: str | None = None
    #: Of the server.
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    #: A private key's path.
    identity: str | None = None
    #: What speaks SSH.
    transport: Transport = Transport.ASYNCSSH
    #: Lines of shell before every command, such as `module load slurm`.
    prepend: tuple[str, ...] = ()
    #: Of ours queued at a time, over all experiments.
    max_submit: Count = 25
    #: Between two submissions of trainings, which race for the Hugging Face cache otherwise.
    stagger_seconds: Seconds = 5.0
    #: Between two submissions of evaluations.
    stagger_evaluations_seconds: Seconds = 0.0
    #: Run once by a login shell on the login node, in the experiment's directory, before its first evaluation.
    before_evaluations: ShellCommand = ""
    #: Slurm queries on average, however many experiments run; spent where a change is near.
    queries_per_minute: Annotated[float, msgspec.Meta(gt=0, le=_MOST)] = 4.0
    #: SSH sessions at a time at most; fewer where the server has room for fewer.
    sessions: Count = 6
    #: How long results that a network file system shows late are looked for.
    results_seconds: Seconds = 120.0
    #: For scripts that name none.
    partition: str | None = None
    #: For scripts that name none.
    account: str | None = None


class Notify(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Somebody to be told, by a service that apprise knows. Exactly one of the first three says where."""

    #: A file, readable by its owner alone, whose first line is the address.
    url_file: str | None = None
    #: A variable of the daemon's environment that holds the address.
    url_env: str | None = None
    #: The address itself, where there is no secret in it.
    url: str | None = None
    #: What is told.
    tell: tuple[Rule, ...] = (
        Rule.FAILURE,
        Rule.DECISION,
        Rule.BARRIER,
        Rule.END,
        Rule.LOGIN,
        Rule.UNREACHABLE,
    )
    #: From one message to the next, at least: what comes meanwhile is told together.
    digest_seconds: Seconds = 300.0
    #: `22:00-07:00`, in this machine's time: what comes then is told afterwards.
    quiet: str = ""

    def __repr__(self) -> str:
        return "Notify(...)"


class Web(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The page, for a browser."""

    #: An address of this machine.
    listen: str = "127.0.0.1"
    #: None: 8738, or any that is free where somebody else has that.
    port: Annotated[int, msgspec.Meta(ge=1, le=65535)] | None = None
    #: Names by which browsers reach it, beside this machine's own: what `tailscale serve` calls it.
    hosts: tuple[str, ...] = ()
    #: Whether it can cancel and submit again, or only be looked at.
    actions: bool = False
    #: `listen` may be an address that other machines reach.
    beyond_loopback: bool = False


class Settings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What stands at the file's left edge; each may be left out."""

    #: This machine.
    local: Local = Local()
    #: By the name that stands before the colon in `CLUSTER:/path`.
    clusters: dict[str, Cluster] = {}
    #: By a name of one's own.
    notify: dict[str, Notify] = {}
    #: False: until `runexp web` asks for it.
    web: Web | bool = False


def read(path: Path) -> Settings:
    """The settings in a file; the defaults where there is none. Raises BadExperiment."""
    try:
        data = _bytes(path)
        text = data.decode()
    except FileNotFoundError:
        return Settings()
    except (OSError, ValueError) as error:
        why = (error.strerror if isinstance(error, OSError) else None) or str(error)
        hint = "it has to be a file of yours, in UTF-8"
        raise BadExperiment(f"the configuration can't be read: {why}", str(path), hint) from None
    if len(data) > _MOST_BYTES:
        raise BadExperiment("the configuration is larger than 1 MB", str(path), _DESCRIBED)
    return parse(text, str(path))


def _bytes(path: Path) -> bytes:
    """One more than it may have tells that it has. Opening waits for nothing, whatever lies there. Raises OSError."""
    handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    with open(handle, "rb") as file:
        if not stat.S_ISREG(os.fstat(handle).st_mode):
            raise OSError("not a regular file")
        return file.read(_MOST_BYTES + 1)


def parse(text: str, where: str) -> Settings:
    """Raises BadExperiment."""
    if not any(line.strip() and not line.lstrip().startswith("#") for line in text.splitlines()):
        return Settings()
    settings = documents.load(text, where, Settings, _DESCRIBED)
    for name in settings.notify:
        if why := _wrong(name, settings.notify[name]):
            line = documents.line_of(text, f"notify.{name}")
            raise BadExperiment(why, f"{where}:{line}: notify", 'see "Notifications" in the README')
    for name in settings.clusters:
        if name == "local" or not _CLUSTER_NAME.fullmatch(name):
            line = documents.line_of(text, f"clusters.{name}")
            hint = "letters, digits, . _ and -; `local` is this machine"
            raise BadExperiment(
                f"{limits.shown(name)!r} is no name for a cluster", f"{where}:{line}: clusters", hint
            )
        _check_host(name, settings.clusters[name], text, where)
    _check_web(settings.web, text, where)
    return settings


def _check_host(name: str, cluster: Cluster, text: str, where: str) -> None:
    """Raises BadExperiment for what `ssh` would take for something else."""
    for key, said in (("host", cluster.host), ("user", cluster.user)):
        if said is not None and not (_SSH_WORD.fullmatch(said) and said.isprintable()):
            place = f"{where}:{documents.line_of(text, f'clusters.{name}.{key}')}: clusters.{name}.{key}"
            hint = "one word, as `ssh` takes it: an alias of ~/.ssh/config, or an address"
            raise BadExperiment(f"{limits.shown(said)!r} is no {key}", place, hint)


def _wrong(name: str, notify: Notify) -> str:
    """What is wrong with an address, without a word of it; empty when nothing is."""
    if not _CLUSTER_NAME.fullmatch(name):
        return f"{limits.shown(name)!r} is no name for an address: letters, digits, . _ and -"
    if sum(each is not None for each in (notify.url_file, notify.url_env, notify.url)) != 1:
        return f"{name} needs one of url_file, url_env and url"
    if notify.quiet and not quiet.is_written_right(notify.quiet):
        return f'{name}: quiet is written "22:00-07:00"'
    return ""


def _check_web(web: Web | bool, text: str, where: str) -> None:
    """Raises BadExperiment."""
    if isinstance(web, bool):
        return
    try:
        is_ours_alone = ipaddress.ip_address(web.listen).is_loopback
    except ValueError:
        hint = "such as 127.0.0.1; the names by which it is reached belong under `hosts`"
        place = f"{where}:{documents.line_of(text, 'web.listen')}: web.listen"
        raise BadExperiment(f"{limits.shown(web.listen)!r} is no address", place, hint) from None
    if not is_ours_alone and not web.beyond_loopback:
        what = f"on {web.listen} other machines reach the page, unencrypted"
        hint = (
            "reach it by `ssh -L` or `tailscale serve` instead (docs/page.md); or say `beyond_loopback: true`"
        )
        raise BadExperiment(what, f"{where}:{documents.line_of(text, 'web.listen')}: web.listen", hint)
