"""A Slurm cluster: a runexpd.clusters.base.Cluster on a host that has its commands. Keeps nothing that matters."""

import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence

from runexp.wire.jobs import JobSpec
from runexp.wire.states import END_STATES
from runexp.wire.views import Check
from runexpd.clusters.base import (
    Accepted,
    Answer,
    ClusterUnreachable,
    Deferred,
    Found,
    JobReport,
    Known,
    Submission,
    Unclear,
)
from runexpd.clusters.slurm import adopt, commands, doctor, errors, merge, parse
from runexpd.clusters.slurm.parse import Accounted, Receipt, Section, mark
from runexpd.hosts.base import Host, HostUnreachable, Ran

#: Longer than Slurm's own time-outs: slurmctld's absence takes 9 to 18 s to be noticed, for each sbatch.
SUBMIT_SECONDS = 600.0
QUERY_SECONDS = 90.0
#: A submission that died without a receipt, and that neither queue nor accounting has after this long, never arrived.
GRACE_SECONDS = 60
_NO_ACCOUNTING = "accounting storage is disabled"
#: One field that it doesn't know fails the whole of sacct.
_NO_SUBMIT_LINE = 'Invalid field requested: "SubmitLine"'


class SlurmCluster:
    def __init__(self, name: str, host: Host, defaults: Mapping[str, str] | None = None) -> None:
        """`defaults`: options by commands.DEFAULTED, for scripts that don't set them."""
        self.name = name
        self.host = host
        self._defaults = dict(defaults or {})
        self._fields: Sequence[str] = commands.FIELDS

    async def submit(self, batch: Sequence[Submission]) -> AsyncIterator[Mapping[str, Answer]]:
        for start in range(0, len(batch), commands.BATCH):
            part = batch[start : start + commands.BATCH]
            yield await self._submit(part)

    async def _submit(self, batch: Sequence[Submission]) -> dict[str, Answer]:
        try:
            ran = await self.host.run(commands.submit(batch, self._defaults), timeout_seconds=SUBMIT_SECONDS)
        except HostUnreachable as error:
            return {submission.token: Unclear(error.what) for submission in batch}
        answers = {receipt.token: _answer(receipt) for receipt in parse.receipts(ran.stdout)}
        return {s.token: answers.get(s.token, _lost(ran)) for s in batch}

    async def resolve(self, tokens: Sequence[str]) -> Mapping[str, Answer]:
        try:
            ran = await self._ask_sacct(lambda fields: commands.resolve(tokens, fields))
        except ClusterUnreachable as error:
            return {token: Unclear(error.what) for token in tokens}
        receipts = {receipt.token: receipt for receipt in parse.receipts(ran.stdout)}
        found, has_tokens = parse.sections(ran.stdout), "SubmitLine" in self._fields
        answers = {token: _answer(receipt) for token, receipt in receipts.items()}
        return {
            token: _resolved(token, answers.get(token, _lost(ran)), receipts.get(token), found, has_tokens)
            for token in tokens
        }

    async def find(self, jobs: Sequence[JobSpec], ours: Collection[str]) -> Mapping[str, Found]:
        ran = await self._ask(commands.list_all())
        if ran.exit_code != 0:
            raise ClusterUnreachable(f"squeue gives no answer: {' '.join(ran.stderr.split())[:300]}")
        return await adopt.find(self.host, parse.strangers(ran.stdout), jobs, ours)

    async def query(self, jobs: Sequence[Known]) -> Sequence[JobReport]:
        ran = await self._ask_sacct(lambda fields: commands.query(jobs, fields))
        found = parse.sections(ran.stdout)
        queue = _queue(found.get(commands.QUEUE), ran.stderr)
        accounting = found.get(commands.ACCOUNTING)
        rows: Sequence[Accounted] | None = None
        if accounting is not None and accounting.exit_code == 0:
            rows = parse.accounting(accounting.text)
        elif _NO_ACCOUNTING in ran.stderr and queue is not None:
            ended = [row.id for row in queue if row.state in END_STATES]
            rows = (
                list(parse.details((await self._ask(commands.details(ended))).stdout).values())
                if ended
                else []
            )
        if rows is None and queue is None:
            raise ClusterUnreachable(
                f"neither sacct nor squeue answers: {' '.join(ran.stderr.split())[:300]}"
            )
        return merge.reports(jobs, queue, rows)

    async def examine(self, max_submit: int) -> Sequence[Check]:
        before = time.time()
        there = await self.host.run(["date", "+%s.%N"])
        between = (before + time.time()) / 2
        ran = await self.host.run(commands.look_over(), timeout_seconds=QUERY_SECONDS)
        try:
            difference = float(there.stdout) - between
        except ValueError:
            difference = None
        found = parse.sections(ran.stdout)
        return list(doctor.checks(found, max_submit=max_submit, clock_difference=difference))

    async def cancel(self, jobs: Sequence[Known]) -> None:
        await self._ask(commands.cancel(jobs))

    async def _ask_sacct(self, command: Callable[[Sequence[str]], Sequence[str]]) -> Ran:
        ran = await self._ask(command(self._fields))
        if _NO_SUBMIT_LINE in ran.stderr and "SubmitLine" in self._fields:
            self._fields = tuple(field for field in self._fields if field != "SubmitLine")
            ran = await self._ask(command(self._fields))
        return ran

    async def _ask(self, argv: Sequence[str]) -> Ran:
        try:
            return await self.host.run(argv, timeout_seconds=QUERY_SECONDS)
        except HostUnreachable as error:
            raise ClusterUnreachable(error.what, asked=False) from error


def _answer(receipt: Receipt) -> Answer:
    match receipt.what:
        case "id":
            id = parse.job_id(receipt.text)
            return Accepted(id) if id else Unclear(f"sbatch printed no job id: {receipt.text}")
        case "error":
            return errors.failed(receipt.number, receipt.text)
        case "later":
            return Deferred(errors.plain(receipt.text))
        case "withdrawn":
            return Deferred("it never arrived", at_once=True)
        case _:
            return Unclear("it was begun, and has no receipt yet")


def _lost(ran: Ran) -> Unclear:
    said = " ".join(ran.stderr.split())[-200:]
    return Unclear(f"no word of it came back{': ' if said else ''}{said}")


def _resolved(
    token: str,
    answer: Answer,
    receipt: Receipt | None,
    found: dict[str, Section],
    accounting_has_tokens: bool,
) -> Answer:
    """The receipt first, then the queue, then accounting; certain that there is none only if both could tell."""
    if not isinstance(answer, Unclear):
        return answer
    queue, accounting = found.get(commands.QUEUE), found.get(commands.ACCOUNTING)
    queued = [row.id for row in parse.queue(queue.text) if mark(token) in row.command] if queue else []
    recorded = (
        [row.id for row in parse.accounting(accounting.text) if mark(token) in row.submit_line]
        if accounting
        else []
    )
    for id in (*queued, *recorded):
        return Accepted(id)
    could_tell = accounting_has_tokens and _is_answer(queue) and _is_answer(accounting)
    if could_tell and receipt is not None and receipt.what == "dying" and receipt.number > GRACE_SECONDS:
        return Deferred("its submission died before it reached Slurm", at_once=True)
    return answer


def _is_answer(section: Section | None) -> bool:
    return section is not None and section.exit_code == 0


def _queue(section: Section | None, stderr: str) -> list[parse.Queued] | None:
    """squeue's rows; it fails for a single id that it has forgotten, which is an answer, too."""
    if section is None:
        return None
    if section.exit_code == 0:
        return parse.queue(section.text)
    return [] if "Invalid job id specified" in stderr else None
