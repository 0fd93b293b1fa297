"""What each command takes: submissions, the search for what became of one, a verdict, a changed config, a cancel.

Whatever comes of it is told to the loop. Raises NotNow where the outside gave no answer; anything else is a fault.
"""

from collections.abc import AsyncIterator, Iterable, Mapping, Sequence

import anyio
from loguru import logger
from msgspec.structs import replace

from runexp.text import printable
from runexp.wire.jobs import Finding, Verdict
from runexpd.clusters.base import Cluster, ClusterUnreachable, Known
from runexpd.core.commands import (
    Cancel,
    EndPreparation,
    Judge,
    Mend,
    Prepare,
    Record,
    Resolve,
    SetAside,
    Submit,
)
from runexpd.core.observations import (
    Answer,
    AsideDone,
    Deferred,
    Judged,
    MendDone,
    Observation,
    RecipeSeen,
    Refused,
    Unclear,
)
from runexpd.experiments.amend import CantAmend, set_values
from runexpd.hosts.base import FileMissing, FileRefused, HostUnreachable
from runexpd.ledger.errors import LedgerError
from runexpd.runtime import clearing, clock, inspector, preparing, submitter
from runexpd.runtime.looking import Looking
from runexpd.runtime.loop import Loop, NotTaken
from runexpd.runtime.moved import moved
from runexpd.runtime.pantry import Pantry
from runexpd.runtime.patience import pauses
from runexpd.tools.base import Tool

#: Between two tries at something that the outside did not answer.
RETRY_SECONDS = 5.0
#: Between two looks for a submission that stays unclear, at most.
SELDOM_SECONDS = 30.0
#: So many are asked about at a time: on a file system that is far each takes a tenth of a second.
RESOLVED_AT_ONCE = 500
#: Between two looks for results that aren't to be seen yet, at first and at most.
LOOK_AGAIN_SECONDS, LONGEST_LOOK_SECONDS = 0.5, 30.0
#: A cancelled job takes a while to end; it is asked to again after this long.
CANCEL_SECONDS = 15.0

Keyed = Submit | Resolve | Judge | Mend | Record | SetAside | Cancel | Prepare | EndPreparation


class NotNow(Exception):
    """Raised when the outside gave no answer: nothing is wrong with the command."""


class Errands:
    def __init__(
        self, loop: Loop, tools: Mapping[str, Tool], results_seconds: Mapping[str, float], pantry: Pantry
    ) -> None:
        """`results_seconds`: by cluster, how long results that aren't to be seen are looked for."""
        self._loop = loop
        self._tools = tools
        self._results_seconds = results_seconds
        self._pantry = pantry
        #: By cluster.
        self._looking: dict[str, Looking] = {}

    async def submit(self, cluster: Cluster, batch: Sequence[Keyed]) -> None:
        lost: list[NotTaken] = []
        silent = {command.key for command in batch}

        async def tell(answers: Sequence[Answer]) -> None:
            lost.extend(error for error in await self._loop.tell_all(answers) if error)

        async with anyio.create_task_group() as telling:  # while the next part is on its way
            async for answers in self._answers(cluster, [c for c in batch if isinstance(c, Submit)]):
                _log(answers)
                silent -= {f"send {answer.token}" for answer in answers}
                telling.start_soon(tell, answers)
        _stop_if(lost)
        if silent:
            raise RuntimeError(f"the cluster says nothing of {len(silent)} of {len(batch)} submissions")

    async def _answers(self, cluster: Cluster, batch: Sequence[Submit]) -> AsyncIterator[Sequence[Answer]]:
        """Of those that are not to be sent any more, and of those that are."""
        elsewhere = await moved(self._tools, cluster.host, batch)
        if elsewhere:
            yield await _withdrawn(cluster, [each for each in batch if each.token in elsewhere], elsewhere)
        to_send = [each for each in batch if each.token not in elsewhere]
        if to_send:
            async for answers in submitter.submit(cluster, to_send):
                yield answers

    async def resolve(self, cluster: Cluster, batch: Sequence[Keyed]) -> None:
        """Until it is known; ever more seldom, since each time costs Slurm two queries."""
        doubtful = [c for c in batch if isinstance(c, Resolve)]
        for pause in pauses(RETRY_SECONDS, SELDOM_SECONDS):
            clear: set[str] = set()
            for start in range(0, len(doubtful), RESOLVED_AT_ONCE):
                clear |= await self._resolved(cluster, doubtful[start : start + RESOLVED_AT_ONCE])
            doubtful = [command for command in doubtful if command.token not in clear]
            if not doubtful:
                return
            await anyio.sleep(pause)

    async def _resolved(self, cluster: Cluster, batch: Sequence[Resolve]) -> set[str]:
        """The tokens of those that are clear now, which is told at once. Raises NotNow."""
        try:
            answers = await submitter.resolve(cluster, batch)
        except ClusterUnreachable as error:
            raise NotNow(error.what) from error
        _log(answers)
        _stop_if([error for error in await self._loop.tell_all(answers) if error])
        return {answer.token for answer in answers if not isinstance(answer, Unclear)}

    async def judge(self, cluster: Cluster, commands: Sequence[Keyed]) -> None:
        """What isn't to be seen is looked for again: a network file system may show it late."""
        (command,) = (c for c in commands if isinstance(c, Judge))
        since, patience = clock.steady(), self._results_seconds.get(cluster.name, 0.0)
        looking = self._looking.setdefault(cluster.name, Looking(self._tools, cluster.host))
        for pause in pauses(LOOK_AGAIN_SECONDS, LONGEST_LOOK_SECONDS):
            try:
                seen = await looking.look(inspector.of_judge(command))
            except HostUnreachable as error:
                raise NotNow(error.what) from error
            unclear = seen.verdict.finding is Finding.UNCLEAR and not seen.in_vain
            left = since + patience - clock.steady()
            if not unclear or left <= 0:
                return await self._tell_verdict(command, await self._still(cluster, command, seen.verdict))
            if refusal := await self._told(_judged(command, seen.verdict, final=False)):
                return await self._tell_unclear(command, refusal)
            await anyio.sleep(min(pause, left))

    async def _still(self, cluster: Cluster, command: Judge, verdict: Verdict) -> Verdict:
        """What goes on goes on with what it began: where its recipe isn't the one that was sent, or isn't known, it doesn't."""
        if verdict.resume is None:
            return verdict
        id, recipe = command.job.id, command.recipe
        try:
            (made,) = await self._pantry.read(cluster.host, command.dir, [command.job])
            changed = await self._pantry.changes({id: recipe}, {id: made}) if recipe else True
        except (HostUnreachable, LedgerError) as error:
            raise NotNow(error.what) from error
        return replace(verdict, resume=None) if changed else verdict

    async def _tell_verdict(self, command: Judge, verdict: Verdict) -> None:
        """One that the ledger can't hold leaves its job to a person."""
        if refusal := await self._told(_judged(command, verdict)):
            await self._tell_unclear(command, refusal)

    async def _tell_unclear(self, command: Judge, why: NotTaken) -> None:
        what = f"its verdict can't be taken: {why.what}"
        if refusal := await self._told(_judged(command, Verdict(finding=Finding.UNCLEAR, detail=what))):
            raise refusal

    async def _told(self, observation: Observation) -> NotTaken | None:
        """Why it can't be taken, ever. While nothing can be, it waits: raises NotNow."""
        (error,) = await self._loop.tell_all([observation])
        _stop_if([error] if error is not None and error.hint else [])
        return error

    async def mend(self, cluster: Cluster, commands: Sequence[Keyed]) -> None:
        (command,) = (c for c in commands if isinstance(c, Mend))
        host, remedy, refused = cluster.host, command.remedy, ""
        try:
            text = (await host.read(remedy.file)).decode()
            await host.replace(remedy.file, set_values(text, remedy.values).encode())
        except HostUnreachable as error:
            raise NotNow(error.what) from error
        except (FileMissing, FileRefused, CantAmend, UnicodeDecodeError) as error:
            refused = printable(f"{remedy.file} can't be changed: {error}")
        mended = MendDone(
            experiment=command.experiment, job=command.job, number=command.number, refused=refused
        )
        if refusal := await self._told(mended):
            raise refusal

    async def prepare(self, cluster: Cluster, commands: Sequence[Keyed]) -> None:
        (command,) = (c for c in commands if isinstance(c, Prepare))
        try:
            said = await preparing.see_through(cluster.host, command)
        except HostUnreachable as error:
            raise NotNow(error.what) from error
        if refusal := await self._told(said):
            raise refusal

    async def end_preparation(self, cluster: Cluster, commands: Sequence[Keyed]) -> None:
        (command,) = (c for c in commands if isinstance(c, EndPreparation))
        try:
            said = await preparing.end(cluster.host, command)
        except HostUnreachable as error:
            raise NotNow(error.what) from error
        if refusal := await self._told(said):
            raise refusal

    async def record(self, cluster: Cluster, batch: Sequence[Keyed]) -> None:
        """What each is made of, as it stands; those of an experiment together."""
        of_dirs: dict[str, list[Record]] = {}
        for command in batch:
            if isinstance(command, Record):
                of_dirs.setdefault(command.dir, []).append(command)
        for dir, commands in of_dirs.items():
            try:
                made = await self._pantry.read(cluster.host, dir, [command.job for command in commands])
                names = await self._pantry.keep(made)
            except (HostUnreachable, LedgerError) as error:
                raise NotNow(error.what) from error
            seen = [_recorded(command, name) for command, name in zip(commands, names, strict=True)]
            _stop_if([error for error in await self._loop.tell_all(seen) if error])

    async def set_aside(self, cluster: Cluster, commands: Sequence[Keyed]) -> None:
        (command,) = (c for c in commands if isinstance(c, SetAside))
        try:
            refused = await clearing.clear(cluster, command)
        except (ClusterUnreachable, HostUnreachable) as error:
            raise NotNow(error.what) from error
        done = AsideDone(
            experiment=command.experiment,
            job=command.job.id,
            number=command.number,
            refused=printable(refused)[:1000],
        )
        if refusal := await self._told(done):
            raise refusal

    async def cancel(self, cluster: Cluster, batch: Sequence[Keyed]) -> None:
        try:
            await cluster.cancel(
                [Known(c.slurm_job_id, c.token, c.mark) for c in batch if isinstance(c, Cancel)]
            )
        except ClusterUnreachable as error:
            raise NotNow(error.what) from error
        await anyio.sleep(CANCEL_SECONDS)


async def _withdrawn(
    cluster: Cluster, commands: Sequence[Submit], why: Mapping[str, str]
) -> Sequence[Answer]:
    """Refused, where they have not been sent: before a crash they may have been."""
    those = [Resolve(each.cluster, each.experiment, each.job, each.token) for each in commands]
    try:
        answers = await submitter.resolve(cluster, those)
    except ClusterUnreachable as error:
        return [
            Unclear(experiment=c.experiment, job=c.job.id, token=c.token, reason=error.what) for c in those
        ]
    return [_refused(each, why[each.token]) if isinstance(each, Deferred) else each for each in answers]


def _refused(answer: Deferred, why: str) -> Refused:
    return Refused(experiment=answer.experiment, job=answer.job, token=answer.token, error=why)


def _stop_if(lost: Sequence[NotTaken]) -> None:
    """What the ledger would not take comes again, after a pause."""
    if lost:
        raise NotNow(lost[0].what)


def _recorded(command: Record, name: str) -> RecipeSeen:
    return RecipeSeen(experiment=command.experiment, job=command.job.id, token=command.token, recipe=name)


def _judged(command: Judge, verdict: Verdict, final: bool = True) -> Judged:
    return Judged(
        experiment=command.experiment,
        job=command.job.id,
        token=command.token,
        verdict=verdict,
        final=final,
    )


def _log(answers: Iterable[Answer]) -> None:
    for answer in answers:
        word = type(answer).__name__.lower()
        logger.info("submission {} of {}: {}", answer.token, printable(answer.job), word)
