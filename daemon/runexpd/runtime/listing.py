"""Which files there are of an experiment: asked for at one moment, whatever their number."""

import re
from collections.abc import Iterable, Iterator, Sequence
from posixpath import basename, join

from runexp.text import printable
from runexp.wire.files import Kind, RemoteFile
from runexp.wire.states import Phase
from runexpd.core.job import Job
from runexpd.core.state import Experiment
from runexpd.hosts.base import Answer, Ask, FileFact, Found, Host, ListDir, Listing, StatPath, Tree, Withheld
from runexpd.hosts.base import Kind as Entry
from runexpd.tools import places

#: How far below an output directory the files of an epoch are.
_DEPTH = 4
_EPOCH = re.compile(r"epoch_\d+/")
_LOG = (".eval", ".json")

#: A question, of what its answer is, and whose.
_Wanted = tuple[Ask, Kind, str]


async def files(
    host: Host, e: Experiment, kinds: Sequence[Kind], jobs: Iterable[Job]
) -> tuple[list[RemoteFile], list[str]]:
    """Those that are there, by path, and what can't be had, each with the reason. Raises HostUnreachable."""
    wanted = list(dict.fromkeys(_wanted(e, kinds, list(jobs))))
    answers = await host.fetch([ask for ask, _, _ in wanted])
    found: dict[str, RemoteFile] = {}
    left_out: dict[str, None] = {}
    for (ask, kind, job), answer in zip(wanted, answers, strict=True):
        if isinstance(answer, Withheld):
            left_out[printable(answer.why)] = None
        for fact in _facts(ask, kind, answer):
            if _is_utf8(fact.path):
                found.setdefault(fact.path, _file(e, kind, job, fact))
            else:
                left_out[f"{printable(fact.path)}: its name is not UTF-8"] = None
    return sorted(found.values(), key=lambda file: file.path), list(left_out)


def _wanted(e: Experiment, kinds: Sequence[Kind], jobs: Sequence[Job]) -> Iterator[_Wanted]:
    if Kind.REPORTS in kinds:
        for path in (join(e.dir, "experiment_summary.yaml"), *e.logs.values()):
            yield StatPath(path), Kind.REPORTS, ""
    for job in jobs:
        yield from _of_job(job, kinds)


def _of_job(job: Job, kinds: Sequence[Kind]) -> Iterator[_Wanted]:
    if Kind.OUTPUTS in kinds:
        for attempt in job.attempts:
            if attempt.output is not None:
                yield StatPath(attempt.output), Kind.OUTPUTS, job.spec.id
    if job.spec.phase is Phase.EVALUATION and Kind.LOGS in kinds:
        yield from _logs(job)
    if job.spec.phase is Phase.OPTIMIZATION:
        # A checkpoint holds its adapter: what is asked for as a whole comes as that.
        for kind in (Kind.CHECKPOINTS, Kind.ADAPTERS):
            if kind in kinds:
                yield from _epochs(job, kind)


def _logs(job: Job) -> Iterator[_Wanted]:
    for path in job.artifacts:
        yield StatPath(path), Kind.LOGS, job.spec.id
    if (dir := places.logs(job.spec)) is not None:
        yield ListDir(dir), Kind.LOGS, job.spec.id


def _epochs(job: Job, kind: Kind) -> Iterator[_Wanted]:
    if (dir := places.checkpoints(job.spec)) is not None:
        yield Tree(dir, _DEPTH), kind, job.spec.id
    else:
        for path in job.artifacts:
            yield Tree(path, _DEPTH - 1), kind, job.spec.id


def _facts(ask: Ask, kind: Kind, answer: Answer) -> Iterator[FileFact]:
    if isinstance(answer, Found) and answer.fact.kind is Entry.FILE:
        yield answer.fact
    if isinstance(answer, Listing):
        for fact in answer.entries:
            below = fact.path.removeprefix(ask.path.rstrip("/") + "/")
            if fact.kind is Entry.FILE and _is_of(kind, ask, below):
                yield fact


def _is_of(kind: Kind, ask: Ask, below: str) -> bool:
    if kind is Kind.LOGS:
        return below.endswith(_LOG)
    epoch = _EPOCH.match(below)
    inside = below[epoch.end() :] if epoch else below
    if epoch is None and not _EPOCH.match(basename(ask.path) + "/"):
        return False
    return kind is Kind.CHECKPOINTS or inside.startswith(("adapter_", "adapter_weights/"))


def _file(e: Experiment, kind: Kind, job: str, fact: FileFact) -> RemoteFile:
    inside = e.dir.rstrip("/") + "/"
    return RemoteFile(
        kind=kind,
        path=fact.path,
        below=fact.path.removeprefix(inside) if fact.path.startswith(inside) else "",
        size_bytes=fact.size_bytes,
        modified_at=fact.modified_at,
        job=job,
    )


def _is_utf8(path: str) -> bool:
    return not any("\ud800" <= character <= "\udfff" for character in path)
