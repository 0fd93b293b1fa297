"""What tests of the shell share."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fakes.world import TroubledLedger


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[TroubledLedger]:
    with TroubledLedger(tmp_path / "ledger.sqlite") as ledger:
        yield ledger
