"""Commands are carried out once at a time, again until they are done, and ever more seldom where they fail."""

from collections.abc import Callable

import pytest

from fakes.builders import OUT_OF_MEMORY
from fakes.world import FakeCluster, TroubledLedger, accepted
from runexp.wire import states
from runexp.wire.states import Stage
from runexpd.clusters.base import Answer, ClusterUnreachable, Unclear
from runexpd.core.observations import CancelWanted, Judged, Listed
from runexpd.runtime import carriers, errands
from runexpd.runtime.carriers import LONGEST_PAUSE_SECONDS
from runexpd.runtime.errands import CANCEL_SECONDS, RETRY_SECONDS
from runexpd.runtime.loop import Closed
from runtime.rig import (
    ONE,
    TWO,
    Rig,
    Time,
    first,
    report,
    running,
    second,
    settled,
    stage_of,
    token_of,
    until,
)

#: The tokens of the first experiment's trainings.
RANK4, RANK8 = f"{ONE}-1", f"{ONE}-2"


@pytest.fixture
def cluster() -> FakeCluster:
    return FakeCluster()


@pytest.fixture
def time(monkeypatch: pytest.MonkeyPatch) -> Time:
    time = Time()
    time.passes_in(monkeypatch, carriers, errands)
    return time


def failing(*tokens: str, times: float = float("inf")) -> Callable[[str], Answer]:
    """Submissions of which some fail, so many times each."""
    tried: dict[str, int] = {}

    def submit(token: str) -> Answer:
        tried[token] = tried.get(token, 0) + 1
        if token in tokens and tried[token] <= times:
            raise ZeroDivisionError("in the cluster")
        return accepted(token) or Unclear("no answer")

    return submit


def unclear(*tokens: str, then: Callable[[str], Answer | None] = accepted) -> Callable[[str], Answer | None]:
    return lambda token: Unclear("link lost") if token in tokens else then(token)


async def test_what_is_intended_is_submitted_together_and_once(
    ledger: TroubledLedger, cluster: FakeCluster
) -> None:
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: stage_of(rig.state, ONE, "rank8") is Stage.QUEUED)
        await settled()
        assert cluster.submitted == [(RANK4, RANK8)]


async def test_a_key_is_worked_on_once_at_a_time_however_often_it_is_due(
    ledger: TroubledLedger, cluster: FakeCluster
) -> None:
    cluster.submitting = type(cluster.submitting)()
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        for _ in range(10):
            rig.loop.poke()
            await settled()
        await rig.tell(second())
        await settled()
        assert cluster.submitted == [(RANK4, RANK8), (f"{TWO}-1", f"{TWO}-2")]
        cluster.submitting.set()
        await until(lambda: stage_of(rig.state, TWO, "rank8") is Stage.QUEUED)
        assert len(cluster.submitted) == 2


async def test_one_submission_that_fails_is_tried_apart_ever_more_seldom_and_shown(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    time.most = 9
    cluster.on_submit = failing(RANK4)
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: len(time.pauses) == 9)
        await until(lambda: stage_of(rig.state, ONE, "rank8") is Stage.QUEUED)
        assert stage_of(rig.state, ONE, "rank4") is Stage.SUBMITTING
        assert time.pauses == [5.0, 10.0, 20.0, 40.0, 80.0, 160.0, *[LONGEST_PAUSE_SECONDS] * 3]
        assert cluster.submitted[0] == (RANK4, RANK8)
        assert cluster.submitted.count((RANK4,)) == 9
        trouble = rig.carriers.troubles[f"send {RANK4}"]
        assert (trouble.experiment, trouble.tries) == (ONE, 9)
        assert trouble.what == "send rank4: ZeroDivisionError: in the cluster"
        assert rig.carriers.troubles.keys() == {f"send {RANK4}"}


async def test_what_is_under_way_when_runexp_stops_is_no_trouble(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    def stopping(token: str) -> Answer:
        raise Closed

    cluster.on_submit = stopping
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: bool(cluster.submitted))
        assert rig.carriers.troubles == {}
        assert time.pauses == []


async def test_trouble_that_is_over_is_forgotten(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    cluster.on_submit = failing(RANK4, times=4)
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.QUEUED)
        await until(lambda: rig.carriers.troubles == {})
        assert time.pauses == [5.0, 10.0, 20.0]


async def test_trouble_rings_the_bell(ledger: TroubledLedger, cluster: FakeCluster, time: Time) -> None:
    time.most = 1
    cluster.on_submit = failing(RANK4)
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: stage_of(rig.state, ONE, "rank8") is Stage.QUEUED)
        ring = rig.loop.bell.take()
        await until(lambda: bool(rig.carriers.troubles) or ring.is_set())
        await until(lambda: bool(rig.carriers.troubles))


async def test_one_that_fails_keeps_the_others_key_from_being_worked_on_twice(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    """The first one's answer is lost, and looked for; meanwhile the second one, of the same batch, fails again and again."""
    time.most = 5
    cluster.resolving = type(cluster.resolving)()
    cluster.on_submit = unclear(RANK4, then=failing(RANK8))
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: len(time.pauses) == 5 and bool(cluster.resolved))
        await settled()
        assert cluster.resolved == [(RANK4,)]
        cluster.resolving.set()
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.QUEUED)


async def test_a_submission_of_which_the_cluster_says_nothing_is_not_sent_again_at_once(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    time.most = 4
    cluster.on_submit = lambda token: None if token == RANK4 else accepted(token)
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: len(time.pauses) == 4)
        assert sum(RANK4 in batch for batch in cluster.submitted) == 5
        assert "says nothing of 1 of 1" in rig.carriers.troubles[f"send {RANK4}"].what
        assert stage_of(rig.state, ONE, "rank8") is Stage.QUEUED


async def test_a_full_disk_makes_no_tight_loop_of_submissions(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    time.most = 6

    def submit(token: str) -> Answer | None:
        if ledger.trouble is None:
            ledger.fill_up()
        return accepted(token)

    cluster.on_submit = submit
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: len(time.pauses) == 6)
        await settled()
        assert time.pauses == [RETRY_SECONDS] * 6
        assert cluster.submitted == [(RANK4, RANK8)] * 6
        assert rig.carriers.troubles == {}
        assert rig.loop.trouble is not None


async def test_a_lost_answer_is_looked_for_ever_more_seldom(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    cluster.on_submit = lambda token: Unclear("link lost")

    def resolve(token: str) -> Answer:
        later = len(cluster.resolved) > (5 if token == RANK4 else 1)
        return (accepted(token) if later else None) or Unclear("no receipt yet")

    cluster.on_resolve = resolve
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.QUEUED)
        assert time.pauses == [5.0, 10.0, 20.0, 30.0, 30.0]
        assert cluster.resolved == [(RANK4, RANK8)] * 2 + [(RANK4,)] * 4
        assert cluster.submitted == [(RANK4, RANK8)]


async def test_of_many_lost_answers_those_that_came_count_though_the_others_are_waited_for(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "RESOLVED_AT_ONCE", 1)
    cluster.on_submit = lambda token: Unclear("link lost")

    def resolve(token: str) -> Answer:
        if token == RANK8 and len(cluster.resolved) < 4:
            raise ClusterUnreachable("no link")
        return accepted(token) or Unclear("never")

    cluster.on_resolve = resolve
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: stage_of(rig.state, ONE, "rank8") is Stage.QUEUED)
        assert cluster.resolved == [(RANK4,), (RANK8,), (RANK8,), (RANK8,)]


async def test_a_cluster_out_of_reach_is_no_trouble_of_the_commands(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    cluster.on_submit = lambda token: Unclear("link lost")

    def resolve(token: str) -> Answer:
        if len(cluster.resolved) < 4:
            raise ClusterUnreachable("no link")
        return accepted(token) or Unclear("never")

    cluster.on_resolve = resolve
    async with running(ledger, cluster) as rig:
        await rig.tell(first())
        await until(lambda: stage_of(rig.state, ONE, "rank8") is Stage.QUEUED)
        assert time.pauses == [RETRY_SECONDS] * 3
        assert rig.carriers.troubles == {}


async def queued(rig: Rig) -> None:
    await rig.tell(first())
    await until(lambda: stage_of(rig.state, ONE, "rank8") is Stage.QUEUED)


async def test_a_cancellation_is_repeated_until_the_job_has_ended(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    async with running(ledger, cluster) as rig:
        await queued(rig)
        time.most = len(time.pauses) + 4
        await rig.tell(CancelWanted(experiment=ONE, jobs=("rank4",)))
        await until(lambda: len(time.pauses) == time.most)
        assert cluster.cancelled == [(RANK4,)] * 4
        assert time.pauses[-4:] == [CANCEL_SECONDS] * 4


async def test_a_cancellation_ends_with_the_job(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    time.most = 2
    async with running(ledger, cluster) as rig:
        await queued(rig)
        await rig.tell(CancelWanted(experiment=ONE, jobs=("rank4",)))
        await until(lambda: len(cluster.cancelled) == 2)
        ended = report(rig.state, ONE, "rank4", states.CANCELLED, final=True)
        await rig.tell(Listed(reports=(ended,)))
        await settled()
        assert cluster.cancelled == [(RANK4,)] * 2


async def test_a_cancellation_that_gets_no_answer_is_tried_again(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    def cancel(token: str) -> None:
        if len(cluster.cancelled) < 3:
            raise ClusterUnreachable("no link")

    cluster.on_cancel, time.most = cancel, 3
    async with running(ledger, cluster) as rig:
        await queued(rig)
        await rig.tell(CancelWanted(experiment=ONE, jobs=("rank4", "rank8")))
        await until(lambda: len(time.pauses) == 3)
        assert time.pauses == [RETRY_SECONDS, RETRY_SECONDS, CANCEL_SECONDS]
        assert cluster.cancelled == [(RANK4, RANK8)] * 3
        assert rig.carriers.troubles == {}


async def out_of_memory(rig: Rig) -> None:
    """The first training's config is to be changed."""
    ended = report(rig.state, ONE, "rank4", states.FAILED, final=True)
    await rig.loop.tell_all(
        [
            Listed(reports=(ended,)),
            Judged(experiment=ONE, job="rank4", token=ended.token, verdict=OUT_OF_MEMORY),
        ]
    )


CONFIG = "/exp/rank4/finetune.yaml"


async def test_a_config_is_mended_and_its_job_sent_again(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time
) -> None:
    cluster.memory.files[CONFIG] = b"batch_size: 16\n"
    async with running(ledger, cluster) as rig:
        await queued(rig)
        await out_of_memory(rig)
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.QUEUED)
        assert cluster.memory.files[CONFIG] == b"batch_size: 8\n"
        assert token_of(rig.state, ONE, "rank4") == f"{ONE}-3"


@pytest.mark.parametrize("config", [None, b"\xff\xfe", b"[]\n"])
async def test_a_config_that_cannot_be_mended_leaves_its_job_failed(
    ledger: TroubledLedger, cluster: FakeCluster, time: Time, config: bytes | None
) -> None:
    if config is not None:
        cluster.memory.files[CONFIG] = config
    async with running(ledger, cluster) as rig:
        await queued(rig)
        await out_of_memory(rig)
        await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.FAILED)
        assert "can't be changed" in rig.state.experiments[ONE].jobs["rank4"].detail
        assert rig.carriers.troubles == {}
