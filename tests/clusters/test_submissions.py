"""From a command to a submission, and from its answer to what was observed: each by its own token."""

from collections.abc import AsyncIterator, Mapping, Sequence
from pathlib import Path
from typing import cast

import msgspec
import pytest

from clusters.machine import spec
from runexpd.clusters.base import Accepted, Answer, Cluster, Deferred, Refused, Submission, Unclear
from runexpd.core import observations
from runexpd.core.commands import Resolve, Submit
from runexpd.runtime import submitter

ANSWERS: dict[str, Answer] = {
    "t1": Accepted("7"),
    "t2": Refused("no"),
    "t3": Deferred("later", at_once=True),
    "t4": Unclear("who knows"),
}


class Recorder:
    """Answers as ANSWERS say, the last first, and keeps what it was sent."""

    def __init__(self) -> None:
        self.sent: list[Submission] = []

    async def submit(self, batch: Sequence[Submission]) -> AsyncIterator[Mapping[str, Answer]]:
        self.sent += batch
        for each in reversed(batch):
            yield {each.token: ANSWERS[each.token]}

    async def resolve(self, batch: Sequence[Submission]) -> Mapping[str, Answer]:
        self.sent += batch
        return {each.token: ANSWERS[each.token] for each in batch}


async def test_each_answer_is_told_of_its_own_job() -> None:
    recorder = Recorder()
    jobs = [spec(Path(f"/exp/{token}/finetune.slurm"), id=f"run-{token}") for token in ANSWERS]
    commands = [Submit("local", "exp", job, token) for job, token in zip(jobs, ANSWERS, strict=True)]
    told = [answer async for part in submitter.submit(cast(Cluster, recorder), commands) for answer in part]
    assert [type(each).__name__ for each in told] == ["Unclear", "Deferred", "Refused", "Accepted"]
    assert [(each.token, each.job) for each in told] == [(t, f"run-{t}") for t in reversed(ANSWERS)]
    accepted = told[-1]
    assert isinstance(accepted, observations.Accepted)
    assert accepted.output == "/exp/t1/slurm-7.out"
    again = [Resolve("local", "exp", job, token) for job, token in zip(jobs, ANSWERS, strict=True)]
    assert set(await submitter.resolve(cast(Cluster, recorder), again)) == set(told)


async def test_where_it_runs_and_what_it_needs_goes_with_it() -> None:
    recorder = Recorder()
    job = msgspec.structs.replace(
        spec(Path("/exp/run1/finetune.slurm")),
        name="rank4",
        chdir="/exp/other",
        output="/exp/run1/logs/%x-%j.out",
        error="/exp/run1/%x/err",
    )
    async for _ in submitter.submit(cast(Cluster, recorder), [Submit("local", "exp", job, "t1")]):
        pass
    (sent,) = recorder.sent
    assert (sent.script, sent.workdir, sent.chdir) == (job.script, "/exp/run1", "/exp/other")
    assert sent.output_dirs == ("/exp/run1/logs", "/exp/run1/rank4")


@pytest.mark.parametrize(
    "text", ["", "\0", "\ud800", "%" + "9" * 5000 + "j", "/" * 10_000, "²", "..", "\u202e"]
)
async def test_no_job_is_too_odd_to_be_sent_on_and_answered(text: str) -> None:
    job = msgspec.structs.replace(
        spec(Path("/exp/run1/finetune.slurm")),
        **{field: text for field in ("script", "workdir", "name", "output", "error", "chdir", "place")},
    )
    recorder = Recorder()
    commands = [Submit("local", "exp", job, token) for token in ANSWERS]
    told = [answer async for part in submitter.submit(cast(Cluster, recorder), commands) for answer in part]
    assert {each.token for each in told} == set(ANSWERS)


async def test_when_what_lies_there_was_looked_at_goes_with_it() -> None:
    recorder = Recorder()
    sent = Submit("local", "exp", spec(Path("/exp/run1/finetune.slurm")), "t1", looked_at=7.0)
    async for _ in submitter.submit(cast(Cluster, recorder), [sent]):
        pass
    assert [each.looked_at for each in recorder.sent] == [7.0]


async def test_what_a_script_finds_in_its_environment_goes_with_it() -> None:
    recorder = Recorder()
    sent = Submit("local", "exp", spec(Path("/exp/run1/finetune.slurm")), "t1", "BASH_FUNC_x%%=() { :; }")
    async for _ in submitter.submit(cast(Cluster, recorder), [sent]):
        pass
    assert [each.variable for each in recorder.sent] == ["BASH_FUNC_x%%=() { :; }"]
