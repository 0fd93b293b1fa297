"""Two trainings of an experiment whose results would be in one directory are told, whichever links lead there."""

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from msgspec.structs import replace

from fakes.builders import training
from runexp.wire.jobs import JobSpec
from runexpd.experiments.problems import BadExperiment
from runexpd.hosts.base import Answer, Ask
from runexpd.hosts.local import LocalHost
from runexpd.runtime import apart


def results_there(dir: Path) -> None:
    (dir / "rank4" / "artifacts").mkdir()
    (dir / "rank8" / "artifacts").symlink_to("../rank4/artifacts")


def results_not_there_yet(dir: Path) -> None:
    (dir / "rank8").rmdir()
    (dir / "rank8").symlink_to("rank4")


@pytest.fixture
def jobs(tmp_path: Path) -> list[JobSpec]:
    for run in ("rank4", "rank8"):
        (tmp_path / run).mkdir()
    specs = [training(run, str(tmp_path)) for run in ("rank4", "rank8")]
    return [replace(spec, results=f"{spec.workdir}/artifacts") for spec in specs]


@pytest.mark.parametrize("link", [results_there, results_not_there_yet])
async def test_two_that_are_one_by_a_link_are_refused(
    jobs: list[JobSpec], tmp_path: Path, link: Callable[[Path], None]
) -> None:
    link(tmp_path)
    with pytest.raises(BadExperiment) as bad:
        await apart.check(LocalHost(), jobs)
    place = tmp_path.resolve() / "rank4" / "artifacts"
    assert bad.value.what == f"rank4 and rank8 leave their results in one directory: {place}"
    assert f"a link makes one of {jobs[0].results} and {jobs[1].results}" in bad.value.hint


async def test_two_of_their_own_are_not(jobs: list[JobSpec], tmp_path: Path) -> None:
    (tmp_path / "rank4" / "artifacts").mkdir()
    await apart.check(LocalHost(), [*jobs, replace(jobs[0], id="other", results="")])
    (tmp_path / "rank8").rmdir()
    await apart.check(LocalHost(), jobs)


async def test_one_alone_asks_nothing(jobs: list[JobSpec]) -> None:
    class Silent(LocalHost):
        async def fetch(self, asks: Sequence[Ask]) -> list[Answer]:
            raise AssertionError("it asks")

    await apart.check(Silent(), jobs[:1])
