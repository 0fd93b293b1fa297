"""What the tests of clusters share."""

from pathlib import Path

import pytest

from clusters.machine import Machine


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)
