"""What the tests of clusters share."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from clusters.head_node import SHELLS, HeadNode
from clusters.machine import Machine
from fakes.slurm.sites import Site, fake_site, real_site


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.fixture(params=["fake", pytest.param("real", marks=pytest.mark.real)])
async def site(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Site]:
    """The same promises on the fake Slurm and on the real one, over a real SSH."""
    if request.param == "fake":
        yield fake_site(tmp_path)[0]
    else:
        async with real_site(request.getfixturevalue("slurm")) as real:
            yield real


@pytest.fixture(params=SHELLS)
def node(request: pytest.FixtureRequest, tmp_path: Path) -> HeadNode:
    return HeadNode(tmp_path, request.param)
