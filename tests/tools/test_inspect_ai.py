"""The inspect-ai module: the log decides."""

import json
import os
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
import zipfile_zstd  # noqa: F401 - teaches zipfile method 93

from runexp.wire.jobs import JobSpec, Progress, Score, Verdict
from runexp.wire.states import Phase
from runexpd.hosts.local import LocalHost
from runexpd.tools.base import Attempt
from runexpd.tools.inspect_ai import TOOL, parse_progress

ZSTD = 93


def header(status: str = "success", completed: int = 10, scored: bool = True, **more: Any) -> dict[str, Any]:
    metrics = {"accuracy": {"name": "accuracy", "value": 0.8}, "stderr": {"name": "stderr", "value": 0.1}}
    scores = [{"name": "match", "scorer": "match", "metrics": metrics}] if scored else []
    results = {"total_samples": 10, "completed_samples": completed, "scores": scores}
    return {
        "version": 2,
        "status": status,
        "eval": {"task": "words", "model": "hf/x"},
        "results": results,
        **more,
    }


class Cell:
    def __init__(self, dir: Path, **facts: Any) -> None:
        self.logs = dir / "logs"
        self.logs.mkdir()
        self.output = dir / "slurm-7.out"
        self.output.write_text("")
        self.job = JobSpec(
            id="rank8/words/epoch1",
            phase=Phase.EVALUATION,
            tool="inspect-ai",
            run="rank8",
            task="words",
            epoch=1,
            script=f"{dir}/cell.slurm",
            workdir=str(dir),
            name="x",
            output=str(self.output),
            facts={"log_dir": str(self.logs), "model": None, "shared_log_dir": 0, **facts},
        )

    def log(self, header: dict[str, Any] | None, at: str = "2026-11-23T10-00-00", padding: int = 0) -> Path:
        path = self.logs / f"{at}-00-00_words_{abs(hash(at))}.eval"
        with zipfile.ZipFile(path, "w", ZSTD) as archive:
            archive.writestr("_journal/start.json", "{}")
            archive.writestr("samples/1.json", os.urandom(padding))
            if header is not None:
                archive.writestr("header.json", json.dumps(header))
        return path

    async def verdict(self, state: str | None = "COMPLETED", exit_code: str = "0:0") -> Verdict:
        attempt = state and Attempt(
            slurm_job_id="7",
            state=state,
            exit_code=exit_code,
            started_at=time.time() - 1,
            output=str(self.output),
        )
        return await TOOL.verify(LocalHost(), self.job, attempt or None)


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell(tmp_path)


def kind(verdict: Verdict) -> str:
    assert not verdict.good
    assert verdict.failure is not None
    return verdict.failure.kind


async def test_success_with_scores_of_all_samples_is_good(cell: Cell) -> None:
    path = cell.log(header())
    assert await cell.verdict() == Verdict(
        good=True,
        detail="10 of 10 samples",
        artifacts=(str(path),),
        scores=(Score("match", "accuracy", 0.8), Score("match", "stderr", 0.1)),
    )
    assert (await cell.verdict(None)).good


async def test_some_samples_only_is_good_with_a_warning(cell: Cell) -> None:
    cell.log(header(completed=7))
    assert (await cell.verdict()).warnings == ("only 7 of 10 samples were completed",)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (header("error", error={"message": "RuntimeError('x')\nmore"}), "eval_error"),
        (header("error", results=None, error=None), "eval_error"),
        (header("cancelled"), "eval_cancelled"),
        (header("started"), "eval_started"),
        (header(scored=False), "not_scored"),
        (header(completed=0), "not_scored"),
        (header(results=None), "not_scored"),
        (header(invalidated=True), "invalidated"),
        (None, "eval_started"),
    ],
)
async def test_anything_else_is_not(cell: Cell, said: dict[str, Any] | None, expected: str) -> None:
    cell.log(said)
    assert kind(await cell.verdict()) == expected


@pytest.mark.parametrize(
    ("created", "begun_at"),
    [
        ("2026-11-24T02:49:32+00:00", 1795488572.0),
        ("2026-11-23T21:49:32-05:00", 1795488572.0),
        ("2026-11-24T02:49:32", None),
        ("", None),
    ],
)
async def test_when_a_log_was_begun(cell: Cell, created: str, begun_at: float | None) -> None:
    said = header()
    cell.log(said | {"eval": said["eval"] | {"created": created}})
    assert (await cell.verdict()).begun_at == begun_at


def odd(**values: float) -> dict[str, Any]:
    said = header()
    said["results"]["scores"][0]["metrics"] |= {
        name: {"name": name, "value": v} for name, v in values.items()
    }
    return said


async def test_a_metric_that_is_no_number_is_left_out_with_a_warning(cell: Cell) -> None:
    cell.log(odd(stderr=float("nan"), perplexity=float("inf")))
    verdict = await cell.verdict()
    assert verdict.good
    assert verdict.scores == (Score("match", "accuracy", 0.8),)
    assert verdict.warnings == ("match stderr is nan", "match perplexity is inf")


async def test_scores_that_are_no_numbers_are_none(cell: Cell) -> None:
    cell.log(odd(accuracy=float("nan"), stderr=float("nan")))
    verdict = await cell.verdict()
    assert kind(verdict) == "not_scored"
    assert "match accuracy is nan, match stderr is nan" in verdict.detail


async def test_a_header_of_another_form_is_said_to_be_one(cell: Cell) -> None:
    cell.log({"status": 7})
    assert "its header is not as expected" in (await cell.verdict()).detail


async def test_the_log_decides_not_the_exit_code(cell: Cell) -> None:
    cell.log(header())
    verdict = await cell.verdict("FAILED", "1:0")
    assert verdict.good
    assert verdict.warnings == ("the job ended FAILED 1:0 though its log is complete",)


async def test_the_newest_log_counts(cell: Cell) -> None:
    cell.log(header(), "2026-11-23T10-00-00")
    cell.log(header("error", error={"message": "later"}), "2026-11-23T11-00-00")
    assert (await cell.verdict()).detail == "later"


async def test_a_log_of_an_earlier_attempt_does_not_count(cell: Cell) -> None:
    os.utime(cell.log(header()), (1.7e9, 1.7e9))
    assert kind(await cell.verdict()) == "no_log"
    assert (await cell.verdict(None)).good


async def test_no_log_is_explained_by_what_the_job_said(cell: Cell) -> None:
    cell.output.write_text("OSError: Error no file named model.safetensors found in directory x\n")
    assert kind(await cell.verdict("FAILED", "1:0")) == "missing_model"
    assert kind(await cell.verdict("TIMEOUT")) == "timeout"
    cell.output.write_text("")
    assert kind(await cell.verdict()) == "no_log"
    assert kind(await cell.verdict(None)) == "no_log"


@pytest.mark.parametrize("damage", [b"", b"PK", b"not a zip at all", b"PK\x05\x06" + b"\0" * 18])
async def test_a_file_that_is_no_log_is_not_good(cell: Cell, damage: bytes) -> None:
    cell.log(header()).write_bytes(damage)
    assert kind(await cell.verdict()) == "eval_started"


async def test_a_log_that_was_cut_short_is_not_good(cell: Cell) -> None:
    path = cell.log(header(), padding=100_000)
    path.write_bytes(path.read_bytes()[:-40])
    assert kind(await cell.verdict()) == "eval_started"


async def test_a_large_log_is_read_by_its_end(cell: Cell) -> None:
    cell.log(header(), padding=3_000_000)
    assert (await cell.verdict()).good


async def test_a_header_longer_than_the_first_look_is_read_all_the_same(cell: Cell) -> None:
    cell.log(header(error={"message": "x", "traceback": os.urandom(200_000).hex()}), padding=1000)
    assert (await cell.verdict()).good


async def test_cells_that_share_a_directory_know_their_own_logs(tmp_path: Path) -> None:
    cell = Cell(tmp_path, shared_log_dir=1)

    def of(task: str, epoch: int) -> dict[str, Any]:
        model_args = {"model_path": f"/exp/rank8/artifacts/epoch_{epoch}"}
        return header(eval={"task": task, "model": "hf/x", "model_args": model_args})

    cell.log(of("words", 0), "2026-11-23T12-00-00")
    cell.log(of("other", 1), "2026-11-23T11-00-00")
    assert kind(await cell.verdict()) == "no_log"
    path = cell.log(of("words", 1), "2026-11-23T10-00-00")
    assert (await cell.verdict()).artifacts == (str(path),)


def test_progress_is_the_last_count_of_samples() -> None:
    text = "slow | Steps: 4/20 | Samples:   4/ 20 | accuracy\nslow | Steps: 9/20 | Samples:   9/ 20 | acc\n"
    assert parse_progress(text) == Progress(done=9, total=20, unit="samples")
    assert parse_progress("nothing yet") is None
