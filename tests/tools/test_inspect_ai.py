"""The inspect-ai module: the log decides."""

import os
from pathlib import Path
from typing import Any

import pytest

from fakes.evidence import Rounds
from runexp.wire.jobs import Finding, Progress, Score, Verdict
from runexpd.hosts.base import ReadPart
from runexpd.tools.inspect_ai import parse_progress
from tools.cells import Cell, header
from tools.trainings import awaited, kind, undecided


def test_success_with_scores_of_all_samples_is_good(cell: Cell) -> None:
    path = cell.log(header())
    assert cell.verdict() == Verdict(
        finding=Finding.GOOD,
        detail="10 of 10 samples",
        artifacts=(str(path),),
        scores=(Score("match", "accuracy", 0.8, 10), Score("match", "stderr", 0.1, 10)),
    )
    assert cell.verdict(None).finding is Finding.GOOD


def test_some_samples_only_is_good_with_a_warning(cell: Cell) -> None:
    cell.log(header(completed=7))
    assert cell.verdict().warnings == ("only 7 of 10 samples were completed",)


def test_a_scorer_without_metrics_leaves_nothing_to_show_and_is_no_failure(cell: Cell) -> None:
    cell.log(header(scored=False))
    verdict = cell.verdict()
    assert (verdict.finding, verdict.scores) == (Finding.GOOD, ())
    assert verdict.warnings == ("no scorer has a metric: scores are in the samples alone",)


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        (header("error", error={"message": "RuntimeError('x')\nmore"}), "eval_error"),
        (header("error", results=None, error=None), "eval_error"),
        (header("cancelled"), "eval_cancelled"),
        (header(completed=0), "not_scored"),
        (header(results=None), "not_scored"),
        (header(invalidated=True), "invalidated"),
        (header("paused"), "eval_log"),
        (header(completed=-5), "eval_log"),
        (header(completed=11), "eval_log"),
        (header(results={"total_samples": -5, "completed_samples": -5, "scores": []}), "eval_log"),
        (header(results={"total_samples": 10**23, "completed_samples": 10**23, "scores": []}), "eval_log"),
        (header(results={"total_samples": 10**4000, "completed_samples": 10, "scores": []}), "eval_log"),
    ],
)
def test_anything_else_is_not(cell: Cell, said: dict[str, Any] | None, expected: str) -> None:
    cell.log(said)
    assert kind(cell.verdict()) == expected


@pytest.mark.parametrize(
    ("created", "begun_at"),
    [
        ("2026-11-24T02:49:32+00:00", 1795488572.0),
        ("2026-11-23T21:49:32-05:00", 1795488572.0),
        ("2026-11-24T02:49:32", None),
        ("", None),
    ],
)
def test_when_a_log_was_begun(cell: Cell, created: str, begun_at: float | None) -> None:
    said = header()
    cell.log(said | {"eval": said["eval"] | {"created": created}})
    assert cell.verdict().begun_at == begun_at


def odd(**values: float) -> dict[str, Any]:
    said = header()
    said["results"]["scores"][0]["metrics"] |= {
        name: {"name": name, "value": v} for name, v in values.items()
    }
    return said


def test_a_metric_that_is_no_number_is_left_out_with_a_warning(cell: Cell) -> None:
    cell.log(odd(stderr=float("nan"), perplexity=float("inf")))
    verdict = cell.verdict()
    assert verdict.finding is Finding.GOOD
    assert verdict.scores == (Score("match", "accuracy", 0.8, 10),)
    assert verdict.warnings == ("match stderr is nan", "match perplexity is inf")


def test_scores_that_are_no_numbers_are_none(cell: Cell) -> None:
    cell.log(odd(accuracy=float("nan"), stderr=float("nan")))
    verdict = cell.verdict()
    assert kind(verdict) == "not_scored"
    assert "match accuracy is nan, match stderr is nan" in verdict.detail


@pytest.mark.parametrize("said", [None, header("started")])
def test_a_log_that_is_not_finished_is_waited_for(cell: Cell, said: dict[str, Any] | None) -> None:
    cell.log(said)
    assert awaited(cell.verdict()) == "eval_started"
    assert kind(cell.verdict("TIMEOUT")) == "timeout"
    assert kind(cell.verdict(None)) == "eval_started"


def test_the_log_decides_not_the_exit_code(cell: Cell) -> None:
    cell.log(header())
    failed = cell.verdict("FAILED", "1:0")
    assert (failed.finding, failed.warnings) == (Finding.GOOD, ())
    assert failed.detail == "10 of 10 samples; the job ended FAILED 1:0 though its log is complete"
    verdict = cell.verdict("OUT_OF_MEMORY", "0:125")
    assert verdict.warnings == ("the job ended OUT_OF_MEMORY 0:125 though its log is complete",)


def test_the_newest_log_counts(cell: Cell) -> None:
    cell.log(header(), "2026-11-23T10-00-00")
    cell.log(header("error", error={"message": "later"}), "2026-11-23T11-00-00")
    assert cell.verdict().detail == "later"


def test_a_log_of_an_earlier_attempt_does_not_count(cell: Cell) -> None:
    os.utime(cell.log(header()), (1.7e9, 1.7e9))
    assert awaited(cell.verdict()) == "no_log"
    assert cell.verdict(None).finding is Finding.GOOD


def test_no_log_is_explained_by_what_the_job_said(cell: Cell) -> None:
    cell.output.write_text("OSError: Error no file named model.safetensors found in directory x\n")
    assert kind(cell.verdict("FAILED", "1:0")) == "missing_model"
    assert awaited(cell.verdict()) == "missing_model"
    for state in ("TIMEOUT", "CANCELLED", "OUT_OF_MEMORY", "NODE_FAIL", "PREEMPTED"):
        assert cell.verdict(state).finding is Finding.BAD
    cell.output.write_text("Traceback (most recent call last):\n  File x\nKeyError: 'x'\n")
    assert kind(cell.verdict()) == "exception"


def test_no_log_that_nothing_explains_is_waited_for(cell: Cell) -> None:
    assert awaited(cell.verdict()) == "no_log"
    assert awaited(cell.verdict("FAILED", "1:0")) == "unknown"
    assert kind(cell.verdict(None)) == "no_log"


def test_results_that_can_not_be_read_wait_for_a_person(cell: Cell) -> None:
    path = cell.log(header())
    for withheld in (cell.logs, path):
        for state in ("COMPLETED", None):
            said = undecided(cell.verdict(state, withheld=[withheld]))
            assert said == f"{withheld} can't be read: Permission denied"
    assert cell.verdict(withheld=[cell.output]).finding is Finding.GOOD


def of(task: str, epoch: int, path: str = "/exp/rank8/artifacts/epoch_{}") -> dict[str, Any]:
    return header(eval={"task": task, "model": "hf/x", "model_args": {"model_path": path.format(epoch)}})


def test_cells_that_share_a_directory_know_their_own_logs(tmp_path: Path) -> None:
    cell = Cell(tmp_path, shared_log_dir=1)
    cell.log(of("words", 0), "2026-11-23T12-00-00")
    cell.log(of("other", 1), "2026-11-23T11-00-00")
    assert awaited(cell.verdict()) == "no_log"
    path = cell.log(of("words", 1), "2026-11-23T10-00-00")
    assert cell.verdict().artifacts == (str(path),)


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/epoch_0/epoch_1", True),
        ("/epoch_1/epoch_0", False),
        ("/epoch1", True),
        ("/epoch_1" + "0" * 5_000, False),
        ("epoch_1 " * 200_000, True),
        ("epoch_" * 200_000, False),
        ("epoch_" + "9" * 200_000, False),
    ],
)
def test_the_last_epoch_in_the_path_of_its_model_tells_whose_a_log_is(
    tmp_path: Path, path: str, own: bool
) -> None:
    cell = Cell(tmp_path, shared_log_dir=1)
    cell.log(of("words", 0, path))
    assert (cell.verdict().finding is Finding.GOOD) == own


def test_the_rounds_are_few_whatever_the_number_of_logs(tmp_path: Path) -> None:
    cell = Cell(tmp_path, shared_log_dir=1)
    for number in range(300):
        cell.log(of("words", 0), f"2026-11-23T12-{number // 60:02}-{number % 60:02}", padding=100)
    large = of("words", 1) | {"error": {"traceback": os.urandom(100_000).hex()}}
    path = cell.log(large, "2026-11-23T14-00-00", padding=100_000)
    rounds: Rounds = []
    assert cell.verdict(rounds=rounds).artifacts == (str(path),)
    assert len(rounds) == 3
    assert sum(ask.size for asks in rounds for ask in asks if isinstance(ask, ReadPart)) < 32 * 1024 * 1024


def test_progress_is_the_last_count_of_samples() -> None:
    text = "slow | Steps: 4/20 | Samples:   4/ 20 | accuracy\nslow | Steps: 9/20 | Samples:   9/ 20 | acc\n"
    assert parse_progress(text) == Progress(done=9, total=20, unit="samples")
    assert parse_progress("nothing yet") is None
    assert parse_progress(f"Samples: {'1' * 50_000}/ 2") is None
    assert parse_progress("Samples: " + " " * 60_000) is None
