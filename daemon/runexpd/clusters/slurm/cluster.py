"""A Slurm cluster: a runexpd.clusters.base.Cluster on a host that has its commands. Keeps nothing that matters."""

import math
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence

from runexp.text import printable
from runexp.wire.jobs import JobSpec
from runexp.wire.states import END_STATES, LOST
from runexp.wire.views import Check
from runexpd.clusters.base import (
    Answer,
    ClusterUnreachable,
    Found,
    JobReport,
    Known,
    Refused,
    Submission,
    Unclear,
)
from runexpd.clusters.slurm import adopt, commands, doctor, doubt, errors, merge, parse, rooms
from runexpd.clusters.slurm.ownership import Ownership
from runexpd.clusters.slurm.parse import Accounted, Queued, Section
from runexpd.hosts.base import Host, HostUnreachable, Ran
from runexpd.hosts.threads import aside

#: Longer than Slurm's own time-outs: slurmctld's absence takes 9 to 18 s to be noticed, for each sbatch.
SUBMIT_SECONDS = 1200.0
QUERY_SECONDS = 90.0
#: A submission that left no trace never arrived, and a job that left none is lost, when queue and accounting have been
#: giving answers without it for so long: an overloaded slurmctld may take what it has let time out.
GRACE_SECONDS = 120.0
_NO_SUCH_COMMAND = 127
_NO_ACCOUNTING = "accounting storage is disabled"
#: One field that it doesn't know fails the whole of sacct.
_NO_SUBMIT_LINE = 'Invalid field requested: "SubmitLine"'


class SlurmCluster:
    def __init__(
        self,
        name: str,
        host: Host,
        defaults: Mapping[str, str] | None = None,
        daemon: str = "",
        prepend: Sequence[str] = (),
    ) -> None:
        """`defaults`: options by commands.DEFAULTED, for scripts that don't set them. `daemon`: who asks, for people.

        `prepend`: the configuration's lines, which the host puts before every command.
        """
        self.name = name
        self.host = host
        self.queries = 0
        self._defaults = dict(defaults or {})
        self._daemon = daemon
        self._prepend = tuple(prepend)
        self._fields: Sequence[str] = commands.FIELDS
        #: By token, on the monotonic clock. Forgotten with the daemon: then it only takes longer.
        self._traceless_since: dict[str, float] = {}
        self._ownership = Ownership()
        self._patience = doubt.Patience()

    async def submit(self, batch: Sequence[Submission]) -> AsyncIterator[Mapping[str, Answer]]:
        unfit = {each.token: Refused(why) for each in batch if (why := commands.unfit(each))}
        if unfit:
            yield unfit
        for part in commands.batches([each for each in batch if each.token not in unfit]):
            yield await self._submit(part)

    async def _submit(self, batch: Sequence[Submission]) -> dict[str, Answer]:
        try:
            ran = await self.host.run(
                commands.submit(batch, self._defaults, self._daemon), timeout_seconds=SUBMIT_SECONDS
            )
        except HostUnreachable as error:
            return {submission.token: Unclear(printable(error.what)) for submission in batch}
        receipts = list(rooms.receipts(ran.stdout))
        answers = {receipt.token: errors.answer(receipt) for receipt in receipts}
        if doubtful := {receipt.token for receipt in receipts if errors.may_pass(receipt)}:
            queue = await self._queue_if_any()
            answers |= {
                each.token: self._patience.answer(each, answers[each.token], queue)
                for each in batch
                if each.token in doubtful
            }
        return {s.token: answers.get(s.token, _lost(ran)) for s in batch}

    async def _queue_if_any(self) -> list[Queued] | None:
        """None where it gives no answer."""
        try:
            ran = await self._ask(commands.list_queue(), queries=1)
        except ClusterUnreachable:
            return None
        return _queue(Section(ran.stdout, ran.exit_code))

    async def resolve(self, batch: Sequence[Submission]) -> Mapping[str, Answer]:
        tokens = [submission.token for submission in batch]
        ran = await self._ask_sacct(lambda fields: commands.resolve(tokens, fields), b"", queries=2)
        receipts = {receipt.token: receipt for receipt in rooms.receipts(ran.stdout)}
        found = parse.sections(ran.stdout)
        queue, accounting = _heard(found)
        listed = found[commands.TAKEN].text if commands.TAKEN in found else ""
        taken = {id for line in parse.lines(listed) if (id := rooms.id_in(line))}
        now = parse.seconds(found[commands.NOW].text) if commands.NOW in found else None
        answers = {}
        for each in batch:
            receipt, recorded = receipts.get(each.token), accounting
            if _NO_ACCOUNTING in ran.stderr and doubt.queue_remembers(receipt, now):
                recorded = []
            verdict = doubt.verdict(each, receipt, queue, recorded, taken)
            if receipt is not None and errors.may_pass(receipt) and verdict is not None:
                verdict = self._patience.answer(each, verdict, queue)
            answers[each.token] = self._sure(each.token, receipt, verdict)
        return answers

    def _sure(self, token: str, receipt: rooms.Receipt | None, verdict: Answer | None) -> Answer:
        """There is no job once no trace of it was found for a while."""
        if verdict is not None:
            self._traceless_since.pop(token, None)
            return verdict
        if self._traceless_seconds(token) < GRACE_SECONDS:
            return Unclear("neither the queue nor accounting has it; they are asked again")
        return doubt.traceless(receipt)

    async def find(self, jobs: Sequence[JobSpec], ours: Collection[str]) -> Mapping[str, Found]:
        ran = await self._ask(commands.list_queue(), queries=1)
        if ran.exit_code != 0:
            raise _no_answer("squeue", ran)
        queue = await aside(lambda: list(parse.queue(ran.stdout)))
        return await adopt.find(self.host, queue, jobs, ours)

    async def taken(self, batch: Sequence[Submission]) -> Mapping[str, str]:
        those = commands.places([each for each in batch if each.results and not commands.unfit(each)])
        ran = await self._ask(commands.taken(self._daemon), queries=1, stdin=those)
        return {each.token: printable(" ".join(each.said)) for each in rooms.receipts(ran.stdout)}

    async def writing(self, batch: Sequence[Submission]) -> Mapping[str, str]:
        return {}  # the queue tells

    async def query(self, jobs: Sequence[Known]) -> Sequence[JobReport]:
        ran = await self._ask_sacct(commands.query, commands.ids(jobs), queries=1)
        found = await aside(lambda: parse.sections(ran.stdout))
        self.queries += parse.count(found.get(commands.ASKED))
        sifted = await aside(lambda: _sifted(jobs, found))
        queue: Sequence[Queued] | None = sifted.rows if sifted else None
        rows: Sequence[Accounted] | None = await aside(lambda: _accounting(found))
        if rows is None and _NO_ACCOUNTING in ran.stderr and queue is not None:
            ended = [row.id for row in queue if row.state in END_STATES]
            rows = await self._details(ended) if ended else []
        if rows is None and queue is None:
            raise ClusterUnreachable(f"neither sacct nor squeue answers: {printable(ran.stderr)[:300]}")
        quiet = self._heard_of(sifted.quiet if sifted else set())
        news = [job for job in jobs if job.token not in quiet]
        owned = await self._owned(news, queue or (), rows or ())
        self._ownership.forget_all_but(jobs)
        reports = await aside(lambda: merge.reports(news, queue, rows, owned))
        return [report for report in reports if self._is_news(report)]

    def _heard_of(self, tokens: set[str]) -> set[str]:
        """The queue has their jobs, as they are known."""
        self._ownership.know(tokens)
        for token in tokens & self._traceless_since.keys():
            del self._traceless_since[token]
        return tokens

    async def _owned(
        self, jobs: Sequence[Known], queue: Sequence[Queued], rows: Sequence[Accounted]
    ) -> merge.Owned:
        """Rows of jobs of ours whose commands don't say so; the rooms are asked, once each."""
        self._ownership.note(jobs, queue)
        asked = await aside(lambda: merge.unnamed(jobs, [*queue, *rows]))
        for some in commands.pieces(self._ownership.unknown(asked)):
            ran = await self._ask(commands.rooms(), queries=0, stdin=commands.tokens(some))
            self._ownership.learn(rooms.receipts(ran.stdout))
        return self._ownership.owned(asked)

    def _is_news(self, report: JobReport) -> bool:
        if report.state == LOST:
            return self._traceless_seconds(report.token) >= GRACE_SECONDS
        self._traceless_since.pop(report.token, None)
        return True

    def _traceless_seconds(self, token: str) -> float:
        """How long it has been looked for in vain."""
        now = time.monotonic()
        return now - self._traceless_since.setdefault(token, now)

    async def kept(self) -> Sequence[str]:
        ran = await self._ask(commands.kept(), queries=0)
        return [name for name in ran.stdout.split("\n") if commands.is_token(name)]

    async def forget(self, tokens: Collection[str]) -> None:
        for some in commands.pieces(sorted(filter(commands.is_token, tokens))):
            ran = await self._ask(commands.forget(), queries=0, stdin=commands.tokens(some))
            if ran.exit_code != 0:
                raise ClusterUnreachable(f"not all of it could be deleted: {printable(ran.stderr)[:300]}")

    async def node_names(self, nodes: Sequence[str]) -> Mapping[str, Sequence[str]]:
        """The host's name, as up to 24.11 has it, and the node's, as 26.05: where a machine is one node they are the same."""
        ran = await self._ask(commands.node_names(nodes), queries=1)
        if ran.exit_code not in (0, _NO_SUCH_COMMAND):
            raise _no_answer("sinfo", ran)
        hosts = parse.node_hosts(ran.stdout)
        return {node: list(dict.fromkeys(map(_short, (*hosts.get(node, ()), node)))) for node in nodes}

    async def examine(self, max_submit: int) -> Sequence[Check]:
        before = time.time()
        there = await self.host.run(["date", "+%s.%N"])
        between = (before + time.time()) / 2
        ran = await self.host.run(commands.look_over(self._prepend), timeout_seconds=QUERY_SECONDS)
        try:
            difference = float(there.stdout) - between
        except ValueError:
            difference = None
        if difference is not None and not math.isfinite(difference):
            difference = None
        found = parse.sections(ran.stdout)
        if not found and self._prepend:
            return [doctor.never_begun(ran.stderr)]
        partition = self._defaults.get("partition", "")
        return list(
            doctor.checks(
                found,
                max_submit=max_submit,
                clock_difference=difference,
                partition=partition,
                prepend=self._prepend,
            )
        )

    async def cancel(self, jobs: Sequence[Known]) -> None:
        ran = await self._ask(commands.list_queue(), queries=1)
        queue = _queue(Section(ran.stdout, ran.exit_code))
        if queue is None:
            raise _no_answer("squeue", ran)
        if theirs := merge.still_theirs(jobs, queue, await self._owned(jobs, queue, ())):
            await self._ask(commands.cancel(), queries=0, stdin=commands.ids(theirs))

    async def _details(self, ids: Sequence[str]) -> Sequence[Accounted]:
        found: list[Accounted] = []
        for some in commands.pieces(ids):
            ran = await self._ask(commands.details(some), queries=len(some))
            found += parse.details(ran.stdout).values()
        return found

    async def _ask_sacct(
        self, command: Callable[[Sequence[str]], Sequence[str]], stdin: bytes, queries: int
    ) -> Ran:
        ran = await self._ask(command(self._fields), queries, stdin)
        if _NO_SUBMIT_LINE in ran.stderr and "SubmitLine" in self._fields:
            self._fields = tuple(field for field in self._fields if field != "SubmitLine")
            ran = await self._ask(command(self._fields), queries, stdin)
        return ran

    async def _ask(self, argv: Sequence[str], queries: int, stdin: bytes = b"") -> Ran:
        try:
            ran = await self.host.run(argv, stdin, timeout_seconds=QUERY_SECONDS)
        except HostUnreachable as error:
            raise ClusterUnreachable(error.what) from error
        self.queries += queries
        return ran


def _short(name: str) -> str:
    return name.partition(".")[0]


def _lost(ran: Ran) -> Unclear:
    said = printable(ran.stderr[-1000:])[-200:]
    return Unclear(f"no word of it came back{': ' if said else ''}{said}")


def _heard(found: Mapping[str, Section]) -> tuple[Sequence[Queued] | None, Sequence[Accounted] | None]:
    """squeue's rows and sacct's; None where that one gave no answer."""
    return _queue(found.get(commands.QUEUE)), _accounting(found)


def _queue(section: Section | None) -> list[Queued] | None:
    return None if (rows := _rows(section)) is None else list(rows)


def _sifted(jobs: Sequence[Known], found: Mapping[str, Section]) -> merge.Sifted | None:
    """What squeue's rows say that isn't known; None where it gave no answer."""
    return None if (rows := _rows(found.get(commands.QUEUE))) is None else merge.sifted(jobs, rows)


def _rows(section: Section | None) -> Iterator[Queued] | None:
    return parse.queue(section.text) if section is not None and section.exit_code == 0 else None


def _accounting(found: Mapping[str, Section]) -> list[Accounted] | None:
    """sacct's rows; None where it gave no answer."""
    section = found.get(commands.ACCOUNTING)
    return parse.accounting(section.text) if section is not None and section.exit_code == 0 else None


def _no_answer(command: str, ran: Ran) -> ClusterUnreachable:
    said = printable(ran.stderr)[:300] or f"it ended with exit code {ran.exit_code}, and said nothing"
    return ClusterUnreachable(f"{command} gives no answer: {said}")
