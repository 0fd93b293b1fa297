"""What accounting says of a job's use, in the forms that sacct has for it."""

import pytest

from runexpd.clusters.slurm import parse
from runexpd.clusters.slurm.usage import cpu_seconds, memory_bytes


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("00:31.500", 31.5),
        ("02:03", 123.0),
        ("01:02:03", 3723.0),
        ("2-01:00:00", 176400.0),
        ("00:00:00", None),
        ("", None),
        ("Unknown", None),
    ],
)
def test_cpu_time(text: str, seconds: float | None) -> None:
    assert cpu_seconds(text) == seconds


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("4000M", 4000 << 20),
        ("1.50G", 3 << 29),
        ("2048K", 2 << 20),
        ("512", 512),
        ("4Gn", 4 << 30),
        ("4Gc", 16 << 30),
        ("0", None),
        ("", None),
        ("16?", None),
    ],
)
def test_memory(text: str, count: int | None) -> None:
    assert memory_bytes(text, cpus=4) == count


def row(id: str, max_rss: str = "", line: str = "sbatch x") -> str:
    facts = ["COMPLETED", "0:0", "100", "160", "me", "90", "train", "/exp"]
    used = [
        "2",
        "4",
        "billing=4,cpu=4,gres/gpu=1,gres/gpu:a100=1,mem=8G,node=1",
        "01:30.000",
        "8G",
        "gpu[03-04]",
        max_rss,
    ]
    return parse.US.join([id, *facts, *used, line])


def test_steps_add_to_their_job_and_are_no_jobs() -> None:
    text = "\n".join(
        [row("7"), row("7.batch", "1000K"), row("7.0", "3000K"), row("77"), row("77.batch", "9K")]
    )
    seven, other = parse.accounting(text)
    assert (seven.id, other.id) == ("7", "77")
    assert seven.usage.peak_memory_bytes == 3000 << 10
    assert other.usage.peak_memory_bytes == 9 << 10
    assert (seven.usage.time_limit_seconds, seven.usage.cpus, seven.usage.gpus) == (120.0, 4, 1)
    assert (seven.usage.cpu_seconds, seven.usage.memory_bytes) == (90.0, 8 << 30)


def test_an_array_s_element_keeps_its_own_steps() -> None:
    text = "\n".join([row("7_1"), row("7_1.batch", "1K"), row("7_[2-3]"), row("7+1"), row("7+1.batch", "2K")])
    assert [job.usage.peak_memory_bytes for job in parse.accounting(text)] == [1 << 10, None, 2 << 10]


def test_a_sacct_without_submit_line() -> None:
    (job,) = parse.accounting(row("7").rpartition(parse.US)[0])
    assert job.submit_line is None
    assert job.usage.cpus == 4
