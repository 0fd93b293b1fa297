"""A real Slurm with accounting, four virtual nodes and an sshd, in one directory, on loopback, for one ordinary user.

    python tests/cluster/cluster.py up DIR [--slurm 26.05]     brings it up (about 4 s), or says that it is up
    python tests/cluster/cluster.py down DIR                   takes it down, by pid
    python tests/cluster/cluster.py status DIR

Started as root, everything runs as the account `alice`, made if it isn't there; else as whoever you are. DIR/cluster.json
tells where it is; `ssh -F DIR/ssh_config cluster` logs in. Another Slurm than this machine's runs in a Debian of its own,
made at first (roots.py; as root).
"""

import argparse
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import configs
import roots
from processes import children, free_ports, kill_marked, name_of, started

ACCOUNT = "alice"
NODES = ["sn1", "sn2", "sn3", "sn4"]
NEEDED = ("slurmctld", "slurmdbd", "slurmd", "munged", "mariadbd", "mariadb-install-db", "sshd")
PATH = f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"
#: Which Slurm, where nobody says; empty: this machine's own.
SLURM = os.environ.get("RUNEXP_SLURM", "")


#: Kept, since Python warns of a child that is let go of; they are ended by pid.
_CHILDREN: dict[int, subprocess.Popen[bytes]] = {}


@dataclass
class Cluster:
    """Where it is, and its processes: name -> (pid, start time), so that no stranger with a reused pid is hit."""

    dir: str
    user: str
    ports: dict[str, int]
    pids: dict[str, tuple[int, str]] = field(default_factory=dict)
    #: `22.05`.
    version: str = ""
    #: The Debian that it runs in; empty: this machine's.
    root: str = ""

    @property
    def is_up(self) -> bool:
        return bool(self.pids) and all(self.alive(name) for name in self.pids)

    @property
    def path(self) -> Path:
        return Path(self.dir)

    @property
    def home(self) -> Path:
        """Where experiments go: the user's."""
        return self.path / "home"

    def environment(self) -> dict[str, str]:
        keep = {name: os.environ[name] for name in ("LANG", "TERM", "TZ") if name in os.environ}
        return keep | {
            "PATH": PATH,
            "HOME": str(self.home),
            "SLURM_CONF": f"{self.dir}/etc/slurm.conf",
            "MYSQL_UNIX_PORT": f"{self.dir}/run/mysql.sock",
        }

    def run(self, *argv: str, check: bool = True, timeout: float = 60) -> subprocess.CompletedProcess[str]:
        """A command as the cluster's user, who is Slurm's administrator too."""
        return subprocess.run(
            self.there(*argv),
            env=self.environment(),
            cwd=self.home,
            capture_output=True,
            text=True,
            check=check,
            timeout=timeout,
        )

    def there(self, *argv: str) -> list[str]:
        """What runs a command as the cluster's user, where its Slurm is."""
        if self.root:
            return ["sh", str(roots.IN_ROOT), self.root, self.dir, self.user, *argv]
        return [*as_user(self.user), *argv]

    def start(self, name: str, *options: str) -> None:
        """Start a service, in the foreground of a session of its own."""
        with (self.path / "log" / f"{name}.out").open("ab") as log:
            process = subprocess.Popen(
                [*self.there(*self.command(name)), *options],
                env=self.environment(),
                cwd=self.dir,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        _CHILDREN[process.pid] = process
        self.pids[name] = (process.pid, started(process.pid) or "")
        self.save()

    def command(self, name: str) -> list[str]:
        dir = self.dir
        if name in NODES:
            return ["slurmd", "-D", "-N", name]
        if name == "munged":
            files = [f"--{kind}-file={dir}/{place}" for kind, place in MUNGE_FILES.items()]
            return ["munged", "--foreground", f"--socket={dir}/run/munge.socket", *files]
        if name == "mariadbd":
            return [
                "mariadbd", "--no-defaults", f"--datadir={dir}/db", f"--socket={dir}/run/mysql.sock", "--skip-networking",
                f"--tmpdir={dir}/run",  # each its own: at a start, what lies in there is taken for leftovers
                f"--pid-file={dir}/run/mysql.pid", "--innodb-buffer-pool-size=64M", "--innodb-lock-wait-timeout=900",
            ]  # fmt: skip
        if name == "sshd":
            return ["/usr/sbin/sshd", "-D", "-e", "-f", f"{dir}/etc/sshd_config"]
        return [name, "-D"]

    def alive(self, name: str) -> bool:
        pid, since = self.pids.get(name, (0, ""))
        return bool(pid) and started(pid) == since

    def send(self, name: str, number: signal.Signals) -> None:
        if self.alive(name):
            os.kill(self.pids[name][0], number)

    def stop(self, name: str, number: signal.Signals = signal.SIGTERM, seconds: float = 15) -> None:
        """End a service and wait; by force if it won't."""
        self.send(name, number)
        try:
            wait_for(lambda: not self.alive(name), f"{name} ends", seconds)
        except TimeoutError:
            self.send(name, signal.SIGKILL)
            wait_for(lambda: not self.alive(name), f"{name} ends", 5)
        if child := _CHILDREN.pop(self.pids.get(name, (0, ""))[0], None):
            child.wait()

    def cut_ssh(self) -> None:
        """Kill every session of our sshd; it goes on listening, and commands go on.

        A session is two processes: a monitor, and its child, which has the connection and outlives it.
        """
        monitors = children(self.pids["sshd"][0])
        for pid in [*monitors, *(child for monitor in monitors for child in children(monitor))]:
            if name_of(pid).startswith("sshd"):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)

    def start_without_state(self) -> None:
        """slurmctld, whose jobs are gone: a newer one begins anew only when it is told to."""
        for state in (self.path / "spool/ctld").glob("job_state*"):
            os.unlink(state)
        self.start("slurmctld", "-i")
        wait_for(lambda: idle_nodes(self) == len(NODES), "the nodes are idle")

    def save(self) -> None:
        (self.path / "cluster.json").write_text(json.dumps(asdict(self), indent=2))


MUNGE_FILES = {
    "key": "etc/munge.key",
    "pid": "run/munged.pid",
    "log": "log/munged.log",
    "seed": "run/munge.seed",
}


def as_user(user: str) -> list[str]:
    if os.getuid() != 0:
        return []
    return ["setpriv", f"--reuid={user}", f"--regid={user}", "--init-groups"]


def load(dir: Path) -> Cluster | None:
    with suppress(FileNotFoundError):
        saved = json.loads((dir / "cluster.json").read_text())
        saved["pids"] = {name: (pid, since) for name, (pid, since) in saved["pids"].items()}
        return Cluster(**saved)
    return None


def up(dir: Path, slurm: str = SLURM) -> Cluster:
    """Bring it up. `slurm`: which, such as `26.05`; empty: the one that is there already, or else this machine's.

    Raises RuntimeError where another one is there, a package is missing or a service doesn't come up.
    """
    known = load(dir)
    if known is not None:
        if slurm not in ("", known.version):
            raise RuntimeError(f"{dir} has Slurm {known.version}; take another directory, or remove that one")
        if known.is_up:
            return known
        down(dir)
    cluster = _new(dir, slurm) if known is None else _again(known)
    write_files(cluster)
    try:
        _start_all(cluster)
    except (TimeoutError, subprocess.CalledProcessError) as error:
        down(dir)
        said = getattr(error, "stderr", "") or ""
        raise RuntimeError(
            f"the cluster did not come up: {error} {said}; its logs are in {dir}/log"
        ) from error
    return cluster


def _new(dir: Path, slurm: str) -> Cluster:
    root = roots.make(slurm)
    if root is None and (lacking := missing()):
        raise RuntimeError(f"not installed: {', '.join(lacking)}; apt-get install {' '.join(packages())}")
    dir.mkdir(parents=True, exist_ok=True)
    ports = free_ports(["slurmctld", "slurmdbd", "sshd", *NODES])
    cluster = Cluster(str(dir), account(), ports, root=str(root or ""))
    cluster.version = roots.version_of(cluster.there("slurmctld"))
    return cluster


def _again(known: Cluster) -> Cluster:
    """Its ports may be somebody else's by now."""
    return replace(known, ports=free_ports(list(known.ports)), pids={})


def missing() -> list[str]:
    """Programs that it needs and that aren't installed on this machine."""
    return [name for name in NEEDED if shutil.which(name, path=PATH) is None]


def _start_all(cluster: Cluster) -> None:
    dir = cluster.path
    if not (dir / "db" / "mysql").exists():
        install = [
            "mariadb-install-db",
            "--no-defaults",
            f"--datadir={dir}/db",
            f"--tmpdir={dir}/run",
            "--skip-test-db",
        ]
        cluster.run(*install, "--auth-root-authentication-method=normal")
    for name in ("munged", "mariadbd"):
        cluster.start(name)
    wait_for((dir / "run" / "munge.socket").exists, "munged answers")
    wait_for((dir / "run" / "mysql.sock").exists, "mariadbd answers", 120)
    cluster.start("slurmdbd")
    wait_for(
        lambda: cluster.run("sacctmgr", "-n", "list", "cluster", check=False).returncode == 0,
        "slurmdbd answers",
        120,
    )
    for entity in (["cluster", "test"], ["account", "main"], ["user", cluster.user, "account=main"]):
        cluster.run("sacctmgr", "-i", "add", *entity, check=False)
    for name in ("slurmctld", "sshd", *NODES):
        cluster.start(name)
    wait_for(lambda: idle_nodes(cluster) == len(NODES), "the nodes are idle", 120)


def idle_nodes(cluster: Cluster) -> int:
    listed = cluster.run("sinfo", "-h", "-N", "-o", "%T", check=False)
    return listed.stdout.split().count("idle")


def reap() -> None:
    """Our children that somebody else has ended."""
    for pid in [pid for pid, child in _CHILDREN.items() if child.poll() is not None]:
        del _CHILDREN[pid]


def down(dir: Path) -> None:
    """Take it down; again is fine. Files stay."""
    cluster = load(dir)
    if cluster is None:
        return
    with suppress(subprocess.TimeoutExpired):
        cluster.run("scancel", "-u", cluster.user, check=False, timeout=5)
    for name in reversed(list(cluster.pids)):
        cluster.stop(name)
    kill_leftovers(dir)
    cluster.pids.clear()
    cluster.save()


def kill_leftovers(dir: Path) -> None:
    """Step daemons and jobs that outlived their slurmd: they have our SLURM_CONF, or our directory in their command."""
    kill_marked(f"{dir}/etc/slurm.conf".encode())


def write_files(cluster: Cluster) -> None:
    dir, host = cluster.path, socket.gethostname()
    for name in ("etc", "run", "log", "spool", "db", "home"):
        (dir / name).mkdir(parents=True, exist_ok=True)
    files = {
        "etc/slurm.conf": configs.slurm_conf(dir, cluster.user, host, cluster.ports, NODES),
        "etc/gres.conf": configs.gres_conf(NODES),
        "etc/cgroup.conf": configs.cgroup_conf(cluster.version),
        "etc/slurmdbd.conf": configs.slurmdbd_conf(dir, cluster.user, host, cluster.ports),
        "etc/sshd_config": configs.sshd_config(dir, cluster.ports),
        "ssh_config": configs.ssh_config(dir, cluster.user, cluster.ports),
    }
    for name, text in files.items():
        (dir / name).write_text(text)
    if not (dir / "etc/munge.key").exists():
        (dir / "etc/munge.key").write_bytes(os.urandom(1024))
        for key in ("host_key", "client_key"):
            subprocess.run(
                ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", dir / "etc" / key], check=True
            )
    shutil.copy(dir / "etc/client_key.pub", dir / "etc/authorized_keys")
    host_key = (dir / "etc/host_key.pub").read_text().split(" ")
    (dir / "etc/known_hosts").write_text(f"[127.0.0.1]:{cluster.ports['sshd']} {host_key[0]} {host_key[1]}\n")
    for name in ("etc/munge.key", "etc/slurmdbd.conf", "etc/host_key", "etc/client_key"):
        (dir / name).chmod(0o600)
    if os.getuid() == 0:
        subprocess.run(["chown", "-R", f"{cluster.user}:", dir], check=True)
    dir.chmod(0o755)


def account() -> str:
    """The user that all runs as; `alice`, made if need be, where we are root."""
    if os.getuid() != 0:
        return pwd.getpwuid(os.getuid()).pw_name
    try:
        pwd.getpwnam(ACCOUNT)
    except KeyError:
        subprocess.run(
            ["useradd", "--create-home", "--shell", "/bin/bash", "--password", "*", ACCOUNT], check=True
        )
    return ACCOUNT


def packages() -> list[str]:
    return (Path(__file__).parent / "packages.txt").read_text().split()


def prepare(slurm: str = SLURM) -> None:
    """What `up` needs and root can have: packages, or a Debian with that Slurm."""
    if roots.make(slurm) is None and missing() and os.getuid() == 0:
        install_packages()


def install_packages() -> None:
    """As root; no service is started, since PID 1 is not asked."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    print(f"==> installing {' '.join(packages())}", flush=True)
    subprocess.run(["apt-get", "update", "-qq"], check=True, env=environment)
    subprocess.run(["apt-get", "install", "-y", "-qq", *packages()], check=True, env=environment)


def wait_for(condition: Callable[[], object], what: str, seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise TimeoutError(f"waited {seconds} s in vain until {what}")
        time.sleep(0.05)


_HOW_TO_USE = """\
up: ssh -F {dir}/ssh_config cluster    experiments go into {home}
for runexpd, as the first line of ~/.ssh/config:
    Include {dir}/ssh_config
and in ~/.config/runexp/config.yaml:
    clusters: {{try: {{host: cluster, queries_per_minute: 60}}}}
then, with the daemon started anew: runexp doctor try"""


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("command", choices=["up", "down", "status"])
    parser.add_argument("dir", type=Path)
    parser.add_argument("--slurm", default=SLURM, help="its version, where it isn't to be this machine's")
    args = parser.parse_args()
    dir = args.dir.absolute()
    if args.command == "up":
        prepare(args.slurm)
        cluster = up(dir, args.slurm)
        print(f"Slurm {cluster.version}")
        print(_HOW_TO_USE.format(dir=dir, home=cluster.home))
    elif args.command == "down":
        down(dir)
        print("down")
    else:
        known = load(dir)
        up_now = known is not None and known.is_up
        print("up" if up_now else "down")
        sys.exit(0 if up_now else 1)


if __name__ == "__main__":
    main()
