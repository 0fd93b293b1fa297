"""Logs that real inspect-ai's of several versions wrote; see logs/README.md."""

import os
import shutil
from array import array
from pathlib import Path

import pytest

from fakes.evidence import answered
from runexp.wire.jobs import Finding
from runexpd.tools import eval_samples
from tools.cells import Cell

HERE = Path(__file__).parent / "logs"
MATCH = {("match", "accuracy"): 1 / 3, ("match", "stderr"): 1 / 3}
SEVERAL = {**MATCH, ("odd", "accuracy"): 1.0}
CASES: tuple[tuple[str, dict[tuple[str, str], float], tuple[str, ...]], ...] = (
    ("0.3.100/match", MATCH, ()),
    ("0.3.100/json", MATCH, ()),
    ("0.3.100/several", SEVERAL, ("odd not_a_number is nan",)),
    ("0.3.100/keyed", {("a", "accuracy"): 1.0, ("b", "accuracy"): 0.0, ("b", "stderr"): 0.0}, ()),
    ("0.3.100/bare", {}, ("no scorer has a metric: scores are in the samples alone",)),
    ("0.3.150/match", MATCH, ()),
    ("0.3.150/json", MATCH, ()),
    ("0.3.209/match", MATCH, ()),
    ("0.3.209/json", MATCH, ()),
    ("0.3.209/several", SEVERAL, ("odd not_a_number is nan",)),
    ("0.3.285/several", SEVERAL, ("odd not_a_number is nan",)),
)


@pytest.mark.parametrize(("case", "scores", "warnings"), CASES, ids=[case for case, *_ in CASES])
def test_a_log_of(
    cell: Cell, case: str, scores: dict[tuple[str, str], float], warnings: tuple[str, ...]
) -> None:
    shutil.copytree(HERE / case, cell.logs, dirs_exist_ok=True)
    verdict = cell.verdict(None)
    assert (verdict.finding, verdict.warnings) == (Finding.GOOD, warnings)
    assert {(s.name, s.metric): s.value for s in verdict.scores} == pytest.approx(scores)
    assert verdict.detail == ("6 of 6 samples" if "several" in case else "3 of 3 samples")
    assert verdict.begun_at is not None


VERSIONS = ("0.3.100", "0.3.150", "0.3.209", "0.3.250", "0.3.285")
OF_LENGTH = {
    ("of_length", "accuracy"): 1 / 3,
    ("of_length", "short"): 0.5,
    ("of_length", "long"): 0.0,
    ("of_length", "all"): 1 / 3,
}


@pytest.mark.parametrize("kind", ["all", "all_json"])
@pytest.mark.parametrize("version", VERSIONS)
def test_every_version_in_both_forms_with_scorers_groups_epochs_and_a_label(
    tmp_path: Path, version: str, kind: str
) -> None:
    """Its task is named `words_lr-2`, and its directory is shared with those of others."""
    cell = Cell(tmp_path, shared_log_dir=1, tasks="words\nwords_hard", model="mockllm/model")
    shutil.copytree(HERE / version / kind, cell.logs, dirs_exist_ok=True)
    verdict = cell.verdict(None)
    assert (verdict.finding, verdict.detail) == (Finding.GOOD, "6 of 6 samples")
    assert verdict.warnings == ("odd not_a_number is nan",)
    assert {(s.name, s.metric): s.value for s in verdict.scores} == pytest.approx({**SEVERAL, **OF_LENGTH})
    assert {s.samples for s in verdict.scores} == {6 if version == "0.3.100" else 3}


@pytest.mark.parametrize("version", VERSIONS)
def test_samples_are_the_same_in_every_version_and_both_forms(version: str) -> None:
    (log,), (as_json,) = (list((HERE / version / kind).iterdir()) for kind in ("all", "all_json"))
    (newest,) = (HERE / VERSIONS[-1] / "all").iterdir()
    expected = answered(eval_samples.question(str(newest)))
    assert {name: sorted(array("d", v)) for name, v in expected.values.items()} == {
        "match": [0.0, 0.0, 1.0],
        "odd": [1.0, 1.0, 1.0],
        "of_length": [0.0, 0.0, 1.0],
    }
    for path in (log, as_json):
        assert answered(eval_samples.question(str(path))) == expected


@pytest.mark.parametrize("case", ["0.3.285/grouped", "0.3.285/grouped_json"])
def test_grouped_metrics_are_metrics_each(cell: Cell, case: str) -> None:
    shutil.copytree(HERE / case, cell.logs, dirs_exist_ok=True)
    verdict = cell.verdict(None)
    assert [score.metric for score in verdict.scores] == ["accuracy", "lower", "upper"]


def test_an_error_is_told_with_the_end_of_its_traceback(cell: Cell) -> None:
    shutil.copytree(HERE / "0.3.285" / "error", cell.logs, dirs_exist_ok=True)
    verdict = cell.verdict(None)
    assert verdict.failure is not None
    assert (verdict.finding, verdict.failure.kind) == (Finding.BAD, "eval_error")
    assert verdict.failure.message.startswith("ConnectionError(MaxRetryError('HTTPSConnectionPool(host=")
    assert verdict.failure.said[-1].startswith("requests.exceptions.ConnectionError: ")


#: Each end that an evaluation can come to, by what `inspect eval` of ends.py.txt left: the job's state and exit code (inspect's
#: own is 0 but for signals), what the verdict is of, its first words, and whether more may come to light.
ENDS: tuple[tuple[str, str, str, str, str, bool], ...] = (
    ("success", "COMPLETED", "0:0", "", "3 of 3 samples", False),
    ("no_log_samples", "COMPLETED", "0:0", "", "3 of 3 samples", False),
    ("one_raises_no_fail_on_error", "COMPLETED", "0:0", "", "2 of 3 samples", False),
    ("solver_raises", "COMPLETED", "0:0", "eval_error", "RuntimeError('the solver raised')", False),
    ("scorer_raises", "COMPLETED", "0:0", "eval_error", "RuntimeError('the scorer raised')", False),
    ("one_raises", "COMPLETED", "0:0", "eval_error", "RuntimeError('the solver raised')", False),
    ("all_raise_continue_on_fail", "COMPLETED", "0:0", "eval_error", "status error, with no message", False),
    (
        "all_raise_no_fail_on_error",
        "COMPLETED",
        "0:0",
        "not_scored",
        "the log says success, but nothing was scored",
        False,
    ),
    ("no_model", "COMPLETED", "0:0", "eval_error", "No model specified", False),
    ("sigint", "COMPLETED", "0:0", "eval_cancelled", "the log says cancelled", False),
    ("sigterm", "FAILED", "143:0", "killed", "it was killed by SIGTERM", False),
    ("sigkill", "FAILED", "137:0", "killed", "it was killed by SIGKILL", False),
    ("sigkill_json", "FAILED", "137:0", "killed", "it was killed by SIGKILL", False),
    # A script that goes on after it: nothing tells why it was never finished.
    ("sigkill", "COMPLETED", "0:0", "eval_started", "a log was begun, but it was never finished", True),
    ("sigkill_json", "COMPLETED", "0:0", "eval_started", "the log says started", True),
    ("sigkill", "TIMEOUT", "0:0", "timeout", "reached its time limit", False),
)


@pytest.mark.parametrize(
    ("case", "state", "exit_code", "kind", "detail", "may_come"), ENDS, ids=[f"{e[0]}-{e[1]}" for e in ENDS]
)
def test_each_end_that_an_evaluation_comes_to_is_told_by_its_log(
    cell: Cell, case: str, state: str, exit_code: str, kind: str, detail: str, may_come: bool
) -> None:
    shutil.copytree(HERE / "0.3.285" / "ends" / case, cell.logs, dirs_exist_ok=True)
    (log,) = cell.logs.iterdir()
    os.utime(log)
    verdict = cell.verdict(state, exit_code)
    assert verdict.detail.startswith(detail)
    assert (verdict.failure.kind if verdict.failure else "") == kind
    unsure = Finding.UNCLEAR if may_come else Finding.BAD
    assert verdict.finding is (unsure if kind else Finding.GOOD)
    assert verdict.artifacts == (str(log),)
    some = ("only 2 of 3 samples were completed",) if case == "one_raises_no_fail_on_error" else ()
    assert kind or verdict.warnings == some


def test_of_an_earlier_time_a_log_that_was_never_finished_is_no_result(cell: Cell) -> None:
    for case in ("sigterm", "sigkill", "sigkill_json"):
        shutil.copytree(HERE / "0.3.285" / "ends" / case, cell.logs, dirs_exist_ok=True)
        verdict = cell.verdict(None)
        assert verdict.failure is not None
        assert (verdict.finding, verdict.failure.kind) == (Finding.BAD, "eval_started")


def test_a_json_log_that_was_cut_short_is_none(cell: Cell) -> None:
    shutil.copytree(HERE / "0.3.100" / "json", cell.logs, dirs_exist_ok=True)
    (log,) = cell.logs.iterdir()
    log.write_text(log.read_text()[:900])
    verdict = cell.verdict(None)
    assert verdict.failure is not None
    assert verdict.failure.message == "a log was begun, but it was never finished"
    log.write_text("[]")
    assert "no object" in cell.verdict(None).detail


def test_other_json_files_are_no_logs(cell: Cell) -> None:
    (cell.logs / "logs.json").write_text("{}")
    assert cell.verdict(None).detail == f"no log in {cell.logs}"


@pytest.mark.parametrize(
    ("task", "tasks", "is_own"),
    [
        ("words", "words\nwords_hard", True),
        ("words_lr2", "words\nwords_hard", True),
        ("words-lr-2", "words", True),
        ("words_hard", "words\nwords_hard", False),
        ("words_hard_lr2", "words\nwords_hard", False),
        ("others", "words", False),
    ],
)
def test_in_a_shared_directory_a_task_may_have_a_label(
    tmp_path: Path, task: str, tasks: str, is_own: bool
) -> None:
    cell = Cell(tmp_path, shared_log_dir=1, tasks=tasks)
    said = {"task": task, "model": "hf/rank8_epoch1"}
    results = {
        "total_samples": 1,
        "completed_samples": 1,
        "scores": [{"name": "m", "metrics": {"a": {"value": 1.0}}}],
    }
    cell.log({"status": "success", "eval": said, "results": results})
    assert (cell.verdict(None).finding is Finding.GOOD) == is_own
