"""Logs that real inspect-ai's of several versions wrote; see logs/README.md."""

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
