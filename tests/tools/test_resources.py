"""What a job had of its GPUs, from the table that a scaffold's script has nvidia-smi write beside the job's output."""

from collections.abc import Sequence
from typing import Any

import pytest

from runexp.wire.jobs import Finding, Resources, Verdict
from runexpd.hosts.base import Answer, Ask, FileFact, Kind, Missing, Part, ReadPart, StatPath
from runexpd.tools import resources
from runexpd.tools.base import Attempt, Question

HEADER = (
    "timestamp, utilization.gpu [%], utilization.memory [%], memory.used [MiB], memory.total [MiB], "
    "power.draw [W], temperature.gpu\n"
)
ROWS = (
    "2026/11/29 00:00:00.000, 20 %, 5 %, 1024 MiB, 81920 MiB, 300.00 W, 60\n"
    "2026/11/29 00:00:30.000, 60 %, 40 %, 30720 MiB, 81920 MiB, 300.00 W, 60\n"
    "2026/11/29 00:01:00.000, [N/A], [N/A], 10240 MiB, 81920 MiB, [N/A], 60\n"
)
ATTEMPT = Attempt(
    slurm_job_id="7", state="COMPLETED", started_at=100.0, output="/exp/rank8/artifacts/slurm-7.out"
)
GOOD = Verdict(finding=Finding.GOOD, detail="whole")


def part(text: str, modified_at: float = 200.0) -> Part:
    data = text.encode()
    return Part(FileFact("/exp/rank8/artifacts/gpu_metrics.csv", len(data), modified_at, Kind.FILE), data)


def verdict(*rounds: int) -> Question[Verdict]:
    """A tool that asks so much each time, and is sent as many answers."""
    for count in rounds:
        answers = yield [StatPath(f"/exp/{n}") for n in range(count)]
        assert len(answers) == count
    return GOOD


def judged(question: Question[Verdict], table: Answer) -> tuple[Verdict, list[Sequence[Ask]]]:
    asked: list[Sequence[Ask]] = []
    answers: Any = None
    while True:
        try:
            asks = list(question.send(answers))
        except StopIteration as done:
            return done.value, asked
        asked.append(asks)
        answers = [table if isinstance(ask, ReadPart) else Missing() for ask in asks]


def test_it_is_asked_for_along_with_the_rest_once() -> None:
    found, asked = judged(resources.along_with(verdict(2, 3), ATTEMPT), part(HEADER + ROWS))
    assert [len(asks) for asks in asked] == [3, 3]
    assert asked[0][0] == ReadPart("/exp/rank8/artifacts/gpu_metrics.csv", 0, 1024 * 1024)
    assert found.resources == Resources(
        gpu_utilization_mean=40.0,
        gpu_utilization_peak=60.0,
        gpu_memory_mean_gib=(1 + 30 + 10) / 3,
        gpu_memory_peak_gib=30.0,
        gpu_memory_gib=80.0,
        samples=3,
    )


@pytest.mark.parametrize(
    "table",
    [
        Missing(),
        part(HEADER + ROWS, modified_at=90.0),  # of an earlier attempt
        part(HEADER),
        part(""),
        part("nothing of the kind\n" * 3),
        part(HEADER + f"2026/11/29 00:00:00.000, {'9' * 400} %, 5 %, {'9' * 400} MiB, 1 MiB, 3 W, 60\n"),
    ],
)
def test_where_there_is_no_such_table_nothing_is_said(table: Answer) -> None:
    assert judged(resources.along_with(verdict(1), ATTEMPT), table)[0] == GOOD


def test_of_an_earlier_time_it_is_not_asked_for() -> None:
    found, asked = judged(resources.along_with(verdict(2), None), Missing())
    assert (found, [len(asks) for asks in asked]) == (GOOD, [2])


def test_of_a_watcher_that_sees_no_use_the_memory_is_told() -> None:
    rows = ROWS.replace("20 %", "[N/A]").replace("60 %", "[N/A]")
    found, _ = judged(resources.along_with(verdict(1), ATTEMPT), part(HEADER + rows))
    assert found.resources is not None
    assert found.resources.gpu_utilization_mean is None
    assert found.resources.gpu_memory_peak_gib == 30.0
