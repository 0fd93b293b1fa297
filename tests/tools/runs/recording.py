"""A recorded run: what its tool reads of it, and sizes and times of all else."""

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, BinaryIO

import msgspec

from fakes.evidence import scaffold
from runexp.wire.jobs import JobSpec
from runexpd.tools import torch_zip
from runexpd.tools.base import Attempt
from runexpd.tools.torchtune import TOOL

HERE = Path(__file__).parent
#: By name, what is kept whole.
TEXTS = re.compile(
    r"(finetune|torchtune_config)\.yaml|finetune\.slurm|.*\.(out|log)|log_\d+\.txt|adapter_config\.json|.*\.index\.json"
)
#: Copied from the base model, or the script's own: nothing of it is read.
BESIDE = re.compile(r"(base|models|original|data)/|.*\.py|said\.log|preferences\.json|(?!train)[^/]*\.log")


class File(msgspec.Struct, omit_defaults=True):
    size: int
    #: When it was changed last, in seconds since 1970.
    at: float
    #: Which of the contents it is, where it is a text.
    text: str = ""
    #: Of a file of tensors: which of the contents its header is, behind the header's length.
    header: str = ""
    #: The last bytes of what torch saved, in base64.
    tail: str = ""


class Run(msgspec.Struct):
    """What a job was, and what it left in its directory."""

    #: As the ledger had it.
    state: str
    exit_code: str
    started_at: float
    ended_at: float
    output: str
    files: dict[str, File]
    #: Links, and where they lead.
    links: dict[str, str]
    contents: dict[str, str]

    def attempt(self, rundir: Path) -> Attempt:
        return Attempt(
            slurm_job_id=re.findall(r"slurm-(\d+)\.out", self.output)[0],
            state=self.state,
            exit_code=self.exit_code,
            started_at=self.started_at,
            ended_at=self.ended_at,
            output=f"{rundir}/{self.output}",
        )


def load(name: str) -> Run:
    return msgspec.json.decode((HERE / f"{name}.json").read_bytes(), type=Run)


def rebuild(run: Run, dir: Path, name: str) -> JobSpec:
    """Lay its files below `dir`, of their sizes and times; returns the job that its scaffold is."""
    rundir = dir / name
    for path, file in run.files.items():
        place = rundir / path
        place.parent.mkdir(parents=True, exist_ok=True)
        with place.open("wb") as out:
            if file.text:
                out.write(run.contents[file.text].encode())
            else:
                _write_weights(out, file, run.contents.get(file.header, ""))
        os.utime(place, (file.at, file.at))
    for path, target in run.links.items():
        (rundir / path).symlink_to(target)
    summary = {
        "experiment": {"name": "kinds"},
        "tools": {"preparation": "torchtune"},
        "runs": [{"name": name, "type": "fine-tuned"}],
    }
    (dir / "experiment_summary.yaml").write_text(json.dumps(summary))
    (job,) = TOOL.discover(scaffold(dir)).jobs
    return job


def _write_weights(out: BinaryIO, file: File, header: str) -> None:
    """Sparse: of the size that it had, and of its bytes those that are read."""
    out.write(len(header).to_bytes(8, "little") + header.encode() if header else b"")
    out.truncate(file.size)
    if tail := base64.b64decode(file.tail):
        out.seek(file.size - len(tail))
        out.write(tail)


def keep(work: Path, job: dict[str, Any], plain: Callable[[str], str]) -> Run:
    """What is worth keeping of a job's run. `job`: as `runexp status --json` has it; `plain`: makes a text anybody's."""
    rundir, attempt = work / job["id"], job["attempts"][-1]
    contents: dict[str, str] = {}

    def named(path: str, text: str) -> str:
        """The first of the same text."""
        name = next((known for known, content in contents.items() if content == text), path)
        contents.setdefault(name, text)
        return name

    files = {path: _kept(rundir, path, plain, named) for path in _files(rundir)}
    links = {str(p.relative_to(rundir)): os.readlink(p) for p in rundir.rglob("*") if p.is_symlink()}
    return Run(
        state=attempt["state"],
        exit_code=attempt["exit_code"],
        started_at=attempt["started_at"],
        ended_at=attempt["ended_at"],
        output=str(Path(job["output"]).relative_to(rundir)),
        files=files,
        links={path: target for path, target in links.items() if not target.startswith("/")},
        contents=contents,
    )


def _files(rundir: Path) -> Iterator[str]:
    for path in sorted(rundir.rglob("*")):
        name = str(path.relative_to(rundir))
        if path.is_file() and not path.is_symlink() and not BESIDE.match(name):
            yield name


def _kept(rundir: Path, path: str, plain: Callable[[str], str], named: Callable[[str, str], str]) -> File:
    found = (rundir / path).stat()
    file, data = File(size=found.st_size, at=found.st_mtime), (rundir / path).read_bytes()
    if TEXTS.fullmatch(Path(path).name):
        file.text = named(path, plain(data.decode(errors="replace")))
    elif path.endswith(".safetensors"):
        file.header = named(path, data[8 : 8 + int.from_bytes(data[:8], "little")].decode())
    elif path.endswith((".bin", ".pt")):
        file.tail = base64.b64encode(data[-torch_zip.TAIL_BYTES :]).decode()
    return file
