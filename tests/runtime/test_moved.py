"""What would train elsewhere than where somebody has looked, since its config was edited while it waited, isn't sent."""

import time
from collections.abc import AsyncIterator

import pytest
from msgspec.structs import replace

from fakes.world import FakeCluster, TroubledLedger
from runexp.wire import states
from runexp.wire.states import Stage
from runexpd.clusters.base import Accepted, Answer, ClusterUnreachable, Deferred
from runexpd.core.observations import ScaffoldSeen
from runexpd.runtime import moved
from runexpd.tools.torchtune import TOOL
from runtime.rig import ONE, Rig, first, job_of, running, stage_of, until

SCRIPT = "#!/bin/bash\ntune run lora --config finetune.yaml\n"
RANK4, RANK8 = f"{ONE}-1", f"{ONE}-2"


def never_arrived(token: str) -> Answer:
    return Deferred("it never arrived", at_once=True)


def no_answer(token: str) -> Answer:
    raise ClusterUnreachable("no answer")


def write(cluster: FakeCluster, run: str, output_dir: str) -> None:
    cluster.memory.files[f"/one/{run}/finetune.slurm"] = SCRIPT.encode()
    cluster.memory.files[f"/one/{run}/finetune.yaml"] = f"output_dir: {output_dir}\nepochs: 1\n".encode()


@pytest.fixture
def cluster() -> FakeCluster:
    cluster = FakeCluster()
    for run in ("rank4", "rank8"):
        write(cluster, run, "artifacts")
    cluster.on_resolve = never_arrived
    return cluster


def looked_at() -> ScaffoldSeen:
    jobs = (
        replace(job, facts={"config": f"{job.workdir}/finetune.yaml"}, results=f"{job.workdir}/artifacts")
        if job.id in ("rank4", "rank8")
        else job
        for job in first().jobs
    )
    return replace(first(), jobs=tuple(jobs), looked_at=time.time() - moved.LATELY_SECONDS)


@pytest.fixture
async def rig(ledger: TroubledLedger, cluster: FakeCluster) -> AsyncIterator[Rig]:
    async with running(ledger, cluster, tools={TOOL.name: TOOL}) as rig:
        yield rig


async def sent(rig: Rig, seen: ScaffoldSeen | None = None) -> None:
    await rig.tell(seen or looked_at())
    await until(lambda: stage_of(rig.state, ONE, "rank8") is not Stage.SUBMITTING)


async def test_as_it_was_looked_at_it_is_sent(rig: Rig, cluster: FakeCluster) -> None:
    await sent(rig)
    assert cluster.submitted == [(RANK4, RANK8)]
    assert cluster.resolved == []


async def test_what_was_just_looked_at_is_not_looked_at_again(rig: Rig, cluster: FakeCluster) -> None:
    write(cluster, "rank8", "/one/rank4/artifacts")
    await sent(rig, replace(looked_at(), looked_at=time.time()))
    assert cluster.submitted == [(RANK4, RANK8)]


async def test_where_it_would_train_elsewhere_by_now_it_is_refused(rig: Rig, cluster: FakeCluster) -> None:
    write(cluster, "rank8", "/one/rank4/artifacts")
    await sent(rig)
    await until(lambda: stage_of(rig.state, ONE, "rank4") is Stage.QUEUED)
    job = job_of(rig.state, ONE, "rank8")
    assert (job.stage, job.state) == (Stage.FAILED, states.SUBMIT_FAILED)
    assert "in /one/rank4/artifacts by now, and in /one/rank8/artifacts when it was looked at" in job.detail
    assert cluster.submitted == [(RANK4,)]


async def test_one_that_was_sent_before_a_crash_has_its_job(rig: Rig, cluster: FakeCluster) -> None:
    cluster.on_resolve = lambda token: Accepted("77")
    for run in ("rank4", "rank8"):
        write(cluster, run, "elsewhere")
    await sent(rig)
    assert stage_of(rig.state, ONE, "rank8") is Stage.QUEUED
    assert cluster.submitted == []


async def test_where_it_can_not_be_told_whether_it_was_sent_that_is_unclear(
    rig: Rig, cluster: FakeCluster
) -> None:
    cluster.on_resolve = no_answer
    write(cluster, "rank8", "elsewhere")
    await sent(rig)
    assert stage_of(rig.state, ONE, "rank8") is Stage.UNCLEAR
    assert cluster.submitted == [(RANK4,)]


@pytest.mark.parametrize("what", ["no config", "no yaml", "no host"])
async def test_what_can_not_be_told_holds_up_none(rig: Rig, cluster: FakeCluster, what: str) -> None:
    path = "/one/rank8/finetune.yaml"
    cluster.memory.files[path] = b"{"
    if what == "no config":
        del cluster.memory.files[path]
    cluster.memory.unreachable = "no link" if what == "no host" else ""
    await sent(rig)
    assert cluster.submitted == [(RANK4, RANK8)]
