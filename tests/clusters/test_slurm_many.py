"""Many jobs at once: no command takes longer than it may, and what came of one isn't asked for again."""

from collections.abc import Sequence
from typing import cast

import pytest

from runexpd.clusters.base import ClusterUnreachable, Known
from runexpd.clusters.slurm import commands
from runexpd.clusters.slurm.cluster import SlurmCluster
from runexpd.hosts.base import Host, HostUnreachable, Ran

US = "\x1f"
JOBS = [Known(slurm_job_id=str(number), token=f"e1-{number}") for number in range(5)]
ANSWER = "==queue\n{queue}==end 0\n==accounting\n{accounting}==end {status}\n==asked\n1\n==end 0\n"


class HeadNode:
    """Its accounting doesn't know what was submitted, or isn't there; it goes silent after so many questions."""

    def __init__(self, queue: str = "", accounting: str = "", said: str = "") -> None:
        self._answer = ANSWER.format(queue=queue, accounting=accounting, status=int(bool(said)))
        self._said = said
        self.left = 100
        #: How many each command was asked about, by its name.
        self.asked: list[tuple[str, int]] = []

    async def run(self, argv: Sequence[str], stdin: bytes = b"", timeout_seconds: float = 60.0) -> Ran:
        name, about = argv[3], stdin.decode().split() or argv[4:]
        if name == "runexp-query":
            return Ran(0, self._answer, self._said)
        self.left -= 1
        if self.left < 0:
            raise HostUnreachable("no link")
        self.asked.append((name, len(about)))
        return Ran(0, "".join(f"{token}{US}room{US * 8}\n" for token in about), "")


def row(id: str, *values: str) -> str:
    return US.join((id, "COMPLETED", *values)) + "\n"


@pytest.fixture(autouse=True)
def few(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commands, "PIECE", 2)


async def test_rooms_are_looked_into_a_few_at_a_time_and_each_once() -> None:
    rest = [""] * (len(commands.FIELDS) - 10)
    rows = [row(job.slurm_job_id, "0:0", "1", "2", "me", "1", "job", "/exp", *rest, "") for job in JOBS]
    node = HeadNode(accounting="".join(rows))
    cluster = SlurmCluster("far", cast(Host, node))
    node.left = 2
    with pytest.raises(ClusterUnreachable):
        await cluster.query(JOBS)
    node.left = 100
    await cluster.query(JOBS)
    assert node.asked == [("runexp-rooms", 2), ("runexp-rooms", 2), ("runexp-rooms", 1)]


async def test_records_of_a_site_without_accounting_are_asked_for_a_few_at_a_time() -> None:
    queue = "".join(
        row(job.slurm_job_id, "None", "1", "1", "me", "n1", "/exp", f"/x/.runexp/{job.token}/../../s", "job")
        for job in JOBS
    )
    node = HeadNode(queue=queue, said="Slurm accounting storage is disabled")
    await SlurmCluster("far", cast(Host, node)).query(JOBS)
    assert node.asked == [("runexp-details", 2), ("runexp-details", 2), ("runexp-details", 1)]
