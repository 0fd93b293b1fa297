"""Files are read on by whole lines, once each, wherever reading stopped; and each tool's lines say what they say."""

import math
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fakes.builders import training
from runexp.wire.jobs import JobSpec
from runexpd.hosts.base import FileFact, Kind, ListDir, Listing, Missing, Part, ReadPart
from runexpd.tools import curves, gpu_metrics
from runexpd.tools.base import Attempt
from runexpd.tools.curves import Mark, Point, Read, Source
from runexpd.tools.inspect_ai import parse_display
from runexpd.tools.torchtune import TOOL
from runexpd.tools.torchtune_curves import lines

RUNNING = Attempt(slurm_job_id="7", state="RUNNING", started_at=1000.0, output="/o")
OVER = Attempt(slurm_job_id="7", state="COMPLETED", started_at=1000.0, ended_at=2000.0, output="/o")
LOG = b"".join(b"Step %d | loss:%.1f lr:0.1 \n" % (step, 1 / step) for step in range(1, 30))


def look(data: bytes, mark: Mark, attempt: Attempt = RUNNING, modified_at: float = 1500.0) -> list[Read]:
    question = curves.follow([Source("/log", curves.steps)], {"/log": mark}, attempt)
    (asked,) = next(question)
    assert isinstance(asked, ReadPart)
    part = Part(
        FileFact("/log", len(data), modified_at, Kind.FILE), data[asked.offset : asked.offset + asked.size]
    )
    try:
        question.send([part])
    except StopIteration as done:
        return list(done.value)
    raise AssertionError("it asks again")


@given(cuts=st.lists(st.integers(0, len(LOG)), max_size=12))
def test_however_a_file_grows_each_line_is_read_once(cuts: list[int]) -> None:
    mark = Mark("/log")
    found: list[Point] = []
    for size in sorted(cuts):
        (read,) = look(LOG[:size], mark)
        mark, found = read.mark, [*found, *read.points]
    (last,) = look(LOG, mark, OVER)
    found += last.points
    assert [p.step for p in found if p.name == "loss"] == list(range(1, 30))
    assert last.mark.offset == len(LOG)


def test_the_last_line_counts_without_its_end_once_the_job_is_over() -> None:
    assert look(b"Step 1 | loss:2.0", Mark("/log"))[0].points == ()
    assert look(b"Step 1 | loss:2.0", Mark("/log"), OVER)[0].points == (Point("loss", 1, 2.0),)


def test_a_file_that_was_begun_anew_is_read_from_its_beginning() -> None:
    (read,) = look(b"Step 1 | loss:2.0 \n", Mark("/log", 5000, 300))
    assert (read.mark, read.is_behind) == (Mark("/log"), True)


def test_what_was_written_before_the_attempt_began_is_anothers() -> None:
    assert look(LOG, Mark("/log"), modified_at=900.0) == []


def test_what_a_line_says() -> None:
    found = list(
        curves.steps("Step 3 | loss:nan tokens_per_second_per_gpu:86.5 grad_norm:0.04 odd:x \n", "")[0]
    )
    assert math.isnan(found[0].value)
    assert found[1:] == [Point("tokens_per_second", 3, 86.5), Point("grad_norm", 3, 0.04)]


def test_bars_tell_the_loss() -> None:
    text = "\r2|63|Loss: 0.63:   2%|#  | 1/62 [00:00<00:01, 57.37it/s]\x1b[A\n\r2|64|Loss: 0.5:   3%|"
    assert list(lines(text, "")[0]) == [Point("loss", 63, 0.63), Point("loss", 64, 0.5)]


def test_an_evaluation_tells_its_samples_and_its_running_metric() -> None:
    text = "slow | Steps:   4/20  20% | Samples:   4/ 20 | accuracy: 0.75 | hf:  0/ 4 | HTTP retries: 0\n"
    assert list(parse_display(text, "")[0]) == [
        Point("samples", 4, 4.0),
        Point("metric", 4, 0.75, label="accuracy"),
    ]


def test_what_a_script_sends_elsewhere_is_read_on_and_of_what_it_adds_to_the_newest_training() -> None:
    job, bars = training("rank4"), [b"1|%d|Loss: 0.%d: 3%%|\n" % (n, n) for n in range(1, 10)]
    job.facts.update({"log_dir": "/logs", "output_dir": "/out", "printed": "/a\n/b", "appended": "/b"})
    files = {"/a": b"".join(bars[:4]), "/b": b"".join((*bars, *bars[:3]))}
    first = read_on(job, files, {})
    assert {path: [p.step for p in read.points] for path, read in first.items()} == {
        "/a": [1, 2, 3, 4],
        "/b": [1, 2, 3],
    }
    files = {path: content + b"".join(bars[5:7]) for path, content in files.items()}
    then = read_on(job, files, {path: read.mark for path, read in first.items()})
    assert {path: [p.step for p in read.points] for path, read in then.items()} == {
        "/a": [6, 7],
        "/b": [6, 7],
    }


def test_of_a_long_file_that_is_added_to_only_the_end_is_read() -> None:
    job = training("rank4")
    job.facts.update({"log_dir": "/logs", "output_dir": "/out", "printed": "/b", "appended": "/b"})
    files = {"/b": b"1|1|Loss: 0.1: 3%|\n" * 20_000 + b"1|2|Loss: 0.2: 3%|\n"}
    (read,) = read_on(job, files, {}).values()
    assert read.mark.offset == len(files["/b"])
    assert len(read.points) < curves.MOST_BYTES / 10


def read_on(job: JobSpec, files: dict[str, bytes], marks: dict[str, Mark]) -> dict[str, Read]:
    question = TOOL.curves(job, RUNNING, marks)
    asks = next(question)
    try:
        while True:
            asks = question.send(list(answers(asks, files)))  # type: ignore[arg-type]
    except StopIteration as done:
        return {read.mark.path: read for read in done.value}


TABLE = """timestamp, index, utilization.gpu [%], memory.used [MiB]
2026/11/03 12:34:56.100, 0, 40 %, 1024 MiB
2026/11/03 12:34:56.200, 1, 60 %, 3072 MiB
2026/11/03 12:35:26.100, 0, 100 %, 2048 MiB
"""


def test_gpus_are_read_by_the_names_of_the_columns_also_when_the_table_goes_on() -> None:
    points, head = gpu_metrics.parse(TABLE, "")
    assert list(points) == [
        Point("gpu_utilization", 0, 50.0, 0.0),
        Point("gpu_memory_gib", 0, 3.0, 0.0),
        Point("gpu_utilization", 30, 100.0, 30.0),
        Point("gpu_memory_gib", 30, 2.0, 30.0),
    ]
    more, again = gpu_metrics.parse("2026/11/03 12:35:56.100, 0, 7 %, [N/A]\n2026/11/03 odd\n", head)
    assert (list(more), again) == ([Point("gpu_utilization", 60, 7.0, 60.0)], head)


@pytest.mark.parametrize("table", ["", "oops\n", "a, b\n1\n", "timestamp, utilization.gpu [%]\nnever, 5\n"])
def test_what_is_no_table_has_no_points(table: str) -> None:
    assert list(gpu_metrics.parse(table, "")[0]) == []


def answers(asks: object, files: dict[str, bytes]) -> Iterator[object]:
    for ask in asks:  # type: ignore[attr-defined]
        if isinstance(ask, ListDir):
            inside = [p for p in files if Path(p).parent == Path(ask.path)]
            yield Listing(tuple(FileFact(p, len(files[p]), 1500.0, Kind.FILE) for p in inside))
        elif ask.path in files:
            whole = files[ask.path]
            begin = ask.offset if ask.offset >= 0 else max(0, len(whole) + ask.offset)
            yield Part(FileFact(ask.path, len(whole), 1500.0, Kind.FILE), whole[begin : begin + ask.size])
        else:
            yield Missing()


def test_a_training_is_read_by_its_own_log_in_one_round_once_that_is_known() -> None:
    job = training("rank4")
    job.facts.update({"log_dir": "/logs", "output_dir": "/out"})
    files = {"/logs/log_1000.txt": LOG, "/o": b"1|1|Loss: 1.0: 3%|\n"}
    marks: dict[str, Mark] = {}
    for rounds in (2, 1):
        question = TOOL.curves(job, RUNNING, marks)
        asks = next(question)
        for _ in range(rounds - 1):
            asks = question.send(list(answers(asks, files)))  # type: ignore[arg-type]
        with pytest.raises(StopIteration) as done:
            question.send(list(answers(asks, files)))  # type: ignore[arg-type]
        marks |= {read.mark.path: read.mark for read in done.value.value}
    assert marks["/logs/log_1000.txt"].points == 58
