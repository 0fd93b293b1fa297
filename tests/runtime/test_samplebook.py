"""Samples that are read when somebody asks, once; and what they say of evaluations beside the base model."""

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
import zipfile_zstd  # noqa: F401 - teaches zipfile method 93

from runexp.wire.jobs import JobSpec, RunSpec, Score
from runexp.wire.states import Phase, Stage
from runexp.wire.views import Comparison
from runexpd.core.job import Job
from runexpd.core.jobs import Jobs
from runexpd.core.state import Experiment
from runexpd.hosts.base import Answer, Ask, HostUnreachable
from runexpd.hosts.local import LocalHost
from runexpd.runtime import comparing, samplebook
from runexpd.runtime.samplebook import SampleBook
from runexpd.tools import inspect_ai

TOOLS = {"inspect-ai": inspect_ai.TOOL}
SCORES = {"base": "IIIICCII", "rank4": "ICICCCII", "rank8": "CCCCCCIC"}


def log(path: Path, scores: str, first: int = 1) -> None:
    samples = [
        {"id": number, "input": f"word {number}", "target": "Word", "scores": {"match": {"value": value}}}
        for number, value in enumerate(scores, start=first)
    ]
    with zipfile.ZipFile(path, "w", 93) as archive:
        archive.writestr("summaries.json", json.dumps(samples))
        archive.writestr("header.json", "{}")


def evaluation(run: str, path: Path, scores: str, **more: Any) -> Job:
    spec = JobSpec(
        id=f"{run}/words",
        phase=Phase.EVALUATION,
        tool="inspect-ai",
        run=run,
        task="words",
        script=f"/exp/{run}/cell.slurm",
        workdir=f"/exp/{run}",
        name="x",
        output="/exp/out",
    )
    value = scores.count("C") / len(scores)
    found = {
        "stage": Stage.VERIFIED,
        "artifacts": (str(path),),
        "scores": (Score("match", "accuracy", value),),
    }
    return Job(spec=spec, **(found | more))


def experiment(jobs: Sequence[Job], *controls: str) -> Experiment:
    runs = dict.fromkeys(job.spec.run for job in jobs)
    types = {run: "control" if run in (controls or ("base",)) else "fine-tuned" for run in runs}
    return Experiment(
        id="e1",
        name="words",
        dir="/exp",
        cluster="local",
        added_at=0.0,
        asked_at=0.0,
        runs=tuple(RunSpec(run, type, "m") for run, type in types.items()),
        jobs=Jobs(jobs),
    )


@pytest.fixture
def three(tmp_path: Path) -> Experiment:
    for run, scores in SCORES.items():
        log(tmp_path / f"{run}.eval", scores)
    return experiment([evaluation(run, tmp_path / f"{run}.eval", scores) for run, scores in SCORES.items()])


class Counting:
    """A host that counts, or gives no answer."""

    def __init__(self, fails: bool = False) -> None:
        self.asked: list[int] = []
        self.fails = fails
        self._host = LocalHost()

    async def fetch(self, asks: Sequence[Ask]) -> Sequence[Answer]:
        self.asked.append(len(asks))
        if self.fails:
            raise HostUnreachable("della: no answer")
        return await self._host.fetch(asks)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._host, name)


async def compared(book: SampleBook, e: Experiment, host: Any) -> tuple[dict[str, Comparison], str]:
    samples, missing = await book.read(e, host)
    return {found.job: found for found in comparing.comparisons(e, samples)}, missing


async def test_each_is_compared_with_the_base_model_on_the_same_samples(
    tmp_path: Path, three: Experiment
) -> None:
    found, missing = await compared(SampleBook(tmp_path / "book", TOOLS), three, LocalHost())
    assert missing == ""
    assert (found["base/words"].samples, found["base/words"].mean, found["base/words"].base) == (8, 0.25, "")
    rank8 = found["rank8/words"]
    assert (rank8.base, rank8.common, rank8.difference, rank8.why) == ("base/words", 8, 0.625, "")
    # scipy.stats.ttest_rel([1,1,1,1,1,1,0,1], [0,0,0,0,1,1,0,0]).confidence_interval()
    assert (rank8.low, rank8.high) == pytest.approx((0.1923180663202621, 1.0576819336797378), rel=1e-9)


async def test_logs_are_read_once_all_together_and_kept(tmp_path: Path, three: Experiment) -> None:
    host, book = Counting(), SampleBook(tmp_path / "book", TOOLS)
    first = await compared(book, three, host)
    assert await compared(book, three, host) == first
    again = Counting(fails=True)
    assert await compared(SampleBook(tmp_path / "book", TOOLS), three, again) == first
    assert (host.asked, again.asked) == ([3], [])


async def test_a_log_that_was_made_anew_is_read_anew(tmp_path: Path, three: Experiment) -> None:
    host, book = Counting(), SampleBook(tmp_path / "book", TOOLS)
    await compared(book, three, host)
    log(tmp_path / "rank4.eval", "CCCCCCCC")
    jobs = [*three.jobs.values()]
    jobs[1] = evaluation("rank4", tmp_path / "rank4.eval", "CCCCCCCC", proof="t2")
    found, _ = await compared(book, experiment(jobs), host)
    assert found["rank4/words"].mean == 1.0
    assert host.asked == [3, 1]


async def test_what_is_not_the_same_or_not_there_is_said(tmp_path: Path, three: Experiment) -> None:
    log(tmp_path / "rank8.eval", SCORES["rank8"], first=100)
    (tmp_path / "rank4.eval").unlink()
    found, missing = await compared(SampleBook(tmp_path / "book", TOOLS), three, LocalHost())
    assert "no sample is in both logs" in found["rank8/words"].why
    assert "rank4/words" not in found
    assert missing == "the samples of rank4/words can't be read: it is gone"
    (tmp_path / "base.eval").unlink()
    without, _ = await compared(SampleBook(tmp_path / "other", TOOLS), three, LocalHost())
    assert without["rank8/words"].why == "the samples of the base model's log can't be read"
    alone = experiment([*three.jobs.values()][2:])
    found, _ = await compared(SampleBook(tmp_path / "third", TOOLS), alone, LocalHost())
    assert found["rank8/words"].why == "no base model was evaluated on this task"


async def test_without_an_answer_what_is_known_is_shown_and_the_rest_is_said(
    tmp_path: Path, three: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samplebook, "TOGETHER", 2)
    host = Counting()
    book = SampleBook(tmp_path / "book", TOOLS)

    async def fetch(asks: Sequence[Ask]) -> Sequence[Answer]:
        host.fails = bool(host.asked)
        return await Counting.fetch(host, asks)

    monkeypatch.setattr(host, "fetch", fetch)
    found, missing = await compared(book, three, host)
    assert set(found) == {"base/words", "rank4/words"}
    assert missing == "the samples of 1 of 3 logs are not read yet: della: no answer"
    _, missing = await compared(SampleBook(tmp_path / "other", TOOLS), three, None)
    assert missing.endswith("its cluster is no longer in the configuration")


async def test_whoever_asks_waits_so_long_and_no_longer(
    tmp_path: Path, three: Experiment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(samplebook, "PATIENCE_SECONDS", 0.05)
    host = Counting()
    monkeypatch.setattr(host, "fetch", lambda asks: anyio.sleep(3600))
    with anyio.fail_after(20):
        _, missing = await compared(SampleBook(tmp_path / "book", TOOLS), three, host)
    assert missing == "the samples of 3 of 3 logs are not read yet; ask again, and more are"


async def test_a_damaged_book_is_begun_anew(tmp_path: Path, three: Experiment) -> None:
    directory = tmp_path / "book"
    directory.mkdir()
    (directory / "e1.samples").write_bytes(b"\xff\x00")
    found, _ = await compared(SampleBook(directory, TOOLS), three, LocalHost())
    assert len(found) == 3
