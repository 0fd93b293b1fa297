"""A head node: a home, a shell, and few programs besides; what they are asked is written down."""

import os
import shlex
import shutil
import subprocess
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

import msgspec

from runexpd.clusters.base import Submission
from runexpd.clusters.slurm import commands, rooms

SHELLS = [shell for shell in ("dash", "bash --posix", "busybox sh", "ksh") if shutil.which(shell.split()[0])]
#: Says an id for each; nothing and an error for a script called `bad`.
SBATCH = """case $* in
  *bad*) echo "sbatch: error: Batch job submission failed: no such thing" >&2; exit 3 ;;
esac
read -r last <"$HOME/last"
echo $((last + 1)) >"$HOME/last"
echo "a site's own word" >&2
echo $((last + 1))"""
DAEMON = "host:/state"
#: Each program, but those of the submissions that it runs itself.
BEFORE = """#!/bin/sh
[ -z "$INNER" ] || exit 0
export INNER=yes
echo >>"$HOME/steps"
count=0
while read -r line; do count=$((count + 1)); done <"$HOME/steps"
[ ! -e "$HOME/step.$count" ] || . "$HOME/step.$count"
"""
#: What the scripts may run, besides what the shell has itself.
PROGRAMS = (
    "mkdir",
    "rm",
    "mv",
    "head",
    "flock",
    "true",
    "grep",
    "id",
    "date",
    "stat",
    "timeout",
    "find",
    "awk",
    "uname",
)


class HeadNode:
    def __init__(self, home: Path, shell: str) -> None:
        self.home, self.shell, self.spool = home, shell.split(), home / ".runexp"
        self.environment: dict[str, str] = {}
        (home / "last").write_text("6\n")
        self.bin = home / "bin"
        self.bin.mkdir()
        for name in PROGRAMS:
            self.program(name, f'exec {shutil.which(name)} "$@"')
        self.program("sbatch", SBATCH)
        self.cluster("here")

    def program(self, name: str, body: str) -> None:
        before = '[ ! -x "$HOME/before" ] || "$HOME/before"'
        (self.bin / name).write_text(f'#!/bin/sh\necho {name} >>"$HOME/ran"\n{before}\n{body}\n')
        (self.bin / name).chmod(0o755)

    def cluster(self, name: str) -> None:
        """What scontrol says; nothing where there is no name."""
        said = f"echo 'ClusterName             = {name}'" if name else "exit 1"
        self.program("scontrol", f'[ "$*" = "show config" ] || exit 2\necho "Configuration data"\n{said}')

    def interrupt(self, steps: Mapping[int, Submission]) -> None:
        """The next submission, where it runs its so many-th program, by another from start to end: `told` says what became of that."""
        for number, submission in steps.items():
            argv = [*self._shell(), *commands.submit([submission], {}, "other:/state")[1:]]
            (self.home / f"step.{number}").write_text(f"{shlex.join(argv)} >>$HOME/told\n")
        (self.home / "before").write_text(BEFORE)
        (self.home / "before").chmod(0o755)

    def told(self) -> dict[str, rooms.Receipt]:
        """All is as it was before `interrupt`."""
        for left in (*self.home.glob("step.*"), self.home / "before", self.home / "steps"):
            left.unlink()
        (told := self.home / "told").touch()
        text = told.read_text()
        told.unlink()
        return {receipt.token: receipt for receipt in rooms.receipts(text)}

    def queue(self, *rows: str, exit_code: int = 0) -> None:
        """What squeue says."""
        (self.home / "queue").write_text("".join(f"{row}\n" for row in rows))
        self.program("squeue", f'echo "$@" >"$HOME/asked"; cat "$HOME/queue"; exit {exit_code}')

    def training(self, token: str) -> Submission:
        one = msgspec.structs.replace(self.submission("one"), token=token)
        return msgspec.structs.replace(one, results=f"{one.workdir}/artifacts")

    @property
    def mark(self) -> Path:
        """Of `training`s."""
        return self.home / "one" / "artifacts" / ".runexp"

    def submission(self, name: str) -> Submission:
        dir = self.home / name
        dir.mkdir(exist_ok=True)
        outputs = (f"{dir}/out/deep",)
        return Submission(
            token=f"t-{name}", script=f"{dir}/x.slurm", workdir=str(dir), name=name, output_dirs=outputs
        )

    def run(self, argv: Sequence[str], stdin: bytes = b"") -> dict[str, rooms.Receipt]:
        environment = {"HOME": str(self.home), "PATH": str(self.bin)} | self.environment
        done = subprocess.run([*self._shell(), *argv[1:]], input=stdin, capture_output=True, env=environment)
        assert done.returncode == 0, done.stderr
        return {receipt.token: receipt for receipt in rooms.receipts(done.stdout.decode())}

    def _shell(self) -> list[str]:
        return [shutil.which(self.shell[0]) or "", *self.shell[1:]]

    def send(self, *batch: Submission, daemon: str = "other:/state") -> dict[str, rooms.Receipt]:
        return self.run(commands.submit(batch, {}, daemon))

    def resolve(self, *batch: Submission) -> dict[str, rooms.Receipt]:
        return self.run(commands.resolve([each.token for each in batch], commands.FIELDS))

    def ran(self) -> Counter[str]:
        """Programs run since this was asked last."""
        list = self.home / "ran"
        counted = Counter(list.read_text().split())
        list.unlink()
        return counted

    def room(self, submission: Submission, **files: str) -> None:
        """As an earlier runexpd left it."""
        room = self.spool / submission.token
        room.mkdir(parents=True)
        for name, text in files.items():
            (room / name).write_text(text)
            os.utime(room / name, (1e9, 1e9) if name == "lock" else (2e9, 2e9))
