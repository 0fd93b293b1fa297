"""An ended job's results are looked at until it can be told, and what can't be told is a person's to decide."""

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from msgspec.structs import replace

from fakes.builders import BAD, DOUBTFUL, GOOD, KILLED, MISSING
from fakes.world import FakeCluster, TroubledLedger
from runexp.wire import events, states
from runexp.wire.jobs import JobSpec
from runexp.wire.recipes import Recipe
from runexp.wire.states import Stage
from runexpd.core.job import Attempt, Job
from runexpd.core.observations import Listed
from runexpd.hosts.base import Files, Host, HostUnreachable
from runexpd.ledger import desk
from runexpd.runtime import carriers, errands, inspector
from runexpd.runtime.errands import RETRY_SECONDS
from runexpd.runtime.inspector import Look, Seen
from runexpd.runtime.pantry import Pantry
from runexpd.runtime.recipes import Made
from runtime import rig as rigs
from runtime.rig import ONE, Rig, Time, first, job_of, report, running, stage_of, until

PATIENCE_SECONDS = 120.0


class Looks:
    """What each look at a job finds, or raises; the last one again and again."""

    def __init__(self) -> None:
        self.find: dict[str, list[Seen | Exception]] = {}
        self.count: dict[str, int] = {}

    async def look_at(self, tools: Mapping[str, Any], files: Files, looks: Sequence[Look]) -> list[Seen]:
        (job,) = (look.job.id for look in looks)
        self.count[job] = self.count.get(job, 0) + 1
        found = self.find[job]
        seen = found.pop(0) if len(found) > 1 else found[0]
        if isinstance(seen, Exception):
            raise seen
        return [seen]


@pytest.fixture
def looks(monkeypatch: pytest.MonkeyPatch) -> Looks:
    looks = Looks()
    monkeypatch.setattr(inspector, "look_at", looks.look_at)
    return looks


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    time.passes_in(monkeypatch, carriers, errands)
    return time


async def end(rig: Rig, *jobs: str) -> None:
    await rig.tell(first())
    await until(lambda: stage_of(rig.state, ONE, "rank8") is Stage.QUEUED)
    ended = tuple(report(rig.state, ONE, job, states.COMPLETED, final=True) for job in jobs)
    await rig.tell(Listed(reports=ended))


async def awaited(ledger: TroubledLedger) -> list[str]:
    told = await desk.ask(lambda: list(ledger.since(0)))
    return [r.event.detail for r in told if isinstance(r.event, events.ResultAwaited)]


async def test_missing_results_are_looked_for_until_the_patience_is_over_and_then_they_failed(
    ledger: TroubledLedger, looks: Looks, time: Time
) -> None:
    looks.find["rank4"] = [Seen(MISSING)]
    async with running(ledger, FakeCluster(), results_seconds=PATIENCE_SECONDS) as rig:
        await end(rig, "rank4")
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.FAILED)
        assert time.pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0, 28.5]
        assert await awaited(ledger) == [MISSING.detail]


async def test_good_results_that_come_late_are_told_at_once(
    ledger: TroubledLedger, looks: Looks, time: Time
) -> None:
    other = replace(MISSING, detail="epoch_0 is there; epoch_1 is missing")
    looks.find["rank4"] = [Seen(MISSING), Seen(MISSING), Seen(other), Seen(GOOD)]
    async with running(ledger, FakeCluster(), results_seconds=PATIENCE_SECONDS) as rig:
        await end(rig, "rank4")
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.VERIFIED)
        assert time.pauses == [0.5, 1.0, 2.0]
        assert await awaited(ledger) == [MISSING.detail, other.detail]


@pytest.mark.parametrize(
    ("seen", "stage"),
    [(Seen(BAD), Stage.FAILED), (Seen(GOOD), Stage.VERIFIED), (Seen(DOUBTFUL, True), Stage.IN_DOUBT)],
)
async def test_what_another_look_would_not_change_is_told_at_the_first(
    ledger: TroubledLedger, looks: Looks, time: Time, seen: Seen, stage: Stage
) -> None:
    looks.find["rank4"] = [seen]
    async with running(ledger, FakeCluster(), results_seconds=PATIENCE_SECONDS) as rig:
        await end(rig, "rank4")
        await until(lambda: stage_of(rig.state, ONE, "rank4") is stage)
        assert (time.pauses, looks.count) == ([], {"rank4": 1})
        assert await awaited(ledger) == []


async def test_what_stays_unclear_is_a_persons_to_decide(
    ledger: TroubledLedger, looks: Looks, time: Time
) -> None:
    looks.find["rank4"] = [Seen(DOUBTFUL)]
    async with running(ledger, FakeCluster(), results_seconds=1.0) as rig:
        await end(rig, "rank4")
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.IN_DOUBT)
        assert time.pauses == [0.5, 0.5]


@pytest.mark.parametrize(
    "seen",
    [
        Seen(replace(GOOD, detail=None)),
        Seen(replace(BAD, warnings=("\ud800",))),
        Seen(replace(MISSING, detail="\udcff")),
        Seen(replace(DOUBTFUL, artifacts=(7,)), in_vain=True),
    ],
)
async def test_a_verdict_that_the_ledger_cannot_hold_becomes_unclear(
    ledger: TroubledLedger, looks: Looks, time: Time, seen: Seen
) -> None:
    looks.find["rank4"] = [seen]
    async with running(ledger, FakeCluster(), results_seconds=PATIENCE_SECONDS) as rig:
        await end(rig, "rank4")
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.IN_DOUBT)
        assert "its verdict can't be taken: " in rig.state.experiments[ONE].jobs["rank4"].detail
        assert rig.carriers.troubles == {}
        assert looks.count == {"rank4": 1}


async def test_a_host_out_of_reach_keeps_it_waiting(ledger: TroubledLedger, looks: Looks, time: Time) -> None:
    looks.find["rank4"] = [*[HostUnreachable("no link")] * 3, Seen(GOOD)]
    async with running(ledger, FakeCluster()) as rig:
        await end(rig, "rank4")
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.VERIFIED)
        assert time.pauses == [RETRY_SECONDS] * 3
        assert rig.carriers.troubles == {}


@pytest.mark.parametrize("last", [GOOD, MISSING])
async def test_a_full_disk_keeps_it_waiting_without_a_fault(
    ledger: TroubledLedger, looks: Looks, time: Time, last: Any
) -> None:
    time.most = 5
    looks.find["rank4"] = [Seen(last)]
    async with running(ledger, FakeCluster(), results_seconds=PATIENCE_SECONDS) as rig:
        await rig.tell(first())
        await until(lambda: stage_of(rig.state, ONE, "rank8") is Stage.QUEUED)
        append = ledger.append

        def full_from_now_on(rows: Any) -> None:
            append(rows)
            ledger.fill_up()

        ledger.append = full_from_now_on  # type: ignore[method-assign]
        ended = report(rig.state, ONE, "rank4", states.COMPLETED, final=True)
        await rig.tell(Listed(reports=(ended,)))
        await until(lambda: len(time.pauses) == 5)
        assert time.pauses == [RETRY_SECONDS] * 5
        assert looks.count == {"rank4": 5}
        assert rig.carriers.troubles == {}
        assert stage_of(rig.state, ONE, "rank4") is Stage.ENDED


async def test_a_look_that_fails_hurts_no_other(ledger: TroubledLedger, looks: Looks, time: Time) -> None:
    time.most = 3
    looks.find = {"rank4": [ZeroDivisionError("in the look")], "rank8": [Seen(GOOD)]}
    async with running(ledger, FakeCluster()) as rig:
        await end(rig, "rank4", "rank8")
        await until(lambda: len(time.pauses) == 3 and stage_of(rig.state, ONE, "rank8") is Stage.VERIFIED)
        assert time.pauses == [5.0, 10.0, 20.0]
        (trouble,) = rig.carriers.troubles.values()
        assert trouble.what == "judge rank4: ZeroDivisionError: in the look"
        assert stage_of(rig.state, ONE, "rank4") is Stage.ENDED


class Quick(Pantry):
    """What an attempt is made of is always the same."""

    async def read(self, host: Host, dir: str, jobs: Sequence[JobSpec]) -> list[Made]:
        return [Made(Recipe(), {}) for _ in jobs]


@pytest.fixture
def pantry(monkeypatch: pytest.MonkeyPatch) -> type[Pantry]:
    monkeypatch.setattr(rigs, "_Slow", Quick)
    return Quick


async def killed(rig: Rig) -> Job:
    """Its job, once it was judged."""
    await rig.tell(first())
    await until(lambda: bool(newest(rig).recipe))
    await rig.tell(Listed(reports=(report(rig.state, ONE, "rank4", "PREEMPTED", final=True),)))
    await until(
        lambda: (
            len(job_of(rig.state, ONE, "rank4").attempts) == 2
            or stage_of(rig.state, ONE, "rank4") is Stage.FAILED
        )
    )
    return job_of(rig.state, ONE, "rank4")


def newest(rig: Rig) -> Attempt:
    attempt = job_of(rig.state, ONE, "rank4").attempt if ONE in rig.state.experiments else None
    return attempt or Attempt(number=0, token="", spec=first().jobs[0], intended_at=0.0)


async def test_what_was_killed_goes_on_where_it_is_still_what_was_sent(
    ledger: TroubledLedger, looks: Looks, time: Time, pantry: type[Pantry]
) -> None:
    looks.find["rank4"] = [Seen(KILLED)]
    async with running(ledger, FakeCluster()) as rig:
        attempt = (await killed(rig)).attempts[1]
        assert attempt.resume == KILLED.resume


@pytest.mark.parametrize("changed", [{"rank4": ("learning_rate 1 -> 2",)}, HostUnreachable("no link")])
async def test_and_not_where_what_decides_what_it_does_has_changed(
    ledger: TroubledLedger,
    looks: Looks,
    time: Time,
    pantry: type[Pantry],
    monkeypatch: pytest.MonkeyPatch,
    changed: Any,
) -> None:
    """While that can't be told, it waits."""
    found = [changed, {"rank4": ("learning_rate 1 -> 2",)}]

    async def changes(*_: Any) -> Any:
        said = found.pop(0)
        if isinstance(said, Exception):
            raise said
        return said

    monkeypatch.setattr(pantry, "changes", changes)
    looks.find["rank4"] = [Seen(KILLED)]
    async with running(ledger, FakeCluster()) as rig:
        job = await killed(rig)
        assert (job.stage, job.resume) == (Stage.FAILED, None)
        assert job.warnings == KILLED.warnings
