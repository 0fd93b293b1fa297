"""When jobs were submitted and when they ended, to the millisecond: slurmctld's own log. Accounting has whole seconds."""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from cluster import Cluster

_LINE = re.compile(
    r"^\[(?P<at>[^]]+)\] (?:(?P<submitted>_slurm_rpc_submit_batch_job)|_job_complete): JobId=(?P<id>\d+) (?P<rest>.*)$",
    re.MULTILINE,
)


@dataclass
class Times:
    """In seconds, by the cluster's clock."""

    submitted: float
    ended: float = float("nan")


def jobs(up: Cluster, ids: Iterable[str]) -> dict[str, Times]:
    """Those of `ids` that the log has."""
    found: dict[str, Times] = {}
    wanted = set(ids)
    for line in _LINE.finditer((up.path / "log" / "slurmctld.log").read_text()):
        if line["id"] in wanted:
            at = datetime.fromisoformat(line["at"]).timestamp()
            if line["submitted"]:
                found[line["id"]] = Times(at)
            elif line["rest"] == "done":
                found[line["id"]].ended = at
    return found


def seconds(jobs: Iterable[Times]) -> float:
    """From the first submission to the last end."""
    times = list(jobs)
    return max(job.ended for job in times) - min(job.submitted for job in times)
