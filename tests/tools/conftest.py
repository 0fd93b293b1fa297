"""What the tests of tool modules share."""

from pathlib import Path

import pytest

from tools.cells import Cell
from tools.trainings import Trained


@pytest.fixture
def trained(tmp_path: Path) -> Trained:
    return Trained(tmp_path)


@pytest.fixture
def cell(tmp_path: Path) -> Cell:
    return Cell(tmp_path)
