"""Slurms of other versions than this machine's: each in a Debian of its own below ROOTS, which is kept.

    python tests/cluster/roots.py 26.05      makes it: as root, some minutes and 1 GB, from the mirror that apt uses

Source of each: the Debian release that has it. What runs in one is started by in_root.sh.
"""

import argparse
import fcntl
import glob
import os
import re
import shutil
import subprocess
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

#: Debian's release by Slurm's.
SUITES = {"20.11": "bullseye", "22.05": "bookworm", "24.11": "trixie", "26.05": "forky"}
ROOTS = Path("/var/cache/runexp-slurm")
IN_ROOT = Path(__file__).parent / "in_root.sh"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"
#: Besides this machine's packages.txt: stand-in jobs are Python, and Slurm recommends its plugins only.
ALSO = ("python3", "procps")
PLUGINS = {"bullseye": ("slurm-wlm-basic-plugins",), "bookworm": ("slurm-wlm-basic-plugins",)}
NEWER_PLUGINS = ("slurm-wlm-plugins", "slurm-wlm-mysql-plugin")


def root_of(version: str) -> Path | None:
    """Where Slurm `version` runs; None: on this machine, which has it, or nothing is said of a version.

    Raises RuntimeError where no Debian release has that version.
    """
    if not version or version == own_version():
        return None
    if version not in SUITES:
        raise RuntimeError(f"no Slurm {version} can be had; there are {', '.join(SUITES)}")
    return ROOTS / version


def own_version() -> str:
    """`22.05`; empty where this machine has no Slurm."""
    return version_of(["slurmctld"]) if shutil.which("slurmctld", path=_path()) else ""


def version_of(slurmctld: Sequence[str]) -> str:
    """What `slurmctld -V` says: `slurm-wlm 22.05.8`."""
    environment = {**os.environ, "PATH": _path()}
    said = subprocess.run([*slurmctld, "-V"], capture_output=True, text=True, check=True, env=environment)
    found = re.search(r"\d+\.\d+", said.stdout)
    return found[0] if found else ""


def _path() -> str:
    return f"{os.environ.get('PATH', '')}:/usr/sbin:/sbin"


def make(version: str) -> Path | None:
    """It is there afterwards. One at a time; what was broken off is done again. Raises RuntimeError for want of root."""
    root = root_of(version)
    if root is None or root.exists():
        return root
    if os.getuid() != 0:
        raise RuntimeError(f"Slurm {version} is made by root: python tests/cluster/roots.py {version}")
    ROOTS.mkdir(parents=True, exist_ok=True)
    with (ROOTS / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not root.exists():
            making = root.with_name(f"{version}.making")
            _make(SUITES[version], making)
            making.rename(root)
    return root


def _make(suite: str, root: Path) -> None:
    print(f"==> making a Debian {suite} with its Slurm in {root}: some minutes, 1 GB", flush=True)
    shutil.rmtree(root, ignore_errors=True)
    _apt("update")
    _apt("install", "debootstrap")
    _bootstrap(suite, root)
    # Packages are to start nothing.
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    for file in ("/etc/resolv.conf", "/etc/hosts"):
        shutil.copy(file, f"{root}{file}")
    (root / "etc/apt/apt.conf.d/99dates").write_text(_dates())
    _apt("update", root=root)
    _apt("install", "--no-install-recommends", *_packages(suite), root=root)
    _apt("clean", root=root)
    if suite not in PLUGINS:
        _give_older_mariadb(root)


def _bootstrap(suite: str, root: Path) -> None:
    """A release that is newer than this machine's debootstrap is made as unstable is."""
    known = Path("/usr/share/debootstrap/scripts", suite).exists()
    how = ["debootstrap", "--variant=minbase", f"--keyring={KEYRING}"]
    subprocess.run([*how, suite, root, _mirror(), *([] if known else ["sid"])], check=True)


def _mirror() -> str:
    """The one that most of this machine's package lists come from."""
    targets = ["apt-get", "indextargets", "--format", "$(REPO_URI)"]
    listed = subprocess.run(targets, capture_output=True, text=True, check=True).stdout.split()
    return Counter(uri for uri in listed if "security" not in uri).most_common(1)[0][0]


def _dates() -> str:
    """Whether package lists may be old, or from the future, is as on this machine."""
    files = [Path(path).read_text() for path in sorted(glob.glob("/etc/apt/apt.conf.d/*"))]
    found = re.findall(r"^.*(?:Check-Valid-Until|Check-Date).*$", "\n".join(files), re.MULTILINE)
    return "\n".join(found) + "\n"


def _packages(suite: str) -> Sequence[str]:
    common = (Path(__file__).parent / "packages.txt").read_text().split()
    return [*common, *ALSO, *PLUGINS.get(suite, NEWER_PLUGINS)]


def _apt(*args: str, root: Path | None = None) -> None:
    """Where installing is the machine's own apt's; in a root, with processes of its own to look at."""
    there = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _CHROOT, str(root)] if root else []
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    subprocess.run([*there, "apt-get", args[0], "-y", "-qq", *args[1:]], check=True, env=environment)


_CHROOT = 'mount -t proc proc "$0/proc" && exec chroot "$0" "$@"'


def _give_older_mariadb(root: Path) -> None:
    """slurmdbd ends with libmariadb of 11.8: `mysql_query failed: 5027 Number of columns`. This machine's is used."""
    (root / "opt/mariadb").mkdir(parents=True)
    for library in glob.glob("/usr/lib/*/libmariadb.so.3"):
        shutil.copy(library, root / "opt/mariadb")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("version", nargs="?", default="", choices=["", *SUITES])
    root = make(parser.parse_args().version)
    print(root or "this machine's own")


if __name__ == "__main__":
    main()
